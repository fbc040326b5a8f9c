"""Do the tests and intervals hold what they promise? Type I error and coverage by simulation.

Run: ``python benchmarks/interval_coverage.py [draws] [section ...]``; sections are ``tests``, ``levels``,
``difference``, ``joint``, ``areas``, ``shares``, ``partial``, ``trainings``, ``composites``, ``calibration``, all of
them if none is named. Scores are binormal; `spread` is that of the cases over that of the controls. Fails where a
promise of the project is broken.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy import special, stats

from fibrolib.inference import (
    calibration_curve,
    calibration_metrics,
    compare_trainings,
    delong_joint_test,
    delong_test,
    partial_auc,
    partial_auc_test,
    permutation_test,
    sensitivity_at_specificity,
    share_of_ceiling,
)
from fibrolib.inference.appraisal import auc_coverage, metric_coverage
from fibrolib.inference.intervals import _satterthwaite
from fibrolib.inference.permutation import _exchanged, _share_beyond, _signs
from fibrolib.inference.roc import _area, _placement_covariance, _placements, _variances

SIZES = ((3, 10), (3, 14), (3, 144), (5, 20), (5, 100), (8, 9), (10, 40), (10, 200), (15, 15), (50, 50))
EQUAL = ((0.6, 0.3, 1), (0.75, 0.3, 1), (0.85, 0.8, 1), (0.95, 0.5, 1))
"""Areas, correlations and spreads of two curves of one shape."""
SHAPES = ((0.75, 0.8, 2), (0.75, 0.8, 0.5), (0.85, 0.5, 2), (0.95, 0.8, 2))
"""Areas, correlations and spreads of two curves of different shape."""

TESTS = ("rule", "normal", "Satterthwaite", "twice the smaller", "exchange", "studentised", "mid-p", "attainable")

AREAS = (0.6, 0.7, 0.8, 0.9, 0.95, 0.98)


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
    """DeLong's paired test where both areas are equal; its interval there and where they are not."""
    print(f"Type I error of DeLong's test (default; as pROC; permutation), coverage, {draws} draws")
    slack, broken = 2 * np.sqrt(0.05 * 0.95 / draws), []
    for m, n in SIZES:
        y = np.arange(m + n) < m
        for area, correlation, spread in (*EQUAL, *SHAPES[:2]):
            rng, rejected, inside = np.random.default_rng(m + n), np.zeros(3), np.zeros(2)
            for _ in range(draws):
                a, b = scores(rng, y, 2, area, correlation, spread)
                found = delong_test(y, a, b)
                others = delong_test(y, a, b, method="proc").pvalue, permutation_test(y, a, b).pvalue
                rejected += [p <= 0.05 for p in (found.pvalue, *others)]
                apart = delong_test(y, a, b + 0.4 * y)
                gap = area - special.ndtr(special.ndtri(area) + 0.4 / np.sqrt(1 + spread**2))
                inside += [found.low <= 0 <= found.high, apart.low <= gap <= apart.high]
            cells = "  ".join(f"{share:.3f}" for share in (*rejected / draws, *inside / draws))
            print(f"  {m:3d} + {n:3d}  areas {area}  correlation {correlation}  spread {spread}:  {cells}", flush=True)
            cell = f"{m} + {n}, areas {area}, correlation {correlation}, spread {spread}"
            if rejected[0] / draws > _most(m, n, spread) + slack:
                broken.append(f"type I error {rejected[0] / draws:.3f}: {cell}")
            if min(inside) / draws < 0.93 - slack:
                broken.append(f"coverage {min(inside) / draws:.3f}: {cell}")
    if broken:
        raise SystemExit("\n".join(["Broken promises:", *broken]))


