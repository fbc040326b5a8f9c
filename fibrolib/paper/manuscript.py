"""Everything that a manuscript takes from a finished run, written into one folder."""

from __future__ import annotations

import re
from pathlib import Path

from fibrolib.atomic import write_atomically
from fibrolib.errors import FibrolibError, counted
from fibrolib.paper.cards import _write_cards
from fibrolib.paper.checklist import Manuscript, _write_checklists
from fibrolib.paper.documents import (
    _add_picture,
    _add_table,
    _add_text,
    _new_document,
    _save_document,
    _write_csv,
    _write_latex,
)
from fibrolib.paper.figures import PaperFigure, _write_figures
from fibrolib.paper.record import Record, read_record
from fibrolib.paper.tables import PaperTable, _make_tables
from fibrolib.paper.text import _number_citations, _write_bibliography, _write_methods, _write_results
from fibrolib.plots import Page, journals


def write_paper(
    run: Path, out: Path, *, journal: str = "standard", width: float | None = None, style: str = ""
) -> list[str]:
    """Write the material of a manuscript from a run folder; returns sentences about what was written.

    Parameters
    ----------
    run, out : Path
        Folder of a finished run; folder of the material, whose files are replaced.
    journal : str
        A section of ``fibrolib/plots/journals.toml``.
    width : float, optional
        Width of the figures in mm (`_write_figures`).
    style : str
        A file of matplotlib settings (``.mplstyle``) that come last.

    Raises
    ------
    FibrolibError
        The folder holds no finished run, or there is no such journal or style.
    """
    page, record = _page(journal, style), read_record(run)
    if width is not None and not 40 <= width <= 300:
        raise FibrolibError(f"--width {width:g}: expected the width of a figure in millimetres, 40 to 300.")
    figures, absent = _write_figures(record, out, page, width)
    tables = _make_tables(record)
    numbers = {
        "tables": {each.name: each.number for each in tables},
        "figures": {each.name: each.number for each in figures},
    }
    text = _write_methods(record) + "\n" + _write_results(record, **numbers)
    _write_text(record, text, figures, out)
    _write_tables(record, tables, out / "tables")
    manuscript = Manuscript(frozenset(re.findall(r"^### (.+)$", text, re.MULTILINE)), **numbers, folder=record.folder)
    open_items = _write_checklists(record, manuscript, out / "checklists")
    cards = _write_cards(record, out / "models")
    said = [
        f"{counted(len(figures), 'figure')} (PDF, SVG, PNG, TIFF), {counted(len(tables), 'table')} (Word, LaTeX, CSV), "
        f"{counted(len(cards), 'model card')}, Methods and Results (manuscript.docx, .md, references.bib): {out}",
        open_items,
        f"{text.count('[AUTHOR: ')} places of the text are marked [AUTHOR: ...].",
    ]
    if absent:
        said.append(f"Not in this run: {', '.join(absent)}. Run the study again with this version to have them.")
    return said + ([record.warning] if record.warning else [])


def _page(journal: str, style: str) -> Page:
    known = journals()
    if journal not in known:
        raise FibrolibError(f"--journal {journal}: unknown. Choose one of {', '.join(known)}.")
    if style and not Path(style).is_file():
        raise FibrolibError(f"--style {style}: there is no such file. Expected a file of matplotlib settings.")
    return Page(**known[journal], style=style)


def _write_text(record: Record, text: str, figures: list[PaperFigure], out: Path) -> None:
    """Write the text as Markdown with BibTeX, and for Word with numbered citations and the figures."""
    captions = [f"**Figure {each.number}. {each.title}.** {each.caption}" for each in figures]
    whole = f"{record.warning}\n\n{text}\n## Figures\n\n" + "\n\n".join(captions) + "\n"
    write_atomically(out / "manuscript.md", lambda path: path.write_text(whole.lstrip(), "utf-8"))
    write_atomically(out / "references.bib", lambda path: path.write_text(_write_bibliography(text), "utf-8"))
    document = _new_document("Methods and Results", record.warning)
    _add_text(document, _number_citations(text))
    document.add_heading("Figures", level=2)
    for figure, caption in zip(figures, captions, strict=True):
        (picture,) = (path for path in figure.files if path.suffix == ".png")
        _add_picture(document, picture, caption)
    _save_document(document, out / "manuscript.docx")


def _write_tables(record: Record, tables: list[PaperTable], out: Path) -> None:
    document = _new_document("Tables", record.warning)
    for table in tables:
        _add_table(document, table)
        _write_csv(table, out / f"table_{table.number}_{table.name}.csv")
    _save_document(document, out / "tables.docx")
    _write_latex(tables, out)
