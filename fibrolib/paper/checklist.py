"""Reporting checklists, filled in from a run: what is answered and where, what does not apply, what needs an author.

Items are numbered as in TRIPOD+AI (Collins et al., BMJ 2024;385:e078378), STARD 2015 (Bossuyt et al., BMJ
2015;351:h5527) with items for AI in our own numbers after STARD-AI, and CLAIM 2024 (Tejani et al., Radiol Artif Intell
2024;6:e240300); what they ask is said in our words, and theirs holds.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import pandas as pd
from jinja2 import Environment, StrictUndefined

from fibrolib.atomic import write_atomically
from fibrolib.diagnostics import model_label
from fibrolib.errors import counted
from fibrolib.paper.documents import _add_rows, _add_text, _new_document, _save_document
from fibrolib.paper.figures import _group_titles
from fibrolib.paper.record import AUTHOR, Record
from fibrolib.paper.text import _with_brackets
from fibrolib.stages import stage_name

CHECKLISTS = {
    "tripod_ai": "TRIPOD+AI",
    "stard_ai": "STARD 2015 with items for AI after STARD-AI (the numbers AI 1 to AI 15 are ours)",
    "claim_2024": "CLAIM, 2024 update",
}
"""Titles of the checklists by the name of their file."""
ANSWERED, NOT_APPLICABLE, NEEDS_AUTHOR = "answered", "not applicable", "needs the author"
_ABSENT = "this run has none of the places that answer this item"
_NOTE = (
    "What the items ask is said in fibrolib's own words. Before you submit, compare with the original, whose wording "
    "and numbers hold. 'Answered' means that this folder holds what is asked; an author still answers for it. Compared "
    "with the originals: none in full, as their pages could not be read here. TRIPOD+AI's items 1 to 6c agree with a "
    "published listing of them; its other items, STARD 2015 and CLAIM 2024 follow the papers as we know them; of "
    "STARD-AI (Nature Medicine 2025) the items for AI carry our numbers."
)


@dataclass(frozen=True)
class Manuscript:
    """What a checklist may point at: headings of the text, numbers of tables and figures by name, the run's folder."""

    headings: frozenset[str]
    tables: dict[str, int]
    figures: dict[str, int]
    folder: Path


def _answers() -> dict[str, dict]:
    return tomllib.loads((resources.files("fibrolib.paper") / "checklists" / "answers.toml").read_text("utf-8"))


def _items(name: str) -> pd.DataFrame:
    source = resources.files("fibrolib.paper") / "checklists" / f"{name}.csv"
    with source.open(encoding="utf-8") as file:
        return pd.read_csv(file, sep=";", dtype=str)


def _context(record: Record) -> dict:
    """Names that the answers may use."""
    return {
        "run": record.run,
        "folds": record.folds,
        "cohort": record.found["cohort"],
        "sides": record.sides,
        "threshold_source": record.metrics["threshold_source"].iloc[0],
        "n_nets": len(record.nets),
        "others": counted(len(record.found["models"]) - len(record.nets), "other test"),
        "staging": record.found["staging"],
        "pathway": record.table("pathway") is not None,
        "characteristics": _characteristics(record),
        "lacking": record.lacking,
        "groups": ", ".join(_group_titles(record.groups).values()) if record.groups is not None else "",
        "failures": _failures(record),
        "best_label": model_label(record.best["model"]),
        "best_auc": _with_brackets(record.best, "auc"),
    }


def _characteristics(record: Record) -> str:
    """What Table 1 describes the patients by."""
    return ", ".join(name for name in record.named_characteristics["Characteristic"].iloc[1:] if name)


def _failures(record: Record) -> str:
    """How many test patients of each stage the best diagnostic puts on the wrong side of its threshold."""
    best = record.best
    rows = record.predictions.query("model == @best.model and split == 'test'")
    wrong = (
        ((rows["y_score"] >= best["threshold"]) != (rows["y_true"] == 1)).groupby(rows["stage"]).agg(["sum", "size"])
    )
    parts = [f"{row.sum} of {row.size} with {stage_name(row.Index, record.metavir)}" for row in wrong.itertuples()]
    return f"Classified wrongly by the {model_label(best['model'])} in the test patients: {', '.join(parts)}"