def levels(draws: int) -> None:
    """All paired tests that are known, in numpy: where does which keep 0.03 to 0.06?"""
    print(f"Type I error of tests of two equal areas, {draws} draws: {', '.join(TESTS)}")
    found = {}
    for m, n in (*SIZES, (20, 3), (100, 5), (200, 10)):
        for setting in (*EQUAL, *SHAPES):
            found[m, n, *setting] = shares = _rejected(m, n, *setting, draws)
            area, correlation, spread = setting
            cells = "  ".join(f"{share:.3f}" for share in shares)
            print(f"  {m:3d} + {n:3d}  areas {area}  correlation {correlation}  spread {spread}:  {cells}", flush=True)
    table = np.array(list(found.values()))
    for name, column in zip(TESTS[:-1], table.T, strict=False):
        inside = np.count_nonzero((column >= 0.03) & (column <= 0.06))
        print(f"{name}: {inside} of {len(column)} settings from 0.03 to 0.06, at most {column.max():.3f}")
    print("Below 0.03, and the tests that are not (with the most that they reach with classes of these sizes):")
    for cell, shares in found.items():
        if shares[0] < 0.03:
            most = np.max([other for sizes, other in found.items() if sizes[:2] == cell[:2]], axis=0)
            better = [f"{TESTS[i]} ({most[i]:.3f})" for i in range(1, 7) if shares[i] >= 0.03] or ["none"]
            print(f"  {cell}: {shares[0]:.3f}; exact tests attain {shares[7]:.3f}; {', '.join(better)}")
    for cell, shares in found.items():
        assert shares[0] < _most(*cell[:2], cell[-1]) + 2 * np.sqrt(0.05 * 0.95 / draws), cell


def _most(m: int, n: int, spread: float) -> float:
    """Type I error that is allowed: curves of different shape in classes beyond 1 to 10 are the stated exception."""
    return 0.09 if spread != 1 and max(m, n) > 10 * min(m, n) else 0.06


def _rejected(m: int, n: int, area: float, correlation: float, spread: float, draws: int) -> np.ndarray:
    """Shares of samples with p <= 0.05 by each of `TESTS`; last, what exact tests over exchanges attain at most."""
    rng, y, signs = np.random.default_rng([m, n]), np.arange(m + n) < m, _signs(m + n, 1000)
    most, shares = 2 * (min(m, n) - 1), np.zeros(len(TESTS))
    balanced, far = max(m, n) <= 2 * min(m, n) and min(m, n) < 30, max(m, n) > 10 * min(m, n)
    for _ in range(draws):
        a, b = (stats.rankdata(score) for score in scores(rng, y, 2, area, correlation, spread))
        difference, t = _exchanged(a, b, m, signs)
        exchange, studentised = (float(_share_beyond(each, "two-sided")) for each in (difference, t))
        parts = _variances(y, _placements(y, a) - _placements(y, b))
        z, df = (abs(t[0]), _satterthwaite(parts, (m, n))) if sum(parts) > 0 else (0.0, np.inf)
        satterthwaite, smaller = 2 * stats.t.sf(z, df), 2 * stats.t.sf(z, min(df, most))
        rule = max(exchange, studentised) if balanced else smaller if far else satterthwaite
        tied = np.mean(np.abs(np.abs(t) - abs(t[0])) < 1e-9) / 2 if t[0] else 0
        tails = np.cumsum(np.unique(-np.abs(t).round(9), return_counts=True)[1]) / len(t)
        known = (rule, 2 * stats.norm.sf(z), satterthwaite, smaller, exchange, studentised, studentised - tied)
        shares += [*(p <= 0.05 for p in known), tails[tails <= 0.05].max(initial=0) * np.any(t != 0)]
    return shares / draws


def difference(draws: int) -> None:
    """Interval of the difference where the areas differ."""
    print(f"Coverage of the difference of two areas (default; as pROC), {draws} draws")
    for m, n in SIZES:
        y = np.arange(m + n) < m
        for pair, correlation in (((0.92, 0.75), 0.5), ((0.98, 0.8), 0.5), ((0.85, 0.75), 0.8)):
            rng, inside = np.random.default_rng(m + n), np.zeros(2)
            for _ in range(draws):
                shared = np.sqrt(correlation) * rng.normal(size=m + n)
                noise = np.sqrt(1 - correlation) * rng.normal(size=(2, m + n)) + shared
                a, b = noise + np.sqrt(2) * special.ndtri(pair)[:, None] * y
                found = [delong_test(y, a, b, method=method) for method in ("auto", "proc")]
                inside += [each.low <= pair[0] - pair[1] <= each.high for each in found]
            print(f"  {m:3d} + {n:3d}  {pair}  correlation {correlation}:  {inside / draws}", flush=True)
            assert inside[0] / draws > 0.93 - 2 * np.sqrt(0.05 * 0.95 / draws)


