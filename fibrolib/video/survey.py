"""Look at a whole video without keeping it: what it is like, what is drawn on it, and fingerprints to find copies."""

from __future__ import annotations

import io
import itertools
import pickle
import tempfile
import threading
import weakref
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from fibrolib.video.clips import _Fit
from fibrolib.video.reading import _check_shapes, _frames_per_second, open_source
from fibrolib.video.sector import Sector, find_sector
from fibrolib.video.streams import Source

_FRAMES_KEPT = 32
"""Frames, spread over the file, that are looked at closely (*assumption*: as many as the sector is found from)."""

_FRAMES_PRINTED = 8
"""Of these, so many are kept small, to know copies by (*assumption*: a heartbeat or two apart in some seconds)."""

_EVERY_COLOURED = 4
"""Of the frames looked at, every so many-th is looked at in colour."""

_LOWEST, _HIGHEST = 0.005, 0.995  # percentiles of the grey levels, without single pixels

_DARK = 2.0
"""Mean grey level below which a frame is black (*assumption*: the darkest of 71 real videos has a mean of 9.5)."""

_UNMOVED = 0.5
"""Mean difference of frames, in grey levels, below which nothing moved (*assumption*: coding changes them by less)."""
_EVERY_PIXEL = 4  # one of so many in a row, and in a column, is looked at

_LARGE = 2_100_000  # pixels, as in full HD: larger frames are looked at in a smaller size, to bound the memory

_STRIP = 64  # rows
_THUMBNAIL = 192  # pixels
_OUTLINE = (0, 200, 80)

_INSIDE = 128  # of 255: a pixel at least half inside the sector


@dataclass(frozen=True, eq=False)
class VideoSurvey:
    """What one file is like; grey levels are those inside the sector."""

    path: Path
    container: str  # suffix without the point; "dicom" for DICOM of any name, "folder" for a folder of pictures
    n_frames: int  # that decode, not what a header says; 1 for a still image
    fps: float
    width: int
    height: int
    sector_share: float  # of the frame
    sector_aspect: float  # width by height of the rectangle around it
    brightness: float  # mean
    dark: float  # share of the frames looked at that are black
    contrast: float  # standard deviation
    level_range: tuple[int, int]  # percentiles 0.5 and 99.5
    saturation: float  # share of the pixels that are white (255)
    motion: float  # standard deviation over time of a pixel, mean over the pixels; 0 for one frame
    frozen: float  # share of the recording in the longest stretch in which nothing moves
    coloured: float  # pixels that are coloured differently from the whole, mean over the frames looked at
    marks: int  # pixels in bright strokes that stand still in moving tissue
    small: _Miniature  # frames spread over the file, for `fingerprints`
    whole: NDArray[np.uint8]  # the middle one of the frames looked at, small, in colour, with the sector's outline
    notes: tuple[tuple[str, str], ...]  # what is odd in the file: kinds and sentences
    kept: NDArray[np.uint8]  # the same frame as the nets see it: cropped to the sector, blanked outside

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the end of the last."""
        return self.n_frames / self.fps


class Surveys(Mapping[Hashable, VideoSurvey]):
    """Surveys of many files by name, in a temporary file: some 0.2 MB each, which memory need not hold."""

    def __init__(self) -> None:
        self._file, self._starts = tempfile.TemporaryFile(), {}  # noqa: SIM115 (closed with this object)
        self._one_at_a_time = threading.Lock()
        weakref.finalize(self, self._file.close)

    def add(self, name: Hashable, survey: VideoSurvey) -> None:
        """Keep a survey; the names are in the order in which they were added."""
        with self._one_at_a_time:
            self._starts[name] = self._file.seek(0, io.SEEK_END)
            pickle.dump(survey, self._file, pickle.HIGHEST_PROTOCOL)

    def __getitem__(self, name: Hashable) -> VideoSurvey:
        start = self._starts[name]
        with self._one_at_a_time:
            self._file.seek(start)
            return pickle.load(self._file)

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._starts)

    def __len__(self) -> int:
        return len(self._starts)


def survey_video(path: str | Path, seconds: float | None = None) -> VideoSurvey:
    """Decode a whole video or image, one frame at a time, and describe it.

    A VideoError if it cannot be decoded, or not within `seconds`.
    """
    path = Path(path)
    source = open_source(path, seconds)
    step = max(1, -(-len(source.expected_times()) // _FRAMES_KEPT))
    sample, shapes = _Sample([], [], []), set()
    in_colour = _EVERY_COLOURED * step
    decoded = source.frames(lambda index: True, lambda index: index % in_colour == 0)
    for index, (time, frame, colours) in enumerate(decoded):
        shapes.add(frame.shape)
        sample.times.append(time)
        if index % step == 0 and len(sample.frames) < 2 * _FRAMES_KEPT:  # bounded, should the packets tell too few
            sample.frames.append(_reduced(frame))
            sample.colours += [_reduced(colours)] if colours is not None else []
    _check_shapes(path, shapes)
    return _describe(source, sample, shapes.pop())


@dataclass
class _Sample:
    """Frames spread over a file, some of them in colour, and the times of all."""

    frames: list[NDArray[np.uint8]]
    colours: list[NDArray[np.uint8]]
    times: list[float | None]


def _describe(source: Source, sample: _Sample, shape: tuple[int, int]) -> VideoSurvey:
    frames = np.stack(sample.frames)
    factor = -(-shape[0] // frames.shape[1])
    region = source.region and tuple(side // factor for side in source.region)
    sector = find_sector(frames, region)
    inside = _well_inside(sector.mask)
    mean, variance = _over_time(frames)
    mean_inside, variance_inside = mean[sector.mask], variance[sector.mask]
    printed = np.unique(np.linspace(0, len(frames) - 1, _FRAMES_PRINTED).round().astype(int))
    middle = len(frames) // 2 // _EVERY_COLOURED * _EVERY_COLOURED
    grey = np.repeat(frames[middle, ..., None], 3, axis=2)
    whole = sample.colours[middle // _EVERY_COLOURED] if sample.colours else grey
    suffix = source.path.suffix.lower().lstrip(".")
    top, bottom, left, right = sector.box
    pixels = frames[:, sector.mask]
    levels = np.bincount(pixels.ravel(), minlength=256).cumsum()
    return VideoSurvey(
        path=source.path,
        container=source.container if source.container in ("dicom", "folder") else suffix,
        n_frames=len(sample.times),
        fps=_frames_per_second(sample.times, source.fps),
        width=shape[1],
        height=shape[0],
        notes=tuple(source.notes),
        level_range=tuple(int(np.searchsorted(levels, share * levels[-1])) for share in (_LOWEST, _HIGHEST)),
        sector_share=float(sector.mask.mean()) if sector.found else 0.0,
        sector_aspect=(right - left) * source.pixel_aspect / (bottom - top),
        brightness=float(mean_inside.mean()),
        dark=float((pixels.mean(axis=1) < _DARK).mean()),
        contrast=float(np.sqrt(variance_inside.mean() + mean_inside.var())),
        saturation=float((pixels == 255).mean(axis=1).mean()),
        motion=float(np.sqrt(variance_inside).mean()),
        frozen=_longest_freeze(frames, sector.mask),
        coloured=_coloured_pixels(sample.colours, inside) if sample.colours else 0.0,
        marks=_still_marks(mean, np.sqrt(variance), inside),
        small=_miniature(frames[printed], sector),
        whole=_outlined(whole, sector.mask),
        kept=_Fit(sector, source.pixel_aspect, _THUMBNAIL)(frames[middle : middle + 1])[0],
    )


def _reduced(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame of bounded size, by means over blocks of pixels; in strips, as Pillow copies what it is given."""
    factor = int(np.ceil(np.sqrt(frame.shape[0] * frame.shape[1] / _LARGE)))
    if factor == 1:
        return frame
    strips = np.split(frame, range(_STRIP * factor, len(frame), _STRIP * factor))
    return np.concatenate([np.asarray(Image.fromarray(strip).reduce(factor)) for strip in strips])


