"""Image formation: polar grid, convolution with a point spread, compression, scan conversion, and the screen.

After Bamber & Dickinson (1980) and COLE (Gao 2009): echoes arrive with the phase of their depth, and their sum is
smoothed by an axial and a lateral Gaussian. The signal is demodulated, so the grid need only resolve the envelope.
Places are depth `r` (mm below the probe's face, an arc) and angle `theta` (radians from its axis), or on the plane `x`
to the right and `y` down (mm) from the middle of the face.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.fft import fft, fftfreq, ifft
from scipy.sparse import csr_matrix

FACE_RADIUS = 55.0  # of the probe's face, mm (abdominal convex probes: 50-60)
HALF_ANGLE = np.radians(30.0)  # half of the opening angle
SCREEN = (256, 320)  # height and width, pixels
_TOP, _CENTRE, _FAN_HEIGHT = 34, 150, 208  # row of the fan's upper edge, column of its axis, rows to its deepest point
BANNER = "VIRTUAL PATIENT"  # on every frame, so that none is mistaken for a real patient
_SOUND_SPEED = 1540.0  # m/s, the value every scanner assumes
_WIDTH = 2 * np.sqrt(2 * np.log(2))  # full width at half maximum of a Gaussian, in sigma


def _plane_from_polar(r: ArrayLike, theta: ArrayLike) -> tuple[NDArray, NDArray]:
    """`(x, y)` in mm of depth `r` (mm) and angle `theta` (radians)."""
    radius = np.asarray(r) + FACE_RADIUS
    return radius * np.sin(theta), radius * np.cos(theta) - FACE_RADIUS


def _polar_from_plane(x: ArrayLike, y: ArrayLike) -> tuple[NDArray, NDArray]:
    """`(r, theta)` of a point on the plane (mm)."""
    height = np.asarray(y) + FACE_RADIUS
    return np.hypot(x, height) - FACE_RADIUS, np.arctan2(x, height)


@dataclass
class _PolarGrid:
    """Samples of the beam-formed picture; `shape`, `r`, `theta` and indices include the guard band."""

    depth: float  # of the last row, mm; the first row is the probe's face
    rows: int = 384
    columns: int = 176
    guard: int = 8  # samples on all four sides that are imaged and thrown away

    def __post_init__(self) -> None:
        self.steps = self.depth / (self.rows - 1), 2 * HALF_ANGLE / (self.columns - 1)  # mm, radians
        self.shape = self.rows + 2 * self.guard, self.columns + 2 * self.guard
        self.r = (np.arange(self.shape[0]) - self.guard) * self.steps[0]  # of the rows, mm
        self.theta = (np.arange(self.shape[1]) - self.guard) * self.steps[1] - HALF_ANGLE  # of the columns, radians

    def index(self, r: NDArray, theta: NDArray) -> tuple[NDArray, NDArray]:
        """Fractional row and column of places on the polar plane."""
        return r / self.steps[0] + self.guard, (theta + HALF_ANGLE) / self.steps[1] + self.guard

    def polar(self, row: NDArray, column: NDArray) -> tuple[NDArray, NDArray]:
        """Inverse of `index`."""
        return (row - self.guard) * self.steps[0], (column - self.guard) * self.steps[1] - HALF_ANGLE

    def nearest(self, image: NDArray, r: NDArray, theta: NDArray) -> NDArray:
        return image.ravel()[self.flat_index(r, theta)]

    def flat_index(self, r: NDArray, theta: NDArray) -> NDArray[np.intp]:
        """Index into the flattened grid of the nearest samples; beyond the edge, the edge's."""
        row, column = self.index(r, theta)
        row = np.clip(np.rint(row), 0, self.shape[0] - 1).astype(np.intp)
        column = np.clip(np.rint(column), 0, self.shape[1] - 1).astype(np.intp)
        return row * self.shape[1] + column


@dataclass(frozen=True)
class _PointSpread:
    """Resolution of a scanner: full widths at half maximum of the echo amplitude of a point."""

    frequency: float  # centre frequency, MHz
    axial: float  # axial width, mm
    lateral: float  # lateral width at the focus, radians
    focus: float  # depth of the focus, mm
    spread: float = 1.0  # how fast the beam widens off the focus (1 = by half over a third of the focal depth)

    def lateral_at(self, r: NDArray) -> NDArray:
        """Lateral width in radians at depths `r` (mm)."""
        away = (np.maximum(r, 0.0) - self.focus) / self.focus
        return self.lateral * np.sqrt(1 + self.spread * away**2)


