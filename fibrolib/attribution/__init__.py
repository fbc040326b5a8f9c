"""Saliency maps of nets, and the tests that a map has to pass."""

from fibrolib.attribution.explain import (
    METHODS,
    attribute,
    attribute_methods,
    fine_layer,
    list_layers,
    middle_window,
    parse_methods,
)
from fibrolib.attribution.faithfulness import faithfulness_areas, faithfulness_by_method, summarise_faithfulness
from fibrolib.attribution.maps import (
    Explanation,
    attainable_share,
    mask_scores_by_patient,
    phase_locking,
    summarise_shares,
)
from fibrolib.attribution.methods import Target
from fibrolib.attribution.sanity import (
    TIMES,
    cascade_maps,
    cascading_randomisation,
    judge,
    judge_planted,
    sanity_values,
)

__all__ = [
    "METHODS",
    "TIMES",
    "Explanation",
    "Target",
    "attainable_share",
    "attribute",
    "attribute_methods",
    "cascade_maps",
    "cascading_randomisation",
    "faithfulness_areas",
    "faithfulness_by_method",
    "fine_layer",
    "judge",
    "judge_planted",
    "list_layers",
    "mask_scores_by_patient",
    "middle_window",
    "parse_methods",
    "phase_locking",
    "sanity_values",
    "summarise_faithfulness",
    "summarise_shares",
]
