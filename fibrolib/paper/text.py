"""Methods and Results of a finished run as a journal prints them: every number is the run's, nothing is interpreted."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from functools import partial
from importlib import resources

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from sklearn.model_selection import ParameterGrid

from fibrolib.diagnostics import model_label
from fibrolib.errors import counted
from fibrolib.nets import ClipNetwork
from fibrolib.paper.figures import _followed, _input_shape, _net_arguments
from fibrolib.paper.record import AUTHOR, Record
from fibrolib.plots import p_text, with_interval

_NETWORKS = {
    "frame_cnn": "is an {backbone} [@tan2019], read at {scales} of the resolution and followed by {statistics} of its "
    "feature maps and an embedding.",
    "frame_lstm": "passes each frame through an {backbone} [@tan2019], read at {scales} of the resolution, then "
    "{statistics} of its feature maps through an LSTM [@hochreiter1997]{direct} into an embedding.",
    "motion_slowfast": "joins two pathways (after SlowFast [@feichtenhofer2019]): an {backbone} [@tan2019] on a few "
    "frames, and a 3D residual network on the differences between all frames.",
}
"""What a network is, after its name."""
_BACKBONES = {"efficientnet_lite1": "EfficientNet-Lite1", "efficientnet_lite2": "EfficientNet-Lite2"}
_INITIAL = {
    "simulation": "Its initial weights came from ImageNet and from pretraining on simulated images without stages.",
    "interpolated": "Its initial weights were the mean of ImageNet's and of simulation-pretrained ones "
    "[@wortsman2022].",
    "imagenet": "Its initial weights came from ImageNet.",
    "scratch": "Its initial weights were random.",
}
_INDICES = {
    "swe": "Shear-wave elastography [@cosgrove2013]",
    "fib4": "FIB-4 [@sterling2006]",
    "apri": "APRI [@wai2003]",
}
_SIGNIFICANT = 0.05
_CITED = re.compile(r" ?\[(@\w+(?:; @\w+)*)\]")


def _with_brackets(row: pd.Series, name: str) -> str:
    """``0.91 (95 % CI 0.64–0.98)``."""
    return _spelt_out(*row[[name, f"{name}_low", f"{name}_high"]].astype(float))


def _spelt_out(value: float, low: float, high: float) -> str:
    text = with_interval(value, low, high)
    return text if "no interval" in text else text.replace("(", "(95 % CI ")


def _paragraph_environment() -> Environment:
    """Templates of text that is no HTML, so that nothing is escaped."""
    environment = Environment(
        loader=PackageLoader("fibrolib.paper", "."), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"counted": counted, "plain": "{:g}".format, "thousands": "{:,}".format}
    return environment


def _describe_net(record: Record, name: str) -> dict:
    """What the methods say of a net."""
    arguments, shape = _net_arguments(record, name), _input_shape(record, name)
    (model,) = (each for each in record.run["profile"]["models"] if each["name"] == name)
    words = {
        "backbone": _BACKBONES.get(arguments["options"].get("backbone"), "EfficientNet-Lite0"),
        **_read_as(arguments),
    }
    layers = _followed(record, name)[1].query("level == 1")
    known = _NETWORKS.get(
        arguments["architecture"], AUTHOR.format(f"describe your network {arguments['architecture']}.")
    )
    return {
        **arguments,
        "network": known.format(**words),
        "label": model_label(name),
        "shape": shape,
        "weights_from": arguments["weights"],
        "weights": int(layers["weights"].sum()),
        "learned": int(layers["learned"].sum()),
        "initial": _INITIAL.get(arguments["weights"], ""),
        "n_settings": len(ParameterGrid(model["grid"] or {})),
    }


def _read_as(arguments: dict) -> dict[str, str]:
    """How a net of frames reads the maps of its backbone, in words."""
    given = {name: arguments["options"].get(name) for name in ("scales", "deviations", "direct")}
    features = ClipNetwork.feature_options(arguments["weights"] or "simulation", **given)
    return {
        "scales": _listed([f"1/{scale}" for scale in features["scales"]]),
        "statistics": "mean and standard deviation" if features["deviations"] else "the mean",
        "direct": " and, averaged over time, past it" if features["direct"] else "",
    }


def _write_methods(record: Record) -> str:
    """Methods as Markdown with citations ``[@key]``; places that need an author are marked."""
    text = (
        _paragraph_environment()
        .get_template("methods.md.j2")
        .render(
            run=record.run,
            folds=record.folds,
            cohort=record.found["cohort"],
            virtual=record.virtual,
            sides=record.sides,
            threshold_source=record.metrics["threshold_source"].iloc[0],
            nets=[_describe_net(record, name) for name in reversed(record.nets)],
            probes=[model_label(name) for name in record.found["models"] if name not in _trained_or_index(record)],
            indices=_listed([_INDICES.get(name, model_label(name)) for name in record.run["indices"]] or [""]),
            staging=record.found["staging"],
            answered={entry["question"] for entry in record.found["clinical"] or []},
            interactions=record.table("interactions") is not None,
        )
    )
    return _tidy(text)


def _trained_or_index(record: Record) -> set[str]:
    return {*record.run["nets"], *record.run["indices"]}


def _name(model: str) -> str:
    """Label of a diagnostic within a sentence: names keep their capitals, words lose theirs."""
    label = model_label(model)
    return label[0].lower() + label[1:] if label[1:2].islower() else label


def _tidy(text: str) -> str:
    """Paragraphs that are one line each, one empty line between two."""
    lines = [re.sub(r" +", " ", line).strip() for line in text.splitlines()]
    text = re.sub(r"\n+(#)", r"\n\n\1", "\n".join(lines))
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _write_results(record: Record, tables: dict[str, int], figures: dict[str, int]) -> str:
    """Results as Markdown; `tables` and `figures` are the numbers of what is referred to, by name."""
    found, best = record.found, record.best
    text = (
        _paragraph_environment()
        .get_template("results.md.j2")
        .render(
            run=record.run,
            cohort=found["cohort"],
            warning=record.warning,
            sides=record.sides,
            characteristics=_age_and_sex(record),
            missing=_missing(record),
            areas=_areas(record),
            chance=_chance(record),
            operating=(
                f"{_name(best['model'])}, whose AUC was the highest, had a sensitivity of "
                f"{_with_brackets(best, 'sensitivity')} and a specificity of {_with_brackets(best, 'specificity')}"
            ),
            joint=_joint(found["joint"]),
            compared=_compared(found["comparisons"], "AUCs"),
            accuracies=_compared(found["accuracy_comparisons"], "accuracies"),
            staging=_staging(record),
            added=f"{_added(record)} {_not_inferior(record)}",
            stagings=_compared((found["staging_comparisons"] or {}).get("test", []), "Obuchowski measures"),
            groups=_groups(record),
            calibration=_calibration(record),
            population=_population(found["population"]),
            attribution=_attribution(record, figures),
            table=partial(_reference, "Table", tables),
            figure=partial(_reference, "Figure", figures),
            shown={*figures, *tables},
        )
    )
    return _tidy(text)


def _reference(kind: str, numbers: dict[str, int], name: str) -> str:
    return f"{kind} {numbers[name]}" if name in numbers else f"{kind} [AUTHOR: this run has no {kind.lower()} '{name}']"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _answers(record: Record, question: str) -> list[dict]:
    """What notebook 12 found to a question."""
    return [entry for entry in record.found["clinical"] or [] if entry["question"] == question]


def _added(record: Record) -> str:
    """What the network adds to FIB-4 and stiffness, as far as the run has them."""
    base = _listed([_name(name) for name in ("fib4", "swe") if name in record.run["indices"]] or [""])
    return "".join(
        f"Added to {base}, the {_name(record.video)} changed the AUC in {counted(entry['n'], 'test patient')} by "
        f"{_signed(entry['value'], entry['ci'])} (likelihood ratio test in the training patients, "
        f"{p_text(entry['p'])})."
        for entry in _answers(record, "added value")
    )


def _not_inferior(record: Record) -> str:
    """Whether the network was shown to be as good as stiffness."""
    return "".join(
        f"With a margin of {entry['margin']:g}, the AUC of the {_name(record.video)} was "
        f"{'' if entry['ci'][0] > -entry['margin'] else 'not '}shown to be non-inferior to that of {_name('swe')} "
        f"(difference {_signed(entry['value'], entry['ci'])}, one-sided {p_text(entry['p'])})."
        for entry in _answers(record, "non-inferiority")
        if entry.get("margin") is not None  # runs of fibrolib before this number was kept
    )


def _age_and_sex(record: Record) -> str:
    """Age and sex of all patients, as Table 1 has them."""
    cells, lacking = record.named_characteristics, record.lacking
    missing = f" {AUTHOR.format(f'{lacking}, which the cohort table lacks.')}" if lacking else ""
    age = cells.loc[cells["Characteristic"] == "Age", "Overall"]
    sex = cells.loc[(cells["Characteristic"] == "Sex") & (cells["Level"] == "female"), "Overall"]
    parts = [f"the mean age (standard deviation) was {text} years" for text in age]
    parts += [f"{text.replace(')', ' %)')} were female" for text in sex]
    text = ", and ".join(parts)
    return (f"{text[0].upper()}{text[1:]}." if text else "") + missing


def _groups(record: Record) -> str:
    """Whether accuracy differed between groups of patients, and what became of patients on the pathway."""
    tests, pathways = record.table("interactions"), record.table("pathways")
    tested = [] if tests is None else tests["p_holm"].dropna()
    text = ""
    if len(tested):
        apart = (tested < _SIGNIFICANT).sum()
        text = f" {'None' if apart == 0 else apart} of {counted(len(tested), 'test')} of interaction had a corrected "
        text += f"p below {_SIGNIFICANT:g} (smallest corrected {p_text(tested.min())})."
    if pathways is not None:
        *_, last = pathways.itertuples()
        text += (
            f" Of 1,000 patients, the pathway {last.pathway} would send {last.biopsies:.0f} (95 % CI "
            f"{last.biopsies_low:.0f} to {last.biopsies_high:.0f}) to biopsy and miss {last.missed:.0f} (95 % CI "
            f"{last.missed_low:.0f} to {last.missed_high:.0f}) with advanced fibrosis"
        )
    return text


def _missing(record: Record) -> str:
    lacking = record.index_tests.query("missing > 0")
    if lacking.empty:
        return "All of them had a result of every test."
    parts = [f"{row.missing} of {_name(row.model)}" for row in lacking.itertuples()]
    return f"Results were missing in some test patients: {_listed(parts)}."


def _areas(record: Record) -> str:
    rows = record.metrics.dropna(subset=["auc"]).sort_values("auc", ascending=False, kind="stable")
    parts = [f"{_name(row['model'])} {_with_brackets(row, 'auc')}" for _, row in rows.iterrows()]
    return f"The AUCs in the test patients were, from the highest, {_listed(parts)}"


def _chance(record: Record) -> str:
    above = record.metrics[record.metrics["auc_low"] > 0.5]
    if above.empty:
        return "No interval was above 0.5, so no test was shown to be better than chance."
    names = _listed([_name(name) for name in above["model"]])
    return (
        f"The intervals of {names} were above 0.5."
        if len(above) > 1
        else f"Only the interval of {names} was above 0.5."
    )


def _joint(joint: dict) -> str:
    if joint["p"] is None:
        return "Equality of all AUCs could not be tested."
    verdict = "differed" if joint["p"] < _SIGNIFICANT else "were not shown to differ"
    return (
        f"The {joint['models']} AUCs {verdict} (joint test, F = {joint['statistic']:.2f} on {joint['df']:.1f} and "
        f"{joint['df_error']:.1f} degrees of freedom, {p_text(joint['p'])})."
    )


def _compared(entries: list[dict], measures: str) -> str:
    """Which pairs of a family of comparisons differed."""
    pairs = pd.DataFrame(entries, columns=["a", "b", "difference", "ci", "p_holm"])
    tested = pairs[pairs["p_holm"].notna()]
    if tested.empty:
        return f"No pair of {measures} could be tested"
    apart = tested[tested["p_holm"] < _SIGNIFICANT]
    of = f"Of {counted(len(tested), 'pair')} of {measures}"
    if apart.empty:
        return f"{of}, none differed after Holm's correction (smallest corrected {p_text(tested['p_holm'].min())})"
    parts = [
        f"{_name(row.a)} and {_name(row.b)} (difference {_signed(row.difference, row.ci)}, corrected "
        f"{p_text(row.p_holm)})"
        for row in apart.itertuples()
    ]
    return f"{of}, {len(apart)} differed after Holm's correction: {_listed(parts)}"


def _signed(difference: float, limits: Sequence[float]) -> str:
    value, low, high = (f"{each:+.2f}".replace("-", "−") for each in (difference, *limits))
    return f"{value}, 95 % CI {low} to {high}"


def _staging(record: Record) -> str:
    if not record.found["staging"]:
        return ""
    rows = record.table("staging").query("patients == 'test'")
    measures = ("exact", "kappa", "obuchowski")
    parts = [
        f"{', '.join(_with_brackets(row, name) for name in measures)} for {_name(row['model'])}"
        for _, row in rows.iterrows()
    ]
    return (
        "In the test patients, the proportion of correct stages, quadratic kappa and the Obuchowski measure were "
        f"{'; '.join(parts)}"
    )


def _calibration(record: Record) -> str:
    table = record.table("calibration")
    slopes = table[(table["metric"] == "slope") & table["value"].notna()] if table is not None else pd.DataFrame()
    if slopes.empty:
        return ""
    fits = slopes[(slopes["low"] <= 1) & (slopes["high"] >= 1)]
    best = slopes[slopes["model"] == record.best["model"]]
    text = f"The interval of the calibration slope included 1 for {len(fits)} of {counted(len(slopes), 'diagnostic')}"
    if best.empty:
        return text
    values = _spelt_out(*best[["value", "low", "high"]].iloc[0])
    return f"{text}; the slope of the {_name(record.best['model'])} was {values}"


def _population(population: dict | None) -> str:
    """What the simulated test set says, which only a virtual cohort has."""
    if population is None:
        return ""
    parts = [f"{_name(name)} {_describe_area(entry)}" for name, entry in population["models"].items()]
    still, moving = (_describe_area(population["oracle"][name]) for name in ("still", "moving"))
    return (
        f"In {population['n']} further simulated patients the AUCs were {_listed(parts)}. An oracle that knows the "
        f"simulated tissue reached {still} with a still image and {moving} with a video."
    )


def _describe_area(entry: dict) -> str:
    """An AUC of results.json: ``0.91 (95 % CI 0.64–0.98)``."""
    limits = [np.nan if limit is None else limit for limit in entry["auc_ci"]]
    return _spelt_out(entry["auc"], *limits)


def _attribution(record: Record, figures: dict[str, int]) -> str:
    attribution = record.found["attribution"]
    if not attribution:
        return ""
    parts = [
        f"{100 * entry['capsule_share']:.1f} % ({_name(name)}, {counted(entry['n'], 'patient')})"
        for name, entry in attribution.items()
    ]
    areas = [100 * entry["capsule_area"] for entry in attribution.values()]
    shown = f" ({_reference('Figure', figures, 'gradcam')})" if "gradcam" in figures else ""
    return (
        f"The {record.region} received {_listed(parts)} of the relevance of Grad-CAM, and covered "
        f"{min(areas):.1f} to {max(areas):.1f} % of the sector{shown}."
    )


def _references() -> dict[str, dict]:
    return tomllib.loads((resources.files("fibrolib.paper") / "references.toml").read_text("utf-8"))


def _cited_keys(text: str) -> list[str]:
    """Keys of the references of a text, in the order of their first citation."""
    keys = [key.strip().removeprefix("@") for group in _CITED.findall(text) for key in group.split(";")]
    return list(dict.fromkeys(keys))


def _write_bibliography(text: str) -> str:
    """BibTeX of the references that a text cites."""
    entries, known = [], _references()
    for key in _cited_keys(text):
        kind = "article" if "journal" in known[key] else "inproceedings"
        fields = ",\n".join(f"  {name} = {{{value}}}" for name, value in known[key].items())
        entries.append(f"@{kind}{{{key},\n{fields}\n}}\n")
    return "\n".join(entries)


def _number_citations(text: str) -> str:
    """The text with citations as numbers ``[1]``, and the list of references at its end."""
    keys, known = _cited_keys(text), _references()

    def numbers(group: re.Match) -> str:
        cited = [key.strip().removeprefix("@") for key in group.group(1).split(";")]
        return f" [{', '.join(str(keys.index(key) + 1) for key in cited)}]"

    lines = [f"{number}. {_in_print(known[key])}" for number, key in enumerate(keys, start=1)]
    return _CITED.sub(numbers, text) + "\n## References\n\n" + "\n\n".join(lines) + "\n"


def _in_print(reference: dict) -> str:
    names = ["et al" if name == "others" else _surname_first(name) for name in reference["author"].split(" and ")]
    where = reference.get("journal") or reference["booktitle"]
    place = f"{reference['year']}"
    if "volume" in reference:
        place += f";{reference['volume']}"
    if "pages" in reference:
        place += f":{reference['pages'].replace('--', '–')}"
    doi = f" doi:{reference['doi']}" if "doi" in reference else ""
    return f"{', '.join(names)}. {reference['title']}. {where} {place}.{doi}"


def _surname_first(name: str) -> str:
    surname, _, given = name.partition(", ")
    return f"{surname} {''.join(part[0] for part in given.split())}"
