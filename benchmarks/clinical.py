"""Do the tests of `fibrolib.clinical` keep their level at 100 patients, and its sets of stages their promise?

Run: ``python benchmarks/clinical.py [draws]``. Prints type I errors of the tests of added value, interaction,
non-inferiority and videos, how often the interval of a useless score's gain covers 0, and the coverage of conformal
sets; fails where one breaks its promise by more than two standard errors of the simulation.
"""

from __future__ import annotations

import sys
from functools import partial
from itertools import product

import numpy as np
import pandas as pd
from scipy import special

from fibrolib import clinical
from fibrolib.inference import auc, delong_test

N = 100
STAGES = (0.2, 0.2, 0.2, 0.2, 0.2)


def useless_score(rng: np.random.Generator, share: float) -> clinical.AddedValue:
    """A score of noise beside two that tell: 100 training and 100 test patients."""
    y = np.tile(np.arange(N) < share * N, 2).astype(int)
    scores = {
        "swe": rng.normal(size=2 * N) + y,
        "fib4": rng.normal(size=2 * N) + 0.7 * y,
        "video": rng.normal(size=2 * N),
    }
    rows = {"patient_id": np.arange(2 * N), "split": np.repeat(["train", "test"], N), "repeat": 0, "y_true": y}
    table = pd.concat([pd.DataFrame(rows).assign(model=k, y_score=special.expit(v)) for k, v in scores.items()])
    return clinical.added_value(table, "video", ("fib4", "swe"))


def irrelevant_groups(rng: np.random.Generator, share: float, parts: tuple[float, ...]) -> pd.Series:
    """P of the interactions with ten ways of grouping that have nothing to do with score or truth."""
    y = np.arange(N) < share * N
    score, group = rng.normal(size=N) + 1.2 * y, np.repeat(np.arange(len(parts)), (np.array(parts) * N).astype(int))
    groups = pd.DataFrame({f"aetiology {i}": rng.permutation(group) for i in range(10)})
    return clinical.interaction_tests(y, special.expit(score), groups)["p"]


def at_the_margin(
    rng: np.random.Generator,
    areas: tuple[float, float],
    n_positive: int,
    n: int = N,
    *,
    spread: float = 1.0,
    method: str = "auto",
) -> float:
    """One-sided p of non-inferiority of `n` patients where the first area is worse by exactly the margin.

    `spread` is the standard deviation of the cases' scores over that of the controls.
    """
    y = np.arange(n) < n_positive
    scores = (rng.normal(size=n) + rng.normal(size=(2, n))) / np.sqrt(2) * np.where(y, spread, 1)
    a, b = scores + np.sqrt(1 + spread**2) * special.ndtri(areas)[:, None] * y
    options = {"margin": areas[1] - areas[0], "alternative": "greater", "method": method}
    return delong_test(y, a, b, **options).pvalue


def equal_videos(rng: np.random.Generator, each: int) -> float:
    """P of two equally good scores of several videos of each of 50 patients, alike within patients."""
    patient, y = np.repeat(np.arange(50), each), np.repeat(np.arange(50) < 25, each)
    a, b = (rng.normal(size=50)[patient] + rng.normal(size=len(y)) * 0.7 + y for _ in "ab")
    return clinical.clustered_auc_test(y, a, b, patient).pvalue


def covered(rng: np.random.Generator, n: int, level: float, m: int = 200) -> float:
    """Coverage of the sets of stages of `m` patients, from `n` calibration patients, by overconfident probabilities."""
    stage = rng.choice(len(STAGES), n + m, p=STAGES)
    logits = -((np.arange(5) - (stage + rng.normal(size=n + m))[:, None]) ** 2)
    probabilities = special.softmax(logits, axis=1)
    new = pd.DataFrame(probabilities[n:])
    sets = clinical.stage_sets(new, probabilities[:n], stage[:n], confidence_level=level)
    return float(np.mean((sets["low"] <= stage[n:]) & (stage[n:] <= sets["high"])))


def judge(label: str, found: float, draws: int, low: float, high: float, error: float | None = None) -> list[str]:
    """Print a share, and return it if it lies outside its bounds by more than two standard errors."""
    error = np.sqrt(max(found * (1 - found), 0.05 * 0.95) / draws) if error is None else error
    wrong = not low - 2 * error <= found <= high + 2 * error
    line = f"{label}: {found:.3f} +- {error:.3f} (promised {low:g} to {high:g}){'  BROKEN' * wrong}"
    print(line, flush=True)
    return [line] * wrong


