"""Do two maps say the same? Between nets, and between a clip and the same clip under another gain or shift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from fibrolib.attribution.explain import Explanation, attribute_clips
from fibrolib.learning import NetClassifier
from fibrolib.video import Clip

__all__ = ["map_agreement", "rank_correlation", "sensitivity_to_gain", "sensitivity_to_shift", "shifted"]

_GAINS = (0.85, 1.15)
"""What training calls the same picture (`fibrolib.learning.augment.Augment`): a map should, too."""

_SHIFT = 0.06
"""Likewise, as a share of the side."""


def rank_correlation(first: Explanation, second: Explanation, where: NDArray[np.bool_] | None = None) -> float:
    """Spearman's rank correlation of two maps over the sector.

    Parameters
    ----------
    first, second : Explanation
        Maps of one shape.
    where : ndarray of bool, shape (height, width), or None
        Places to compare; None takes those in both sectors.

    Returns
    -------
    float
        0 where either map is constant: a map that says the same everywhere agrees with nothing.
    """
    where = first.sector & second.sector if where is None else where
    values = [one.relevance[:, where].ravel() for one in (first, second)]
    if min(np.ptp(part) for part in values) == 0:
        return 0.0
    return float(stats.spearmanr(*values).statistic)


def map_agreement(
    first: NetClassifier,
    second: NetClassifier,
    clips: Sequence[Clip],
    method: str = "gradcam",
    *,
    layer: str | None = None,
) -> NDArray[np.float64]:
    """Rank correlation, clip by clip, of the maps of two nets: other seeds, other folds, or random labels.

    Parameters
    ----------
    first, second : NetClassifier
        Fitted, of one architecture and cut-off.
    clips : sequence of Clip
        Prepared clips.
    method, layer
        As for `attribute`.
    """
    maps = [attribute_clips(estimator, clips, method, layer=layer) for estimator in (first, second)]
    return np.array([rank_correlation(*pair) for pair in zip(*maps, strict=True)])


def sensitivity_to_gain(
    estimator: NetClassifier, clips: Sequence[Clip], explained: Sequence[Explanation]
) -> NDArray[np.float64]:
    """Rank correlation of maps with those of the same clips 15 % darker and brighter; the mean of both, per clip.

    Parameters
    ----------
    estimator : NetClassifier
        The one that was explained.
    clips : sequence of Clip
        The clips.
    explained : sequence of Explanation
        Their maps.
    """
    found = []
    for gain in _GAINS:
        turned = [replace(clip, frames=np.clip(gain * clip.frames, 0, 255).astype(np.uint8)) for clip in clips]
        found.append(
            [rank_correlation(*pair) for pair in zip(explained, _again(estimator, turned, explained), strict=True)]
        )
    return np.mean(found, axis=0)


def sensitivity_to_shift(
    estimator: NetClassifier, clips: Sequence[Clip], explained: Sequence[Explanation]
) -> NDArray[np.float64]:
    """Rank correlation of maps with those of the same clips moved by 6 % of their side; the mean of both directions.

    The maps are moved back before they are compared, over places that never left the picture.

    Parameters
    ----------
    estimator, clips, explained
        As for `sensitivity_to_gain`.
    """
    reach = max(1, round(_SHIFT * clips[0].frames.shape[-1]))
    found = []
    for down, right in ((reach, 0), (0, reach)):
        moved = [
            Clip(shifted(clip.frames, down, right), clip.fps, shifted(clip.sector, down, right), None) for clip in clips
        ]
        pairs = zip(explained, _again(estimator, moved, explained), strict=True)
        found.append([_correlation_back(*pair, down, right) for pair in pairs])
    return np.mean(found, axis=0)


def _again(estimator: NetClassifier, clips: Sequence[Clip], explained: Sequence[Explanation]) -> list[Explanation]:
    """The same method, layer and target on changed clips."""
    one = explained[0]
    return attribute_clips(estimator, clips, one.method, target=one.target, layer=one.layer or None)


def _correlation_back(before: Explanation, after: Explanation, down: int, right: int) -> float:
    back = replace(
        after, relevance=shifted(after.relevance, -down, -right), sector=shifted(after.sector, -down, -right)
    )
    return rank_correlation(before, back)


def shifted(values: NDArray, down: int, right: int) -> NDArray:
    """Move the last two axes; what comes in from the side is 0."""
    moved = np.zeros_like(values)
    height, width = values.shape[-2:]
    target = np.s_[..., max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)]
    source = np.s_[..., max(-down, 0) : height + min(-down, 0), max(-right, 0) : width + min(-right, 0)]
    moved[target] = values[source]
    return moved
