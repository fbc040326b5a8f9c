"""Whether a prepared clip can be used: is there a picture, does it lie in shadow, does it stand still, is it swept?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fibrolib.video.clips import Clip

_FRAMES = 16  # spread over the clip
_CELLS = 32  # of a side: small enough for organs, large enough to quieten speckle
_LIT = 12.0  # grey levels, mean over time
_DARK = 0.4  # of the 90th percentile of the cells

QUALITY_LIMITS = {"min_lit": 0.25, "max_shadow": 0.75, "min_motion": 1.0, "max_change": 0.5}
"""Default limits of `clip_quality`, by argument and not fitted to patients: a quarter of the sector shows something,
movement is twice what coding leaves of a repeated picture, and the end shows more of the beginning than not.
"""
STEADY_LIMITS = {"min_lit": 0.45, "max_shadow": 0.58, "min_motion": 1.5, "max_change": 0.12}
"""Limits for virtual clips, whose probe is held still and whose depth is not black: chosen on such clips."""

_FAULTS = {"lit": "no picture", "shadow": "shadow", "motion": "still", "change": "sweep"}


def clip_quality(clip: Clip) -> dict[str, float]:
    """Numbers that tell whether a clip of shape (frames, side, side) can be used.

    ``lit``: share of the sector that is not black; ``shadow``: share of it that is much darker than the brightest
    tenth; ``motion``: standard deviation over time of a pixel, in grey levels, mean over the sector; ``change``: 1
    minus the correlation of the first and the last quarter of the clip, at the size of organs. All are NaN without a
    sector.
    """
    chosen = np.unique(np.linspace(0, len(clip.frames) - 1, _FRAMES).round().astype(int))
    frames = clip.frames[chosen].astype(np.float32)
    inside = _cells(clip.sector[np.newaxis].astype(np.float32))[0] > 0.5
    if not inside.any():
        return dict.fromkeys(_FAULTS, np.nan)
    cells = _cells(frames)[:, inside]
    mean = cells.mean(axis=0)
    quarter = max(1, len(cells) // 4)
    first, last = cells[:quarter].mean(axis=0), cells[-quarter:].mean(axis=0)
    flat = min(first.std(), last.std()) == 0
    return {
        "lit": float((mean > _LIT).mean()),
        "shadow": float((mean < _DARK * np.quantile(mean, 0.9)).mean()),
        "motion": float(frames[:, clip.sector].std(axis=0).mean()),
        "change": 0.0 if flat else float(1 - np.corrcoef(first, last)[0, 1]),
    }


def quality_faults(quality: Mapping[str, float], limits: Mapping[str, float] = QUALITY_LIMITS) -> tuple[str, ...]:
    """What of a clip's numbers is beyond the limits, such as ``('shadow', 'still')``; empty where nothing is."""
    beyond = {
        "lit": not quality["lit"] >= limits["min_lit"],
        "shadow": quality["shadow"] > limits["max_shadow"],
        "motion": quality["motion"] < limits["min_motion"],
        "change": quality["change"] > limits["max_change"],
    }
    return tuple(_FAULTS[name] for name, fails in beyond.items() if fails)


def _cells(frames: np.ndarray) -> np.ndarray:
    """Means over square cells, shape (frames, rows, columns); what is left at the edges is left out."""
    block = max(1, frames.shape[-1] // _CELLS)
    side = frames.shape[-1] // block
    cut = frames[:, : side * block, : side * block]
    return cut.reshape(len(frames), side, block, side, block).mean(axis=(2, 4))
