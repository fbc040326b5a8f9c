"""Virtual hospitals: who comes, and with which machine and settings they are scanned."""

from __future__ import annotations

from dataclasses import dataclass

from fibrolib.errors import FibrolibError


@dataclass(frozen=True)
class Hospital:
    """Dials of a virtual hospital; all of them are assumptions, and none is tied to the stage."""

    name: str = "first"
    stage_mix: tuple[float, ...] = (0.22, 0.28, 0.20, 0.14, 0.16)  # F0 to F4: a liver clinic's, half of it >= F2
    bmi: float = 25.0  # mean, kg/m2; fat in the liver follows
    scanner: int | None = None  # of `imaging.SCANNERS`, the same for all; None: the first three, a third each
    gain_db: float = 0.0  # added to every patient's
    depth_mm: float = 0.0  # the same
    frame_rates: tuple[float, ...] = (20.0, 22.0, 24.0, 25.0, 28.0)
    first_seed: int = 0  # added to seeds: hospitals share no random numbers, so the same seed gives other patients


HOSPITALS = {
    each.name: each
    for each in (
        Hospital(),
        # Another scanner, fatter patients, deeper and darker pictures, fewer patients with fibrosis (a third >= F2).
        Hospital("second", (0.36, 0.30, 0.16, 0.10, 0.08), 30.0, 3, -4.0, 15.0, (30.0, 33.0), 2_000_000),
    )
}


def find_hospital(name: str) -> Hospital:
    """A hospital by its name, or a FibrolibError."""
    if name not in HOSPITALS:
        raise FibrolibError(f"There is no virtual hospital '{name}'. Choose one of {', '.join(HOSPITALS)}.")
    return HOSPITALS[name]
