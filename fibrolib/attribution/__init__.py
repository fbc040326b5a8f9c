"""Explanations of nets, and the tests an explanation has to pass.

`attribute` makes a map; `mask_scores` says whether it lies where it should, `faithfulness_curves` whether the score
follows it, `sanity_values` and `judge` whether it shows what the net has learned at all.
"""

from fibrolib.attribution.agreement import map_agreement, rank_correlation, sensitivity_to_gain, sensitivity_to_shift
from fibrolib.attribution.explain import (
    METHODS,
    Explanation,
    attribute,
    attribute_clips,
    attribute_methods,
    parse_methods,
    window_scores,
)
from fibrolib.attribution.faithfulness import (
    CURVES,
    faithfulness_areas,
    faithfulness_by_method,
    faithfulness_curves,
    summarise_faithfulness,
)
from fibrolib.attribution.heartbeat import (
    PhaseLock,
    heartbeat_lag,
    movement,
    movement_correlation,
    phase_locking,
    relevance_over_time,
)
from fibrolib.attribution.layers import fine_layer, list_layers
from fibrolib.attribution.masks import (
    MaskScores,
    attainable_share,
    mask_scores,
    mask_scores_by_patient,
    relevance_by_depth,
    summarise_shares,
)
from fibrolib.attribution.planted import TIMES, judge_planted
from fibrolib.attribution.randomised import cascade_maps, cascading_randomisation, with_shuffled_weights
from fibrolib.attribution.removal import ORDERS
from fibrolib.attribution.sanity import TESTS, SanityTest, judge, sanity_values
from fibrolib.attribution.targets import Target
from fibrolib.attribution.windows import middle_window, shown

__all__ = [
    "CURVES",
    "METHODS",
    "ORDERS",
    "TESTS",
    "TIMES",
    "Explanation",
    "MaskScores",
    "PhaseLock",
    "SanityTest",
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
    "judge",
    "judge_planted",
    "list_layers",
    "map_agreement",
    "mask_scores",
    "mask_scores_by_patient",
    "middle_window",
    "movement",
    "movement_correlation",
    "parse_methods",
    "phase_locking",
    "rank_correlation",
    "relevance_by_depth",
    "relevance_over_time",
    "sanity_values",
    "sensitivity_to_gain",
    "sensitivity_to_shift",
    "shown",
    "summarise_faithfulness",
    "summarise_shares",
    "window_scores",
    "with_shuffled_weights",
]
