"""The report of a validation: results.json, figures, readable tables, and one page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from fibrolib.cohort.columns import NUMBERS
from fibrolib.diagnostics import model_label
from fibrolib.errors import counted
from fibrolib.plots import (
    plot_calibration,
    plot_confusion,
    plot_decision,
    plot_delong_matrix,
    plot_differences,
    plot_roc,
    plot_sample_frames,
    plot_transport,
    signed,
    with_interval,
)
from fibrolib.report.html import _as_html, _checked, _environment, _Folder, _tests
from fibrolib.report.results import _METRICS, _area, _comparison_entries, _staging_entries
from fibrolib.report.sentences import _collect_notes
from fibrolib.report.tables import readable
from fibrolib.stages import condition, stage_name
from fibrolib.validation import AS_FROZEN, FEATURES, GROUP, Validation
from fibrolib.video import file_digest, load_clip

_SCHEMA = 1  # version of a validation's results.json
_RECALIBRATIONS = {AS_FROZEN: "as frozen", "intercept": "intercept", "intercept and slope": "intercept and slope"}


def _said_of_virtual(development: bool, here: bool) -> str:
    """What must be said where patients of a cohort are virtual; empty where all are real."""
    if development and here:
        return "All patients are virtual, in both cohorts: the numbers are not clinical evidence."
    if not (development or here):
        return ""
    trained, tried = ("virtual", "real") if development else ("real", "virtual")
    return (
        f"The models were made with {trained} patients and are tried on {tried} ones: this says whether everything "
        "works, and is no validation of a clinical test. The numbers are not clinical evidence."
    )


def _external_results(validation: Validation, tables: Mapping[str, pd.DataFrame]) -> dict:
    """Content of results.json; ``_second_step`` and ``differences`` are None as long as they are not computed."""
    about, cohort = validation.development.about, validation.cohort
    return {
        "schema": _SCHEMA,
        "kind": "validation",
        "caveat": about["caveat"] or None,
        "virtual": _said_of_virtual(about["virtual"], cohort.virtual) or None,
        "cutoff": validation.cutoff,
        "seed": validation.seed,
        "development": {key: about[key] for key in ("name", "virtual", "fibrolib", "videos")}
        | {"patients": len(about["patients"]), "run": validation.title},
        "cohort": {
            "name": cohort.name,
            "virtual": cohort.virtual,
            "patients": len(validation.patients),
            "videos": len(cohort.table),
        },
        "unavailable": validation.reasons,
        "files": {model.name: model.digest for model in validation.models},
        "scores": file_digest(validation.folder.path / "predictions.csv"),
        "first_step": _first_entries(tables),
        "differences": _records(tables, "told_apart", "cohorts"),
        "second_step": _records(tables, "recalibration", "recalibrated_metrics", "recalibrated_calibration"),
    }


def _first_entries(tables: Mapping[str, pd.DataFrame]) -> dict:
    transport = tables["transport"].set_index("model")
    models = {}
    for _, row in tables["metrics"].iterrows():
        moved = transport.loc[row["model"]]
        models[row["model"]] = {
            "n": int(row["n"]),
            "n_positive": int(row["n_positive"]),
            **_area(row),
            **{metric: row[metric] for metric in _METRICS},
            **{f"{metric}_ci": [row[f"{metric}_low"], row[f"{metric}_high"]] for metric in _METRICS},
            "threshold": row["threshold"],
            "development_auc": moved["auc_development"],
            "change": moved["change"],
            "change_ci": [moved["change_low"], moved["change_high"]],
        }
    (joint,) = tables["joint_test"].drop(columns="note").to_dict("records")
    return {
        "models": models,
        "joint": joint,
        "comparisons": _comparison_entries(tables["comparisons"]),
        "permutation_comparisons": _comparison_entries(tables["permutation_comparisons"]),
        "accuracy_comparisons": _comparison_entries(tables["accuracy_comparisons"]),
        "calibration": tables["calibration"].to_dict("records"),
        **_staging_entries(tables),
    }


def _records(tables: Mapping[str, pd.DataFrame], *names: str) -> dict | None:
    if names[0] not in tables:
        return None
    return {name: tables[name].dropna(axis=1, how="all").to_dict("records") for name in names}


def _save_figures(validation: Validation, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write the figures of the page; those without numbers are left out."""
    save, metrics, predictions = validation.folder.save_figure, tables["metrics"], validation.predictions
    if metrics["auc"].notna().any():
        save("roc", plot_roc(predictions, metrics, group=GROUP))
        save("transport", plot_transport(tables["transport"]))
    if len(tables["comparisons"]):
        save("delong_matrix", plot_delong_matrix(tables["comparisons"]))
    if tables["calibration_curves"]["observed"].notna().any():
        save("calibration", plot_calibration(tables["calibration_curves"], predictions))
        save("decision", plot_decision(tables["decision"]))
    save("differences", plot_differences(_labelled(tables["cohorts"])))
    if "confusion" in tables:
        save("confusion", plot_confusion({GROUP: _confusions(tables["confusion"])}, metavir=validation.cohort.metavir))
    if clips := _sample_clips(validation):
        save("sample_frames", plot_sample_frames(clips))


