"""Several pieces of work with nets at a time."""

import os

import joblib
import pytest
from joblib import delayed

from fibrolib.study import processes
from fibrolib.study.processes import net_workers, side_by_side


def test_results_come_in_the_order_of_the_jobs():
    assert side_by_side([delayed(divmod)(number, 3) for number in range(5)], "cpu", "Working", "jobs") == [
        divmod(n, 3) for n in range(5)
    ]


def test_work_is_done_in_other_processes(monkeypatch):
    monkeypatch.setattr(processes, "n_workers", lambda: 2)
    assert os.getpid() not in side_by_side([delayed(os.getpid)()] * 2, "cpu", "Working", "jobs")


def test_without_jobs_no_process_is_started(monkeypatch):
    monkeypatch.setattr(processes, "Parallel", lambda **_: pytest.fail("started"))
    assert side_by_side([], "cpu", "Working", "jobs") == []


def test_a_gpu_is_not_shared():
    assert net_workers("cuda") == 1
    assert net_workers("cpu") == joblib.cpu_count()
