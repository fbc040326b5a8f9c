"""Three invented scanners: resolution, grey map and the words on the screen."""

from __future__ import annotations

from dataclasses import dataclass

from fibrolib.phantom.imaging import PointSpread

__all__ = ["SCANNERS", "Scanner"]


@dataclass(frozen=True)
class Scanner:
    """An ultrasound machine.

    Parameters
    ----------
    name : str
        Invented name, shown on the screen.
    spread : PointSpread
        Its resolution.
    gamma : float
        Exponent of its grey map.
    noise_db : float
        Electronic noise at the deepest row, in decibels of average liver, at average gain.
    preset : str
        Words in the corner of the screen.
    name_right : bool
        Whether the name stands in the right-hand corner (and the preset in the left-hand one).
    """

    name: str
    spread: PointSpread
    gamma: float
    noise_db: float
    preset: str
    name_right: bool


# Assumptions: abdominal imaging at 3-3.6 MHz; widths a little above a real machine's, as a pixel here is .7 mm.
SCANNERS = (
    Scanner("ORION 5", PointSpread(3.2, 1.10, 0.0170, 70.0), 1.05, -21.0, "ABD GEN", False),
    Scanner("HEPAVUE S", PointSpread(3.6, 0.95, 0.0155, 60.0), 1.30, -18.0, "LIVER C5-1", True),
    Scanner("Meridia X2", PointSpread(3.0, 1.25, 0.0190, 80.0), 0.90, -24.0, "Abdomen 2", False),
)
"""The machines that a patient's ``scanner`` counts through."""
