"""Patients to batches: windows of prepared clips, random augmentation, and perturbations that remove information."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from fibrolib.video import map_frames

VIEWS = ("clips", "stills")
"""Columns of the patient table that hold prepared files: moving clips, or still images."""

_IN_MEMORY = 1 << 25
"""Bytes of prepared frames that each dataset keeps in memory; of others, each window is read from disk."""


_GREY = np.arange(256, dtype=np.float32) / 255.0
"""The grey values of a clip, as the networks see them."""


@dataclass(frozen=True)
class Augment:
    """Random changes of a whole window that keep the diagnosis; all frames change alike, so movement stays."""

    gain: float = 0.15  # largest relative change of brightness (the gain knob)
    gamma: float = 0.15  # largest change of the exponent of the grey map (the dynamic-range knob)
    shift: float = 0.06  # largest shift as a share of the image's side (the probe)
    edge: float = 0.10  # largest share of the width that is blanked on one side (the probe's edge without contact)
    mirror: bool = True  # swap left and right in half of the windows (the probe turned round)

    def __call__(self, window: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.float32]:
        """Change a window ``(frames, height, width)`` of grey values 0 to 255; the result is in [0, 1]."""
        exponent = 1.0 + random.uniform(-self.gamma, self.gamma)
        factor = 1.0 + random.uniform(-self.gain, self.gain)
        grey_map = np.clip(factor * _GREY**exponent, 0.0, 1.0)
        changed = np.take(grey_map, window)  # six times faster than a power of every pixel
        limits = [round(self.shift * side) for side in window.shape[1:]]
        changed = shifted(changed, *(int(random.integers(-limit, limit + 1)) for limit in limits))
        blank = int(random.integers(round(self.edge * window.shape[2]) + 1))
        changed[:, :, : blank if random.random() < 0.5 else 0] = 0.0
        return changed[:, :, ::-1] if self.mirror and random.random() < 0.5 else changed


_NO_CHANGE = Augment(gain=0.0, gamma=0.0, shift=0.0, edge=0.0, mirror=False)
"""Windows as they are, at random places of the clip."""


def shifted(values: NDArray, down: int, right: int) -> NDArray:
    """Move the last two axes; places that come in from the side are 0, as outside the sector."""
    moved = np.zeros_like(values)
    height, width = values.shape[-2:]
    target = np.s_[..., max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)]
    source = np.s_[..., max(-down, 0) : height + min(-down, 0), max(-right, 0) : width + min(-right, 0)]
    moved[target] = values[source]
    return moved


Perturbation = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""A window ``(frames, height, width)`` to another of the same shape."""


