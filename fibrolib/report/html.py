"""One self-contained page from what a run left in its folder."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from fibrolib.checking import LEAKS
from fibrolib.diagnostics import model_label
from fibrolib.errors import counted
from fibrolib.plots import setting_label
from fibrolib.report.sentences import _collect_notes, describe_comparisons, describe_folds, describe_joint
from fibrolib.report.tables import readable, readable_answers, readable_beside, readable_comparisons, readable_tests
from fibrolib.study import PUBLISHED
from fibrolib.study.runfolder import RunFolder

_MIME = {".svg": "image/svg+xml", ".png": "image/png", ".mp4": "video/mp4"}
_LARGEST_SVG = 400_000  # above so many bytes a drawing holds pictures, and the PNG of it is the smaller file

_READABLE = (
    "calibration",
    "clinical",
    "pathways",
    "staging",
    "staging_comparisons",
    "motion_use",
    "quality_results",
    "cam_layers",
    "planted",
    "sanity",
)
_BESIDE = ["model", "auc", "accuracy", "f1_macro"]
"""What of the published results is shown beside ours; the notebook `06_delong` has all of it."""


class _Folder:
    """Figures and tables of a run as the template asks for them; what is absent is None."""

    def __init__(self, path: Path, caption: str = "") -> None:
        self.path, self._caption = path, caption

    def figure(self, name: str) -> str | None:
        """Address of a figure with its bytes inside."""
        svg, png = (self.path / "figures" / f"{name}{suffix}" for suffix in (".svg", ".png"))
        return _embedded(svg if svg.exists() and svg.stat().st_size <= _LARGEST_SVG else png)

    def clip(self, name: str) -> str | None:
        """Address of a film with its bytes inside."""
        return _embedded(self.path / "figures" / f"{name}.mp4")

    def rows(self, name: str) -> pd.DataFrame | None:
        """Return a table of the run as text."""
        path = self._table(name)
        return pd.read_csv(path, dtype=str, keep_default_na=False) if path.exists() else None

    def table(self, name: str) -> Markup | None:
        """Return a table of the run as HTML; text in its cells is escaped."""
        rows = self.rows(name)
        return None if rows is None else _as_html(rows.map(_shortened), caption=self._caption)

    def readable(self, name: str, **options: object) -> Markup | None:
        """Return a table of the run as HTML, in a form for readers."""
        path = self._table(name)
        return _as_html(readable(name, pd.read_csv(path), **options), caption=self._caption) if path.exists() else None

    def notes(self, *names: str) -> list[str]:
        """What must be known before quoting a number of these tables of the run."""
        paths = [self._table(name) for name in names]
        return _collect_notes(*(pd.read_csv(path) for path in paths if path.exists()))

    def _table(self, name: str) -> Path:
        return self.path / "tables" / f"{name}.csv"


def _shortened(text: str) -> str:
    """A number with more digits than a reader needs, with three; other text as it is."""
    return f"{float(text):.3g}" if re.fullmatch(r"-?\d+\.\d{4,}(e-\d+)?", text) else text


def _embedded(path: Path) -> str | None:
    if not path.exists():
        return None
    return f"data:{_MIME[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _as_html(table: pd.DataFrame, index: bool = False, caption: str = "") -> Markup:
    """Return an HTML table; pandas escapes the text of its cells."""
    tag, rows = table.to_html(index=index, border=0, na_rep="–", index_names=False).split("\n", 1)
    caption = Markup("<caption>{}</caption>\n").format(caption) if caption else Markup()
    return Markup(f"{tag}\n") + caption + Markup(rows)


def _bold(text: str) -> Markup:
    """Markdown's ``**bold**``, and nothing else of it, as HTML; the rest is escaped."""
    parts = text.split("**")
    return Markup("").join(Markup("<b>{}</b>").format(part) if i % 2 else part for i, part in enumerate(parts))


def _tests(tables: Mapping[str, pd.DataFrame], caveat: str) -> dict:
    """Comparisons on the test patients: as tables and in words."""
    html, pairs, permuted = partial(_as_html, caption=caveat), tables["comparisons"], tables["permutation_comparisons"]
    accuracy = tables["accuracy_comparisons"]
    return {
        "joint": describe_joint(tables["joint_test"]),
        "pairs": html(readable_comparisons(pairs)),
        "compared": describe_comparisons(pairs, permuted),
        "checked": html(readable_tests(pairs, permuted)),
        "accuracy": html(readable_comparisons(accuracy, "accuracy", notes=True)),
        "accuracy_compared": describe_comparisons(accuracy),
    }


def _checked(files: _Folder) -> dict[str, list[dict]] | None:
    """Warnings of the check before the run: those after which the results may be false, and the others."""
    table = files.rows("check")
    if table is None:
        return None
    grave = table["kind"].isin(LEAKS)
    return {"grave": table[grave].to_dict("records"), "others": table[~grave].to_dict("records")}


def _quality(files: _Folder) -> dict | None:
    """How many clips are flagged, and for what."""
    table = files.rows("quality")
    if table is None:
        return None
    faults = table.loc[table["faults"] != "", "faults"].value_counts()
    return {"clips": len(table), "flagged": int(faults.sum()), "faults": faults.to_dict()}


def _fresh(tables: Mapping[str, pd.DataFrame], caveat: str) -> dict | None:
    """Tables of the simulated test set, where there is one."""
    if "fresh_auc" not in tables:
        return None
    html, pairs = partial(_as_html, caption=caveat), tables["fresh_comparisons"]
    return {
        "answers": html(readable_answers(tables["metrics"], tables["fresh_auc"], tables["fresh_shares"])),
        "comparisons": html(readable_comparisons(pairs)),
        "compared": describe_comparisons(pairs),
    }


def _environment() -> Environment:
    """Templates that escape every text, and fail on a name that is not given."""
    environment = Environment(
        loader=PackageLoader("fibrolib.report", "."),
        autoescape=select_autoescape(["html", "j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["bold"] = _bold
    given = (counted, describe_folds, model_label, setting_label)
    environment.globals |= {function.__name__: function for function in given}
    return environment


def _build_report(folder: RunFolder, found: dict, run: dict, tables: Mapping[str, pd.DataFrame]) -> Path:
    """Write ``report.html`` into the run folder: one file that needs no other. Nothing is computed.

    ``found`` and ``run`` are the content of results.json and of run.json, ``tables`` those of `_results_json`.
    """
    environment, caveat = _environment(), found["caveat"] or ""
    metrics, tests = readable("metrics", tables["metrics"]), _tests(tables, caveat)
    files, html = _Folder(folder.path, caveat), partial(_as_html, caption=caveat)
    text = environment.get_template("report.html.j2").render(
        found=found,
        checked=_checked(files),
        run=run,
        files=files,
        threshold_source=tables["metrics"]["threshold_source"].iloc[0],
        auc_methods=tables["metrics"]["auc_method"].dropna().unique(),
        metrics=html(metrics, index=True),
        summary=html(metrics.loc[["AUC", "Accuracy", "Sensitivity", "Specificity"]].T, index=True),
        published=html(readable_beside(PUBLISHED[_BESIDE], tables["metrics"])),
        warnings=_collect_notes(tables["metrics"], tables["comparisons"], said=tests["compared"]),
        tests=tests,
        quality=_quality(files),
        fresh=_fresh(tables, caveat),
        **{name: files.readable(name) for name in _READABLE},
        auc_by_cutoff=files.readable("auc_by_cutoff", metavir=run["metavir"]),
        claims=files.table("claims"),
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
    return folder.save_report(text)
