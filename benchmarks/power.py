"""Is the power that `fibrolib.inference.appraisal` states how often `delong_test` is significant? Within 0.03.

Run: ``python benchmarks/power.py [draws]``. Scores are binormal, from a generator of this file. Fails where a stated
power is off by more than 0.03 and two standard errors of this simulation.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy import special

from fibrolib.inference import delong_test
from fibrolib.inference.appraisal import comparison_power

TRUTHS = (  # areas, correlation, margin, confidence level
    (0.92, 0.75, 0.9, 0.0, 0.95),
    (0.95, 0.7, 0.8, 0.0, 0.95),
    (0.85, 0.75, 0.5, 0.0, 0.95),
    (0.85, 0.8, 0.9, 0.0, 0.95),
    (0.9, 0.8, 0.5, 0.0, 0.95),
    (0.95, 0.9, 0.8, 0.0, 0.95),
    (0.98, 0.95, 0.5, 0.0, 0.95),
    (0.7, 0.6, 0.3, 0.0, 0.95),
    (0.65, 0.55, 0.0, 0.0, 0.95),
    (0.97, 0.985, 0.8, 0.0, 0.975),
    (0.8, 0.82, 0.5, 0.1, 0.975),
    (0.85, 0.95, 0.7, 0.15, 0.95),
)
SIZES = ((6, 6), (8, 9), (20, 20), (20, 60), (60, 20), (50, 50), (30, 300), (100, 100), (150, 100), (100, 400))


def observed_power(truth: tuple[float, ...], m: int, n: int, draws: int, seed: int = 1) -> float:
    """Share of samples in which `delong_test` is significant at the level."""
    auc_a, auc_b, correlation, margin, level = truth
    test = {"margin": margin, "alternative": "greater"} if margin else {}
    rng, y = np.random.default_rng(seed), np.arange(m + n) < m
    shift = np.sqrt(2) * special.ndtri([auc_a, auc_b])[:, None] * y
    rejected = 0
    for _ in range(draws):
        common, own = rng.standard_normal(m + n), rng.standard_normal((2, m + n))
        scores = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own + shift
        rejected += delong_test(y, *scores, **test).pvalue <= 1 - level
    return rejected / draws


def main() -> None:
    """Print every cell; fail at the end if one is off."""
    draws, wrong = int(sys.argv[1]) if len(sys.argv) > 1 else 500, []
    print("areas, correlation, margin, level, cases + controls: stated, observed; by the normal approximation alone")
    for truth in TRUTHS:
        a, b, r, margin, level = truth
        alternative = "greater" if margin else "two-sided"
        options = {"correlation": r, "margin": margin, "alternative": alternative, "confidence_level": level}
        for m, n in SIZES:
            stated = comparison_power(a, b, m, n, **options)
            plain = comparison_power(a, b, m, n, draws=0, **options).power
            found = observed_power(truth, m, n, draws)
            off = bool(abs(stated.power - found) > 0.03 + 2 * np.sqrt(found * (1 - found) / draws))
            numbers = f"{stated.power:.3f}  {found:.3f}  {plain:.3f}{'  OFF' * off}"
            line = f"{' '.join(map(str, truth))}: {m:3d} + {n:3d}  {numbers}"
            wrong += [line] * off
            print(line, flush=True)
    if wrong:
        sys.exit(f"{len(wrong)} of {len(TRUTHS) * len(SIZES)} powers are off")


if __name__ == "__main__":
    main()
