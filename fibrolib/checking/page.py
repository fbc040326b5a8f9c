"""The check as one HTML page, with a contact sheet: every video as it is, and as it will be seen."""

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
figure { margin: 0; width: 21rem; font-size: .8rem; overflow-wrap: anywhere }
.pair { display: flex; gap: 2px; align-items: center; background: #000 }
img { width: 50%; display: block }
.found .pair { outline: 3px solid #d9a300 }
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
<p>Left, a frame from the middle of each video as it is, the ultrasound picture that was found in it outlined; right,
what a net sees of it. Look whether the outline is the picture's, and for text, callipers and colour that were left
inside. Framed: videos with a finding.</p>
<p class="error">The frames on the left are whole: names that a scanner wrote on them can be read here. Keep this page
where the videos are kept.</p>
<div class="sheet">
{% for item in videos %}<figure{% if item.found %} class="found"{% endif %}>
<div class="pair"><img alt="" src="data:image/jpeg;base64,{{ item.whole }}"><img alt=""
src="data:image/png;base64,{{ item.kept }}"></div>
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
            "whole": _encoded(surveys[video].whole, "JPEG"),
            "kept": _encoded(surveys[video].kept, "PNG"),
            "found": line in found,
        }
        for line, patient, stage, video in shown.itertuples()
    ]
    template = jinja2.Environment(autoescape=True).from_string(_PAGE)
    text = template.render(report=report, videos=videos)
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def _encoded(picture: NDArray[np.uint8], form: str) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format=form, quality=85)
    return base64.b64encode(buffer.getvalue()).decode()
