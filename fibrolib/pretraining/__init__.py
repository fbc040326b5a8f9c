"""Teach nets to measure on simulated patients without a stage, before they meet a cohort."""

from fibrolib.pretraining.measuring import Measured, pretrain
from fibrolib.pretraining.pictures import unstaged_pictures

__all__ = ["Measured", "pretrain", "unstaged_pictures"]
