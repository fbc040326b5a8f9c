"""The command writes everything into one folder, and says what is missing and what is left to the author."""

import pytest
from docx import Document
from paper_run import EXAMPLE, small_run
from typer.testing import CliRunner

from fibrolib import plots
from fibrolib.cli import app
from fibrolib.errors import FibrolibError
from fibrolib.paper import write_paper
from fibrolib.paper.record import VIRTUAL

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The whole material of a small run, at a resolution that is quickly drawn."""
    folder = tmp_path_factory.mktemp("paper")
    run, out = small_run(folder / "run"), folder / "paper"
    style = folder / "coarse.mplstyle"
    style.write_text("axes.labelsize: 8\n")
    coarse = {name: each | {"drawing_dpi": 40, "picture_dpi": 40} for name, each in plots.journals().items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fibrolib.paper.manuscript.journals", lambda: coarse)
        arguments = ["paper", str(run), "--out", str(out), "--journal", "nature", "--style", str(style)]
        said = CliRunner().invoke(app, arguments, catch_exceptions=False)
    return out, said


def test_the_folder_holds_what_a_manuscript_needs(written):
    out, said = written
    assert said.exit_code == 0
    names = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert {
        "manuscript.docx",
        "manuscript.md",
        "references.bib",
        "tables/tables.docx",
        "tables/all_tables.tex",
    } <= names
    assert {"checklists/checklists.html", "checklists/checklists.docx", "models/cnn3d.md"} <= names
    assert len([name for name in names if name.startswith("figures/")]) == 44
    assert "11 figures" in said.output
    assert "items of 3 checklists" in said.output
    assert VIRTUAL in said.output


def test_every_figure_and_table_that_the_text_names_is_there(written):
    out, _ = written
    text = (out / "manuscript.md").read_text("utf-8")
    assert "[AUTHOR: this run has no" not in text
    assert text.startswith(VIRTUAL)
    assert text.count(VIRTUAL) >= 10  # the head, the results, and every caption
    document = Document(out / "manuscript.docx")
    assert len(document.inline_shapes) == 11
    assert document.sections[0].header.paragraphs[0].text == VIRTUAL
    assert any(paragraph.text == "References" for paragraph in document.paragraphs)


def test_what_cannot_be_asked_for_is_said(tmp_path):
    with pytest.raises(FibrolibError, match="standard, elsevier, springer, nature"):
        write_paper(EXAMPLE, tmp_path, journal="lancet")
    with pytest.raises(FibrolibError, match="no such file"):
        write_paper(EXAMPLE, tmp_path, style="absent.mplstyle")
    with pytest.raises(FibrolibError, match="millimetres"):
        write_paper(EXAMPLE, tmp_path, width=8.5)
    with pytest.raises(FibrolibError, match="no finished run"):
        write_paper(tmp_path, tmp_path)
