"""Parts of a study of every kind on a Dask cluster of two processes, one of which is killed on the way."""

import contextlib
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fibrolib import workers
from fibrolib.atomic import UNFINISHED
from fibrolib.experiments import SaliencyTests, SimulatedTestSet, ablate
from fibrolib.experiments.simulated_test_set import _prepared_patients
from fibrolib.phantom import simulate_cohort
from fibrolib.study import NetEvaluations, load_profile
from fibrolib.study.profiles import _ModelSettings
from fibrolib.study.runfolder import RunFolder

SMALL = {"options": {"width": 4}, "clip_length": 4, "n_clips": 1, "epochs": 1, "batch_size": 6}
GRID = [{"learning_rate": [1e-3, 1e-2]}]  # five fits in two folds


def follow(folder, patients):
    """Simulate, prepare, train, score, perturb and explain."""
    profile = replace(load_profile("smoke"), models=(_ModelSettings("cnn3d", SMALL, GRID),))
    simulated = {"patients": 2, "frames": 4, "images": False, "n_jobs": workers.n_workers(here=1)}
    _prepared_patients(simulate_cohort(folder / "cohort", **simulated), folder / "clips", profile, 2)
    sides = patients.assign(split=np.resize(["train", "train", "validation", "test"], len(patients)))
    nets = NetEvaluations(sides, profile, RunFolder(folder / "run"), cutoff=2, seed=1, virtual=True)
    _ = nets["cnn3d"]
    test_set = SimulatedTestSet(nets)
    test_set.patients = patients[:9]
    ablate({"published effects": test_set}, ["cnn3d"], 2).to_csv(folder / "ablated.csv")
    maps = SaliencyTests(nets, ["gradcam"], explained=2, trainings=1)
    maps.timing().to_csv(folder / "timing.csv")
    maps.sanity().to_csv(folder / "sanity.csv")


def kill_a_worker(fits):
    """Kill the worker of a fit, as soon as another one is finished."""
    pids = workers._client().run(os.getpid)
    finished = []
    while not finished:
        time.sleep(0.02)
        with contextlib.suppress(FileNotFoundError):  # a folder of an unfinished file may go while this looks into it
            finished = list(fits.rglob("*.safetensors"))
    os.kill(next(iter(pids.values())), signal.SIGKILL)


def contents(folder):
    """Bytes of all files, but of what a killed process left half-written: the next run removes it."""
    files = (path for path in Path(folder).rglob("*") if path.is_file() and UNFINISHED not in str(path))
    return {path.relative_to(folder): path.read_bytes() for path in files}


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
def test_results_are_those_of_one_process_to_the_byte(flicker_patients, tmp_path):
    pytest.importorskip("distributed", reason='pip install "fibrolib[cluster]"')
    follow(tmp_path / "one", flicker_patients)
    with workers.computing_on("local:2", tmp_path / "many"):
        killer = threading.Thread(target=kill_a_worker, args=(tmp_path / "many" / "run" / "cache",))
        killer.start()
        before = set(workers._client().nthreads())
        follow(tmp_path / "many", flicker_patients)
        killer.join()
        assert set(workers._client().nthreads()) != before, "a worker has taken the place of the one killed"
    one, many = contents(tmp_path / "one"), contents(tmp_path / "many")
    assert set(one) == set(many)
    assert [path for path in one if one[path] != many[path]] == []
