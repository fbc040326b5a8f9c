"""Seeded data for clinical.R: scores of 60 patients, and 8 patients whom one score separates."""

import numpy as np
import pandas as pd

rng = np.random.default_rng(23)
y = np.arange(60) % 3 == 0
table = pd.DataFrame({"set": "scores", "y": y.astype(int)})
for name, shift in {"a": 1.0, "b": 0.6, "c": 0.0}.items():
    table[name] = np.round(rng.normal(size=60) + shift * y, 3)
apart = pd.DataFrame({"set": "separated", "y": [0, 0, 0, 0, 1, 1, 1, 1], "a": [1, 2, 3, 4, 5, 6, 7, 8]})
apart["b"] = [1, -1, 1, -1, 1, 1, -1, -1]
pd.concat([table, apart.assign(c=0)]).to_csv("clinical_data.csv", index=False)
