"""A finished run of a small cohort, without its notebooks, and the table of another hospital."""

from pathlib import Path

import numpy as np
import pandas as pd
from dirty_cohort import FPS, clean_table, liver

from fibrolib.study import Request, Study
from fibrolib.validation import describe_development
from fibrolib.video import write_image, write_video

PROFILE = """
installation_test = true
[cohort]
patients = 40
[population]
patients = 12
[clips]
size = 24
fps = 20.0
max_frames = 10
[stills]
size = 24
[folds]
n = 2
[models.cnn2d]
architecture = "frame_cnn"
view = "stills"
clip_length = 1
epochs = 1
options = { weights = "scratch" }
[models.cnn2d_lstm]
architecture = "motion_resnet3d"
options = { width = 2 }
clip_length = 2
n_clips = 1
epochs = 1
[models.cnn3d]
architecture = "motion_resnet3d"
options = { width = 2 }
clip_length = 4
n_clips = 1
epochs = 1
"""
"""The three nets of every profile, at their smallest."""


def write_cohort_files(folder: Path, first: int, n: int, prefix: str) -> Path:
    """Videos, images and the table of `n` patients, who show what no patient of another `first` shows."""
    table = clean_table().head(n).drop(columns=["roi", "split"])
    random = np.random.default_rng(first)
    for column, most in (("age", 80), ("ast", 80), ("alt", 80), ("platelets", 300)):
        table[column] = random.integers(most // 2, most, n)
    table["patient_id"] = [f"{prefix}{number:02d}" for number in range(n)]
    for column in ("videos", "images"):
        (folder / column).mkdir(parents=True)
    for row, number in zip(table.itertuples(), range(first, first + n), strict=True):
        write_video(folder / row.video, liver(number), FPS)
        write_image(folder / row.image, liver(1000 + number, 1)[0])
    table.to_csv(folder / "cohort.csv", index=False)
    return folder / "cohort.csv"


def finish_run(folder: Path) -> Path:
    """A run folder with models, tables, predictions and what `describe_development` leaves."""
    table = write_cohort_files(folder / "home", 0, 40, "P")
    profile = folder / "tiny.toml"
    profile.write_text(PROFILE, "utf-8")
    study = Study(Request(cohort=str(table), profile=str(profile), out=str(folder / "run")))
    assert len(study.tables["metrics"]) == len(study.models)
    describe_development(study, lambda results, total: results)
    return folder / "run"


def write_predictions(n: int = 60, seed: int = 0) -> pd.DataFrame:
    """Scores of two models in `n` patients, half of them ill; the second model's probabilities are too extreme."""
    random = np.random.default_rng(seed)
    truth = np.arange(n) % 2
    log_odds = 1.5 * (truth - 0.5) + random.normal(0, 1.2, n)
    scores = {"cnn3d": log_odds, "swe": 2.5 * (truth - 0.5) + 3 * random.normal(0, 1.2, n) + 1}
    rows = {"patient_id": [f"E{number:02d}" for number in range(n)], "split": "test", "fold": None, "repeat": 0}
    parts = [
        pd.DataFrame(rows).assign(model=name, stage=4 * truth, y_true=truth, y_score=1 / (1 + np.exp(-each)))
        for name, each in scores.items()
    ]
    return pd.concat(parts, ignore_index=True)