class _Receiver:
    """Beam-forms echoes on a grid; `density` scatterers of unit amplitude per sample have a mean echo power of 1."""

    def __init__(self, grid: _PolarGrid, spread: _PointSpread, density: float) -> None:
        self.grid = grid
        self.wavenumber = np.float32(4e-3 * np.pi * spread.frequency * 1e6 / _SOUND_SPEED)  # there and back, rad/mm
        axial = spread.axial / _WIDTH / grid.steps[0]
        lateral = spread.lateral_at(grid.r) / _WIDTH / grid.steps[1]
        rows, columns = (2 * np.pi * fftfreq(length) for length in grid.shape)
        # Sharing a point out between two samples by linear weights is itself a smoothing, of variance 0 to 1/4 by its
        # place between them: the middle is taken off, which leaves an error of the width below 5 %.
        self._axial = np.exp(-0.5 * np.maximum(axial**2 - 1 / 8, 0) * rows**2)[:, None].astype(np.float32)
        self._lateral = np.exp(-0.5 * np.maximum(lateral**2 - 1 / 8, 0)[:, None] * columns**2).astype(np.float32)
        power = 1 / (4 * np.pi * axial * lateral) * density
        self._level = (1 / np.sqrt(power))[:, None].astype(np.float32)
        self._noise = float(np.sqrt(2 * np.sqrt(np.pi) * axial))

    def envelope(
        self, r: NDArray, theta: NDArray, amplitude: NDArray, loss: NDArray | float = 1.0, noise: NDArray | float = 0.0
    ) -> NDArray[np.float32]:
        """Echo amplitude on the grid of scatterers at `(r, theta)` that reflect `amplitude`.

        `loss` is a factor of amplitude; `noise`, of the electronics and after gain, passes the axial filter only.
        """
        phase = self.wavenumber * r
        echo = np.empty(phase.shape, np.complex64)
        echo.real, echo.imag = np.cos(phase), -np.sin(phase)
        echo *= amplitude
        # Sharing an echo out among four samples is the transpose of reading it from them.
        field = _bilinear(self.grid, r, theta).T @ echo.view(np.float32).reshape(-1, 2)
        field = fft(field.view(np.complex64).reshape(self.grid.shape), axis=1, overwrite_x=True)
        field *= self._lateral
        field = ifft(field, axis=1, overwrite_x=True)
        field *= self._level * loss
        field += np.float32(self._noise) * noise
        field = fft(field, axis=0, overwrite_x=True)
        field *= self._axial
        return np.abs(ifft(field, axis=0, overwrite_x=True))


class _ScanConverter:
    """From the polar grid to the screen; `r` and `theta` are the places of the pixels in the `sector`."""

    def __init__(self, grid: _PolarGrid) -> None:
        above = (1 - np.cos(HALF_ANGLE)) * FACE_RADIUS  # the face's corners lie above its middle
        self.scale = (grid.depth + above) / _FAN_HEIGHT  # mm per pixel
        self.origin = (_TOP + above / self.scale, float(_CENTRE))  # row and column of the middle of the probe's face
        rows, columns = np.indices(SCREEN)
        r, theta = _polar_from_plane(*self.plane(rows, columns))
        self.sector = (r >= 0) & (r <= grid.depth) & (np.abs(theta) <= HALF_ANGLE)
        self.r, self.theta = r[self.sector].astype(np.float32), theta[self.sector].astype(np.float32)
        self._weights = _bilinear(grid, self.r, self.theta)

    def plane(self, row: NDArray, column: NDArray) -> tuple[NDArray, NDArray]:
        """Place `(x, y)` in mm of pixels of the screen."""
        return (column - self.origin[1]) * self.scale, (row - self.origin[0]) * self.scale

    def __call__(self, polar: NDArray) -> NDArray[np.float32]:
        """Values of the fan's pixels, in the order of ``image[sector]``."""
        return self._weights @ polar.ravel()


