"""Files that show the same though their bytes differ: as they are, mirrored, or with a margin cut off.

Every pair is compared by a few rows of three frames, in one matrix product a block; only pairs that agree there are
compared in full.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fibrolib.video import VideoSurvey, fingerprints
from fibrolib.video.survey import GRID, Margins, _Miniature

_ALIKE = 0.9
"""Agreement of two fingerprints above which they show the same (*assumption*, set on 71 real lung videos: copies
scaled, re-encoded, brightened or cut at the front reach 0.93 to 1; videos of different views at the most 0.85)."""

_MARGINS = [margins for margins in itertools.product((0.0, 0.05), repeat=4) if any(margins)]
"""A twentieth cut off any of the four sides: the grid of a copy is then laid over less of the picture."""

_WORTH = 0.25
"""Agreement above which a margin may explain what is lacking (*assumption*: of 71 real lung videos with a twentieth cut
off, all agree by more). Then 0.9 finds 99 % of them, in place of 1 to 8 %; different views reach 0.87."""

_MIN_SHARED = 150  # cells, of 1024, that two fingerprints must both hold to be compared (*assumption*)
_MIN_SHARED_CUT = 250  # the same for the best of many margins

_PASS, _PASS_CUT = 0.55, 0.6
"""Cosine of the best of three by three frames, in every other row, above which a pair is compared in full
(*assumption*: of 458 pairs among 71 real lung videos and 120 copies that agree in full, all reach 0.61, with a margin
cut off 0.67; of different videos 1 % do)."""

_BLOCK = 256  # videos compared at once: bounds the memory


def alike_pictures(surveys: Iterable[VideoSurvey], known: Iterable[NDArray[np.int8]]) -> list[tuple[int, int]]:
    """Which files show the same as known ones, by the rules of `check_cohort`: as they are, mirrored, or cut.

    ``known`` holds the `fingerprints` of each known file. Returns pairs of places in both lists.
    """
    smalls = (survey.small for survey in surveys)
    margins = [*_MARGINS, *map(_added, _MARGINS)]
    return sorted(pair[:2] for pair in _matches(smalls, [_packed(prints) for prints in known], margins))


def _alike_pairs(names: Sequence[str], surveys: Mapping[str, VideoSurvey]) -> list[tuple[int, int, str]]:
    """Places of every two files of which some frames are alike, and how: "alike", "mirrored" or "cut"."""
    packed = [_packed(fingerprints(surveys[name].small)) for name in names]
    found: dict[tuple[int, int], str] = {}
    for one, other, how in _matches((surveys[name].small for name in names), packed, _MARGINS):
        if one != other:  # each pair is met twice: either may be the one with the margins
            found.setdefault((min(one, other), max(one, other)), how)
    return [(*pair, found[pair]) for pair in sorted(found)]


def _added(margins: Margins) -> Margins:
    """Margins to add to a copy, as shares of its own sides, so that it has the size of what it was cut from."""
    above, below, before, behind = margins
    height, width = 1 - above - below, 1 - before - behind
    return -above / height, -below / height, -before / width, -behind / width


def _matches(
    smalls: Iterable[_Miniature], known: Sequence[NDArray[np.uint8]], margins: Sequence[Margins]
) -> Iterator[tuple[int, int, str]]:
    """Places of files and of known ones (`_packed`) that show the same, and how; one block of files is held."""
    smalls, start = iter(smalls), 0
    while block := list(itertools.islice(smalls, _BLOCK)):
        plain = [fingerprints(small) for small in block]
        cut = [np.concatenate([fingerprints(small, each) for each in margins]) for small in block]
        block.clear()  # before the next is read
        turned = [_mirrored(prints) for prints in plain]
        keys = [_keys(prints, 1) for prints in (plain, turned)] + [_keys(cut, len(margins))]
        for later in range(0, len(known), _BLOCK):
            others = [_unpacked(packed) for packed in known[later : later + _BLOCK]]
            for i, j in _candidates(keys, _keys(others, 1)):
                if how := _how(plain[i], turned[i], cut[i], others[j]):
                    yield int(start + i), int(later + j), how
        start += len(plain)


def _candidates(keys: Sequence[NDArray[np.float32]], theirs: NDArray[np.float32]) -> NDArray[np.int64]:
    """Pairs worth a full comparison; `keys` of files as they are, mirrored and cut, ``(files, frames, cells)``."""
    columns = theirs.swapaxes(0, 1).reshape(-1, theirs.shape[2]).T
    passing = np.zeros((len(keys[0]), len(theirs)), dtype=bool)
    for own, bound in zip(keys, (_PASS, _PASS, _PASS_CUT), strict=True):
        agreement = own.reshape(-1, own.shape[2]) @ columns
        passing |= agreement.reshape(len(own), -1, len(theirs)).max(axis=1) >= bound
    return np.argwhere(passing)


def _keys(files: Sequence[NDArray[np.int8]], parts: int) -> NDArray[np.float32]:
    """First, middle and last frame of each part of files' fingerprints, every other row; of length 1."""
    chosen = []
    for prints in files:
        frames = prints.reshape(parts, -1, GRID, GRID)[..., ::2, :]
        count = frames.shape[1]
        chosen.append(frames[:, [0, count // 2, count - 1]].reshape(3 * parts, -1))
    keys = np.stack(chosen).astype(np.float32)
    return keys / np.maximum(np.linalg.norm(keys, axis=-1, keepdims=True), 1)


def _how(plain: NDArray[np.int8], turned: NDArray[np.int8], cut: NDArray[np.int8], other: NDArray[np.int8]) -> str:
    """In what way two files are alike; empty where they are not."""
    agreement = _likeness(plain, other).max()
    if agreement >= _ALIKE:
        return "alike"
    if _likeness(turned, other).max() >= _ALIKE:
        return "mirrored"
    return "cut" if agreement >= _WORTH and _likeness(cut, other, _MIN_SHARED_CUT).max() >= _ALIKE else ""


def _mirrored(prints: NDArray[np.int8]) -> NDArray[np.int8]:
    """Fingerprints of the mirrored frames: the cells run back, and each step changes its sign."""
    return -prints.reshape(-1, GRID, GRID)[:, :, ::-1].reshape(len(prints), -1)


def _likeness(one: NDArray[np.int8], other: NDArray[np.int8], min_shared: int = _MIN_SHARED) -> NDArray[np.float32]:
    """Agreement of fingerprints, shape (n, 1024) and (m, 1024): 1 alike, 0 unrelated, -1 opposite."""
    a, b = one.astype(np.float32), other.astype(np.float32)
    shared = np.abs(a) @ np.abs(b).T
    return np.where(shared >= min_shared, (a @ b.T) / np.maximum(shared, 1), 0)


def _packed(prints: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Fingerprints in a quarter of the bytes: the places of 1 and of -1, as bits."""
    return np.packbits(np.stack([prints > 0, prints < 0]), axis=-1)


def _unpacked(packed: NDArray[np.uint8]) -> NDArray[np.int8]:
    rising, falling = np.unpackbits(packed, axis=-1).astype(np.int8)
    return rising - falling
