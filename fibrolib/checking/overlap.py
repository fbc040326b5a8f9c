"""Pictures of one cohort in another, of which only fingerprints are left."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fibrolib.checking.files import _ALIKE, _BLOCK, _MARGINS, _MIN_SHARED_CUT, _WORTH, _best, _likeness
from fibrolib.video import VideoSurvey, fingerprints


def alike_pictures(surveys: Sequence[VideoSurvey], known: Sequence[NDArray[np.int8]]) -> list[tuple[int, int]]:
    """Which files show the same as known ones, by the rules of `check_cohort`: as they are, mirrored, or cut.

    ``known`` holds the `fingerprints` of each known file. Returns pairs of places in both lists.
    """
    prints = [fingerprints(survey.small) for survey in surveys]
    cut = functools.cache(lambda place: _cut_prints(surveys[place]))
    pairs = []
    for start in range(0, len(prints), _BLOCK):
        for later in range(0, len(known), _BLOCK):
            blocks = prints[start : start + _BLOCK], known[later : later + _BLOCK]
            plain, turned = _best(*blocks, mirrored=False), _best(*blocks, mirrored=True)
            for i, j in np.argwhere((plain >= _WORTH) | (turned >= _ALIKE)):
                one, other = int(start + i), int(later + j)
                alike = max(plain[i, j], turned[i, j]) >= _ALIKE
                if alike or _likeness(cut(one), known[other], _MIN_SHARED_CUT).max() >= _ALIKE:
                    pairs.append((one, other))
    return pairs


def _cut_prints(survey: VideoSurvey) -> NDArray[np.int8]:
    """Fingerprints of a file without a margin, and with one more: as a copy, or what it was cut from, would have."""
    margins = [*_MARGINS, *map(_added, _MARGINS)]
    return np.concatenate([fingerprints(survey.small, each) for each in margins])


def _added(margins: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """Margins to add to a copy, as shares of its own sides, so that it has the size of what it was cut from."""
    above, below, before, behind = margins
    height, width = 1 - above - below, 1 - before - behind
    return -above / height, -below / height, -before / width, -behind / width
