"""Saliency maps of nets, and the tests that a map has to pass.

`attribute` makes a map; `mask_scores` tells whether it lies where it should, `faithfulness_curves` whether the score
follows it, `sanity_values` and `judge` whether it depends on what the net has learned.
"""

from fibrolib.attribution.distribution import (
    MaskScores,
    PhaseLock,
    attainable_share,
    heartbeat_lag,
    mask_scores,
    mask_scores_by_patient,
    movement,
    movement_correlation,
    phase_locking,
    relevance_by_depth,
    relevance_over_time,
    summarise_shares,
)
from fibrolib.attribution.explain import (
    METHODS,
    Explanation,
    attribute,
    attribute_clips,
    attribute_methods,
    fine_layer,
    input_channels,
    list_layers,
    middle_window,
    parse_methods,
)
from fibrolib.attribution.faithfulness import (
    CURVES,
    ORDERS,
    faithfulness_areas,
    faithfulness_by_method,
    faithfulness_curves,
    summarise_faithfulness,
)
from fibrolib.attribution.methods import Target
from fibrolib.attribution.sanity import (
    TESTS,
    TIMES,
    cascade_maps,
    cascading_randomisation,
    judge,
    judge_planted,
    sanity_values,
)

__all__ = [
    "CURVES",
    "METHODS",
    "ORDERS",
    "TESTS",
    "TIMES",
    "Explanation",
    "MaskScores",
    "PhaseLock",
    "Target",
    "attainable_share",
    "attribute",
    "attribute_clips",
    "attribute_methods",
    "cascade_maps",
    "cascading_randomisation",
    "faithfulness_areas",
    "faithfulness_by_method",
    "faithfulness_curves",
    "fine_layer",
    "heartbeat_lag",
    "input_channels",
    "judge",
    "judge_planted",
    "list_layers",
    "mask_scores",
    "mask_scores_by_patient",
    "middle_window",
    "movement",
    "movement_correlation",
    "parse_methods",
    "phase_locking",
    "relevance_by_depth",
    "relevance_over_time",
    "sanity_values",
    "summarise_faithfulness",
    "summarise_shares",
]
