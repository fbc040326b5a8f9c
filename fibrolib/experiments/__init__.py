"""What only virtual patients allow, and the tests of maps of relevance."""

from fibrolib.experiments.explorers import (
    Explorer,
    Viewer,
    detail,
    mmode_strip,
    render_beats,
    true_movement,
    typical_patient,
)
from fibrolib.experiments.planted_signal import SALIENCY_CONFIGS
from fibrolib.experiments.saliency_tests import SaliencyTests
from fibrolib.experiments.simulated_test_set import (
    ORACLES,
    SimulatedTestSet,
    ablate,
    ceilings_of,
    scenarios_of,
    stage_patients,
)

__all__ = [
    "ORACLES",
    "SALIENCY_CONFIGS",
    "Explorer",
    "SaliencyTests",
    "SimulatedTestSet",
    "Viewer",
    "ablate",
    "ceilings_of",
    "detail",
    "mmode_strip",
    "render_beats",
    "scenarios_of",
    "stage_patients",
    "true_movement",
    "typical_patient",
]