def _find_place(place: str, manuscript: Manuscript) -> str | None:
    """Where a place of an answer is, in words; None where there is no such place."""
    kind, _, name = place.partition(": ")
    if kind in ("methods", "results"):
        return f"{kind.capitalize()}, {name}" if name in manuscript.headings else None
    if kind in ("table", "figure"):
        number = getattr(manuscript, f"{kind}s").get(name)
        return f"{kind.capitalize()} {number}" if number else None
    path = f"notebooks/{name}.ipynb" if kind == "notebook" else name
    return path if name and (manuscript.folder / path).exists() else None


def _fill_checklist(name: str, record: Record, manuscript: Manuscript) -> pd.DataFrame:
    """A row per item of a checklist: ``Item, Section, Asks, Status, Answer, Where``."""
    environment, context, answers = Environment(undefined=StrictUndefined), _context(record), _answers()
    rows = []
    for item in _items(name).itertuples():
        answer = answers[item.answer]
        places = [_find_place(place, manuscript) for place in answer.get("where", [])]
        status, text = _status(answer, record.virtual, any(places))
        text = environment.from_string(text).render(context)
        status = NEEDS_AUTHOR if AUTHOR.partition("{")[0] in text else status
        row = {"Item": item.number, "Section": item.section, "Asks": item.asks, "Status": status, "Answer": text}
        rows.append(row | {"Where": "; ".join(place for place in places if place)})
    return pd.DataFrame(rows)


def _status(answer: dict, virtual: bool, found: bool) -> tuple[str, str]:
    """Status of an item and its text; an answer whose places are all absent from this run needs the author."""
    if virtual and "virtual" in answer:
        return NOT_APPLICABLE, answer["virtual"]
    if "never" in answer:
        return NOT_APPLICABLE, answer["never"]
    if "author" in answer:
        return NEEDS_AUTHOR, AUTHOR.format(answer["author"])
    if not found:
        return NEEDS_AUTHOR, AUTHOR.format(answer.get("absent", _ABSENT))
    return ANSWERED, answer["says"]


def _write_checklists(record: Record, manuscript: Manuscript, out: Path) -> str:
    """Write all checklists as a page, a Word document and CSV files; returns a sentence of what is open."""
    filled = {name: _fill_checklist(name, record, manuscript) for name in CHECKLISTS}
    document, parts = _new_document("Reporting checklists", record.warning), []
    _add_text(document, f"# Reporting checklists\n\n{_NOTE}")
    for name, table in filled.items():
        _add_text(document, f"## {CHECKLISTS[name]}")
        _add_rows(document, table.drop(columns="Section"), points=7)
        parts.append((CHECKLISTS[name], table))
        write_atomically(
            out / f"{name}.csv", lambda path, table=table: table.to_csv(path, index=False, encoding="utf-8-sig")
        )
    _save_document(document, out / "checklists.docx")
    page = _page(parts, record.warning)
    write_atomically(out / "checklists.html", lambda path: path.write_text(page, "utf-8"))
    status = pd.concat(filled.values())["Status"].value_counts()
    return (
        f"{counted(sum(map(len, filled.values())), 'item')} of {len(filled)} checklists: {status.get(ANSWERED, 0)} "
        f"answered, {status.get(NOT_APPLICABLE, 0)} not applicable, {status.get(NEEDS_AUTHOR, 0)} need the author."
    )


def _page(parts: list[tuple[str, pd.DataFrame]], warning: str) -> str:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    source = (resources.files("fibrolib.paper") / "checklists.html.j2").read_text("utf-8")
    return environment.from_string(source).render(parts=parts, warning=warning, note=_NOTE, open=NEEDS_AUTHOR)
