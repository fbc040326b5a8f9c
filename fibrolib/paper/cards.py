"""Model cards: what a saved model is, what it was made of, what it may be used for, and how well it did."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fibrolib.atomic import write_atomically
from fibrolib.diagnostics import model_label
from fibrolib.errors import counted
from fibrolib.paper.figures import JUDGED, _input_shape, _net_arguments
from fibrolib.paper.record import Record, read_record
from fibrolib.paper.tables import MEASURES
from fibrolib.paper.text import _describe_area, _describe_net, _paragraph_environment, _tidy
from fibrolib.plots import setting_label, with_interval

_WEIGHTS = {"scratch": "random", "imagenet": "ImageNet's"}
"""Where weights come from, whose names in the settings say too little."""


def write_cards(run: Path) -> list[Path]:
    """Write the card of each trained network of a finished run beside its file, ``models/NAME.md``; returns the cards.

    Raises `FibrolibError` where the folder holds no finished run.
    """
    return _write_cards(read_record(run), run / "models")


def _write_cards(record: Record, out: Path) -> list[Path]:
    """Write a card for each trained network of a run."""
    cards = {name: _card(record, name) for name in record.nets}
    return [
        write_atomically(out / f"{name}.md", lambda path, text=text: path.write_text(text, "utf-8"))
        for name, text in cards.items()
    ]


def _card(record: Record, name: str) -> str:
    row = record.metrics.set_index("model").loc[name]
    net, population = _describe_net(record, name), record.found["population"]
    cohort, weights = record.found["cohort"], _net_arguments(record, name)["weights"]
    size = f"{counted(cohort['patients'], 'patient')}, {counted(cohort['videos'], 'video')}"
    return _tidy(
        _paragraph_environment()
        .get_template("card.md.j2")
        .render(
            name=name,
            label=model_label(name),
            virtual=record.virtual,
            caveat=record.found["caveat"],
            architecture=net["architecture"],
            weights=f"{net['weights']:,}",
            frames=counted(net["shape"][0], "frame"),
            side=_input_shape(record, name)[1],
            initial=_WEIGHTS.get(weights, weights) or "the network's own default",
            folds=record.folds,
            settings=setting_label(record.found["models"][name]["settings"]) or "the only one",
            fibrolib=record.run["fibrolib"],
            code=record.run["code"],
            torch=record.run["packages"]["torch"],
            seed=record.run["seed"],
            data=f"Virtual cohort, simulated: {size}" if record.virtual else f"One cohort of patients: {size}",
            sides=record.sides,
            condition=record.run["condition"],
            n=row["n"],
            measures={title: _interval(row, measure) for measure, title in MEASURES.items()},
            threshold="none" if pd.isna(row["threshold"]) else f"{row['threshold']:.3g}",
            threshold_source=row["threshold_source"],
            population=_describe_area(population["models"][name]) if population else "",
            population_n=population["n"] if population else 0,
            groups=_groups(record, name),
            notes="" if pd.isna(row["note"]) else f"Caveats: {row['note']}.",
        )
    )


def _interval(row: pd.Series, measure: str) -> str:
    return with_interval(*row[[measure, f"{measure}_low", f"{measure}_high"]].astype(float))


def _groups(record: Record, name: str) -> str:
    """AUC in groups of patients, which a run has of one network."""
    table = record.groups
    if table is None or name != record.video:
        return "Accuracy of this network was not assessed in groups of patients (sex, age, cause, scanner)."
    rows = [f"- {row['level']} (n = {row['n']}): AUC {_interval(row, 'auc')}" for _, row in table.iterrows()]
    return "\n".join([f"In {JUDGED}:\n", *rows])
