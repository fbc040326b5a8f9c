"""What a user asks of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fibrolib.errors import FibrolibError
from fibrolib.stages import CONDITIONS
from fibrolib.study.paths import find_run_folder

__all__ = ["Request"]


@dataclass(frozen=True)
class Request:
    """What a user asks of a run; also the parameters of every notebook.

    Attributes
    ----------
    cohort : str
        Path of a cohort table, or a reference of `fibrolib.privacy.register`; empty for the virtual cohort.
    profile : str
        ``smoke``, ``quick``, ``paper`` or a TOML file.
    cutoff : int
        Lowest stage that counts as diseased.
    seed : int
        Seed of the virtual cohort, the split, the folds and the nets.
    out : str
        Run folder; ``..`` in an executed copy, for the one it lies in. Empty: a folder of its own in ``reports``,
        named after the other four (`fibrolib.study.naming`); a `Study` fills it in.

    Raises
    ------
    FibrolibError
        If the cut-off is none of the stages 1 to 4.
    """

    cohort: str = ""
    profile: str = "quick"
    cutoff: int = 2
    seed: int = 0
    out: str = ""

    def __post_init__(self) -> None:
        if self.cutoff not in CONDITIONS:
            raise FibrolibError(f"cutoff must be 1, 2, 3 or 4, the lowest stage that is diseased; not {self.cutoff!r}.")

    @property
    def run_folder(self) -> Path:
        """Absolute path of the run folder."""
        return find_run_folder(self.out)

    def virtual_folder(self, patients: int) -> Path:
        """Folder of the virtual cohort; beside the run folders, so that runs share it."""
        return self.run_folder.parent / "cohorts" / f"virtual-{patients}-seed{self.seed}"
