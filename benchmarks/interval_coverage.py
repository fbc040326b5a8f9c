"""Do the tests and intervals hold what they promise? Type I error and coverage by simulation.

Run: ``python benchmarks/interval_coverage.py [draws]``. Scores are binormal; ``heteroscedastic`` cases have twice the
spread of controls.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy import stats

from fibrolib.inference import auc_ci, classification_metrics, delong_test
from fibrolib.inference.intervals import AUC_METHODS
from fibrolib.inference.metrics import COMPOSITE_METHODS, COMPOSITES

SIZES = ((8, 9), (15, 15), (50, 50))


def type_one_error(n: int, correlation: float, draws: int, rng: np.random.Generator) -> float:
    """Share of p < 0.05 between two scores of equal true AUC (0.80)."""
    y = np.repeat([1, 0], (n // 2, n - n // 2))
    shift = np.sqrt(2) * stats.norm.ppf(0.80)
    own = np.sqrt(1 - correlation)
    rejected = 0
    for _ in range(draws):
        shared = np.sqrt(correlation) * rng.normal(size=n) + shift * y
        a, b = (shared + own * rng.normal(size=n) for _ in range(2))
        rejected += delong_test(y, a, b).pvalue < 0.05
    return rejected / draws


def auc_coverage(sizes: tuple[int, int], area: float, spread: float, draws: int, rng: np.random.Generator) -> dict:
    """Share of intervals that hold the true AUC, and their mean width, for every method."""
    y = np.repeat([1, 0], sizes)
    shift = np.sqrt(1 + spread**2) * stats.norm.ppf(area)
    inside, width = dict.fromkeys(AUC_METHODS, 0.0), dict.fromkeys(AUC_METHODS, 0.0)
    for _ in range(draws):
        score = rng.normal(size=len(y)) * np.where(y == 1, spread, 1) + shift * y
        for method in AUC_METHODS:
            found = auc_ci(y, score, method, n_resamples=500)
            if not 0 <= found.low <= found.high <= 1:
                raise AssertionError(found)
            inside[method] += found.low <= area <= found.high
            width[method] += found.high - found.low
    return {method: (inside[method] / draws, width[method] / draws) for method in AUC_METHODS}


def metric_coverage(sizes: tuple[int, int], rates: tuple[float, float], key: str, method: str) -> float:
    """Exact coverage of a metric's interval: every possible table, weighted by its probability."""
    (m, n), (sensitivity, specificity) = sizes, rates
    _, metric = COMPOSITES[key]
    truth = float(metric(m * sensitivity, m * (1 - sensitivity), n * (1 - specificity), n * specificity))
    y, covered = np.repeat([1, 0], sizes), 0.0
    for tp in range(m + 1):
        for tn in range(n + 1):
            called = np.repeat([1.0, 0.0, 1.0, 0.0], (tp, m - tp, n - tn, tn))
            found = classification_metrics(y, called, 0.5, method=method, n_resamples=2000)[key]
            weight = stats.binom.pmf(tp, m, sensitivity) * stats.binom.pmf(tn, n, specificity)
            covered += weight * (found.low - 1e-9 <= truth <= found.high + 1e-9)
    return covered


def main() -> None:
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    rng = np.random.default_rng(1)
    print(f"Type I error of the paired test at 0.05, {2 * draws} draws (equal areas of 0.80)")
    for n in (30, 100, 300):
        shares = [f"correlation {r}: {type_one_error(n, r, 2 * draws, rng):.3f}" for r in (0.3, 0.6)]
        print(f"  n = {n:3d}  {'  '.join(shares)}")
    print(f"Coverage of 95 % AUC intervals (mean width), {draws} draws")
    for sizes in SIZES:
        for area in (0.75, 0.85, 0.95):
            for spread, kind in ((1, "binormal"), (2, "heteroscedastic")):
                found = auc_coverage(sizes, area, spread, draws, rng)
                cells = "  ".join(f"{method} {share:.3f} ({width:.2f})" for method, (share, width) in found.items())
                print(f"  {sizes[0]:2d} + {sizes[1]:2d}  AUC {area}  {kind:15s} {cells}")
    print("Exact coverage of 95 % intervals of composite metrics, 8 + 9 patients")
    for key in ("f1_macro", "f1", "precision_macro", "recall_macro"):
        for rates in ((0.7, 0.7), (0.8, 0.8), (0.9, 0.9), (0.6, 0.9)):
            found = [f"{method} {metric_coverage((8, 9), rates, key, method):.3f}" for method in COMPOSITE_METHODS]
            print(f"  {key:16s} sensitivity {rates[0]} specificity {rates[1]}: {'  '.join(found)}")


if __name__ == "__main__":
    main()
