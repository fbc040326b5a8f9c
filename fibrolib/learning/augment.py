"""Random changes that leave the diagnosis alone: what another hand on the same scanner would have produced."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["NO_CHANGE", "Augment"]


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
    edge : float
        Most of the picture's width, as a share, that is blanked on one side (the probe's edge without contact).
    mirror : bool
        Swap left and right in half of the windows (the probe turned round).

    Notes
    -----
    The film is neither sped up nor run backwards: how far tissue moves between two frames is what a net shall measure,
    and a heartbeat has a direction.
    """

    gain: float = 0.15
    gamma: float = 0.15
    shift: float = 0.06
    edge: float = 0.10
    mirror: bool = True

    def __call__(self, window: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
        """Change a window ``(frames, height, width)`` of grey values in [0, 1]."""
        exponent = 1.0 + random.uniform(-self.gamma, self.gamma)
        factor = 1.0 + random.uniform(-self.gain, self.gain)
        changed = np.clip(factor * window**exponent, 0.0, 1.0)
        most = [round(self.shift * side) for side in window.shape[1:]]
        changed = _shift(changed, *(int(random.integers(-reach, reach + 1)) for reach in most))
        blank = int(random.integers(round(self.edge * window.shape[2]) + 1))
        changed[:, :, : blank if random.random() < 0.5 else 0] = 0.0
        return changed[:, :, ::-1] if self.mirror and random.random() < 0.5 else changed


NO_CHANGE = Augment(gain=0.0, gamma=0.0, shift=0.0, edge=0.0, mirror=False)
"""Windows as they are, at random places of the clip."""


def _shift(window: NDArray[np.float32], down: int, right: int) -> NDArray[np.float32]:
    """Move the picture; what comes in from the side is black, as outside the sector."""
    moved = np.zeros_like(window)
    height, width = window.shape[1:]
    target = np.s_[:, max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)]
    source = np.s_[:, max(-down, 0) : height + min(-down, 0), max(-right, 0) : width + min(-right, 0)]
    moved[target] = window[source]
    return moved