def partial(draws: int) -> None:
    """Partial areas, and the sensitivity at the same specificity."""
    print(f"Specificities from 1 - width on: coverage, type I error; coverage of the sensitivity there; {draws} draws")
    for m, n in ((10, 50), (20, 20), (8, 9), (50, 50), (50, 200), (10, 200), (200, 20)):
        y, rng = np.arange(m + n) < m, np.random.default_rng(m)
        for area in (0.7, 0.95):
            for width in (0.1, 0.2, 0.5):
                shift, hits = np.sqrt(2) * special.ndtri(area), np.zeros(3)
                grid = (np.arange(20_000) + 0.5) / 20_000 * width
                truth = special.ndtr(shift + special.ndtri(grid)).mean() * width
                reached, bounds = special.ndtr(shift + special.ndtri(width)), (1 - width, 1)
                for _ in range(draws):
                    a, b = scores(rng, y, 2, area, 0.7)
                    found, at = partial_auc(y, a, bounds), sensitivity_at_specificity(y, a, 1 - width)
                    rejected = partial_auc_test(y, a, b, bounds).pvalue <= 0.05
                    hits += [found.low <= truth <= found.high, rejected, at.low <= reached <= at.high]
                cells = "  ".join(f"{share:.3f}" for share in hits / draws)
                print(f"  {m:3d} + {n:3d}  AUC {area}  width {width}:  {cells}", flush=True)
                assert min(hits[0], hits[2]) / draws > 0.93 - 2 * np.sqrt(0.05 * 0.95 / draws)


def trainings(draws: int) -> None:
    """Two kinds of model of equal mean area; the strength of a training varies by `spread`, patients are shared."""
    print(f"Trainings as readers: type I error, coverage; type I error of DeLong's test of one training; {draws} draws")
    for m, n in ((10, 100), (20, 60), (50, 150), (100, 400)):
        y, rng = np.arange(m + n) < m, np.random.default_rng(m)
        for k, spread in ((3, 0.3), (5, 0.3), (5, 0.0)):
            hits = np.zeros(3)
            for _ in range(draws):
                shared = 0.8 * rng.normal(size=m + n)
                a, b = (1.5 + spread * rng.normal(size=(2, k, 1))) * y + shared + 0.6 * rng.normal(size=(2, k, m + n))
                found = compare_trainings(y, a.T, b.T)
                hits += [found.pvalue <= 0.05, found.low <= 0 <= found.high, delong_test(y, a[0], b[0]).pvalue <= 0.05]
            print(f"  {m:3d} + {n:3d}  {k} trainings, spread {spread}:  {hits / draws}", flush=True)
            assert hits[0] / draws < 0.06 + 2 * np.sqrt(0.05 * 0.95 / draws)


def joint(draws: int) -> None:
    """DeLong's joint test where all areas are equal: by chi-square, and by F as is the default."""
    print(f"Type I error of the joint test at 0.05, {draws} draws")
    for m, n in SIZES:
        y = np.arange(m + n) < m
        for k in (3, 6):
            for area, correlation in ((0.6, 0.0), (0.75, 0.0), (0.75, 0.5), (0.85, 0.8)):
                rng, rejected = np.random.default_rng(m + n), np.zeros(2)
                for _ in range(draws):
                    table = np.column_stack(scores(rng, y, k, area, correlation))
                    rejected += [delong_joint_test(y, table, reference=kind).pvalue < 0.05 for kind in ("chi2", "f")]
                chi2, f = rejected / draws
                print(
                    f"  {m:3d} + {n:3d}  {k} areas {area}  correlation {correlation}:  chi-square {chi2:.3f}  F {f:.3f}"
                )
                assert f < 0.06 + 2 * np.sqrt(0.05 * 0.95 / draws), f


def areas(draws: int) -> None:
    print(f"Coverage of 95 % AUC intervals (mean width), {draws} draws")
    for sizes in SIZES:
        for area in AREAS:
            for spread in (0.5, 1.0, 2.0):
                methods = ("delong", "logit", "newcombe", "auto")
                table = auc_coverage(area, *sizes, methods=methods, spread=spread, draws=draws).set_index("method")
                cells = "  ".join(f"{name} {row.coverage:.3f} ({row.width:.2f})" for name, row in table.iterrows())
                print(f"  {sizes[0]:2d} + {sizes[1]:3d}  AUC {area}  spread {spread}:  {cells}", flush=True)
                assert table["least"].min() >= 0
                assert table["most"].max() <= 1
                assert table.loc["auto", "coverage"] > 0.93 - 2 * np.sqrt(0.05 * 0.95 / draws), table


