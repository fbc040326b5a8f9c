"""The virtual cohort: patients whose truth is known, imaged by a simulated scanner."""

from fibrolib.phantom.hospitals import find_hospital
from fibrolib.phantom.patients import (
    MOVING,
    QUANTITIES,
    STILL,
    SignalStrengths,
    draw_patients,
    draw_unstaged_patients,
    oracle_auc,
    oracle_score,
    physical_quantities,
)
from fibrolib.phantom.render import Rendering, render_clip, render_image, render_view
from fibrolib.phantom.simulate import read_truth, simulate_cohort

__all__ = [
    "MOVING",
    "QUANTITIES",
    "STILL",
    "Rendering",
    "SignalStrengths",
    "draw_patients",
    "draw_unstaged_patients",
    "find_hospital",
    "oracle_auc",
    "oracle_score",
    "physical_quantities",
    "read_truth",
    "render_clip",
    "render_image",
    "render_view",
    "simulate_cohort",
]
