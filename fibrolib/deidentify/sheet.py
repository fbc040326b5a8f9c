"""A page of all pictures, to be looked at by a person before files are handed on."""

from __future__ import annotations

import base64
import io

import jinja2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fibrolib.deidentify.report import LOOK_AT_ALL

__all__ = ["Sheet"]

_SIDE = 360  # pixels: a letter of twelve in a frame of a thousand can still be made out

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Pictures to look at</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem; color: #222 }
.sheet { display: flex; flex-wrap: wrap; gap: .8rem }
figure { margin: 0; font-size: .8rem }
img { background: #000; display: block }
</style></head><body>
<h1>Pictures to look at</h1>
<p>{{ look }} Of a video each pixel is shown as bright as it ever gets, in frames spread over the file: words show that
come and go.</p>
<div class="sheet">
{% for name, picture in pictures %}<figure><img alt="" src="data:image/png;base64,{{ picture }}">
<figcaption>{{ name }}</figcaption></figure>
{% endfor %}</div>
</body></html>
"""


class Sheet:
    """Pictures, kept small until the page is made."""

    def __init__(self) -> None:
        self._pictures: list[tuple[str, str]] = []

    def add(self, name: str, picture: NDArray[np.uint8]) -> None:
        """Add a picture of shape (height, width) under the name of its file."""
        image, buffer = Image.fromarray(picture), io.BytesIO()
        image.thumbnail((_SIDE, _SIDE))
        image.save(buffer, format="PNG")
        self._pictures.append((name, base64.b64encode(buffer.getvalue()).decode()))

    def html(self) -> str:
        """The page."""
        template = jinja2.Environment(autoescape=True).from_string(_PAGE)
        return template.render(look=LOOK_AT_ALL, pictures=sorted(self._pictures))
