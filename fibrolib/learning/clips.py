"""Patients to batches: windows of prepared clips, and how they are averaged back to patients."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from fibrolib.learning.augment import Augment
from fibrolib.learning.perturbations import Change
from fibrolib.video import load_frames

__all__ = ["VIEWS", "ClipDataset", "average_by_patient", "spread_windows", "take_window"]

VIEWS = ("clips", "stills")
"""Columns of the patient table that hold prepared files: moving clips, or still images."""

_IN_MEMORY = 1 << 25
"""Prepared frames are kept in memory up to this many bytes; beyond it they are read again from disk, a millisecond a
clip. Several processes and threads have as much each."""


def take_window(frames: NDArray[np.uint8], start: int, clip_length: int, frame_stride: int) -> NDArray[np.uint8]:
    """Cut ``clip_length`` frames, ``frame_stride`` apart, from a clip; a short clip is played back and forth.

    Parameters
    ----------
    frames : ndarray of uint8, shape (n, height, width)
        A prepared clip.
    start : int
        First frame.
    clip_length, frame_stride : int
        Number of frames and their distance.

    Returns
    -------
    ndarray of uint8, shape (clip_length, height, width)
    """
    positions = start + frame_stride * np.arange(clip_length)
    period = max(2 * (len(frames) - 1), 1)
    positions %= period
    return frames[np.where(positions < len(frames), positions, period - positions)]


def spread_windows(n_frames: int, clip_length: int, frame_stride: int, n_clips: int) -> list[int]:
    """Starts of up to ``n_clips`` windows spread evenly over a clip; one at 0 where only one fits."""
    last = max(n_frames - ((clip_length - 1) * frame_stride + 1), 0)
    return sorted({int(start) for start in np.linspace(0, last, n_clips).round()})


class ClipDataset(Dataset):
    """Windows of clips with the stage (or other target) of their patient.

    With ``augment``, one item per file and a random window each time (training); without, ``n_clips`` windows
    spread over each file, always the same (scoring).

    Parameters
    ----------
    patients : DataFrame
        One row per patient, with a column ``view`` of tuples of prepared files.
    targets : ndarray, shape (n_patients,) or (n_patients, k), or None
        Stages, or rows of quantities; None when only scores are wanted.
    view : {'clips', 'stills'}
        Column to read.
    clip_length, frame_stride : int
        Frames per window and their distance.
    n_clips : int
        Windows per file when scoring.
    augment : Augment or None
        Random changes for training.
    perturbation : callable or None
        A change of every window (see `fibrolib.learning.perturbations`), before any augmentation.
    seed : int
        Seed of window starts and changes.

    Attributes
    ----------
    owner : ndarray of int, shape (n_items,)
        Row of the patient that each item belongs to.
    """

    def __init__(
        self,
        patients: pd.DataFrame,
        targets: NDArray | None,
        *,
        view: str,
        clip_length: int,
        frame_stride: int,
        n_clips: int = 1,
        augment: Augment | None = None,
        perturbation: Change | None = None,
        seed: int = 0,
    ) -> None:
        if view not in VIEWS:
            raise ValueError(f"view must be one of {VIEWS}, got '{view}'")
        if view not in patients:
            raise ValueError(f"the patient table has no column '{view}': prepare the files first")
        self.clip_length, self.frame_stride, self.augment, self.perturbation = (
            clip_length,
            frame_stride,
            augment,
            perturbation,
        )
        self.targets = np.zeros(len(patients), dtype=np.int64) if targets is None else np.asarray(targets)
        self._random = np.random.default_rng(seed)
        self._frames: dict[str, NDArray[np.uint8]] = {}
        self._kept = 0
        files = [(row, str(path)) for row, paths in enumerate(patients[view]) for path in paths]
        self.items = [item for row, path in files for item in self._items(row, path, n_clips)]
        self.owner = np.array([row for row, _, _ in self.items], dtype=np.int64)

    def _items(self, row: int, path: str, n_clips: int) -> list[tuple[int, str, int | None]]:
        if self.augment is not None:
            return [(row, path, None)]
        starts = spread_windows(len(self._read(path)), self.clip_length, self.frame_stride, n_clips)
        return [(row, path, start) for start in starts]

    def _read(self, path: str) -> NDArray[np.uint8]:
        if path in self._frames:
            return self._frames[path]
        frames = load_frames(path)
        if self._kept + frames.nbytes <= _IN_MEMORY:
            self._frames[path] = frames
            self._kept += frames.nbytes
        return frames

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Tensor, NDArray]:
        row, path, start = self.items[index]
        frames = self._read(path)
        if start is None:
            last = max(len(frames) - ((self.clip_length - 1) * self.frame_stride + 1), 0)
            start = int(self._random.integers(last + 1))
        window = take_window(frames, start, self.clip_length, self.frame_stride)
        if self.perturbation is not None:
            window = self.perturbation(window)
        window = window.astype(np.float32) / 255.0
        if self.augment is not None:
            window = self.augment(window, self._random)
        return torch.from_numpy(np.ascontiguousarray(window))[None], self.targets[row]


def average_by_patient(values: NDArray[np.float64], owner: NDArray[np.int64], n_patients: int) -> NDArray[np.float64]:
    """Mean of window values over each patient: windows and videos are not independent, patients are.

    Parameters
    ----------
    values : ndarray, shape (n_items, k)
        Values of windows.
    owner : ndarray of int, shape (n_items,)
        Patient of each window.
    n_patients : int
        Number of patients.

    Returns
    -------
    ndarray, shape (n_patients, k)
    """
    sums = np.zeros((n_patients, values.shape[1]))
    np.add.at(sums, owner, values)
    return sums / np.bincount(owner, minlength=n_patients)[:, None]
