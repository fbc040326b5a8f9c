"""What was taken out of which file, and what a person must still look at; never a value that was removed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

__all__ = ["LOOK_AT_ALL", "FileResult", "RefusedError", "Report"]

LOOK_AT_ALL = (
    "Look at every picture (look.html) before you hand the files on: text, a name or a date inside the ultrasound "
    "picture itself is not removed, and no program finds all of it."
)


class RefusedError(Exception):
    """A file that is not written, with the reason; the reason names nobody."""


@dataclass(frozen=True)
class FileResult:
    """What became of one file.

    Parameters
    ----------
    file : str
        Its new name within the folder; of a file that was not written, what it would have been without the ending.
    outcome : {"written", "refused", "left out"}
        A refused file is a picture that could not be made safe; what is left out is no picture.
    kind : str
        "dicom", "video", "image" or "mask"; empty where it is none.
    removed : dict of str to int
        How often what was removed or replaced: DICOM keywords, keys of a video's or image's metadata, other streams.
    kept : float or None
        Share of the frame that was kept, the ultrasound picture.
    look : tuple of str
        What a person must look at in this file, besides `LOOK_AT_ALL`.
    reason : str
        Why it was not written.
    """

    file: str
    outcome: Literal["written", "refused", "left out"]
    kind: str = ""
    removed: dict[str, int] = field(default_factory=dict)
    kept: float | None = None
    look: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Report:
    """What became of all files.

    Parameters
    ----------
    results : sequence of FileResult
        In the order of the new names.
    """

    results: Sequence[FileResult]

    def of(self, outcome: str) -> list[FileResult]:
        """The files of one outcome."""
        return [result for result in self.results if result.outcome == outcome]

    @property
    def removed(self) -> dict[str, tuple[int, int]]:
        """In how many files, and how often in all, each thing was removed or replaced; by name."""
        files, times = Counter(), Counter()
        for result in self.of("written"):
            files.update(result.removed.keys())
            times.update(result.removed)
        return {name: (files[name], times[name]) for name in sorted(times)}

    @property
    def status(self) -> int:
        """0: all written; 1: some left out, or wanting a closer look; 2: a picture refused, or none there."""
        if self.of("refused") or not self.of("written"):
            return 2
        return int(bool(self.of("left out")) or any(result.look for result in self.results))

    def text(self) -> str:
        """For people."""
        written, refused, left_out = (self.of(outcome) for outcome in ("written", "refused", "left out"))
        lines = [f"Files written: {len(written)}, refused: {len(refused)}, left out: {len(left_out)}."]
        lines += [f"  refused: {result.file}: {result.reason}" for result in refused]
        lines += [f"  left out: {result.file}: {result.reason}" for result in left_out]
        lines += ["", "Removed or replaced (in how many files; how often):"]
        lines += [f"  {name}: {files}; {times}" for name, (files, times) in self.removed.items()] or ["  nothing"]
        shares = [result.kept for result in written if result.kept is not None]
        if shares:
            lines += ["", f"Pixels: of each frame {min(shares):.0%} to {max(shares):.0%} were kept, the rest is black."]
        lines += ["", LOOK_AT_ALL]
        lines += [f"  {result.file}: {what}" for result in written for what in result.look]
        return "\n".join(lines) + "\n"

    def json(self) -> str:
        """The same for programs."""
        removed = {name: {"files": files, "times": times} for name, (files, times) in self.removed.items()}
        files = [asdict(result) for result in self.results]
        content = {"status": self.status, "files": files, "removed": removed, "look": LOOK_AT_ALL}
        return json.dumps(content, indent=2) + "\n"
