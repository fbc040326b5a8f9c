"""Frozen models of a finished run meet another cohort: they are read, applied and judged, and never fitted."""

from fibrolib.validation.development import Development, describe_development
from fibrolib.validation.frozen import FrozenModel
from fibrolib.validation.pictures import FEATURES
from fibrolib.validation.steps import AS_FROZEN, GROUP
from fibrolib.validation.validation import Validation, open_validation

__all__ = [
    "AS_FROZEN",
    "FEATURES",
    "GROUP",
    "Development",
    "FrozenModel",
    "Validation",
    "describe_development",
    "open_validation",
]
