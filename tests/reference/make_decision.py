"""Makes decision_dcurves.csv from probability_data.csv: net benefit by the Python package dcurves 1.1.7.

The package is not among our dependencies. In this folder, with an environment to be thrown away:

    python -m venv /tmp/dcurves && /tmp/dcurves/bin/pip install dcurves==1.1.7
    /tmp/dcurves/bin/python make_decision.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from dcurves import dca

HERE = Path(__file__).parent
THRESHOLDS = 0.05 + 0.05 * np.arange(19)
"""As R's ``seq(0.05, 0.95, by = 0.05)`` counts: some of these decimals are not the nearest doubles."""


def quantities(part: pd.DataFrame, prevalence: float | None) -> dict[str, float]:
    found = dca(data=part, outcome="y", modelnames=["p"], thresholds=THRESHOLDS, prevalence=prevalence)
    label = "sample" if prevalence is None else f"{prevalence:g}"
    values = {
        f"nb_{row.model}_{label}_{row.threshold:.2f}": row.net_benefit
        for row in found.itertuples()
        if row.model in ("p", "all")
    }
    model = found[found["model"] == "p"]
    return values | {f"avoided_{label}_{row.threshold:.2f}": row.net_intervention_avoided for row in model.itertuples()}


def main() -> None:
    data = pd.read_csv(HERE / "probability_data.csv")
    rows = [
        {"dataset": name, "quantity": quantity, "value": f"{value:.17g}"}
        for name, part in data.groupby("dataset", sort=False)
        for prevalence in (None, 0.2)
        for quantity, value in quantities(part.reset_index(drop=True), prevalence).items()
    ]
    pd.DataFrame(rows).to_csv(HERE / "decision_dcurves.csv", index=False)


if __name__ == "__main__":
    main()
