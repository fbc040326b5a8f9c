"""The check as one HTML page, with a thumbnail of every video as it will be seen."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from fibrolib.atomic import replacing
from fibrolib.checking.files import Surveys
from fibrolib.checking.findings import CheckReport

__all__ = ["write_page"]

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Check of {{ report.name }}</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #ddd }
.error { color: #b00020; font-weight: 600 } .warning { color: #8a5a00; font-weight: 600 }
.sheet { display: flex; flex-wrap: wrap; gap: .6rem }
figure { margin: 0; width: 8.5rem; font-size: .8rem; overflow-wrap: anywhere }
img { width: 100%; background: #000; display: block }
.found img { outline: 3px solid #d9a300 }
</style></head><body>
<h1>Check of {{ report.name }}</h1>
{% for line in report.summary %}<p>{{ line }}</p>
{% endfor %}
<h2>Errors: {{ report.of("error") | length }}, warnings: {{ report.of("warning") | length }}</h2>
<table><tr><th></th><th>where</th><th>what</th></tr>
{% for finding in report.findings %}<tr><td class="{{ finding.severity }}">{{ finding.severity }}</td>
<td>{{ finding.place }}</td><td>{{ finding.message }}{% if finding.suggestion %}
Write {{ finding.suggestion }}.{% endif %}</td></tr>
{% endfor %}</table>
<h2>Videos</h2>
<p>The middle of each video: what is kept of it, the outside of the ultrasound picture blanked. Look for text, callipers
and colour that were left inside. Framed: videos with a finding.</p>
<div class="sheet">
{% for item in videos %}<figure{% if item.found %} class="found"{% endif %}>
<img alt="" src="data:image/png;base64,{{ item.picture }}">
<figcaption>line {{ item.line }}, {{ item.patient }}, stage {{ item.stage }}: {{ item.frames }} frames,
{{ "%.3g" | format(item.fps) }} per s</figcaption></figure>
{% endfor %}</div>
</body></html>
"""


def write_page(path: str | Path, report: CheckReport, table: pd.DataFrame, surveys: Surveys) -> None:
    """Write the page; text from the table is escaped.

    Parameters
    ----------
    path : str or Path
        File to write; its folder must exist.
    report, table, surveys
        From `survey_cohort`.
    """
    found = {row for finding in report.findings for row in finding.rows}
    shown = table.loc[table["video"].isin(surveys.keys()), ["patient_id", "stage", "video"]] if surveys else table[:0]
    videos = [
        {
            "line": line,
            "patient": patient or "?",
            "stage": "?" if pd.isna(stage) else f"{stage:g}",
            "frames": surveys[video].n_frames,
            "fps": surveys[video].fps,
            "picture": _thumbnail(surveys[video].middle),
            "found": line in found,
        }
        for line, patient, stage, video in shown.itertuples()
    ]
    template = jinja2.Environment(autoescape=True).from_string(_PAGE)
    text = template.render(report=report, videos=videos)
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def _thumbnail(picture: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()
