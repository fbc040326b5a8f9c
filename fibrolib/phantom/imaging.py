"""How a scanner sees scatterers: convolution with a point spread, envelope, compression, scan conversion.

After Bamber & Dickinson (1980) and COLE (Gao 2009): every scatterer's echo arrives with the phase of its depth; the sum
is smoothed by an axial and a lateral Gaussian on the polar grid. Working on the demodulated signal, the grid need only
resolve the envelope, and the phase keeps speckle exact for movements far below a sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fft, fftfreq, ifft
from scipy.sparse import csr_matrix

from fibrolib.phantom.geometry import FACE_RADIUS, HALF_ANGLE, PolarGrid, polar_from_plane

__all__ = ["PointSpread", "Receiver", "ScanConverter", "compress"]

SOUND_SPEED = 1540.0  # m/s, the value every scanner assumes


@dataclass(frozen=True)
class PointSpread:
    """Resolution of a scanner: full widths at half maximum of the echo amplitude of a point.

    Parameters
    ----------
    frequency : float
        Centre frequency, MHz.
    axial : float
        Axial width, mm.
    lateral : float
        Lateral width at the focus, radians.
    focus : float
        Depth of the focus, mm.
    spread : float
        How fast the beam widens away from the focus (1 = by half over a third of the focal depth).
    """

    frequency: float
    axial: float
    lateral: float
    focus: float
    spread: float = 1.0

    def lateral_at(self, r: NDArray) -> NDArray:
        """Lateral width in radians at depths `r` (mm)."""
        away = (np.maximum(r, 0.0) - self.focus) / self.focus
        return self.lateral * np.sqrt(1 + self.spread * away**2)


_WIDTH = 2 * np.sqrt(2 * np.log(2))  # full width at half maximum of a Gaussian, in sigma


class Receiver:
    """Beam-forms echoes of point scatterers on a polar grid.

    Parameters
    ----------
    grid : PolarGrid
        Where the echoes are sampled.
    spread : PointSpread
        The scanner's resolution.
    density : float
        Scatterers per grid sample; their mean echo power then comes out as 1 for unit amplitudes.
    """

    def __init__(self, grid: PolarGrid, spread: PointSpread, density: float) -> None:
        self.grid = grid
        self.wavenumber = np.float32(4e-3 * np.pi * spread.frequency * 1e6 / SOUND_SPEED)  # there and back, rad/mm
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
        """Echo amplitude on the grid.

        Parameters
        ----------
        r, theta : ndarray of float32, shape (scatterers,)
            Where the scatterers are, mm and radians.
        amplitude : ndarray of complex64, shape (scatterers,)
            What they reflect.
        loss : ndarray of float32, shape `grid.shape`, optional
            Factor of amplitude between tissue and probe.
        noise : ndarray of complex64, shape `grid.shape`, optional
            White noise of the electronics, as amplitude after gain; it passes the axial filter only.

        Returns
        -------
        ndarray of float32, shape `grid.shape`
            The envelope.
        """
        phase = self.wavenumber * r
        echo = amplitude * (np.cos(phase) - 1j * np.sin(phase))
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


def compress(envelope: NDArray, gain: NDArray | float, dynamic_range: float, gamma: float) -> NDArray[np.float32]:
    """Log compression and grey map.

    Parameters
    ----------
    envelope : ndarray
        Echo amplitude; 1 is average liver.
    gain : float or ndarray that broadcasts
        Decibels added.
    dynamic_range : float
        Decibels from black to white; average liver at zero gain is placed at 45 % of it.
    gamma : float
        Exponent of the grey map: above 1 darkens the middle.

    Returns
    -------
    ndarray of float32
        Grey, 0 to 255.
    """
    level = (20 * np.log10(np.maximum(envelope, 1e-6)) + gain) / dynamic_range + 0.45
    return (255 * np.clip(level, 0, 1) ** gamma).astype(np.float32)


class ScanConverter:
    """From the polar grid to the screen, by bilinear weights computed once.

    Parameters
    ----------
    grid : PolarGrid
        The beam-formed picture.
    shape : tuple of int
        Height and width of the screen.
    top, centre : int
        Row of the fan's upper edge and column of its axis.
    height : int
        Rows from the fan's upper edge to its deepest point.

    Attributes
    ----------
    sector : ndarray of bool, shape `shape`
        Pixels inside the fan.
    r, theta : ndarray of float32, shape (pixels in the fan,)
        Their place on the polar plane.
    scale : float
        Millimetres per pixel.
    """

    def __init__(self, grid: PolarGrid, shape: tuple[int, int], top: int, centre: int, height: int) -> None:
        above = (1 - np.cos(HALF_ANGLE)) * FACE_RADIUS  # the face's corners lie above its middle
        self.scale = (grid.depth + above) / height
        self.origin = (top + above / self.scale, float(centre))
        rows, columns = np.indices(shape)
        x, y = (columns - self.origin[1]) * self.scale, (rows - self.origin[0]) * self.scale
        r, theta = polar_from_plane(x, y)
        self.sector = (r >= 0) & (r <= grid.depth) & (np.abs(theta) <= HALF_ANGLE)
        self.r, self.theta = r[self.sector].astype(np.float32), theta[self.sector].astype(np.float32)
        self._weights = _bilinear(grid, self.r, self.theta)

    def __call__(self, polar: NDArray) -> NDArray[np.float32]:
        """Values of the fan's pixels, in the order of ``image[sector]``."""
        return self._weights @ polar.ravel()


def _bilinear(grid: PolarGrid, r: NDArray, theta: NDArray) -> csr_matrix:
    """Weights by which samples of a grid make the values at places; beyond the grid, those of its edge."""
    rows, columns = grid.shape
    row, column = grid.index(r, theta)
    row, column = np.clip(row, 0, rows - 1.01), np.clip(column, 0, columns - 1.01)
    top, left = row.astype(np.int32), column.astype(np.int32)
    below, right = row - top, column - left
    index, weight = np.empty((r.size, 4), np.int32), np.empty((r.size, 4), np.float32)
    index[:, 0] = top * columns + left
    for corner, step in enumerate((1, columns, columns + 1), start=1):
        index[:, corner] = index[:, 0] + step
    weight[:, 3] = below * right
    weight[:, 2], weight[:, 1] = below - weight[:, 3], right - weight[:, 3]
    weight[:, 0] = 1 - below - weight[:, 1]
    starts = np.arange(0, index.size + 1, 4, dtype=np.int32)
    return csr_matrix((weight.ravel(), index.ravel(), starts), shape=(r.size, rows * columns), copy=False)