def _longest_freeze(frames: NDArray[np.uint8], inside: NDArray[np.bool_]) -> float:
    """Share of the frames in the longest stretch of frames that hardly differ."""
    sparse = (slice(None, None, _EVERY_PIXEL),) * 2
    pixels = frames[:, *sparse][:, inside[sparse]].astype(np.int16)
    if not pixels.size:
        return 0.0
    still = np.abs(np.diff(pixels, axis=0)).mean(axis=1) < _UNMOVED
    return max((len([*run]) for same, run in itertools.groupby(still) if same), default=0) / max(1, len(still))


def _over_time(frames: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and variance over time of each pixel, without a copy of all frames."""
    total, squares = np.zeros((2, *frames.shape[1:]), dtype=np.float32)
    for frame in frames:  # sums of 64 squares of bytes are whole numbers below 2**24: exact
        level = frame.astype(np.float32)
        total += level
        squares += level * level
    mean = total / len(frames)
    return mean, np.maximum(squares / len(frames) - mean * mean, 0)


def _outlined(picture: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A small picture with the border of the sector drawn on it."""
    image, cover = Image.fromarray(picture), Image.fromarray(np.uint8(255) * mask)
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    inside = np.asarray(cover.resize(image.size, Image.Resampling.BOX)) >= _INSIDE
    small = np.array(image)
    small[inside & ~ndimage.binary_erosion(inside)] = _OUTLINE
    return small


# What is drawn on the picture

# All *assumptions*, set by looking at 71 real videos without overlays (no marked pixel), at 55 virtual ones, of finer
# speckle (at most 13), and at text and callipers drawn on real ones and coded anew (H.264, MPEG-4: 22 to 111 of some
# 150 pixels; none where the tissue is as bright as the letters).
_BORDER = 0.02  # of the shorter side: codecs leave coloured and bright seams at the edge of a picture
_COLOURED = 48  # grey levels between a pixel's strongest and weakest colour
_LUMA_BINS = 16
_STROKE = 5  # pixels: a window wider than the stroke of a letter, narrower than what tissue shows as bright
_STEP = 120  # grey levels by which a stroke stands out of such a window
_LEAST = 4  # pixels of a stroke; single grains of speckle are smaller
_BRIGHT = 150  # grey levels
_MOVING = 2.0  # grey levels, standard deviation over time, of the surroundings
_STILLER = 0.7  # of the surroundings' standard deviation; coding makes even a drawn line flicker where tissue moves
_AROUND = 0.03  # of the shorter side


def _well_inside(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The sector without its border; the edge of the frame counts as a border too."""
    return ndimage.binary_erosion(mask, iterations=max(1, round(_BORDER * min(mask.shape))))


def _coloured_pixels(frames: Sequence[NDArray[np.uint8]], inside: NDArray[np.bool_]) -> float:
    """How many pixels are coloured differently from the picture as a whole; mean over the frames (height, width, 3).

    A tint of the whole picture is no overlay: the commonest colour of pixels of equal brightness is subtracted first.
    """
    return float(np.mean([_coloured_in(frame, inside) for frame in frames]))


def _coloured_in(frame: NDArray[np.uint8], inside: NDArray[np.bool_]) -> int:
    pixels = frame[inside].astype(np.int16)
    if np.ptp(pixels, axis=1).max(initial=0) < _COLOURED:  # most videos: nothing is coloured at all
        return 0
    luma = pixels.mean(axis=1, dtype=np.float32)
    chroma = pixels - luma[:, None]
    bins = (luma * _LUMA_BINS / 256).astype(int)
    for level in np.unique(bins):
        chosen = bins == level
        chroma[chosen] -= np.median(chroma[chosen], axis=0)
    return int((np.ptp(chroma, axis=1) >= _COLOURED).sum())


def _still_marks(mean: NDArray[np.float32], flicker: NDArray[np.float32], inside: NDArray[np.bool_]) -> int:
    """How many pixels belong to thin bright strokes that stand still in moving tissue: letters, callipers, rulers.

    `mean` and `flicker` are mean and standard deviation over time of each pixel, in grey levels. Where nothing moves, a
    stroke cannot be told from a reflector, and is not counted.
    """
    around = ndimage.uniform_filter(flicker, 2 * max(1, round(_AROUND * min(inside.shape))) + 1)
    still = (around > _MOVING) & (flicker < _STILLER * around)
    strokes = ndimage.white_tophat(mean, size=(_STROKE, _STROKE)) > _STEP
    labels, count = ndimage.label(inside & strokes & still & (mean > _BRIGHT), np.ones((3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return int(sizes[sizes >= _LEAST].sum())


# Fingerprints

_SIDE = 96  # pixels of a _miniature: three for a cell of the grid
GRID = 32
"""Cells of a side."""

_FLAT = 1.0  # grey levels; a smaller step between neighbours is no sign of anything (*assumption*)
_INSIDE = 128  # of 255: a cell at least half inside the sector

Margins = tuple[float, float, float, float]
"""Shares of the height that are left out above and below, and of the width to the left and to the right."""

_NO_MARGINS: Margins = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class _Miniature:
    """Frames of the sector's box, small: (frames, 96, 96), and how much of a pixel is inside the sector (255: all)."""

    frames: NDArray[np.uint8]
    inside: NDArray[np.uint8]


def _miniature(frames: NDArray[np.uint8], sector: Sector) -> _Miniature:
    """Make frames of shape (frames, height, width) small."""
    top, bottom, left, right = sector.box
    cover = np.uint8(255) * sector.mask
    small = [_resized(picture[top:bottom, left:right], (_SIDE, _SIDE)) for picture in (*frames, cover)]
    return _Miniature(np.stack(small[:-1]), small[-1])


def fingerprints(small: _Miniature, margins: Margins = _NO_MARGINS) -> NDArray[np.int8]:
    """Perceptual hashes of frames, shape (frames, 1024): where it gets brighter (1) or darker (-1) to the right.

    A difference hash on a grid of 32 x 32 over the sector's box: size, gain, coding and what is around the picture do
    not matter; 0 is flat or outside the sector. `margins` are left out, as in a copy without them;
    negative ones are added, empty, as around a copy in the picture that it was cut from.
    """
    above, below, before, behind = margins
    added = int(np.ceil(_SIDE * max(0.0, *(-share for share in margins))))
    sides = (_SIDE * before, _SIDE * above, _SIDE * (1 - behind), _SIDE * (1 - below))
    box = tuple(added + side for side in sides)
    cover = np.pad(small.inside, added)
    size = (GRID + 1, GRID)
    inside = _resized(cover, size, box) >= _INSIDE
    cells = np.stack([_resized(np.pad(frame, added), size, box, "F") for frame in small.frames])
    steps = np.diff(cells, axis=2)
    steps[(np.abs(steps) < _FLAT) | ~(inside[:, 1:] & inside[:, :-1])] = 0
    return np.sign(steps).astype(np.int8).reshape(len(cells), -1)


def _resized(
    picture: NDArray[np.uint8], size: tuple[int, int], box: tuple[float, float, float, float] | None = None, mode="L"
) -> NDArray:
    return np.asarray(Image.fromarray(picture).convert(mode).resize(size, Image.Resampling.BOX, box))
