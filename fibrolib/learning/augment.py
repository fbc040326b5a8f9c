"""Random changes that leave the diagnosis alone: what another hand on the same scanner would have produced."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Augment"]


@dataclass(frozen=True)
class Augment:
    """Changes of one whole window; every frame of it is treated alike, so that movement stays movement.

    Parameters
    ----------
    gain : float
        Largest relative change of brightness (the gain knob).
    gamma : float
        Largest change of the exponent of the grey map (the dynamic-range knob).
    shift : float
        Largest shift as a share of the picture's side (the probe).
    mirror : bool
        Swap left and right in half of the windows (the probe turned round).
    """

    gain: float = 0.15
    gamma: float = 0.15
    shift: float = 0.06
    mirror: bool = True

    def __call__(self, window: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
        """Change a window ``(frames, height, width)`` of grey values in [0, 1]."""
        exponent = 1.0 + random.uniform(-self.gamma, self.gamma)
        factor = 1.0 + random.uniform(-self.gain, self.gain)
        changed = np.clip(factor * window**exponent, 0.0, 1.0)
        most = [round(self.shift * side) for side in window.shape[1:]]
        changed = _shift(changed, *(int(random.integers(-reach, reach + 1)) for reach in most))
        return changed[:, :, ::-1] if self.mirror and random.random() < 0.5 else changed


def _shift(window: NDArray[np.float32], down: int, right: int) -> NDArray[np.float32]:
    """Move the picture; what comes in from the side is black, as outside the sector."""
    moved = np.zeros_like(window)
    height, width = window.shape[1:]
    target = np.s_[:, max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)]
    source = np.s_[:, max(-down, 0) : height + min(-down, 0), max(-right, 0) : width + min(-right, 0)]
    moved[target] = window[source]
    return moved
