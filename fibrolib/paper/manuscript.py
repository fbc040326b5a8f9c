"""Everything that a manuscript takes from a finished run, written into one folder."""

from __future__ import annotations

from pathlib import Path

from fibrolib.atomic import write_atomically
from fibrolib.errors import FibrolibError
from fibrolib.paper.figures import PaperFigure, write_figures
from fibrolib.paper.record import read_record
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
        Width of the figures in mm (`write_figures`).
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
    figures, absent = write_figures(record, out, page, width)
    write_atomically(out / "captions.md", lambda path: path.write_text(_captions(figures), "utf-8"))
    said = [f"{len(figures)} figures as PDF, SVG, PNG and TIFF: {out / 'figures'}"]
    if absent:
        said.append(f"Not in this run: {', '.join(absent)}. 'fibrolib run' of this version keeps what they show.")
    return said


def _page(journal: str, style: str) -> Page:
    known = journals()
    if journal not in known:
        raise FibrolibError(f"--journal {journal}: unknown. Choose one of {', '.join(known)}.")
    if style and not Path(style).is_file():
        raise FibrolibError(f"--style {style}: there is no such file. Expected a file of matplotlib settings.")
    return Page(**known[journal], style=style)


def _captions(figures: list[PaperFigure]) -> str:
    return "\n\n".join(f"**Figure {each.number}. {each.title}.** {each.caption}" for each in figures) + "\n"
