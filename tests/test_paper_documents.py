"""Word, LaTeX and CSV hold the same cells; Word opens, LaTeX compiles where it is installed."""

import re
import shutil
import subprocess
import zipfile

import pandas as pd
import pytest
from docx import Document
from PIL import Image

from fibrolib.paper import documents
from fibrolib.paper.tables import PaperTable

ROWS = pd.DataFrame({"Test": ["A & B", "50 %_x"], "AUC (≥ F2)": ["0.91 (0.64–0.98)", "−0.10 to 0.70"]})
TABLE = PaperTable(1, "metrics", "Accuracy", ROWS, ("n = 17.", "Virtual cohort."))
WIDE = PaperTable(2, "wide", "Wide", pd.DataFrame({f"c{number}": ["1"] for number in range(8)}), ())
LONG = PaperTable(3, "long", "Long", ROWS.assign(Remark="word " * 30), ())


def document_text(path):
    document = Document(path)
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return [paragraph.text for paragraph in document.paragraphs], cells


def test_word_has_every_cell_title_and_note(tmp_path):
    document = documents._new_document("Tables", "Virtual cohort.")
    for table in (TABLE, WIDE):
        documents._add_table(document, table)
    path = documents._save_document(document, tmp_path / "tables.docx")
    paragraphs, cells = document_text(path)
    assert cells[:6] == ["Test", "AUC (≥ F2)", *ROWS.to_numpy().ravel()]
    assert "Table 1. Accuracy" in paragraphs
    assert "n = 17. Virtual cohort." in paragraphs
    again = Document(path)
    assert all(cell.paragraphs[0].paragraph_format.keep_with_next for cell in again.tables[0].column_cells(0))
    assert again.sections[0].header.paragraphs[0].text == "Virtual cohort."
    assert [section.page_width > section.page_height for section in again.sections] == [False, True]
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        assert b"w:tblHeader" in file.read("word/document.xml")


def test_text_has_headings_and_marked_places(tmp_path):
    document = documents._new_document("Text")
    documents._add_text(document, "## Methods\n\nA line\nand **bold** [AUTHOR: say where].\n\n### Part\n\nEnd.")
    picture = tmp_path / "figure.png"
    Image.new("RGB", (3000, 300)).save(picture, dpi=(300, 300))
    documents._add_picture(document, picture, "**Figure 1.** Caption")
    again = Document(documents._save_document(document, tmp_path / "text.docx"))
    assert [paragraph.style.name for paragraph in again.paragraphs[:3]] == ["Heading 2", "Normal", "Heading 3"]
    runs = again.paragraphs[1].runs
    assert again.paragraphs[1].text == "A line and bold [AUTHOR: say where]."
    assert [run.text for run in runs if run.bold] == ["bold"]
    assert [run.text for run in runs if run.font.highlight_color] == ["[AUTHOR: say where]"]
    assert again.inline_shapes[0].width.mm == pytest.approx(170, abs=0.1)
    assert again.inline_shapes[0].height.mm == pytest.approx(17, abs=0.1)


def test_csv_has_cells_and_notes(tmp_path):
    rows = pd.read_csv(documents._write_csv(TABLE, tmp_path / "t.csv"), keep_default_na=False)
    assert rows.iloc[:2].to_numpy().tolist() == ROWS.to_numpy().tolist()
    assert rows.iloc[2:]["Test"].tolist() == list(TABLE.notes)


def test_latex_has_rules_and_no_sign_that_latex_refuses():
    text = documents._latex_table(TABLE)
    assert [text.count(rf"\{rule}") for rule in ("toprule", "midrule", "bottomrule")] == [1, 1, 1]
    assert r"A \& B & 0.91 (0.64--0.98) \\" in text
    assert r"50 \%\_x & $-$0.10 to 0.70 \\" in text
    assert r"AUC ($\geq$ F2)" in text
    assert text.isascii()
    assert documents._latex_text("> 0.99") == "$>$ 0.99"
    assert documents._latex_text("a\\b{c}") == r"a\textbackslash b\{c\}"


def test_a_table_that_would_be_small_is_turned_in_latex():
    assert [documents._latex_table(each).count("sidewaystable") for each in (TABLE, LONG)] == [0, 2]


def test_latex_compiles_where_it_is_installed(tmp_path):
    whole = documents._write_latex([TABLE, WIDE, LONG], tmp_path)
    assert re.findall(r"\\input\{(.+?)\}", whole.read_text("utf-8")) == [
        "table_1_metrics",
        "table_2_wide",
        "table_3_long",
    ]
    if not shutil.which("pdflatex"):
        pytest.skip("LaTeX is not installed")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", whole.name]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout[-2000:]
