"""Do the tests and intervals hold what they promise? Type I error and coverage by simulation.

Run: ``python benchmarks/interval_coverage.py [draws]``. Scores are binormal; ``heteroscedastic`` cases have twice the
spread of controls. Fails where a promise of the project is broken.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
from scipy import special

from fibrolib.inference import (
    auc_coverage,
    calibration_curve,
    calibration_metrics,
    metric_coverage,
    simulated_power,
)

SIZES = ((8, 9), (15, 15), (50, 50))
AREAS = (0.75, 0.85, 0.95)


def type_one_errors(draws: int) -> None:
    print(f"Type I error of the paired test at 0.05, {draws} draws")
    # Two standard errors of the simulation are added to what is promised, 0.05 within 0.01.
    slack = 0.01 + 2 * np.sqrt(0.05 * 0.95 / draws)
    for n in (30, 100, 300):
        for area, correlation in ((0.75, 0.3), (0.75, 0.5), (0.85, 0.8)):
            share = simulated_power(area, area, n // 2, n // 2, correlation=correlation, draws=draws, seed=n)
            print(f"  n = {n:3d}  both areas {area}  correlation {correlation}: {share:.3f}", flush=True)
            # Very alike and very good scores differ in few pairs: the test turns careful there, never careless.
            careful = (area, correlation) == (0.85, 0.8)
            assert share < 0.05 + slack, share
            assert careful or share > 0.05 - slack, share


def areas(draws: int) -> None:
    print(f"Coverage of 95 % AUC intervals (mean width), {draws} draws")
    for sizes in SIZES:
        for area in AREAS:
            for spread, kind in ((1.0, "binormal"), (2.0, "heteroscedastic")):
                table = auc_coverage(area, *sizes, spread=spread, draws=draws).set_index("method")
                assert table["least"].min() >= 0
                assert table["most"].max() <= 1
                cells = "  ".join(f"{name} {row.coverage:.3f} ({row.width:.2f})" for name, row in table.iterrows())
                print(f"  {sizes[0]:2d} + {sizes[1]:2d}  AUC {area}  {kind:15s} {cells}", flush=True)
                promised = sizes == (8, 9) and spread == 1
                assert not promised or table.loc["logit", "coverage"] >= 0.93, table


def composites() -> None:
    print("Exact coverage of 95 % intervals of composite metrics, 8 + 9 patients")
    for key in ("f1_macro", "f1", "precision_macro", "recall_macro"):
        for rates in ((0.7, 0.7), (0.8, 0.8), (0.9, 0.9), (0.6, 0.9)):
            found = metric_coverage(key, 8, 9, *rates).set_index("method")["coverage"]
            cells = "  ".join(f"{method} {share:.3f}" for method, share in found.items())
            print(f"  {key:16s} sensitivity {rates[0]} specificity {rates[1]}: {cells}", flush=True)


def calibration(draws: int) -> None:
    """Predictions whose log odds are `extreme` times too far from, and `shift` too high for, the truth."""
    print(f"Coverage of 95 % intervals of calibration, {draws} draws; band: mean over the curve's points")
    rng = np.random.default_rng(1)
    for n in (17, 77):
        for extreme, shift in ((1.0, 0.0), (2.5, 0.0), (1.0, 0.8)):
            log_odds = rng.normal(0, 1.3, 100_000)
            risk, said = special.expit(log_odds), special.expit(extreme * log_odds + shift)
            truth = {
                "intercept": _shift_of(said, risk),
                "slope": 1 / extreme,
                "brier": float(np.mean((said - risk) ** 2 + risk * (1 - risk))),
                "ici": float(np.mean(np.abs(said - risk))),
            }
            inside = dict.fromkeys([*truth, "band"], 0.0)
            for seed in range(draws):
                rows = rng.integers(0, len(risk), n)
                y = rng.random(n) < risk[rows]
                found = calibration_metrics(y, said[rows], n_resamples=150, seed=seed)
                for key, value in truth.items():
                    inside[key] += found[key].low <= value <= found[key].high
                curve = calibration_curve(y, said[rows], n_points=21)
                right = special.expit((special.logit(curve["predicted"]) - shift) / extreme)
                inside["band"] += float(np.mean((curve["low"] <= right) & (right <= curve["high"])))
            cells = "  ".join(f"{key} {count / draws:.3f}" for key, count in inside.items())
            print(f"  n = {n:2d}  too extreme by {extreme}, too high by {shift}: {cells}", flush=True)


def _shift_of(said: np.ndarray, risk: np.ndarray) -> float:
    """The true calibration in the large."""
    shifts = np.linspace(-2, 2, 401)
    lack = [float(np.mean(special.expit(special.logit(said) + shift) - risk)) for shift in shifts]
    return float(np.interp(0, lack, shifts))


def main() -> None:
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    pd.set_option("display.width", 160)
    type_one_errors(2 * draws)
    areas(draws)
    composites()
    calibration(max(50, draws // 10))


if __name__ == "__main__":
    main()
