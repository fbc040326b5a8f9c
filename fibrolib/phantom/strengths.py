"""The dials: how strongly fibrosis shows in the pictures."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isfinite

__all__ = ["SignalStrengths"]


@dataclass(frozen=True)
class SignalStrengths:
    """How strongly each signal of fibrosis shows in a virtual cohort.

    Parameters
    ----------
    texture : float
        Scatterer clustering and septa: 0 = unrelated to stage, 1 = published effect, more = teaching.
    capsule : float
        Nodularity of the liver surface, on the same scale.
    motion : float
        Dependence of the heartbeat's strain on stiffness, on the same scale.
    shortcut : float
        Share of patients whose scanner is chosen by their stage, 0 (none) to 1 (all): a confounder.
    missing_labs : float
        Share of blood values (AST, ALT, platelets) that are missing, 0 to below 1, at random.

    Raises
    ------
    ValueError
        If a dial is negative or not finite, or a share is outside its range.

    Notes
    -----
    A dial scales the *effect* (the shift of a patient's carrier with stage), not the spread between patients, except
    that ``motion`` scales all of ln E in the strain, its scatter included: at 0 the carrier still varies, it only says
    nothing about stage.
    """

    texture: float = 1.0
    capsule: float = 1.0
    motion: float = 1.0
    shortcut: float = 0.0
    missing_labs: float = 0.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not (isfinite(value) and value >= 0):
                raise ValueError(f"dial {name} must be a finite number of at least 0, not {value!r}")
        if self.shortcut > 1:
            raise ValueError(f"dial shortcut is a share, 0 to 1, not {self.shortcut!r}")
        if self.missing_labs >= 1:
            raise ValueError(f"dial missing_labs is a share below 1, not {self.missing_labs!r}")
