"""Small cohorts for the tests of the upper rooms: prepared clips with a signal that a net can find in seconds."""

import gc
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from fibrolib.privacy import VARIABLE
from fibrolib.video import Clip, save_clip

settings.register_profile("untimed", deadline=None)  # a busy machine is no fault
settings.load_profile("untimed")

SMALL_PROFILE = """
[cohort]
patients = 20
[population]
patients = 10
[clips]
size = 32
fps = 10.0
max_frames = 8
[stills]
size = 32
[folds]
n = 2
[models.cnn2d]
architecture = "frame_cnn"
[models.cnn2d_lstm]
architecture = "frame_lstm"
[models.cnn3d]
architecture = "r3d_18"
"""
"""A profile with what it must have."""

CORES = "LOKY_MAX_CPU_COUNT"
"""How many cores joblib sees."""

FEW = [f"-p{each}" for each in ("redraws=20", "draws=100", "methods=gradcam", "explained=2", "planted=12")]
"""Options that make whole runs cheap."""

_WHOLE_RUNS = ("test_pipeline.py", "test_own_cohort_run.py")


def pytest_configure() -> None:
    """No workers but where a test asks for them: each imports for seconds what it needs."""
    os.environ.setdefault(CORES, "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, so that no process of several is left with it at the end."""
    items.sort(key=lambda item: item.path.name not in _WHOLE_RUNS)


def pytest_collection_finish() -> None:
    """The collector leaves alone what has been imported: a collection, as statsmodels asks for, takes 0.3 s with it."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Ctrl-C as at a terminal: a shell lets what it starts in the background ignore the signal, children inherit it."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def private(tmp_path_factory) -> Iterator[Path]:
    """A private folder for the tests, their kernels and commands: nobody's own key is touched."""
    folder = tmp_path_factory.mktemp("private")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(folder))
        yield folder


def make_patients(folder, n_patients=24, *, n_stages=3, side=24, n_frames=10, signal=True, seed=0):
    """Patient table with prepared clips and stills; with ``signal``, the stage is the speed of flicker and the grey."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(n_patients):
        stage = number % n_stages
        strength = 12 * stage if signal else 12
        flicker = strength * (-1.0) ** np.arange(n_frames)[:, None, None]
        frames = 90 + strength + flicker + random.normal(0, 6, (n_frames, side, side))
        sector = np.ones((side, side), dtype=bool)
        sector[:, :2] = False
        roi = np.zeros((n_frames, side, side), dtype=bool)
        roi[:, :5] = True
        frames = np.clip(frames, 0, 255).astype(np.uint8) * sector
        clip, still = folder / f"clip-{seed}-{number}.npz", folder / f"still-{seed}-{number}.npz"
        save_clip(clip, Clip(frames, 20.0, sector, roi))
        save_clip(still, Clip(frames[:1], 20.0, sector, roi[:1]))
        rows.append({"patient_id": f"p{number:02d}", "stage": stage, "clips": (clip,), "stills": (still,)})
    return pd.DataFrame(rows).set_index("patient_id")


def make_predictions():
    """Scores of 60 patients by three models of unlike strength: 36 of training, 12 of validation, 12 of test."""
    stages, random = np.arange(60) % 5, np.random.default_rng(2)
    rows = {
        "patient_id": [f"virtual-{number:03d}" for number in range(60)],
        "split": ["train"] * 36 + ["validation"] * 12 + ["test"] * 12,
        "fold": None,
        "repeat": 0,
        "stage": stages,
    }
    parts = [
        pd.DataFrame(rows).assign(model=model, y_true=(stages >= 2).astype(int), y_score=score)
        for model, strength in {"cnn3d": 2.0, "swe": 1.5, "mine": 0.3}.items()
        for score in [1 / (1 + np.exp(-strength * (stages - 2) - random.normal(0, 2, 60)))]
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="session")
def flicker_patients(tmp_path_factory):
    return make_patients(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory) -> Path:
    """Folder of a finished run of 40 patients (`other_hospital.finish_run`); its cohort lies beside it."""
    from other_hospital import finish_run

    return finish_run(tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="session")
def other_cohort(tmp_path_factory) -> Path:
    """Table of 25 patients of another hospital."""
    from other_hospital import write_cohort_files

    return write_cohort_files(tmp_path_factory.mktemp("other"), 500, 25, "Q")
