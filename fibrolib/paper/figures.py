"""Figures of a finished run at a journal's size, each with its caption."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fibrolib import plots
from fibrolib.diagnostics import model_label
from fibrolib.errors import counted
from fibrolib.inference import calibration_curves, decision_curves
from fibrolib.learning import NetClassifier
from fibrolib.nets import follow_clip
from fibrolib.paper.record import Record
from fibrolib.plots import Page, for_print, save_print
from fibrolib.stages import stage_name

_COLUMN, _BETWEEN, _PAGE = range(3)  # widths of a page


@dataclass(frozen=True)
class _Plan:
    """How a figure is drawn (None where the run has not got what it shows), at which width, and at which at least."""

    name: str
    title: str
    caption: Callable[[Record], str]
    draw: Callable[[Record], object]
    width: int = _PAGE
    least: int = _COLUMN
    picture: bool = False
    optional: bool = False  # some patients do not allow it


@dataclass(frozen=True)
class PaperFigure:
    """A figure that was written: its number, name, title, caption (which says what data it shows) and files."""

    number: int
    name: str
    title: str
    caption: str
    files: tuple[Path, ...]


def _flow(record: Record) -> object:
    excluded = (
        "Simulated patients:\nnone excluded" if record.virtual else "Excluded before\n[AUTHOR: numbers,\nreasons]"
    )
    patients = record.patients
    return plots.plot_flow(
        patients["split"],
        patients["stage"],
        record.cutoff,
        metavir=record.metavir,
        n_videos=record.found["cohort"]["videos"],
        excluded=excluded,
        tests=record.index_tests,
    )


def _flow_caption(record: Record) -> str:
    missing = record.index_tests["missing"].sum()
    lacking = (
        "No test patient lacks a result." if missing == 0 else "No result: a value that the index needs is missing."
    )
    return (
        f"Index tests were applied to the {record.sides.loc['test', 'n']} test patients; positive: score at or above "
        f"the threshold chosen on {record.metrics['threshold_source'].iloc[0]}. {lacking} Counts are patients."
    )


def _cohort(record: Record) -> object | None:
    if record.plates is None:
        return None
    samples = {stage_name(stage, record.metavir): clip for stage, clip in sorted(record.plates.samples.items())}
    return plots.plot_sample_frames(samples)


def _marked(record: Record) -> str:
    clips = record.plates.samples.values()
    if not any(clip.roi is not None and clip.roi.any() for clip in clips):
        return ""
    return f" Outline: {record.region}."


def _cohort_caption(record: Record) -> str:
    return f"Middle frame of a prepared clip of the first training patient of each stage.{_marked(record)}"


def _net_arguments(record: Record, name: str) -> dict:
    """Arguments of a net of the run with the settings that cross-validation chose."""
    (model,) = (each for each in record.run["profile"]["models"] if each["name"] == name)
    chosen = dict(record.found["models"][name]["settings"])
    options = model["arguments"].get("options", {}) | (chosen.pop("options", None) or {})
    options |= {key.removeprefix("options."): chosen.pop(key) for key in list(chosen) if key.startswith("options.")}
    arguments = {**NetClassifier().get_params(), **model["arguments"], **chosen, "options": options}
    return arguments | {"weights": arguments["weights"] or options.pop("weights", None)}


def _input_shape(record: Record, name: str) -> tuple[int, int, int]:
    """Frames, height and width of what a net of the run is shown at once."""
    arguments, profile = _net_arguments(record, name), record.run["profile"]
    side = profile["still_size"] if arguments["view"] == "stills" else profile["clips"]["size"]
    return arguments["clip_length"], side, side


def _followed(record: Record, name: str) -> tuple:
    """What `follow_clip` finds in a net of the run."""
    arguments, shape = _net_arguments(record, name), _input_shape(record, name)
    options = arguments["options"] | ({"weights": arguments["weights"]} if arguments["weights"] else {})
    sources, layers = follow_clip(arguments["architecture"], record.n_stages, shape, **options)
    if arguments["epochs"] == 0:  # a linear probe alone
        layers.loc[~layers["layer"].isin(["embedding", "head"]), "learned"] = 0
    return sources, layers


def _architecture(record: Record) -> object:
    nets = {}
    for name in reversed(record.nets):
        n_frames, height, width = _input_shape(record, name)
        clip = f"{counted(n_frames, 'frame')}\nof {height} × {width} pixels"
        nets[name] = clip, *_followed(record, name)
    return plots.plot_architecture(nets)


def _architecture_caption(record: Record) -> str:
    return (
        "Layers of the networks with the settings that cross-validation chose, found by following one clip through "
        "them. Each box gives the size of the output (frames or clips, channels, times where there are any, height, "
        "width) and how many of the layer's weights are trained, of all that it has."
    )


def _trainings(record: Record) -> object | None:
    histories = record.table("histories")
    return None if histories is None or histories.empty else plots.plot_trainings(histories)


def _trainings_caption(record: Record) -> str:
    folds = record.run["profile"]["n_folds"]
    return (
        f"Thin lines and band: the {folds} folds of cross-validation with the chosen setting; thick line: the final "
        "fit; circle: the epoch whose weights are kept (lowest validation loss)."
    )


def _roc(record: Record) -> object:
    return plots.plot_roc(record.predictions, record.metrics)


def _roc_caption(record: Record) -> str:
    test = record.sides.loc["test"]
    methods = ", ".join(record.metrics["auc_method"].dropna().unique())
    return (
        f"Empirical ROC curves for {record.run['condition']} in {counted(test['n'], 'test patient')} "
        f"({test['diseased']} with, {test['n'] - test['diseased']} without), the highest AUC first. Numbers: AUC with "
        f"95 % confidence interval ({methods}). "
        f"Operating points were chosen on {record.metrics['threshold_source'].iloc[0]}; their intervals are Wilson's."
    )


def _calibration(record: Record) -> object:
    return plots.plot_calibration(calibration_curves(record.predictions), record.predictions)


def _calibration_caption(record: Record) -> str:
    return (
        "Lowess curves of the proportion with the condition over the predicted probability in the test patients, with "
        "pointwise 95 % bands (Wilson, effective number of patients). Calibration slope and intercept: see tables."
    )


def _decision(record: Record) -> object:
    return plots.plot_decision(decision_curves(record.predictions))


def _decision_caption(record: Record) -> str:
    test = record.sides.loc["test"]
    return (
        "Net benefit in the test patients over threshold probabilities up to 0.9, for the prevalence of these patients "
        f"({test['diseased']} of {test['n']}), with pointwise 95 % bands that take this prevalence as known. Net "
        "benefits far below zero are cut off."
    )


def _confusion(record: Record) -> object | None:
    long = record.table("confusion")
    if long is None or not record.found["staging"]:
        return None
    groups = {
        group: {
            name: counts.pivot_table(index="stage", columns="called", values="n").astype(int)
            for name, counts in rows.groupby("model", sort=False)
        }
        for group, rows in long.groupby("patients", sort=False)
    }
    return plots.plot_confusion(groups, metavir=record.metavir)


def _confusion_caption(record: Record) -> str:
    return "Predicted against true stages; digits: patients; shade: share of the true stage. Upper row: test patients."


def _gradcam(record: Record) -> object | None:
    if record.plates is None or not record.plates.maps:
        return None
    maps = record.plates.maps
    rows = {
        stage_name(stage, record.metavir): {model_label(name): maps[name][stage] for name in maps}
        for stage in next(iter(maps.values()))
    }
    return plots.plot_overlays(rows, region=record.region)


def _gradcam_caption(record: Record) -> str:
    return (
        "Grad-CAM of the networks in the first test patient of each stage (selected before any map was computed). "
        "Left: middle frame of the clip; then the middle frame of each network's input under its map, with the "
        f"predicted probability of {record.run['condition']}. Maps show where the score came from, not why."
    )


JUDGED = "training patients (scores out of fold) and test patients"
"""Whom notebook 12 judges."""


def _group_title(column: str) -> str:
    """Title of the groups of a column."""
    return "BMI" if column == "bmi" else column.capitalize()


def _group_titles(table: pd.DataFrame) -> dict[str, str]:
    """Titles by column, of those that form groups."""
    return {column: _group_title(column) for column in table["column"] if column != "all"}


def _pathway(record: Record) -> object | None:
    table = record.table("pathway")
    return None if table is None else plots.plot_pathway(table, [model_label(name) for name in table["step"].iloc[:-1]])


def _pathway_caption(record: Record) -> str:
    return (
        "Flow of 1,000 patients, per step; the scores of the network's step are those of "
        f"{JUDGED}. Cut-offs of the indices are published ones; advanced fibrosis is the condition."
    )


def _subgroups(record: Record) -> object | None:
    table = record.groups
    return None if table is None else plots.plot_subgroups(table, _group_titles(table))


def _subgroups_caption(record: Record) -> str:
    return (
        f"AUC and sensitivity of the {model_label(record.video)} for {record.run['condition']} in groups of the "
        f"{JUDGED}, with 95 % confidence intervals; dotted: all of them."
    )


_PLANS = (
    _Plan("flow", "Flow of patients (STARD)", _flow_caption, _flow, _BETWEEN),
    _Plan("cohort", "Examples of the cohort", _cohort_caption, _cohort, least=_BETWEEN, picture=True),
    _Plan("architecture", "Architecture of the networks", _architecture_caption, _architecture, least=_PAGE),
    _Plan("training", "Training curves", _trainings_caption, _trainings, least=_BETWEEN),
    _Plan("roc", "ROC curves", _roc_caption, _roc),
    _Plan("confusion", "Confusion matrices of the stages", _confusion_caption, _confusion, least=_PAGE, optional=True),
    _Plan("calibration", "Calibration", _calibration_caption, _calibration),
    _Plan("decision", "Decision curves", _decision_caption, _decision),
    _Plan("subgroups", "Groups of patients", _subgroups_caption, _subgroups, least=_PAGE, optional=True),
    _Plan("pathway", "Pathway", _pathway_caption, _pathway, least=_BETWEEN, optional=True),
    _Plan("gradcam", "Saliency maps", _gradcam_caption, _gradcam, least=_BETWEEN, picture=True),
)


def _write_figures(
    record: Record, out: Path, page: Page, width: float | None = None
) -> tuple[list[PaperFigure], list[str]]:
    """Write every figure that the run allows into ``out/figures``; also returns the titles of the others.

    ``width`` (mm) is that of all figures but those that could not be read at it, which take the next width of the
    page; by default each has the width that suits it.
    """
    (out / "figures").mkdir(parents=True, exist_ok=True)
    written, absent = [], []
    for plan in _PLANS:
        wide = max(width, page.widths[plan.least]) if width else page.widths[plan.width]
        with for_print(page, wide):
            figure = plan.draw(record)
            if figure is None:
                absent += [plan.title] * (not plan.optional)
                continue
            number = len(written) + 1
            dpi = page.picture_dpi if plan.picture else page.drawing_dpi
            files = save_print(figure, out / "figures" / f"figure_{number}_{plan.name}", dpi)
        caption = f"{plan.caption(record)} {record.warning}".strip()
        written.append(PaperFigure(number, plan.name, plan.title, caption, files))
    return written, absent