def level_of(label: str, draw, draws: int, low: float = 0.04, high: float = 0.06) -> list[str]:
    """Type I error of a test at 0.05; samples that allow no test are left out."""
    p = np.hstack([draw(np.random.default_rng(seed)) for seed in range(draws)])
    p = p[~np.isnan(p)]
    return judge(label, float(np.mean(p <= 0.05)), len(p), low, high)


def main() -> None:
    """Print every promise; fail at the end if one is broken."""
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    wrong: list[str] = []
    for share in (0.5, 0.3):
        found = [useless_score(np.random.default_rng(seed), share) for seed in range(draws)]
        p = np.mean([each.pvalue <= 0.05 for each in found])
        wrong += judge(f"added value, noise, {share:g} cases: likelihood ratio", float(p), draws, 0.04, 0.06)
        inside = np.mean([each.auc.low <= 0 <= each.auc.high for each in found])
        wrong += judge(f"added value, noise, {share:g} cases: interval holds 0", float(inside), draws, 0.93, 1)
        print(f"    gain: {np.mean([e.gain_training for e in found]):+.4f} in training, "
              f"{np.mean([e.auc.difference for e in found]):+.4f} in test patients")  # fmt: skip
    for share, parts in ((0.5, (0.6, 0.2, 0.2)), (0.3, (0.5, 0.5)), (0.5, (0.25, 0.25, 0.25, 0.25))):
        label = f"interaction, {share:g} cases, groups {parts}"
        wrong += level_of(label, lambda rng, s=share, g=parts: irrelevant_groups(rng, s, g), draws)
    margins = product(((0.75, 0.8), (0.8, 0.9), (0.85, 0.95)), (50, 20, 10))
    for (areas, n_positive), method in product(margins, ("auto", "t")):
        # Student's t with DeLong's own error promises nothing, and stands beside it.
        low, high = (0.0, 1.0) if method == "t" else (0.03, 0.06)
        label = f"non-inferiority, areas {areas}, {n_positive} of {N} are cases, {method}"
        one = partial(at_the_margin, areas=areas, n_positive=n_positive, method=method)
        wrong += level_of(label, one, max(draws, 3000), low=low, high=high)
    for n_positive, n, high in ((5, 55, 0.11), (10, 100, 0.11), (30, 130, 0.08)):  # the known exception
        for areas in ((0.75, 0.85), (0.85, 0.95)):
            label = f"non-inferiority, areas {areas}, {n_positive} of {n} are cases and spread twice as much"
            one = partial(at_the_margin, areas=areas, n_positive=n_positive, n=n, spread=2.0)
            wrong += level_of(label, one, max(draws, 3000), low=0.0, high=high)
    for each in (2, 4):
        one = partial(equal_videos, each=each)
        wrong += level_of(f"videos, {each} of each of 50 patients", one, max(draws, 3000), 0.03)
    for level, sizes in ((0.9, (9, 16, 50)), (0.95, (16, 19, 100))):
        for n in sizes:
            shares = [covered(np.random.default_rng(seed), n, level) for seed in range(draws)]
            promised = clinical.set_coverage([n], confidence_level=level)["coverage"].iloc[0]
            error, label = (
                float(np.std(shares) / np.sqrt(draws)),
                f"sets of stages, {n} calibration patients, {level:g}",
            )
            wrong += judge(label, float(np.mean(shares)), draws, level, 1, error)
            print(f"    by the formula {promised:.3f}")
    matrix = clinical.staging_error(5, 0.25)
    rng = np.random.default_rng(0)
    true = rng.choice(5, 200_000, p=STAGES)
    observed = (np.cumsum(matrix, axis=1)[true] < rng.random(len(true))[:, None]).sum(axis=1)
    exact, drawn = clinical.attainable_auc(STAGES, matrix, 2), auc(observed >= 2, true)
    wrong += judge("a perfect reader, biopsy wrong in 1 of 4: simulated less exact AUC", drawn - exact, 1, 0, 0, 0.001)
    if wrong:
        sys.exit(f"{len(wrong)} promises are broken")


if __name__ == "__main__":
    main()
