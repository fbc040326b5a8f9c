"""Tables and text as files: Word, LaTeX and CSV. What goes in is text; nothing is known of a run here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from docx import Document
from docx.enum.section import WD_ORIENT
from docx.enum.text import WD_COLOR_INDEX
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.section import Section
from docx.shared import Mm, Pt, RGBColor
from docx.table import Table
from docx.text.paragraph import Paragraph

from fibrolib.atomic import write_atomically
from fibrolib.paper.tables import PaperTable

_LONG = 32  # letters after which the text of a cell is broken
_PAGEFUL = 30  # rows up to which a table is kept on one page, with its notes
_WIDE = 6  # columns beyond which Word's page is turned: there, cells are broken
_LINE = 135  # letters of a row beyond which LaTeX's table is turned: more would be printed small
_LATEX = {
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "<": r"$<$",
    ">": r"$>$",
    "−": r"$-$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "∞": r"$\infty$",
    "–": "--",
    "²": r"\textsuperscript{2}",
    "⁹": r"\textsuperscript{9}",
    "\N{EM SPACE}": r"\quad ",
}
_MARKED = re.compile(r"(\[AUTHOR: [^\]]*\]|\*\*[^*]+\*\*)")


def _write_csv(table: PaperTable, path: Path) -> Path:
    """Write the rows of a table; notes stand below them, in the first column."""
    blank = [""] * (table.rows.shape[1] - 1)
    rows = pd.concat([table.rows, pd.DataFrame([[note, *blank] for note in table.notes], columns=table.rows.columns)])
    return write_atomically(path, lambda part: rows.to_csv(part, index=False, encoding="utf-8-sig"))  # for Excel


def _latex_text(text: str) -> str:
    """Text as LaTeX, for any engine."""
    for sign in ("\\", "{", "}", "&", "%", "$", "#", "_"):
        text = text.replace(sign, r"\textbackslash " if sign == "\\" else f"\\{sign}")
    return "".join(_LATEX.get(sign, sign) for sign in text.replace("^", r"\^{}").replace("~", r"\~{}"))


def _latex_table(table: PaperTable) -> str:
    """A table with the rules of booktabs, its notes below."""
    lines = [" & ".join(map(_latex_text, row)) + r" \\" for row in [table.rows.columns, *table.rows.to_numpy()]]
    columns = "l" * table.rows.shape[1]
    begin, rules = rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}", (r"\toprule", r"\midrule", r"\bottomrule")
    tabular = "\n".join([begin, rules[0], lines[0], rules[1], *lines[1:], rules[2], r"\end{tabular}"])
    notes = r"\\ ".join(map(_latex_text, table.notes))
    widths = [max(map(len, [name, *cells])) + 2 for name, cells in table.rows.items()]
    kind = "sidewaystable" if sum(widths) > _LINE else "table"
    return "\n".join(
        [
            rf"\begin{{{kind}}}[p]",
            r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
            rf"\caption{{{_latex_text(table.title)}}}\label{{tab:{table.name}}}",
            rf"\resizebox{{\ifdim\width>\linewidth\linewidth\else\width\fi}}{{!}}{{{tabular}}}",
            r"\par\smallskip",
            rf"\begin{{minipage}}{{\linewidth}}\scriptsize {notes}\end{{minipage}}",
            rf"\end{{{kind}}}",
            "",
        ]
    )


def _write_latex(tables: Sequence[PaperTable], folder: Path) -> Path:
    """Write a file for each table, and one that shows them all and compiles by itself."""
    for table in tables:
        path, text = folder / f"table_{table.number}_{table.name}.tex", _latex_table(table)
        write_atomically(path, lambda part, text=text: part.write_text(text, "utf-8"))
    inputs = "\n".join(rf"\input{{table_{table.number}_{table.name}}}" for table in tables)
    head = "\\documentclass{article}\n\\usepackage[margin=2cm]{geometry}\n\\usepackage[utf8]{inputenc}\n"
    whole = f"{head}\\usepackage{{booktabs,graphicx,rotating}}\n\\begin{{document}}\n{inputs}\n\\end{{document}}\n"
    return write_atomically(folder / "all_tables.tex", lambda part: part.write_text(whole, "utf-8"))


def _new_document(title: str, warning: str = "") -> Document:
    """An empty Word document in a plain letter, its warning in the header of every page."""
    document = Document()
    style = document.styles["Normal"]
    style.font.name, style.font.size = "Arial", Pt(10)
    style.element.rPr.rFonts.set(qn("w:eastAsia"), "Arial")
    for level in range(1, 4):
        heading = document.styles[f"Heading {level}"]
        heading.font.name, heading.font.color.rgb = "Arial", RGBColor(0, 0, 0)
        heading.element.rPr.rFonts.attrib.clear()  # or the theme's letter would win
        heading.font.name = "Arial"
    document.core_properties.title = title
    document.core_properties.author = ""
    _portrait(document)
    if warning:
        document.sections[0].header.paragraphs[0].add_run(warning).bold = True
    return document


def _portrait(document: Document) -> None:
    section = document.sections[-1]
    section.page_width, section.page_height = Mm(210), Mm(297)
    for side in ("left", "right", "top", "bottom"):
        setattr(section, f"{side}_margin", Mm(20))


def _turn(document: Document) -> None:
    """Begin a new page, turned against the last."""
    section = document.add_section()
    section.page_width, section.page_height = section.page_height, section.page_width
    wide = section.page_width > section.page_height
    section.orientation = WD_ORIENT.LANDSCAPE if wide else WD_ORIENT.PORTRAIT


def _add_text(document: Document, text: str) -> None:
    """Add paragraphs of Markdown: headings, bold words; places for an author are marked in colour."""
    for block in text.strip().split("\n\n"):
        if heading := re.match(r"(#+) (.+)", block):
            document.add_heading(heading.group(2), level=len(heading.group(1)))
        else:
            _fill(document.add_paragraph(), " ".join(block.split("\n")))


def _fill(paragraph: Paragraph, text: str) -> None:
    for part in _MARKED.split(text):
        run = paragraph.add_run(part.strip("*") if part.startswith("**") else part)
        run.bold = part.startswith("**") or None
        if part.startswith("[AUTHOR"):
            run.font.highlight_color = WD_COLOR_INDEX.YELLOW


def _add_picture(document: Document, path: Path, caption: str) -> None:
    """Add a figure, not wider than the page, and its caption."""
    document.add_picture(str(path))
    picture = document.inline_shapes[-1]
    most = Mm(170)
    if picture.width > most:
        picture.width, picture.height = most, int(picture.height * most / picture.width)
    document.paragraphs[-1].paragraph_format.keep_with_next = True
    _fill(document.add_paragraph(), caption)


def _add_rows(document: Document, rows: pd.DataFrame, points: float = 8) -> None:
    """Add a table with three rules, as journals print them; the head is repeated on every page."""
    table = document.add_table(1 + len(rows), rows.shape[1])
    for cells, values in zip(table.rows, [rows.columns, *rows.to_numpy()], strict=True):
        for cell, value in zip(cells.cells, values, strict=True):
            paragraph = cell.paragraphs[0]
            paragraph.paragraph_format.space_after = Pt(1)
            paragraph.paragraph_format.keep_with_next = len(rows) <= _PAGEFUL
            _fill(paragraph, str(value))
            for run in paragraph.runs:
                run.font.size = Pt(points)
    for run in (run for cell in table.rows[0].cells for run in cell.paragraphs[0].runs):
        run.bold = True
    table.rows[0]._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
    for row in table.rows:
        row._tr.get_or_add_trPr().append(OxmlElement("w:cantSplit"))
    _rules(table)
    _share_width(table, rows, document.sections[-1])


def _share_width(table: Table, rows: pd.DataFrame, section: Section) -> None:
    """Give columns the width of the page in proportion to their longest text, of which long ones are broken."""
    # A column of p values or of counts must not break within a number.
    longest = [min(max(len(name), rows[name].str.len().max(), 8), _LONG) + 3 for name in rows]
    width = section.page_width - section.left_margin - section.right_margin
    table.autofit = False
    for column, share in zip(table.columns, longest, strict=True):
        column.width = int(width * share / sum(longest))  # for LibreOffice
        for cell in column.cells:  # for Word
            cell.width = column.width


def _rules(table: Table) -> None:
    for row, sides in ((table.rows[0], ("top", "bottom")), (table.rows[-1], ("bottom",))):
        for cell in row.cells:
            borders = OxmlElement("w:tcBorders")
            for side in sides:
                rule = OxmlElement(f"w:{side}")
                for name, value in (("val", "single"), ("sz", "6"), ("color", "000000")):
                    rule.set(qn(f"w:{name}"), value)
                borders.append(rule)
            cell._tc.get_or_add_tcPr().append(borders)


def _add_table(document: Document, table: PaperTable) -> None:
    """Add a table with its title above and its notes below; many columns get a page that is turned."""
    turned = document.sections[-1].orientation == WD_ORIENT.LANDSCAPE
    if turned != (table.rows.shape[1] > _WIDE):
        _turn(document)
    title = document.add_paragraph()
    title.paragraph_format.keep_with_next = True
    _fill(title, f"**Table {table.number}.** {table.title}")
    _add_rows(document, table.rows)
    notes = document.add_paragraph()
    _fill(notes, " ".join(table.notes))
    for run in notes.runs:
        run.font.size = Pt(8)


def _save_document(document: Document, path: Path) -> Path:
    """Write a Word document."""
    return write_atomically(path, lambda part: document.save(str(part)))