def _bilinear(grid: _PolarGrid, r: NDArray, theta: NDArray) -> csr_matrix:
    """Weights by which samples of a grid make the values at places; beyond the grid, those of its edge."""
    rows, columns = grid.shape
    row, column = grid.index(r, theta)
    row, column = np.clip(row, 0, rows - 1.01), np.clip(column, 0, columns - 1.01)
    top, left = np.floor(row), np.floor(column)
    below, right = row - top, column - left
    first = top.astype(np.int32) * columns + left.astype(np.int32)
    index, weight = np.empty((r.size, 4), np.int32), np.empty((r.size, 4), np.float32)
    for sample, step in enumerate((0, 1, columns, columns + 1)):  # broadcasting over four would be slow
        np.add(first, step, out=index[:, sample])
    weight[:, 3] = both = (below * right).astype(np.float32)
    weight[:, 2] = below - both
    weight[:, 1] = beside = (right - both).astype(np.float32)
    weight[:, 0] = 1 - below.astype(np.float64) - beside
    starts = np.arange(0, index.size + 1, 4, dtype=np.int32)
    return csr_matrix((weight.ravel(), index.ravel(), starts), shape=(r.size, rows * columns), copy=False)


@dataclass(frozen=True)
class _Scanner:
    name: str  # on the screen
    spread: _PointSpread
    gamma: float  # exponent of its grey map: above 1 darkens the middle
    noise_db: float  # electronic noise at the deepest row, in decibels of average liver, at average gain
    preset: str  # words in the corner of the screen
    name_right: bool  # name in the right-hand corner, preset in the left-hand one

    def compress(self, envelope: NDArray, gain: float, dynamic_range: float) -> NDArray[np.float32]:
        """Grey values 0 to 255; average liver (1), at zero gain, is at 45 % of the dynamic range (dB)."""
        level = (20 * np.log10(np.maximum(envelope, 1e-6)) + gain) / dynamic_range + 0.45
        return (255 * np.clip(level, 0, 1) ** self.gamma).astype(np.float32)

    def draw_screen(self, patient: object, converter: _ScanConverter) -> NDArray[np.uint8]:
        """The screen but for the fan, which is black: words, depth scale, grey bar."""
        picture = Image.new("L", (SCREEN[1], SCREEN[0]))
        draw = ImageDraw.Draw(picture)
        draw.font = ImageFont.load_default(10)
        left, right = (self.preset, self.name) if self.name_right else (self.name, self.preset)
        frequency, depth = f"{patient.fps:.0f} Hz", f"{patient.depth_mm / 10:.1f} cm"
        settings = frequency, depth, f"G {50 + 2 * patient.gain_db:.0f} %", f"DR {patient.dynamic_range_db:.0f}"
        draw.text((4, 2), left, fill=190)
        draw.text((SCREEN[1] - 4, 2), right, fill=190, anchor="ra")
        draw.text((_CENTRE, 2), f"{BANNER} {patient.patient_id[-3:]}", fill=230, anchor="ma")
        for line, text in enumerate(settings):
            draw.text((4, 16 + 11 * line), text, fill=140)
        _draw_depth_scale(draw, self.spread.focus, patient.depth_mm, converter)
        for row in range(80):  # grey bar
            draw.line([(4, 100 + row), (9, 100 + row)], fill=round(255 * (1 - row / 79) ** self.gamma))
        screen = np.array(picture)
        screen[converter.sector] = 0
        return screen


def _draw_depth_scale(draw: ImageDraw.ImageDraw, focus: float, depth: float, converter: _ScanConverter) -> None:
    """Ticks every centimetre, a number every five, and a mark at the focus."""
    column = SCREEN[1] - 4
    for centimetre in range(int(depth / 10) + 1):
        row = converter.origin[0] + 10 * centimetre / converter.scale
        long = centimetre % 5 == 0
        draw.line([(column - (6 if long else 3), row), (column, row)], fill=170)
        if long and centimetre:
            draw.text((column - 8, row), str(centimetre), fill=150, anchor="rm")
    row = converter.origin[0] + focus / converter.scale
    draw.polygon([(column + 3, row - 3), (column + 3, row + 3), (column - 1, row)], fill=200)


# Indexed by a patient's `scanner`. Assumptions: abdominal imaging at 3-3.6 MHz; widths a little above a real
# machine's, as a pixel here is .7 mm.
SCANNERS = (
    _Scanner("ORION 5", _PointSpread(3.2, 1.10, 0.0170, 70.0), 1.05, -21.0, "ABD GEN", False),
    _Scanner("HEPAVUE S", _PointSpread(3.6, 0.95, 0.0155, 60.0), 1.30, -18.0, "LIVER C5-1", True),
    _Scanner("Meridia X2", _PointSpread(3.0, 1.25, 0.0190, 80.0), 0.90, -24.0, "Abdomen 2", False),
    _Scanner("VANTAGE Q", _PointSpread(2.5, 1.50, 0.0230, 95.0), 1.50, -15.0, "HEP DEEP", True),  # the second hospital
)
