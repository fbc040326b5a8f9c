"""Do the tests and intervals hold what they promise? Type I error and coverage by simulation.

Run: ``python benchmarks/interval_coverage.py [draws] [section ...]``; sections are ``tests``, ``joint``, ``areas``,
``composites``, ``calibration``, all of them if none is named. Scores are binormal; ``heteroscedastic`` cases have twice
the spread of controls. Fails where a promise of the project is broken.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy import special

from fibrolib.inference import (
    calibration_curve,
    calibration_metrics,
    delong_joint_test,
    delong_test,
    permutation_test,
)
from fibrolib.inference.appraisal import auc_coverage, metric_coverage

SIZES = ((8, 9), (15, 15), (50, 50))
AREAS = (0.75, 0.85, 0.95)


def scores(rng: np.random.Generator, y: np.ndarray, k: int, area: float, correlation: float, spread: float = 1.0):
    """Several binormal scores of one true area; `spread` is that of the cases in all but the first score."""
    shared = np.sqrt(correlation) * rng.normal(size=len(y))
    columns = []
    for i in range(k):
        wide = spread if i else 1.0
        noise = shared + np.sqrt(1 - correlation) * rng.normal(size=len(y))
        columns.append(np.where(y, wide * noise + np.sqrt(1 + wide**2) * special.ndtri(area), noise))
    return columns


def tests(draws: int) -> None:
    """DeLong's paired test and the permutation test where both areas are equal."""
    print(f"Type I error of paired tests at 0.05 (n = 17 and 30: {2 * draws} draws, 100: {draws}, 300: {draws // 4})")
    settings = [(a, r, 1.0) for a in (0.75, 0.85, 0.95) for r in (0.3, 0.5, 0.8)] + [(0.7, 0.8, 3.0)]
    for n, times in ((17, 2 * draws), (30, 2 * draws), (100, draws), (300, draws // 4)):
        # Two standard errors of the simulation are added to what is promised, 0.05 within 0.01.
        slack = 0.01 + 2 * np.sqrt(0.05 * 0.95 / times)
        for area, correlation, spread in settings:
            delong, permutation = _type_one_errors(n, area, correlation, spread, times)
            shape = "" if spread == 1 else f"  cases of one spread {spread:g} times"
            print(
                f"  n = {n:3d}  both areas {area}  correlation {correlation}:  DeLong {delong:.3f}  "
                f"permutation {permutation:.3f}{shape}",
                flush=True,
            )
            # Good and alike scores of few patients differ in few pairs: DeLong's turns careful there, never careless.
            assert n == 17 or delong < 0.05 + slack, delong
            common = (area, spread) == (0.75, 1) and correlation < 0.8
            assert n == 17 or not (common or (n > 30 and area < 0.9)) or delong > 0.05 - slack, delong
            # The permutation test keeps its level for curves of one shape, except for the very best scores.
            assert spread > 1 or permutation < 0.05 + slack, permutation
            assert spread > 1 or n == 17 or area > 0.9 or permutation > 0.05 - slack, permutation


def _type_one_errors(n: int, area: float, correlation: float, spread: float, draws: int) -> tuple[float, float]:
    rng = np.random.default_rng(n)
    y = np.arange(n) < n // 2
    rejected = np.zeros(2)
    for _ in range(draws):
        a, b = scores(rng, y, 2, area, correlation, spread)
        rejected += [delong_test(y, a, b).pvalue < 0.05, permutation_test(y, a, b).pvalue <= 0.05]
    return tuple(rejected / draws)


def joint(draws: int) -> None:
    """DeLong's joint test where all areas are equal: by chi-square, and by Hotelling's F as is the default."""
    print(f"Type I error of the joint test at 0.05, {draws} draws")
    for n in (17, 30, 100):
        for k in (3, 6):
            for area, correlation in ((0.75, 0.3), (0.75, 0.5), (0.85, 0.5), (0.85, 0.8)):
                rng = np.random.default_rng(n)
                y = np.arange(n) < n // 2
                rejected = np.zeros(2)
                for _ in range(draws):
                    table = np.column_stack(scores(rng, y, k, area, correlation))
                    rejected += [delong_joint_test(y, table, reference=kind).pvalue < 0.05 for kind in ("chi2", "f")]
                chi2, f = rejected / draws
                print(f"  n = {n:3d}  {k} areas {area}  correlation {correlation}:  chi-square {chi2:.3f}  F {f:.3f}")
                assert f < 0.06 + 2 * np.sqrt(0.05 * 0.95 / draws), f


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


def composites(_: int) -> None:
    print("Exact coverage of 95 % intervals of composite metrics, 8 + 9 patients")
    for key in ("f1_macro", "f1", "precision_macro", "recall_macro"):
        for rates in ((0.7, 0.7), (0.8, 0.8), (0.9, 0.9), (0.6, 0.9)):
            found = metric_coverage(key, 8, 9, *rates).set_index("method")["coverage"]
            cells = "  ".join(f"{method} {share:.3f}" for method, share in found.items())
            print(f"  {key:16s} sensitivity {rates[0]} specificity {rates[1]}: {cells}", flush=True)


def calibration(draws: int) -> None:
    """Predictions whose log odds are `extreme` times too far from, and `shift` too high for, the truth."""
    few = max(50, draws // 10)
    print(f"Coverage of 95 % intervals of calibration, {draws} draws (Brier score and ICI, by bootstrap: {few})")
    print("  band: mean over the curve's points")
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
            samples = [_sample(rng, risk, said, n) for _ in range(draws)]
            inside = {key: [] for key in [*truth, "band"]}
            for seed, (y, p) in enumerate(samples):
                found = calibration_metrics(y, p, n_resamples=150 if seed < few else 1, seed=seed)
                for key in truth if seed < few else ("intercept", "slope"):
                    inside[key].append(found[key].low <= truth[key] <= found[key].high)
                curve = calibration_curve(y, p, n_points=21)
                right = special.expit((special.logit(curve["predicted"]) - shift) / extreme)
                inside["band"].append(np.mean((curve["low"] <= right) & (right <= curve["high"])))
            cells = "  ".join(f"{key} {np.mean(hits):.3f}" for key, hits in inside.items())
            print(f"  n = {n:2d}  too extreme by {extreme}, too high by {shift}: {cells}", flush=True)


def _sample(rng: np.random.Generator, risk: np.ndarray, said: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Truth and predictions of patients of both classes: others cannot be judged."""
    while True:
        rows = rng.integers(0, len(risk), n)
        y = rng.random(n) < risk[rows]
        if 0 < y.sum() < n:
            return y, said[rows]


def _shift_of(said: np.ndarray, risk: np.ndarray) -> float:
    """The true calibration in the large."""
    shifts = np.linspace(-2, 2, 401)
    lack = [float(np.mean(special.expit(special.logit(said) + shift) - risk)) for shift in shifts]
    return float(np.interp(0, lack, shifts))


SECTIONS = {"tests": tests, "joint": joint, "areas": areas, "composites": composites, "calibration": calibration}


def main() -> None:
    draws = next((int(word) for word in sys.argv[1:] if word.isdigit()), 2000)
    for name in [word for word in sys.argv[1:] if not word.isdigit()] or SECTIONS:
        SECTIONS[name](draws)


if __name__ == "__main__":
    main()
