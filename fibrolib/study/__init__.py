"""The study: a request, its profile and run folder, and what is computed once and kept there."""

from fibrolib.study.evaluation import EVALUATION, NetEvaluations
from fibrolib.study.profiles import BUILT_IN, Profile, load_profile
from fibrolib.study.request import PROJECT, Request
from fibrolib.study.study import Study, open_study
from fibrolib.study.tables import PUBLISHED, PUBLISHED_SOURCE, PUBLISHED_TEST_PATIENTS, Staging

__all__ = [
    "BUILT_IN",
    "EVALUATION",
    "PROJECT",
    "PUBLISHED",
    "PUBLISHED_SOURCE",
    "PUBLISHED_TEST_PATIENTS",
    "NetEvaluations",
    "Profile",
    "Request",
    "Staging",
    "Study",
    "load_profile",
    "open_study",
]
