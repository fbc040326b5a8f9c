"""Makes delong_data.csv and staging_data.csv: seeded scores on which R and this package are compared.

Run once; the results are kept.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent


def scores(rng: np.random.Generator, n_cases: int, n_controls: int, shifts: tuple[float, ...]) -> pd.DataFrame:
    """Correlated normal scores of cases (moved by `shifts`) and controls, rounded so that text holds them exactly."""
    y = np.repeat([1, 0], (n_cases, n_controls))
    shared = rng.normal(size=len(y))
    moved = zip("abc", shifts, strict=True)
    columns = {name: y * shift + 0.6 * shared + 0.8 * rng.normal(size=len(y)) for name, shift in moved}
    return pd.DataFrame({"y": y} | columns).sample(frac=1, random_state=rng).round(6)


def main() -> None:
    rng = np.random.default_rng(20260255)
    small = scores(rng, 8, 9, (1.4, 0.9, 0.6))
    medium = scores(rng, 60, 140, (1.2, 0.9, -0.4))
    ties = scores(rng, 35, 25, (1.5, 1.0, 0.0)).mul({"y": 1, "a": 1.5, "b": 1.5, "c": 1.5}).round(0)
    # Integers k: both sides turn them into 0.1 + k * 2**-53, steps of about 1e-16.
    near = scores(rng, 40, 45, (1.2, 0.7, 0.3)).mul({"y": 1, "a": 3, "b": 3, "c": 3}).round(0)
    second = scores(rng, 22, 31, (0.9, 1.1, 0.2))
    flawless = small.assign(c=small["y"] + 0.001 * np.arange(len(small)))
    sets = {"small": small, "medium": medium, "ties": ties, "near_ties": near, "second": second, "flawless": flawless}
    table = pd.concat([part.assign(dataset=name) for name, part in sets.items()])
    table[["dataset", "y", "a", "b", "c"]].astype({"y": int}).to_csv(HERE / "delong_data.csv", index=False)

    stage = np.repeat(np.arange(5), (19, 14, 9, 12, 16))
    shared = rng.normal(size=len(stage))
    staging = pd.DataFrame({"stage": stage})
    staging["a"] = (0.8 * stage + 0.5 * shared + rng.normal(size=len(stage))).round(1)
    staging["b"] = (0.5 * stage + 0.5 * shared + rng.normal(size=len(stage))).round(6)
    staging.to_csv(HERE / "staging_data.csv", index=False)


if __name__ == "__main__":
    main()