def _shuffled(window: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames in a random order, the same for all clips: images stay, their sequence is lost."""
    return window[np.random.default_rng(0).permutation(len(window))]


def _frozen(window: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The middle frame throughout: nothing moves."""
    return np.repeat(window[len(window) // 2][np.newaxis], len(window), axis=0)


def _reversed(window: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames backwards: the same movement in the wrong direction."""
    return window[::-1]


def _motion_only(window: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Difference from the mean over time, around the mean grey of the image: nothing of the still image is left."""
    still = window.mean(axis=0)
    lit = still > 0
    level = still[lit].mean() if lit.any() else 0.0
    return (np.clip(window - still + level, 0, 255) * lit).astype(np.uint8)


AS_FILMED = "as filmed"
"""Name of clips that nothing was done to, beside those of `PERTURBATIONS`."""

PERTURBATIONS: dict[str, Perturbation] = {
    "shuffled": _shuffled,
    "frozen": _frozen,
    "reversed": _reversed,
    "motion only": _motion_only,
}
"""Perturbations that remove information: a net that still scores right did not need it."""


def _take_window(frames: NDArray[np.uint8], start: int, clip_length: int, frame_stride: int) -> NDArray[np.uint8]:
    """Cut ``clip_length`` frames, ``frame_stride`` apart, from a clip; a short clip is played back and forth."""
    period = max(2 * (len(frames) - 1), 1)
    positions = (start + frame_stride * np.arange(clip_length)) % period
    return frames[np.where(positions < len(frames), positions, period - positions)]


def _spread_windows(n_frames: int, clip_length: int, frame_stride: int, n_clips: int) -> list[int]:
    """Starts of up to ``n_clips`` windows spread evenly over a clip; one at 0 where only one fits."""
    last = _last_start(n_frames, clip_length, frame_stride)
    return sorted({int(start) for start in np.linspace(0, last, n_clips).round()})


def _last_start(n_frames: int, clip_length: int, frame_stride: int) -> int:
    return max(n_frames - ((clip_length - 1) * frame_stride + 1), 0)


class ClipDataset(Dataset):
    """Windows of clips with the stage (or other target) of their patient.

    Parameters
    ----------
    patients : DataFrame
        One row per patient, with a column ``view`` of tuples of prepared files.
    targets : ndarray, shape (n_patients,) or (n_patients, k), or None
        Stages, or rows of quantities; None when only scores are wanted.
    view, clip_length, frame_stride, n_clips
        As for `NetClassifier`.
    augment : Augment or None
        Random changes for training: one item per file, a random window each time. Without, ``n_clips`` windows spread
        over each file, always the same (scoring).
    perturbation, seed : callable or None, int
        One of `PERTURBATIONS`, applied to every window before augmentation; seed of window starts and augmentation.

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
        perturbation: Perturbation | None = None,
        seed: int = 0,
    ) -> None:
        if view not in VIEWS:
            raise ValueError(f"view must be one of {VIEWS}, got '{view}'")
        if view not in patients:
            raise ValueError(f"the patient table has no column '{view}': prepare the files first")
        self.clip_length, self.frame_stride = clip_length, frame_stride
        self.augment, self.perturbation = augment, perturbation
        self.targets = np.zeros(len(patients), dtype=np.int64) if targets is None else np.asarray(targets)
        self._random = np.random.default_rng(seed)
        self._frames: dict[str, NDArray[np.uint8]] = {}
        self._room = _IN_MEMORY
        self.items: list[tuple[int, str, int | None]] = []  # row of the patient, file, start; None for a random one
        for row, path in [(row, str(path)) for row, paths in enumerate(patients[view]) for path in paths]:
            starts = [None] if augment else _spread_windows(len(map_frames(path)), clip_length, frame_stride, n_clips)
            self.items += [(row, path, start) for start in starts]
        self.owner = np.array([row for row, _, _ in self.items], dtype=np.int64)

    def _read(self, path: str) -> NDArray[np.uint8]:
        """Frames of a file: in memory as long as there is room, else as they lie on disk."""
        if path not in self._frames:
            frames = map_frames(path)
            if frames.nbytes > self._room:
                return frames
            self._room -= frames.nbytes
            self._frames[path] = np.array(frames)
        return self._frames[path]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Tensor, NDArray]:
        row, path, start = self.items[index]
        frames = self._read(path)
        if start is None:
            start = int(self._random.integers(_last_start(len(frames), self.clip_length, self.frame_stride) + 1))
        window = np.asarray(_take_window(frames, start, self.clip_length, self.frame_stride))
        if self.perturbation is not None:
            window = self.perturbation(window)
        window = window.astype(np.float32) / 255.0 if self.augment is None else self.augment(window, self._random)
        return torch.from_numpy(np.ascontiguousarray(window))[None], self.targets[row]


def average_by_patient(values: NDArray[np.float64], owner: NDArray[np.int64], n_patients: int) -> NDArray[np.float64]:
    """Mean of window values ``(n_items, k)`` over each patient, ``(n_patients, k)``; `owner` as of `ClipDataset`."""
    sums = np.zeros((n_patients, values.shape[1]))
    np.add.at(sums, owner, values)
    return sums / np.bincount(owner, minlength=n_patients)[:, None]
