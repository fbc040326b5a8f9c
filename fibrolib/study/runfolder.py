"""The run folder: everything of one run, each file whole or absent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fibrolib.plots import save_figure
from fibrolib.study.keeping import Keeper, write_atomically
from fibrolib.video import write_video

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["RunFolder"]


class RunFolder:
    """Paths and writers of one run.

    Parameters
    ----------
    path : Path
        ``reports/<name>``; made when the first file is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
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

    @property
    def models(self) -> Path:
        """Final nets."""
        return self.path / "models"

    def save_table(self, name: str, table: pd.DataFrame) -> Path:
        """Write ``tables/<name>.csv`` and return its path; the index is left out."""
        return write_atomically(self.path / "tables" / f"{name}.csv", lambda path: table.to_csv(path, index=False))

    def save_figure(self, name: str, figure: Figure) -> Path:
        """Write ``figures/<name>.svg`` and ``.png`` and return the path of the PNG."""
        folder = self.path / "figures"
        write_atomically(folder / f"{name}.svg", lambda path: save_figure(figure, path))
        return write_atomically(folder / f"{name}.png", lambda path: save_figure(figure, path))

    def save_clip(self, name: str, frames: NDArray[np.uint8], fps: float) -> Path:
        """Write ``figures/<name>.mp4`` and return its path."""
        return write_atomically(self.path / "figures" / f"{name}.mp4", lambda path: write_video(path, frames, fps))

    def save_predictions(self, predictions: pd.DataFrame) -> Path:
        """Write ``predictions.csv``."""
        return write_atomically(self.path / "predictions.csv", lambda path: predictions.to_csv(path, index=False))

    def save_json(self, name: str, content: dict) -> Path:
        """Write ``<name>.json``; NaN becomes null."""
        text = json.dumps(_without_nan(content), indent=2, ensure_ascii=False, allow_nan=False)
        return write_atomically(self.path / f"{name}.json", lambda path: path.write_text(text + "\n", encoding="utf-8"))


def _without_nan(value):
    """JSON has no NaN: write null."""
    if isinstance(value, dict):
        return {str(key): _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and value != value else value
