"""A run folder for the tests of `fibrolib.paper`: the example, with what only a whole run folder has."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from small_nets import explanation

from fibrolib.study.plates import PLATES, Plates, write_plates
from fibrolib.video import Clip

EXAMPLE = Path(__file__).resolve().parents[1] / "reports" / "example"


def small_run(folder, *, plates=True):
    """Copy the tables of the example; with pictures and training curves made by hand, if asked for."""
    folder.mkdir()
    for name in ("results.json", "run.json", "predictions.csv"):
        shutil.copy(EXAMPLE / name, folder)
    for name in ("tables", "notebooks"):
        shutil.copytree(EXAMPLE / name, folder / name)
    if not plates:
        return folder
    epochs = pd.DataFrame({"epoch": [1, 2] * 3, "fold": [1, 1, 2, 2, None, None], "train_loss": 0.5, "valid_loss": 0.5})
    parts = [epochs.assign(model=name, valid_auc=0.8) for name in ("cnn2d", "cnn3d")]
    pd.concat(parts).to_csv(folder / "tables" / "histories.csv", index=False)
    clip = Clip(np.full((1, 16, 16), 90, np.uint8), 1.0, np.ones((16, 16), bool), np.eye(16, dtype=bool)[None])
    cam = explanation(np.tile(np.linspace(0, 1, 16, dtype=np.float32), (3, 16, 1)))
    (folder / "figures").mkdir()
    write_plates(Plates({0: clip, 4: clip}, {name: {0: cam, 4: cam} for name in ("cnn2d", "cnn3d")}), folder / PLATES)
    return folder


def edit_results(folder, **changes):
    """Change the head of results.json; ``virtual`` is that of the cohort."""
    path = folder / "results.json"
    found = json.loads(path.read_text("utf-8"))
    if "virtual" in changes:
        found["cohort"]["virtual"] = changes.pop("virtual")
    path.write_text(json.dumps({**found, **changes}), "utf-8")
