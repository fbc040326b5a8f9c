"""Tables of a run in a form for readers: labels, units, numbers with their intervals."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from pandas.errors import Pandas4Warning
from tableone import TableOne

from fibrolib.cohort.columns import NUMBERS
from fibrolib.diagnostics import ColumnSpec, model_label
from fibrolib.errors import counted
from fibrolib.plots import GROUPS, ORACLES, method_label, p_value, signed, with_interval
from fibrolib.stages import cutoff_name, stage_name

_METRICS = {
    "auc": "AUC",
    "accuracy": "Accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "Positive predictive value",
    "npv": "Negative predictive value",
    "lr_positive": "Positive likelihood ratio",
    "lr_negative": "Negative likelihood ratio",
    "precision_macro": "Precision (macro)",
    "recall_macro": "Recall (macro)",
    "f1_macro": "F1 (macro)",
    "f1": "F1 (with the condition)",
}
_CALIBRATION = {"intercept": "Intercept", "slope": "Slope", "brier": "Brier score", "ici": "ICI"}
_MEASURES = {
    "exact": "Correct stage",
    "kappa": "Kappa (quadratic)",
    "obuchowski": "Obuchowski measure",
}
_CLAIMS = {
    "The evidence of this network is in this region": ("weights shuffled: the map changes", "shuffled net"),
    "The network learned this region from the labels": ("trained on shuffled stages: the map changes", "random labels"),
    "The region is reproducible in another training": ("trained on other patients: the map stays", "other training"),
    "The map does not depend on brightness": ("image darker or brighter: the map stays", "gain"),
    "The map follows the tissue, not the position on the screen": ("image shifted: the map moves with it", "shift"),
    "The score depends on the marked region": ("region removed first: the score falls faster", "faithfulness"),
    "The marked region shows the disease": ("known location of the signal: the map follows it", "planted"),
    "The network reasons like a clinician": ("no map can show this", "none"),
}
"""Claims that are made with a picture of a map, in the order of what they ask; the test each needs, and its key."""


def _verdicts(sanity: pd.DataFrame, gains: pd.DataFrame, planted: pd.DataFrame) -> dict[str, bool]:
    """Verdicts of the tests that were made of one net and method, by key; no test can support the last claim."""
    verdicts = {"none": False, **sanity.drop_duplicates("test").set_index("test")["passed"].astype(bool)}
    if len(gains):  # better than random and centre-out order, by whole intervals, in at least two of three curves
        verdicts["faithfulness"] = (gains["gain_low"] > 0).groupby(gains["curve"]).all().sum() >= 2
    if len(planted):  # found where it was planted, and not found where it was not
        verdicts["planted"] = planted["passed"].all()
    return {key: bool(verdict) for key, verdict in verdicts.items()}


def readable_claims(
    sanity: pd.DataFrame, gains: pd.DataFrame, planted: pd.DataFrame, method: str = "gradcam"
) -> pd.DataFrame:
    """Which claims the maps of a method support: ``yes``, ``no``, or a dash where the test was not made, net by net.

    Tables from `judge`, `summarise_faithfulness`, `judge_planted` of `fibrolib.attribution`, with ``model, method``.
    """
    own = planted[planted["layer"] != "fine"]
    columns: dict[str, list[str]] = {"Claim": list(_CLAIMS), "Test": [test for test, _ in _CLAIMS.values()]}
    for model in dict.fromkeys(sanity["model"]):
        tables = [table[(table["model"] == model) & (table["method"] == method)] for table in (sanity, gains, own)]
        verdicts = _verdicts(*tables)
        columns[model_label(model)] = [
            {True: "yes", False: "no", None: "–"}[verdicts.get(key)] for _, key in _CLAIMS.values()
        ]
    return pd.DataFrame(columns)


def _metrics(metrics: pd.DataFrame) -> pd.DataFrame:
    """One column per diagnostic, the best AUC first; one row per metric."""
    rows = metrics.sort_values("auc", ascending=False, kind="stable", na_position="last")
    table = {"Patients": rows["n"].astype(str).to_list()}
    table |= {title: _intervals(rows, name) for name, title in _METRICS.items() if name in rows}
    if "threshold_low" in rows:
        table["Threshold (95 % of resamples)"] = _intervals(rows, "threshold")
    return pd.DataFrame(table, index=rows["model"].map(model_label).to_list()).T


def _calibration(calibration: pd.DataFrame) -> pd.DataFrame:
    """One row per diagnostic that could be assessed."""
    rows = []
    for name, estimates in calibration.dropna(subset=["value"]).groupby("model", sort=False):
        row = {"Diagnostic": model_label(name), "Patients": int(estimates["n"].max())}
        estimates = estimates.set_index("metric")[["value", "low", "high"]]
        measures = [key for key in _CALIBRATION if key in estimates.index]
        rows.append(row | {_CALIBRATION[key]: with_interval(*estimates.loc[key]) for key in measures})
    return pd.DataFrame(rows)


def readable_beside(published: pd.DataFrame, metrics: pd.DataFrame) -> pd.DataFrame:
    """Published test results (``model`` and some metrics, NaN where none is given) beside ours (`summarise_models`)."""
    ours = metrics.set_index("model").reindex(published["model"])
    columns: dict[str, list[str]] = {"Model": [model_label(name) for name in published["model"]]}
    for name, title in _METRICS.items():
        if name in published:
            columns[f"{title}, published"] = ["not given" if np.isnan(v) else f"{v:.3f}" for v in published[name]]
            columns[f"{title}, this run"] = _intervals(ours, name)
    return pd.DataFrame(columns)


def _intervals(table: pd.DataFrame, name: str) -> list[str]:
    """An estimate with its limits, row by row."""
    return [with_interval(*row) for row in table[[name, f"{name}_low", f"{name}_high"]].to_numpy(float)]


def _difference(value: float, low: float, high: float) -> str:
    if np.isnan(value):
        return "–"
    return f"{signed(value)} (no interval)" if np.isnan(low) else f"{signed(value)} ({signed(low)} to {signed(high)})"


def _pair(row: tuple) -> str:
    return f"{model_label(row.a)} − {model_label(row.b)}"


def _corrected(table: pd.DataFrame) -> str:
    """Heading of the corrected column: how many tests the correction is for."""
    n = int(table["p"].notna().sum())
    return f"p (Holm, {counted(n, 'test')})"


def readable_comparisons(comparisons: pd.DataFrame, of: str = "AUC", *, notes: bool = False) -> pd.DataFrame:
    """Paired comparisons (`compare_models`, `compare_staging`): a row per pair, p-values before and after correction.

    ``of`` is what is compared; ``notes`` shows the notes of single pairs.
    """
    corrected = _corrected(comparisons)
    rows = [
        {
            "Comparison": _pair(row),
            "Patients": row.n,
            f"Difference in {of} (95 % CI)": _difference(row.difference, row.ci_low, row.ci_high),
            "p": p_value(row.p),
            corrected: p_value(row.p_holm),
            "Test": row.test,
        }
        | ({"Note": row.note} if notes else {})
        for row in comparisons.itertuples()
    ]
    return pd.DataFrame(rows)


def readable_tests(*tables: pd.DataFrame) -> pd.DataFrame:
    """Corrected p-values of the same pairs, in the same order, by several tests (`fibrolib.inference.compare_...`)."""
    first = tables[0]
    columns = {"Comparison": [_pair(row) for row in first.itertuples()], "Patients": first["n"].to_list()}
    for table in tables:
        test = next(iter(table["test"]), "no test")
        columns[f"{test}: {_corrected(table)}"] = [p_value(p) for p in table["p_holm"]]
    return pd.DataFrame(columns)


def readable_answers(few: pd.DataFrame, many: pd.DataFrame, shares: pd.DataFrame) -> pd.DataFrame:
    """AUC on the study's test patients and on the simulated test set; a row per model.

    ``few`` and ``many`` as for `fibrolib.plots.plot_answers`; ``shares``: share of the achievable AUC gain, of nets.
    """
    few, shares = few.set_index("model"), shares.set_index("model")
    columns = ["auc", "auc_low", "auc_high"]
    few_title = f"AUC, {counted(int(few['n'].max()), GROUPS['test'])}"
    rows = []
    for row in many.itertuples():
        share = shares.loc[row.model] if row.model in shares.index else None
        rows.append(
            {
                "Diagnostic": ORACLES.get(row.model, model_label(row.model)),
                few_title: with_interval(*few.loc[row.model, columns]) if row.model in few.index else "–",
                f"AUC, {counted(row.n, GROUPS['fresh'])}": with_interval(row.auc, row.auc_low, row.auc_high),
                "Share of the still-image oracle's AUC gain (95 % CI)": _percent(share, "still"),
                "Share of the video oracle's AUC gain (95 % CI)": _percent(share, "moving"),
            }
        )
    return pd.DataFrame(rows)


def _percent(share: pd.Series | None, ceiling: str) -> str:
    if share is None or np.isnan(share[ceiling]):
        return "–"
    value, low, high = (
        f"{100 * share[name]:.0f}".replace("-", "−") for name in (ceiling, f"{ceiling}_low", f"{ceiling}_high")
    )
    return f"{value} % (no interval)" if low == "nan" else f"{value} % ({low} to {high} %)"


def _staging(staging: pd.DataFrame) -> pd.DataFrame:
    """One row per group of patients and net."""
    table = {"Patients": [counted(row.n, GROUPS[row.patients]) for row in staging.itertuples()]}
    table["Net"] = [model_label(name) for name in staging["model"]]
    for measure, title in _MEASURES.items():
        table[f"{title} (95 % CI)"] = _intervals(staging, measure)
    chance = staging["obuchowski_chance"]
    table["Obuchowski by chance"] = ["–" if np.isnan(value) else f"{value:.2f}" for value in chance]
    return pd.DataFrame(table)


def _staging_comparisons(comparisons: pd.DataFrame) -> pd.DataFrame:
    """One row per group of patients and pair; p-values are corrected within each group."""
    parts = []
    for group, pairs in comparisons.groupby("patients", sort=False):
        part = readable_comparisons(pairs, "Obuchowski measure")
        corrected = next(column for column in part if column.startswith("p (Holm"))
        part["Patients"] = [counted(n, GROUPS[group]) for n in part["Patients"]]
        parts.append(part.rename(columns={corrected: "p (Holm, within each group of patients)"}))
    return pd.concat(parts, ignore_index=True)


def _auc_by_cutoff(areas: pd.DataFrame, *, metavir: bool = True) -> pd.DataFrame:
    """One row per group of patients and model, one column per cut-off."""
    rows = []
    for (group, model), cells in areas.groupby(["patients", "model"], sort=False):
        row = {"Patients": counted(cells["n"].iloc[0], GROUPS[group]), "Model": ORACLES.get(model, model_label(model))}
        for cell in cells.itertuples():
            row[f"AUC {cutoff_name(cell.cutoff, metavir)}"] = with_interval(cell.auc, cell.auc_low, cell.auc_high)
        rows.append(row)
    return pd.DataFrame(rows)


def _quality_results(table: pd.DataFrame) -> pd.DataFrame:
    """One row per model: AUC of all test patients, and of those whose clips are all within the limits."""
    titles = {"all": "All test patients", "without": "Without patients with a flagged clip"}
    cells = table.assign(auc=_intervals(table, "auc"), title=table["patients"].map(titles))
    cells["auc"] += " [" + cells["n_positive"].astype(str) + " of " + cells["n"].astype(str) + "]"
    wide = cells.pivot_table(index="model", columns="title", values="auc", aggfunc="first", sort=False)
    return wide.rename(index=model_label).rename_axis(index="Model", columns=None).reset_index()


def _motion_use(table: pd.DataFrame) -> pd.DataFrame:
    """One row per scenario, net and perturbation."""
    tests = {"loss": "difference", "loss_low": "ci_low", "loss_high": "ci_high"}
    pairs = table.rename(columns=tests).assign(a="as filmed", b=table["perturbation"], test="DeLong, paired")
    areas = pd.DataFrame(
        {
            "Scenario": table["scenario"].to_list(),
            "Patients": table["n"].to_list(),
            "Net": [model_label(name) for name in table["model"]],
            "Clip": table["perturbation"].to_list(),
            "AUC (95 % CI)": _intervals(table, "auc"),
        }
    )
    compared = readable_comparisons(pairs).drop(columns=["Comparison", "Patients", "p"])
    compared.loc[table["p"].isna().to_numpy(), "Test"] = "–"
    return areas.join(compared.rename(columns={"Difference in AUC (95 % CI)": "Loss of AUC (95 % CI)"}))


def _network(layers: pd.DataFrame) -> pd.DataFrame:
    """Layers inside another are indented; shapes are written with ×."""
    return pd.DataFrame(
        {
            "Layer": ["\N{EM SPACE}" * (row.level - 1) + row.layer for row in layers.itertuples()],
            "Kind": layers["kind"],
            "Output": [" × ".join(map(str, shape)) for shape in layers["output"]],
            "Weights": layers["weights"],
            "Trained": layers["learned"],
        }
    )


def _layers(layers: pd.DataFrame) -> pd.DataFrame:
    """How coarse the map of each net is."""
    sides = layers[["times", "height", "width"]].astype(str).agg(" × ".join, axis=1)
    inputs = layers[["frames", "pixels", "pixels"]].astype(str).agg(" × ".join, axis=1)
    return pd.DataFrame(
        {
            "Net": layers["model"].map(model_label),
            "Layer": layers["layer"],
            "Map (times × height × width)": sides,
            "Input (frames × pixels × pixels)": inputs,
        }
    )


def _sanity(judged: pd.DataFrame) -> pd.DataFrame:
    """One row per test, one column per method; a question mark follows where the interval crosses the limit."""
    lines = judged["rule"].str.split().str[-1].astype(float)
    crossed = (judged["value_low"] < lines) & (lines < judged["value_high"])
    crossed |= judged["rule"].str.startswith("<") & (judged["value_low"] < -lines) & (-lines < judged["value_high"])
    verdict = judged["passed"].map({True: "pass", False: "FAIL"}) + crossed.map({True: "?", False: ""})
    cell = verdict + judged["value"].map(" ({:+.2f})".format).str.replace("-", "−")
    table = judged.assign(
        cell=cell,
        Question=judged["question"],
        Rule=judged["rule"].str.replace(">=", "≥").str.replace("<", "within ±"),
        Patients=judged["n"],
        Method=judged["method"].map(method_label),
        Source=judged["source"],
    )
    index = ["Question", "Patients", "Rule", "Source"]
    if "model" in judged:
        table["Net"] = table["model"].map(model_label)
        index.insert(0, "Net")
    wide = table.pivot_table(index=index, columns="Method", values="cell", aggfunc="first", sort=False)
    wide = wide.reset_index().rename_axis(columns=None)
    return wide[[*wide.columns.drop("Source"), "Source"]]  # last: the verdicts must be seen first


def _planted(judged: pd.DataFrame) -> pd.DataFrame:
    """A row per net and method: *pass* or *FAIL* with the ratio for every signal."""
    # What an even map of the liver gives is a matter of masks, and differs between nets by hundredths.
    chance = judged.groupby("signal")["chance"].transform("mean").map(", {:.1f}".format)
    rule = judged["rule"].str.replace(">=", "≥") + chance.where(judged["rule"] == "not above chance", "")
    table = judged.assign(
        Net=judged["model"].map(model_label),
        Method=[method_label(*row) for row in judged[["method", "layer"]].to_numpy()],
        cell=np.where(judged["passed"], "pass ", "FAIL ") + pd.Series(_intervals(judged, "ratio"), index=judged.index),
        column="Signal in the " + judged["signal"] + " (" + rule + ")",
    )
    wide = table.pivot_table(index=["Net", "Method"], columns="column", values="cell", aggfunc="first", sort=False)
    planted = table[table["rule"].str.startswith(">=")].set_index(["Net", "Method"])["attainable"]
    wide["Best possible at this resolution"] = planted.map("{:.1f}".format)
    return wide.reset_index().rename_axis(columns=None)


def readable_patients(
    patients: pd.DataFrame, cutoff: int, *, numbers: Mapping[str, ColumnSpec] = NUMBERS, metavir: bool = True
) -> pd.DataFrame:
    """Table 1: stage, sex and numbers (`Cohort.numbers`) of all patients, and of those below and above the cut-off.

    There are no p-values: the groups are defined by the stage, so that they differ is no finding.
    """
    available = {name: spec for name, spec in numbers.items() if name in patients and patients[name].notna().any()}
    sex = ["sex"] if "sex" in patients and patients["sex"].notna().any() else []
    titles = {name: f"{spec.label or name}, {spec.unit}" for name, spec in available.items()}
    sides = (f"below {stage_name(cutoff, metavir)}", cutoff_name(cutoff, metavir))
    data = patients[["stage", *sex, *available]].assign(
        **{column: patients[column].fillna("not known") for column in sex},
        stage=patients["stage"].map(lambda stage: stage_name(stage, metavir)),
        side=np.where(patients["stage"] >= cutoff, sides[1], sides[0]),
    )
    with warnings.catch_warnings():
        # tableone 0.9 sets a row in a way that pandas will not allow in its next version.
        warnings.simplefilter("ignore", Pandas4Warning)
        table = TableOne(
            data,
            columns=["stage", *sex, *available],
            categorical=["stage", *sex],
            nonnormal=[name for name, spec in available.items() if spec.distribution != "normal"],
            groupby="side",
            order={"side": list(sides)},
            rename=titles | {"stage": "Stage", "sex": "Sex"},
        ).tableone
    table.columns = table.columns.get_level_values(-1)
    table = table.reset_index(names=["Characteristic", "Level"])
    names = table["Characteristic"]
    return table.assign(Characteristic=names.replace("n", "Patients").mask(names.duplicated(), ""))


def _answers(table: pd.DataFrame) -> pd.DataFrame:
    """One row per result of notebook 12."""
    return pd.DataFrame(
        {
            "Question": table["question"].str.capitalize(),
            "Measure": table["measure"],
            "Patients": table["n"],
            "Value (95 % CI)": [
                _whole((row.value, row.low, row.high), signs=True)
                if "per 1,000" in row.measure
                else with_interval(row.value, row.low, row.high)
                for row in table.itertuples()
            ],
            "p": table["p"].map(p_value),
        }
    )


def _pathways(table: pd.DataFrame) -> pd.DataFrame:
    """One row per pathway, per 1,000 patients; whole patients."""
    columns = {"biopsies": "Biopsies", "avoided": "Avoided", "missed": "Missed"}
    changes = {
        "biopsies_change": "Biopsies, change by this step",
        "missed_change": "Missed, change by this step",
    }
    shown = pd.DataFrame({"Pathway, per 1,000 patients": table["pathway"]})
    for name, title in (columns | changes).items():
        rows = table.reindex(columns=[name, f"{name}_low", f"{name}_high"]).to_numpy(float)
        shown[title] = [_whole(row, signs=name in changes) for row in rows]
    share = _intervals(table, "missed_share")
    shown.insert(4, "Share of the condition missed", share)
    return shown


def _interactions(table: pd.DataFrame) -> pd.DataFrame:
    """One row per column of groups."""
    return pd.DataFrame(
        {
            "Column": table["column"],
            "Groups": table["levels"],
            "Patients": table["n"],
            "Statistic": table["statistic"].map("{:.2f}".format, na_action="ignore"),
            "p": table["p"].map(p_value),
            _corrected(table): table["p_holm"].map(p_value),
            "Note": table["note"],
        }
    )


def _centres(table: pd.DataFrame) -> pd.DataFrame:
    """One row per centre that was left out."""
    shown = pd.DataFrame({"Centre": table["level"], "Patients": table["n"], "With the condition": table["n_positive"]})
    measures = {"auc": "AUC", "sensitivity": "Sensitivity", "intercept": "Intercept"}
    for name, title in measures.items():
        shown[f"{title} (95 % CI)"] = _intervals(table, name)
    return shown.assign(Threshold=table["threshold"].map("{:.2f}".format, na_action="ignore"), Note=table["note"])


def _whole(row: Sequence[float], signs: bool) -> str:
    """Value and limits without decimals."""
    if np.isnan(row[0]):
        return "–"
    value, low, high = (f"{number:{'+' * signs}.0f}".replace("-", "−") for number in row)
    return f"{value} ({low} to {high})"


_FORMS: dict[str, Callable[..., pd.DataFrame]] = {
    "metrics": _metrics,
    "calibration": _calibration,
    "clinical": _answers,
    "pathways": _pathways,
    "interactions": _interactions,
    "centres": _centres,
    "staging": _staging,
    "staging_comparisons": _staging_comparisons,
    "auc_by_cutoff": _auc_by_cutoff,
    "motion_use": _motion_use,
    "quality_results": _quality_results,
    "network": _network,
    "cam_layers": _layers,
    "sanity": _sanity,
    "planted": _planted,
}


def readable(name: str, table: pd.DataFrame, **options: object) -> pd.DataFrame:
    """Return a table of a run in a form for readers.

    ``name`` is that of its file in the run folder: ``metrics``, ``calibration``, ``clinical``, ``pathways``,
    ``interactions``, ``centres``, ``staging``, ``staging_comparisons``, ``auc_by_cutoff`` (takes `metavir`),
    ``motion_use``, ``quality_results``, ``cam_layers``, ``sanity``, ``planted``; or ``network``, the layers from
    `fibrolib.nets.describe_layers`.
    """
    return _FORMS[name](table, **options)
