"""The run folder: everything of one run, each file whole or absent."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fibrolib.atomic import write_atomically
from fibrolib.learning import NetClassifier
from fibrolib.plots import save_figure
from fibrolib.study.keeping import Keeper
from fibrolib.study.lock import held
from fibrolib.study.paths import STAMP
from fibrolib.video import write_video

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["RunFolder"]

_SHOWN = ("figures", "tables", "notebooks", "models", "predictions.csv", "results.json", "run.json", "report.html")


class RunFolder:
    """Paths and writers of one run.

    Parameters
    ----------
    path : Path
        ``reports/<name>``; made when the first file is written.
    made_for : str
        Hash of what is asked of the run. What the folder shows of another request is removed before the first file of
        this one is written, so that no report ever mixes the two; ``cache`` stays, where results are kept by content.
    """

    def __init__(self, path: Path, made_for: str = "") -> None:
        self.path, self.made_for = path, made_for
        self.keeper = Keeper(path / "cache" / "results")

    @property
    def clips(self) -> Path:
        """Prepared clips."""
        return self.path / "cache" / "clips"

    @property
    def fits(self) -> Path:
        """Fits of models whose evaluation is not finished."""
        return self.path / "cache" / "fits"

    @property
    def notebooks(self) -> Path:
        """Executed notebooks."""
        return self.path / "notebooks"

    def claim(self) -> None:
        """Make the folder this request's: remove what it shows of another one.

        A notebook opened alone beside a run of the same request needs no lock: whatever either of them finishes first
        is whole, and what the other would have made. With another request it would take the run's files away.

        Raises
        ------
        FibrolibError
            If a run of another request is at work in the folder.
        """
        stamp = self.path / STAMP
        if stamp.exists() and stamp.read_text("utf-8") == self.made_for:
            return
        with held(self.path):
            for name in _SHOWN:
                shutil.rmtree(self.path / name, ignore_errors=True)
                if (self.path / name).is_file():
                    (self.path / name).unlink()
            write_atomically(stamp, lambda path: path.write_text(self.made_for, "utf-8"))

    def _write(self, name: str, write: Callable[[Path], object]) -> Path:
        self.claim()
        return write_atomically(self.path / name, write)

    def save_profile(self, source: Path) -> Path:
        """Keep a profile's file as ``profile/<name>.toml``, so that executed copies need no path to find it."""
        return self._write(f"profile/{source.name}", lambda path: shutil.copyfile(source, path))

    def save_table(self, name: str, table: pd.DataFrame) -> Path:
        """Write ``tables/<name>.csv`` and return its path; the index is left out."""
        return self._write(f"tables/{name}.csv", lambda path: table.to_csv(path, index=False))

    def save_figure(self, name: str, figure: Figure) -> Path:
        """Write ``figures/<name>.svg`` and ``.png`` and return the path of the PNG."""
        self._write(f"figures/{name}.svg", lambda path: save_figure(figure, path))
        return self._write(f"figures/{name}.png", lambda path: save_figure(figure, path))

    def save_clip(self, name: str, frames: NDArray[np.uint8], fps: float) -> Path:
        """Write ``figures/<name>.mp4`` and return its path."""
        return self._write(f"figures/{name}.mp4", lambda path: write_video(path, frames, fps))

    def save_model(self, name: str, classifier: NetClassifier, settings: dict) -> Path:
        """Write ``models/<name>.safetensors``, and beside it as ``.json`` what `scoring.score_video` needs to know."""
        self.save_json(f"models/{name}", settings)
        return self._write(f"models/{name}.safetensors", classifier.save)

    def save_predictions(self, predictions: pd.DataFrame) -> Path:
        """Write ``predictions.csv``."""
        return self._write("predictions.csv", lambda path: predictions.to_csv(path, index=False))

    def save_json(self, name: str, content: dict) -> Path:
        """Write ``<name>.json``; NaN becomes null."""
        text = json.dumps(_without_nan(content), indent=2, ensure_ascii=False, allow_nan=False)
        return self._write(f"{name}.json", lambda path: path.write_text(text + "\n", encoding="utf-8"))

    def save_report(self, text: str) -> Path:
        """Write ``report.html``."""
        return self._write("report.html", lambda path: path.write_text(text, encoding="utf-8"))


def _without_nan(value):
    """JSON has no NaN: write null."""
    if isinstance(value, dict):
        return {str(key): _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and value != value else value
