"""Grey levels: the one place that decides which stored values are black and which are white."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

# Rec. 601 luma, the weights behind FFmpeg's and Pillow's grey as well.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)

_SPARE_BITS = 2
"""Where so many of the stated bits are never used, black and white are taken from the bits that are (*assumption*)."""

_LEAST_USED = 0.02  # share of the used range that a display window must show, else it is an error of the header

_DARK = 48  # grey levels of the first component: the screen around an ultrasound picture
_DARK_SHARE = 0.02  # of all pixels: so many are needed to tell how colours are coded
_NEUTRAL = 128  # of Cb and Cr
_PLAINLY = 0.8  # of the dark pixels
_TOLERANCE = 16


@dataclass(frozen=True)
class _GreyScale:
    """Which stored values are black and white; values between are spread evenly over 0 to 255.

    `table`, where there is one, gives the level of each stored value from `black` on (a VOI LUT). `note` says in a
    sentence what was decided against the header.
    """

    black: float = 0.0
    white: float = 255.0
    inverted: bool = False
    note: str = ""
    table: NDArray[np.uint8] | None = None

    def levels(self, pixels: NDArray) -> NDArray[np.uint8]:
        """Stored values as grey levels, 0 black to 255 white."""
        if self.table is not None:
            entries = np.clip(pixels.astype(np.int64) - int(self.black), 0, len(self.table) - 1)
            levels = self.table[entries]
        else:
            levels = self._spread(pixels)
        return 255 - levels if self.inverted else levels

    def _spread(self, pixels: NDArray) -> NDArray[np.uint8]:
        if self.black == 0 and self.white == 255 and pixels.dtype == np.uint8:
            return pixels
        steps = self.white - self.black + 1
        if pixels.dtype.kind in "iu" and steps >= 256 and float(np.log2(steps)).is_integer():
            shifted = (pixels.astype(np.int64) - int(self.black)) >> (int(np.log2(steps)) - 8)
            return np.clip(shifted, 0, 255).astype(np.uint8)
        share = (pixels.astype(np.float64) - self.black) / (self.white - self.black)
        return np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)

    @classmethod
    def of_values(cls, samples: Iterable[NDArray], bits: int | None = None) -> _GreyScale:
        """By the stated number of bits and the values that some pictures really use.

        `bits` is None where the file states none: then the type of the values counts.
        """
        samples = [picture for picture in samples if picture.size]
        low, high = min(picture.min() for picture in samples), max(picture.max() for picture in samples)
        if samples[0].dtype.kind == "f":
            return _of_floats(float(low), float(high))
        low, high, signed = int(low), int(high), samples[0].dtype.kind == "i"
        stated = bits or 8 * samples[0].dtype.itemsize
        if low < 0:
            return _of_signed(low, high, stated)
        stated -= signed and stated > 8 and high < 1 << (stated - 1)  # the sign is never used
        used = high.bit_length()
        if used > stated:
            note = f"the header states {stated} bits for a pixel, {used} are used: the values count"
            return cls(0, (1 << used) - 1, note=note)
        if stated > 8 and used <= stated - _SPARE_BITS:
            note = f"only {used} of {stated} bits are used: white is taken from the values"
            return cls(0, (1 << max(used, 8)) - 1, note=note)
        return cls(0, (1 << stated) - 1)

    def windowed(self, center: float, width: float, samples: Iterable[NDArray], slope: float, intercept: float):
        """The scale of a display window (PS3.3 C.11.2.1.2), or this one where the window shows next to nothing."""
        if not (np.isfinite([center, width, slope, intercept]).all() and width >= 2 and slope):
            return self
        edges = np.array([center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2])
        black, white = (edges - intercept) / slope
        values = np.concatenate([np.percentile(picture, [0.5, 99.5]) for picture in samples])
        low, high = values.min(), values.max()
        seen = min(high, max(black, white)) - max(low, min(black, white))
        if high > low and seen < _LEAST_USED * (high - low):
            return replace(self, note="the window in the header shows nothing of the picture, and is not used")
        if abs(black - self.black) <= 2 and abs(white - self.white) <= 2:
            return replace(self, note="")  # the whole range, give or take the rounding of scanners
        inverted = slope < 0
        return _GreyScale(min(black, white), max(black, white), inverted)


def _of_signed(low: int, high: int, bits: int) -> _GreyScale:
    half = 1 << (bits - 1)
    if low >= -half and high < half and high - low >= half >> _SPARE_BITS:
        return _GreyScale(-half, half - 1)
    return _GreyScale(low, max(high, low + 255), note="the values have a sign: the lowest is taken for black")


def _of_floats(low: float, high: float) -> _GreyScale:
    if not np.isfinite([low, high]).all():
        raise ValueError("the picture holds values that are no numbers")
    if low < 0 or high > 65535:
        return _GreyScale(low, high if high > low else low + 1, note="the lowest value is taken for black")
    return _GreyScale(0, 1 if high <= 1 else 255 if high <= 255 else (1 << int(high).bit_length()) - 1)


def _luma(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Red, green and blue (height, width, 3) as grey levels; grey stays as it is."""
    return np.rint(picture.astype(np.float32) @ _LUMA).astype(np.uint8) if picture.ndim == 3 else picture


def _on_black(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Red, green, blue and opacity (height, width, 4) as they look on a black screen (height, width, 3)."""
    colours, opacity = picture[..., :3], picture[..., 3:].astype(np.uint16)
    return ((colours * opacity + 127) // 255).astype(np.uint8)


def _looks_like_ycbcr(components: NDArray[np.uint8]) -> bool | None:
    """Whether three components are brightness and colour differences, and not red, green and blue; None: unclear.

    Told from the dark pixels: where there is no light, red, green and blue are all near 0, and Cb and Cr near 128.
    """
    pixels = components.reshape(-1, 3).astype(np.int16)
    dark = pixels[pixels[:, 0] < _DARK, 1:]
    if len(dark) < _DARK_SHARE * len(pixels):
        return None
    neutral = (abs(dark - _NEUTRAL) < _TOLERANCE).all(axis=1).mean()
    black = (dark < _NEUTRAL - 2 * _TOLERANCE).all(axis=1).mean()
    return True if neutral > _PLAINLY else False if black > _PLAINLY else None
