"""One self-contained page from what a run left in its folder."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from fibrolib.checking import LEAKS
from fibrolib.diagnostics import model_label
from fibrolib.errors import counted
from fibrolib.experiments import SimulatedTestSet
from fibrolib.inference import compare_models, joint_test
from fibrolib.plots import setting_label
from fibrolib.report.sentences import collect_notes, describe_comparisons, describe_joint
from fibrolib.report.tables import readable, readable_answers, readable_beside, readable_comparisons, readable_tests
from fibrolib.study import Study, published

__all__ = ["build_report"]

_MIME = {".svg": "image/svg+xml", ".png": "image/png", ".mp4": "video/mp4"}
_LARGEST_SVG = 400_000
"""Above so many bytes a drawing holds pictures, and the PNG of it is the smaller file."""

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
        return None if rows is None else as_html(rows, caption=self._caption)

    def readable(self, name: str, **options: object) -> Markup | None:
        """Return a table of the run as HTML, in a form for readers."""
        path = self._table(name)
        return as_html(readable(name, pd.read_csv(path), **options), caption=self._caption) if path.exists() else None

    def notes(self, *names: str) -> list[str]:
        """What must be known before quoting a number of these tables of the run."""
        paths = [self._table(name) for name in names]
        return collect_notes(*(pd.read_csv(path) for path in paths if path.exists()))

    def _table(self, name: str) -> Path:
        return self.path / "tables" / f"{name}.csv"


def _embedded(path: Path) -> str | None:
    if not path.exists():
        return None
    return f"data:{_MIME[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def as_html(table: pd.DataFrame, index: bool = False, caption: str = "") -> Markup:
    """Return an HTML table; pandas escapes the text of its cells."""
    tag, rows = table.to_html(index=index, border=0, na_rep="–", index_names=False).split("\n", 1)
    caption = Markup("<caption>{}</caption>\n").format(caption) if caption else Markup()
    return Markup(f"{tag}\n") + caption + Markup(rows)


def _bold(text: str) -> Markup:
    """Markdown's ``**bold**``, and nothing else of it, as HTML; the rest is escaped."""
    parts = text.split("**")
    return Markup("").join(Markup("<b>{}</b>").format(part) if i % 2 else part for i, part in enumerate(parts))


def _tests(study: Study) -> dict:
    """Comparisons on the test patients: as tables and in words."""
    predictions, html = study.predictions, partial(as_html, caption=study.profile.caveat)
    exchanged = compare_models(predictions, "permutation")
    accuracy = compare_models(predictions, "mcnemar", thresholds=study.thresholds)
    return {
        "joint": describe_joint(joint_test(predictions)),
        "pairs": html(readable_comparisons(study.comparisons)),
        "compared": describe_comparisons(study.comparisons, exchanged),
        "checked": html(readable_tests(study.comparisons, exchanged)),
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


def _fresh(study: Study) -> dict | None:
    """Tables of the fresh population, where there is one."""
    if not study.cohort.virtual:
        return None
    people, html = SimulatedTestSet(study), partial(as_html, caption=study.profile.caveat)
    return {
        "answers": html(readable_answers(study.metrics, people.aucs, people.shares())),
        "comparisons": html(readable_comparisons(people.comparisons)),
        "compared": describe_comparisons(people.comparisons),
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
    environment.globals |= {"counted": counted, "model_label": model_label, "setting_label": setting_label}
    return environment


def build_report(study: Study, found: dict, circumstances: dict) -> Path:
    """Write ``report.html`` into the run folder.

    Parameters
    ----------
    study : Study
        The study that was run.
    found : dict
        Content of results.json.
    circumstances : dict
        Content of run.json.

    Returns
    -------
    Path
        The report, one file that needs no other.
    """
    environment = _environment()
    metrics, tests = readable("metrics", study.metrics), _tests(study)
    files, html = _Folder(study.folder.path, study.profile.caveat), partial(as_html, caption=study.profile.caveat)
    text = environment.get_template("report.html.j2").render(
        study=study,
        found=found,
        checked=_checked(files),
        run=circumstances,
        files=files,
        metrics=html(metrics, index=True),
        summary=html(metrics.loc[["AUC", "Accuracy", "Sensitivity", "Specificity"]], index=True),
        published=html(readable_beside(published.TABLE[_BESIDE], study.metrics)),
        warnings=collect_notes(study.metrics, study.comparisons, said=tests["compared"]),
        tests=tests,
        fresh=_fresh(study),
        calibration=files.readable("calibration"),
        staging=files.readable("staging"),
        staging_comparisons=files.readable("staging_comparisons"),
        auc_by_cutoff=files.readable("auc_by_cutoff", metavir=study.cohort.metavir),
        motion_use=files.readable("motion_use"),
        layers=files.readable("cam_layers"),
        claims=files.table("claims"),
        planted=files.readable("planted"),
        sanity=files.readable("sanity"),
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
    return study.folder.save_report(text)
