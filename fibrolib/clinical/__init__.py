"""What a score is worth in the clinic: added value, pathways, subgroups, abstention, the reference, several videos.

No files, no models, no drawing; statistics are those of `fibrolib.inference`, as are the errors: data that do not allow
a statistic raise `InferenceError`. Formulae, sources and when not to use them: ``docs/statistics.md``.
"""

from fibrolib.clinical.added_value import AddedValue, added_value
from fibrolib.clinical.pathway import compare_pathways, pathway_table
from fibrolib.clinical.reference import attainable_auc, corrected_auc, staging_error
from fibrolib.clinical.stage_sets import selective_accuracy, set_coverage, stage_sets
from fibrolib.clinical.subgroups import centre_splits, interaction_tests, leave_one_centre_out, subgroup_table
from fibrolib.clinical.videos import clustered_auc, clustered_auc_test, repeatability

__all__ = [
    "AddedValue",
    "added_value",
    "attainable_auc",
    "centre_splits",
    "clustered_auc",
    "clustered_auc_test",
    "compare_pathways",
    "corrected_auc",
    "interaction_tests",
    "leave_one_centre_out",
    "pathway_table",
    "repeatability",
    "selective_accuracy",
    "set_coverage",
    "stage_sets",
    "staging_error",
    "subgroup_table",
]
