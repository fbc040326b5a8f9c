"""Makes probability_data.csv: seeded predicted probabilities on which R and this package are compared.

Run once; the results are kept.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

HERE = Path(__file__).parent


def cohort(rng: np.random.Generator, n: int, shift: float, slope: float, decimals: int) -> pd.DataFrame:
    """Predictions whose log odds are `slope` times too extreme and `shift` too high."""
    truth = rng.normal(0, 1.3, n)
    y = (rng.random(n) < special.expit(truth)).astype(int)
    return pd.DataFrame({"y": y, "p": special.expit(slope * truth + shift).round(decimals)})


def main() -> None:
    rng = np.random.default_rng(20260256)
    sets = {
        "small": cohort(rng, 17, 0.0, 1.0, 6),
        "good": cohort(rng, 240, 0.0, 1.0, 6),
        "extreme": cohort(rng, 200, 0.4, 1.8, 6),
        "ties": cohort(rng, 150, -0.3, 0.7, 1),
    }
    sets["ties"]["p"] = sets["ties"]["p"].clip(0.1, 0.9)
    pd.concat([part.assign(dataset=name) for name, part in sets.items()])[["dataset", "y", "p"]].to_csv(
        HERE / "probability_data.csv", index=False
    )


if __name__ == "__main__":
    main()
