"""What only virtual patients allow, and the tests of maps of relevance."""

from fibrolib.experiments.simulated_test_set import ORACLES, SimulatedTestSet

__all__ = ["ORACLES", "SimulatedTestSet"]
