"""What a user asks of a run, and where its files are.

Notebooks and runs start in different folders, so every path is anchored at the top of the checkout or, of an installed
wheel, at the working directory.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fibrolib.errors import FibrolibError
from fibrolib.stages import CONDITIONS


def _top(package: Path) -> Path:
    """Top of the checkout that a package lies in, or the working directory where it was installed without one."""
    checkout = package.parent
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


PROJECT = _top(Path(__file__).resolve().parents[1])
"""Top of the checkout; of an installed wheel, the working directory."""

_STAMP = ".made-for"  # a file that every run folder has
_INSIDE = ".."  # run folder of an executed copy: the one it lies in, seen from the folder of the notebooks


def _from_project(path: str | Path) -> Path:
    """Absolute path; a relative one is taken from `PROJECT`."""
    return (PROJECT / Path(path).expanduser()).resolve()


@dataclass(frozen=True)
class Request:
    """What a user asks of a run; also the parameters of every notebook. Another cut-off raises a `FibrolibError`."""

    cohort: str = ""  # path of a cohort table, or a reference of `fibrolib.privacy.register`; empty: the virtual cohort
    profile: str = "quick"  # smoke, quick, paper or a TOML file
    cutoff: int = 2  # lowest stage that counts as diseased, 1 to 4
    seed: int = 0  # of the virtual cohort, the split, the folds and the nets
    out: str = ""  # run folder; "..": the one an executed copy lies in; empty: one in reports, which `Study` fills in

    def __post_init__(self) -> None:
        if self.cutoff not in CONDITIONS:
            raise FibrolibError(f"cutoff must be 1, 2, 3 or 4, the lowest stage that is diseased; not {self.cutoff!r}.")

    @property
    def run_folder(self) -> Path:
        """Absolute path of the run folder; `_INSIDE` names no place, so that a run folder may be moved."""
        if self.out != _INSIDE:
            return _from_project(self.out)
        folder = Path.cwd().parent
        if not (folder / _STAMP).is_file():
            raise FibrolibError(
                f"out = '{_INSIDE}' means the run folder that a notebook lies in, and {folder} is none. Open the "
                "notebook where the run left it, or set 'out' to the run folder."
            )
        return folder
