"""The virtual cohort: patients whose truth is known, imaged by a simulated scanner."""

from fibrolib.phantom.dials import Dials
from fibrolib.phantom.oracle import MOVING, STILL, oracle_auc, oracle_score
from fibrolib.phantom.patients import PREFIX, draw_patients
from fibrolib.phantom.render import Rendering, render_view
from fibrolib.phantom.simulate import render_clip, render_image, simulate_cohort

__all__ = [
    "MOVING",
    "PREFIX",
    "STILL",
    "Dials",
    "Rendering",
    "draw_patients",
    "oracle_auc",
    "oracle_score",
    "render_clip",
    "render_image",
    "render_view",
    "simulate_cohort",
]
