"""Where should the operating point come from: few validation patients, or out-of-fold scores of the training patients?

python benchmarks/thresholds.py [draws]

Binormal scores of one unit of spread. The final fit scores validation and all later patients. Out-of-fold scores come
from five other fits: each shifts the scores of its patients by a draw of standard deviation `shift` against the final
fit, and separates the classes less (`weaker`), because it is trained on fewer patients. The validation patients stopped
the final fit, so they may look better separated than later ones (`optimism`). Youden's index chooses the threshold;
printed are the errors of the final fit's true sensitivity and specificity against those at the best threshold there
is, and the Youden index lost. In a run of the profile `quick` (seed 0) fits differed by about 0.2 between folds.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy import special

from fibrolib.inference import choose_threshold

FOLDS = 5
SIZES = ((16, 77), (32, 154), (100, 480))  # validation and training patients
AREAS = (0.75, 0.85, 0.95)
CASES = (  # shift, weaker, optimism
    (0.0, 1.0, 1.0),
    (0.2, 0.95, 1.1),
    (0.5, 0.9, 1.1),
    (1.0, 0.9, 1.0),
)


def drawn(rng: np.random.Generator, n: int, gap: float) -> tuple[np.ndarray, np.ndarray]:
    """Truth, half of them cases, and scores."""
    y = np.arange(n) % 2 == 0
    return y, gap * y + rng.normal(size=n)


def out_of_fold(rng: np.random.Generator, n: int, gap: float, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """The same, every fold scored by a fit of its own."""
    y, score = drawn(rng, n, gap)
    return y, score + shift * rng.normal(size=FOLDS)[rng.permutation(n) % FOLDS]


def main() -> None:
    """One row for each setting and source: means over the draws."""
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(
        "validation + training  AUC  shift weaker optimism | source: bias and RMSE of sensitivity, of specificity; loss"
    )
    for n_validation, n_train in SIZES:
        for area in AREAS:
            gap = np.sqrt(2) * special.ndtri(area)
            for shift, weaker, optimism in CASES:
                rng = np.random.default_rng(n_validation)
                cells = []
                for source in ("validation", "out of fold"):
                    errors = np.empty((draws, 2))
                    for i in range(draws):
                        y, score = (
                            drawn(rng, n_validation, optimism * gap)
                            if source == "validation"
                            else out_of_fold(rng, n_train, weaker * gap, shift)
                        )
                        cut = choose_threshold(y, score)
                        reached = np.array([special.ndtr(gap - cut), special.ndtr(cut)])
                        errors[i] = reached - special.ndtr(gap / 2)
                    bias, rmse = errors.mean(axis=0), np.sqrt((errors**2).mean(axis=0))
                    pairs = "  ".join(f"{b:+.3f} {r:.3f}" for b, r in zip(bias, rmse, strict=True))
                    cells.append(f"{source}: {pairs}  {-errors.sum(axis=1).mean():.3f}")
                print(
                    f"{n_validation:4d} + {n_train:3d}  {area}  {shift} {weaker} {optimism} | {' | '.join(cells)}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
