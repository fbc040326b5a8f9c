"""Simulation pretraining: nets learn to measure on simulated patients without a stage, before they see a cohort."""

from fibrolib.pretraining.simulation import RECIPES, make_weights, pretrain

__all__ = ["RECIPES", "make_weights", "pretrain"]
