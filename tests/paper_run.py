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
    groups = pd.DataFrame({"column": ["all", "sex", "sex"], "level": ["all patients", "female", "male"], "note": ""})
    groups = groups.assign(n=94, n_positive=[54, 3, 51])
    for name in ("auc", "sensitivity", "specificity"):
        groups = groups.assign(**{name: [0.9, None, 0.88], f"{name}_low": [0.8, None, 0.7], f"{name}_high": 0.95})
    groups.to_csv(folder / "tables" / "subgroups.csv", index=False)
    steps = pd.DataFrame({"step": ["fib4", "biopsy"], "entered": [1000.0, 300.0]})
    counts = {"released": 600.0, "missed": 30.0, "to_biopsy": 100.0, "passed_on": 300.0}
    for name, value in counts.items():
        steps = steps.assign(**{name: [value, None], f"{name}_low": [value, None], f"{name}_high": [value, None]})
    steps.to_csv(folder / "tables" / "pathway.csv", index=False)
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


def run_of_two_stages(folder):
    """A run of real patients with two stages and nothing but their videos; one net is a linear probe, one is new."""
    run = small_run(folder, plates=False)
    empty = {"population": None, "attribution": {}, "staging": None, "staging_comparisons": None, "clinical": None}
    edit_results(run, virtual=False, **empty)
    content = json.loads((run / "run.json").read_text("utf-8"))
    content |= {"metavir": False, "condition": "stage ≥ 1", "indices": [], "own_split": False}
    arguments = {model["name"]: model["arguments"] for model in content["profile"]["models"]}
    for name in ("cnn2d", "cnn2d_lstm", "cnn3d"):
        arguments[name].pop("weights", None)
        arguments[name]["options"] = {"weights": "scratch" if name == "cnn3d" else "imagenet"}
    arguments["cnn2d"]["epochs"] = 0
    (run / "run.json").write_text(json.dumps(content), "utf-8")
    found = json.loads((run / "results.json").read_text("utf-8"))
    edit_results(run, models={name: entry | {"settings": {}} for name, entry in found["models"].items()})
    pd.DataFrame({"column": ["all"]}).to_csv(run / "tables" / "subgroups.csv", index=False)
    for name in ("interactions", "pathways", "pathway"):
        (run / "tables" / f"{name}.csv").unlink()
    pd.read_csv(run / "tables" / "table1.csv", dtype=str).head(6).to_csv(run / "tables" / "table1.csv", index=False)
    return run