def _confusions(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {
        name: rows.pivot_table(index="stage", columns="called", values="n").astype(int)
        for name, rows in table.groupby("model", sort=False)
    }


def _sample_clips(validation: Validation) -> dict:
    """A prepared clip or image of one patient per stage, by the name of the stage."""
    views = [view for view in ("clips", "stills") if view in validation.prepared]
    if not views:
        return {}
    chosen = validation.prepared.sort_values("stage", kind="stable").drop_duplicates("stage")
    names = [stage_name(stage, validation.cohort.metavir) for stage in chosen["stage"]]
    return {name: load_clip(files[0]) for name, files in zip(names, chosen[views[0]], strict=True)}


def _build_page(validation: Validation, found: dict, run: dict, tables: Mapping[str, pd.DataFrame]) -> Path:
    """Write ``report.html``; nothing is computed."""
    about, metavir = validation.development.about, validation.cohort.metavir
    caveat = found["caveat"] or ""
    html, metrics = partial(_as_html, caption=caveat), readable("metrics", tables["metrics"])
    files, development = _Folder(validation.folder.path, caveat), _Folder(validation.development.folder, caveat)
    staging = {}
    if "staging" in tables:
        staging = {
            "summary": html(readable("staging", tables["staging"])),
            "comparisons": len(tables["staging_comparisons"])
            and html(readable("staging_comparisons", tables["staging_comparisons"])),
            "areas": html(readable("auc_by_cutoff", tables["auc_by_cutoff"], metavir=metavir)),
        }
    calibration = readable("calibration", tables["calibration"])
    tests = _tests(tables, caveat) if len(tables["comparisons"]) else None
    text = (
        _environment()
        .get_template("external.html.j2")
        .render(
            found=found,
            run=run,
            files=files,
            development=development,
            checked=_checked(files),
            condition=condition(validation.cutoff, metavir),
            made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            summary=html(metrics.loc[["AUC", "Accuracy", "Sensitivity", "Specificity"]].T, index=True),
            transport=html(_transport(tables["transport"])),
            metrics=html(metrics.drop(index="Threshold (95 % of resamples)"), index=True),
            thresholds=_thresholds(tables["metrics"]),
            threshold_source=tables["metrics"]["threshold_source"].iloc[0],
            warnings=_collect_notes(tables["metrics"], tables["comparisons"], said=tests["compared"] if tests else ""),
            tests=tests,
            calibration=html(calibration) if len(calibration) else "",
            staging=staging,
            cohorts=html(_cohorts(tables["cohorts"], about, validation)),
            told_apart=_told_apart(tables["told_apart"]),
            recalibration=html(_recalibration(tables)),
            recalibration_notes=_recalibration_notes(tables["recalibration"]),
            fitted=int(tables["recalibration"]["n"].max()),
            share=validation.share,
        )
    )
    return validation.folder.save_report(text)


def _transport(table: pd.DataFrame) -> pd.DataFrame:
    """AUC of each model in both cohorts, and the difference."""
    rows = []
    for row in table.to_dict("records"):
        values = [[row[f"{name}{end}"] for name in ("auc", "auc_low", "auc_high")] for end in ("_development", "")]
        change = "–"
        if not np.isnan(row["change_low"]):
            change = f"{signed(row['change'])} ({signed(row['change_low'])} to {signed(row['change_high'])})"
        n = row["n_development"]
        rows.append(
            {
                "Diagnostic": model_label(row["model"]),
                "Development: test patients": "–" if np.isnan(n) else f"{n:.0f}",
                "AUC there": with_interval(*values[0]),
                "This cohort: patients": str(row["n"]),
                "AUC here": with_interval(*values[1]),
                "Difference (95 % CI)": change,
            }
        )
    return pd.DataFrame(rows)


def _thresholds(metrics: pd.DataFrame) -> str:
    """The frozen operating points, in words."""
    points = metrics.dropna(subset=["threshold"])
    return ", ".join(f"{model_label(row.model)} ≥ {row.threshold:.3g}" for row in points.itertuples())


def _label(name: str) -> str:
    spec = NUMBERS.get(name)
    return f"{spec.label or name}, {spec.unit}" if spec else FEATURES.get(name, name.capitalize())


def _labelled(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(label=table["name"].map(_label))


def _cohorts(table: pd.DataFrame, about: Mapping, validation: Validation) -> pd.DataFrame:
    """Table 1 side by side, then the picture statistics."""
    titles = (
        f"Development ({counted(len(about['patients']), 'patient')})",
        f"This cohort ({counted(len(validation.patients), 'patient')})",
    )
    rows = []
    for row in _labelled(table).to_dict("records"):
        level = stage_name(int(row["level"]), validation.cohort.metavir) if row["name"] == "stage" else row["level"]
        cells = [_cell(row, end) for end in ("_development", "")]
        smd = "" if np.isnan(row["smd"]) and row["level"] else "–" if np.isnan(row["smd"]) else signed(row["smd"])
        rows.append(
            {"Characteristic": row["label"], "Level": level, **dict(zip(titles, cells, strict=True)), "SMD": smd}
        )
    readable_rows = pd.DataFrame(rows)
    names = readable_rows["Characteristic"]
    return readable_rows.assign(Characteristic=names.mask(names == names.shift(), ""))


def _cell(row: Mapping, end: str) -> str:
    """Median and quartiles, or number and share; a dash where the cohort does not have it."""
    n = row[f"n{end}"]
    if row["level"]:
        share = row[f"share{end}"]
        return "–" if np.isnan(share) else f"{n:.0f} ({share:.0%})"
    if np.isnan(n):
        return "–"
    return f"{row[f'median{end}']:.3g} ({row[f'q1{end}']:.3g}–{row[f'q3{end}']:.3g})"


def _told_apart(table: pd.DataFrame) -> list[str]:
    """What the classifiers of cohorts found, as sentences."""
    names = {"pictures": "picture statistics", "patients": "age, body mass index, blood values and stiffness"}
    sentences = []
    for row in table.to_dict("records"):
        if np.isnan(row.get("auc", np.nan)):
            sentences.append(f"By {names[row['of']]}: {row['note']}.")
            continue
        first = ", ".join(_label(name) for name in row["first"].split(", "))
        area = with_interval(row["auc"], row["auc_low"], row["auc_high"])
        sentences.append(f"By {names[row['of']]}: **AUC {area}**. It uses most: {first}.")
    return sentences


def _recalibration(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Calibration and accuracy on the rest of the patients, as frozen and recalibrated."""
    fits = tables["recalibration"].set_index(["model", "recalibration"])
    metrics = tables["recalibrated_metrics"].set_index(["model", "recalibration"])
    rows = []
    for model in dict.fromkeys(tables["recalibration"]["model"]):
        for kind, label in _RECALIBRATIONS.items():
            if (model, kind) not in metrics.index:
                continue
            scored = metrics.loc[(model, kind)]
            chosen = tables["recalibrated_calibration"].query("model == @model and recalibration == @kind")
            estimates = readable("calibration", chosen.drop(columns="recalibration"))
            row = {"Diagnostic": model_label(model), "Recalibration": label, "Patients": int(scored["n"])}
            row["New log odds"] = "the old"
            if kind != AS_FROZEN:
                fit = fits.loc[(model, kind)]
                row["New log odds"] = f"{signed(fit['intercept'])} + {fit['slope']:.2f} × old"
            if len(estimates):
                row |= estimates.iloc[0].drop(["Diagnostic", "Patients"]).to_dict()
            for name in ("sensitivity", "specificity"):
                if name in scored:
                    row[name.capitalize()] = with_interval(*scored[[name, f"{name}_low", f"{name}_high"]])
            rows.append(row)
    return pd.DataFrame(rows).fillna("–")


def _recalibration_notes(fits: pd.DataFrame) -> list[str]:
    failed = fits[fits["note"] != ""]
    return [f"{model_label(row.model)}, {row.recalibration}: {row.note}" for row in failed.itertuples()]
