"""The study: run folder, profiles, what is computed once and kept."""

from fibrolib.study.paths import PROJECT, from_project, notebook_sources
from fibrolib.study.profiles import BUILT_IN, Profile, load_profile
from fibrolib.study.request import Request
from fibrolib.study.study import Study, open_study

__all__ = [
    "BUILT_IN",
    "PROJECT",
    "Profile",
    "Request",
    "Study",
    "from_project",
    "load_profile",
    "notebook_sources",
    "open_study",
]
