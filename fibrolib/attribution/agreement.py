"""Do two maps say the same? Between nets, and between a clip and the same clip under another gain or shift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from fibrolib.attribution.explain import Explanation, attribute_methods
from fibrolib.learning import NetClassifier
from fibrolib.video import Clip

__all__ = [
    "Maps",
    "explained_like",
    "map_agreement",
    "rank_correlation",
    "sensitivity_to_gain",
    "sensitivity_to_shift",
    "shifted",
]

Maps = Mapping[str, Sequence[Explanation]]
"""Maps of the same clips, by method."""

_GAINS = (0.85, 1.15)
"""What training calls the same picture (`fibrolib.learning.augment.Augment`): a map should, too."""

_SHIFT = 0.06
"""Likewise, as a share of the side."""

_PLACES = 20_000
"""Places that are compared, about: more, of maps of some hundred places, change no second digit and take a second."""


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
    values = [part[:: max(1, part.size // _PLACES)] for part in values]
    if min(np.ptp(part) for part in values) == 0:
        return 0.0
    return float(stats.spearmanr(*values).statistic)


def map_agreement(first: Maps, second: Maps) -> dict[str, NDArray[np.float64]]:
    """Rank correlation, clip by clip, of two sets of maps of the same clips; by method."""
    return {
        method: np.array([rank_correlation(*pair) for pair in zip(maps, second[method], strict=True)])
        for method, maps in first.items()
    }


def explained_like(estimator: NetClassifier, clips: Sequence[Clip], explained: Maps) -> dict[str, list[Explanation]]:
    """Maps of other clips, or of another net, by the same methods, of the same layer and target."""
    one = next(iter(explained.values()))[0]
    layer = next((maps[0].layer for maps in explained.values() if maps[0].layer), None)
    return attribute_methods(estimator, clips, list(explained), target=one.target, layer=layer)


def sensitivity_to_gain(
    estimator: NetClassifier, clips: Sequence[Clip], explained: Maps
) -> dict[str, NDArray[np.float64]]:
    """Rank correlation of maps with those of the same clips 15 % darker and brighter; the mean of both, per clip.

    Parameters
    ----------
    estimator : NetClassifier
        The one that was explained.
    clips : sequence of Clip
        The clips.
    explained : mapping of str to sequence of Explanation
        Their maps, by method.
    """
    found = []
    for gain in _GAINS:
        turned = [replace(clip, frames=np.clip(gain * clip.frames, 0, 255).astype(np.uint8)) for clip in clips]
        found.append(map_agreement(explained, explained_like(estimator, turned, explained)))
    return _mean(found)


def sensitivity_to_shift(
    estimator: NetClassifier, clips: Sequence[Clip], explained: Maps
) -> dict[str, NDArray[np.float64]]:
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
        after = explained_like(estimator, moved, explained)
        back = {method: [_moved_back(cam, down, right) for cam in maps] for method, maps in after.items()}
        found.append(map_agreement(explained, back))
    return _mean(found)


def _mean(found: Sequence[dict[str, NDArray]]) -> dict[str, NDArray]:
    return {method: np.mean([part[method] for part in found], axis=0) for method in found[0]}


def _moved_back(cam: Explanation, down: int, right: int) -> Explanation:
    relevance, sector = (shifted(part, -down, -right) for part in (cam.relevance, cam.sector))
    return replace(cam, relevance=relevance, sector=sector)


def shifted(values: NDArray, down: int, right: int) -> NDArray:
    """Move the last two axes; what comes in from the side is 0."""
    moved = np.zeros_like(values)
    height, width = values.shape[-2:]
    target = np.s_[..., max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)]
    source = np.s_[..., max(-down, 0) : height + min(-down, 0), max(-right, 0) : width + min(-right, 0)]
    moved[target] = values[source]
    return moved