def shares(draws: int) -> None:
    """Share of a better score's gain: the limits of both areas joined, and Fieller's from DeLong's covariance."""
    print(f"Coverage of the share of the achievable AUC gain (share of draws without limits), {draws} draws")
    for m, n in ((4, 6), (4, 20), (5, 60), (8, 9), (10, 100), (20, 20), (50, 50)):
        y = np.repeat([1, 0], (m, n))
        for area, best in ((0.75, 0.9), (0.85, 0.97)):
            rng, shifts = np.random.default_rng(0), np.sqrt(2) * special.ndtri([area, best])
            truth, held = (area - 0.5) / (best - 0.5), {"joined": [], "Fieller": []}
            for _ in range(draws):
                pair = np.sqrt(0.5) * (rng.normal(size=(m + n, 1)) + rng.normal(size=(m + n, 2))) + y[:, None] * shifts
                held["joined"].append(share_of_ceiling(y, *pair.T).confidence_interval)
                held["Fieller"].append(_fieller(y == 1, *pair.T))
            found = {}
            for name, limits in held.items():
                low, high = np.array(limits).T
                known = ~np.isnan(low)
                found[name] = np.mean((low <= truth) & (truth <= high), where=known), 1 - known.mean()
            row = "  ".join(f"{name} {covered:.3f} ({none:.3f})" for name, (covered, none) in found.items())
            print(f"{m:3d} + {n:<3d}  areas {area} and {best}: {row}", flush=True)
            assert found["joined"][0] > 0.93 - 2 * np.sqrt(0.05 * 0.95 / draws), found


def _fieller(positive: np.ndarray, score: np.ndarray, best: np.ndarray) -> tuple[float, float]:
    placed = np.stack([_placements(positive, each) for each in (score, best)])
    (a, b), z = (_area(positive, each) - 0.5 for each in placed), special.ndtri(0.975)
    covariance = _placement_covariance(positive, placed)
    square, twice = b**2 - z**2 * covariance[1, 1], a * b - z**2 * covariance[0, 1]
    if square <= 0 or b <= 0:
        return np.nan, np.nan
    reach = np.sqrt(max(0.0, twice**2 - square * (a**2 - z**2 * covariance[0, 0])))
    return (twice - reach) / square, (twice + reach) / square


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
    _calibration_bands(min(draws, 200), np.random.default_rng(2))
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
                found = calibration_metrics(y, p, n_resamples=150 if seed < few else 100, seed=seed)
                for key in truth if seed < few else ("intercept", "slope"):
                    inside[key].append(found[key].low <= truth[key] <= found[key].high)
                curve = calibration_curve(y, p, n_points=21)
                right = special.expit((special.logit(curve["predicted"]) - shift) / extreme)
                inside["band"].append(np.mean((curve["low"] <= right) & (right <= curve["high"])))
            cells = "  ".join(f"{key} {np.mean(hits):.3f}" for key, hits in inside.items())
            print(f"  n = {n:2d}  too extreme by {extreme}, too high by {shift}: {cells}", flush=True)


def _calibration_bands(draws: int, rng: np.random.Generator) -> None:
    """Bands of more patients: smoothing is as biased as with few, and the band is narrower."""
    for n in (77, 200, 600, 2000):
        for extreme in (1.0, 1 / 0.7):
            said = special.expit(rng.normal(-0.3, 1.6, 100_000))
            risk, inside = special.expit(special.logit(said) / extreme), []
            for _ in range(draws):
                curve = calibration_curve(*_sample(rng, risk, said, n), n_points=21)
                right = special.expit(special.logit(curve["predicted"]) / extreme)
                inside.append((curve["low"] <= right) & (right <= curve["high"]))
            points = np.mean(inside, axis=0)
            cells = f"band {points.mean():.3f}, at its ends {points[0]:.2f} and {points[-1]:.2f}"
            print(f"  n = {n:4d}, {draws} draws, too extreme by {extreme:.2f}: {cells}", flush=True)


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


SECTIONS = {
    section.__name__: section
    for section in (tests, levels, difference, joint, areas, shares, partial, trainings, composites, calibration)
}


def main() -> None:
    draws = next((int(word) for word in sys.argv[1:] if word.isdigit()), 2000)
    for name in [word for word in sys.argv[1:] if not word.isdigit()] or SECTIONS:
        SECTIONS[name](draws)


if __name__ == "__main__":
    main()
