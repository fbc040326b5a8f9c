import os
import signal
import sys
import time
import warnings
from pathlib import Path

import joblib
import psutil
import pytest
from joblib import delayed

from fibrolib import workers
from fibrolib.errors import FibrolibError
from fibrolib.workers import computing_on, in_parallel, n_workers, on_cluster, quiet_workers, workers_end_here


def processes():
    children = psutil.Process().children(recursive=True)
    running = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]  # kernels of other tests
    return [child for child in running if "popen_loky_posix" in " ".join(child.cmdline())]


def test_workers_end_with_the_block():
    with workers_end_here(2):
        assert joblib.Parallel(2)(joblib.delayed(abs)(n) for n in (-1, 2)) == [1, 2]
        assert processes()
    assert not psutil.wait_procs(processes(), timeout=30)[1]
    with workers_end_here(2):
        assert joblib.Parallel(2)(joblib.delayed(abs)(n) for n in (-3, 4)) == [3, 4], "they can be started again"


def test_without_workers_none_are_started_to_be_ended():
    before = len(processes())
    with workers_end_here(1):
        pass
    assert len(processes()) == before


def test_renewed_workers_are_not_spoken_of_and_other_warnings_are():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with quiet_workers():
            warnings.warn("A worker stopped while some jobs were given to the executor.", UserWarning, stacklevel=1)
            warnings.warn("Something else.", UserWarning, stacklevel=1)
    assert [str(one.message) for one in seen] == ["Something else."]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A Dask cluster of two processes of this machine."""
    pytest.importorskip("distributed", reason='pip install "fibrolib[cluster]"')
    with computing_on("local:2", tmp_path_factory.mktemp("shared")):
        yield


def end_once(folder, number):
    """Square a number; the third task ends its worker the first time that it is begun."""
    begun = Path(folder) / f"{number}-{len(list(Path(folder).glob(f'{number}-*')))}"
    begun.touch()
    if begun.name == "3-0":
        time.sleep(0.5)  # meanwhile, the worker reports what it has finished
        os.kill(os.getpid(), signal.SIGKILL)
    return number**2


def end(_):
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(number):
    if number == 1:
        raise FibrolibError("a.mp4: no video")


def worker_id(_):
    return os.getpid(), joblib.Parallel(2)(delayed(os.getpid)() for _ in range(2))


@pytest.mark.parametrize(("n_jobs", "threads"), [(1, False), (2, False), (2, True)])
def test_results_come_in_the_order_of_the_jobs(n_jobs, threads):
    assert list(in_parallel([delayed(abs)(n) for n in (-1, 2, -3)], n_jobs, threads=threads)) == [1, 2, 3]


def test_one_job_at_a_time_is_done_here():
    assert set(in_parallel([delayed(os.getpid)()] * 3, 1)) == {os.getpid()}


def test_a_cluster_takes_all_jobs_but_those_of_one_process(cluster):
    assert (on_cluster(), n_workers(), n_workers(here=1)) == (True, -1, -1)
    for threads in (False, True):
        results = list(in_parallel((delayed(worker_id)(n) for n in range(8)), n_workers(), threads=threads))
        ids = {outer for outer, _ in results}
        assert os.getpid() not in ids
        assert all(set(inner) == {outer} for outer, inner in results), "a task has no workers of its own"
    assert set(in_parallel([delayed(os.getpid)()] * 3, 1)) == {os.getpid()}


def test_a_worker_that_dies_costs_its_task_and_nothing_else(cluster, tmp_path):
    jobs = [delayed(end_once)(tmp_path, number) for number in range(6)]
    assert list(in_parallel(jobs, n_workers())) == [0, 1, 4, 9, 16, 25]
    begun = sorted(path.name for path in tmp_path.iterdir())
    assert {"3-0", "3-1"} <= set(begun)
    assert len(begun) <= 8, "the two tasks that the worker held, at the most, are begun anew"


def test_an_error_of_a_task_is_that_of_the_cluster_and_others_go_on(cluster):
    with pytest.raises(FibrolibError, match=r"^a\.mp4: no video$") as raised:
        list(in_parallel([delayed(refuse)(number) for number in range(4)], n_workers()))
    assert "in refuse" in str(raised.value.__cause__), "the worker's traceback"
    assert list(in_parallel([delayed(abs)(-1)], n_workers())) == [1]


@pytest.mark.slow
def test_a_task_that_ends_every_worker_ends_in_a_sentence(cluster):
    with pytest.raises(FibrolibError, match=r"Several workers ended one after the other at the same task"):
        list(in_parallel([delayed(end)(0)], n_workers()))


def test_a_cluster_of_this_machine_ends_with_the_block(tmp_path):
    pytest.importorskip("distributed")
    with pytest.raises(ZeroDivisionError), computing_on("local:1", tmp_path / "new"):
        started = [psutil.Process(pid) for pid in workers._client().run(os.getpid).values()]
        assert len(started) == 1
        raise ZeroDivisionError
    assert not psutil.wait_procs(started, timeout=60)[1]


def test_processes_that_are_ended_look_for_no_task_that_is_gone(monkeypatch):
    """As if an interrupt came between the moment when a task is handed over and that when it is taken."""
    monkeypatch.delenv(workers.SCHEDULER, raising=False)
    with quiet_workers(), joblib.Parallel(2) as parallel:
        parallel(delayed(abs)(number) for number in range(4))
        parallel._backend._workers._work_ids.put(99)
        parallel._backend.abort_everything()


def test_nothing_changes_without_a_scheduler(monkeypatch, tmp_path):
    monkeypatch.delenv(workers.SCHEDULER, raising=False)
    with computing_on("", tmp_path / "not made"):
        assert not on_cluster()
        assert (n_workers(), n_workers(here=1)) == (joblib.cpu_count(), 1)
    assert not (tmp_path / "not made").exists()


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "127.0.0.1", "local:two"])
def test_an_address_that_nobody_answers_at_ends_in_a_sentence(monkeypatch, tmp_path, address):
    pytest.importorskip("distributed")
    monkeypatch.setattr(workers, "_PATIENCE", 0.5)
    with pytest.raises(FibrolibError, match=f"No Dask scheduler answers at '{address}'"):
        computing_on(address, tmp_path).__enter__()


def test_without_the_extra_a_sentence_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "distributed", None)
    for address in ("tcp://127.0.0.1:9", "local:2"):
        with pytest.raises(FibrolibError, match=r'pip install "fibrolib\[cluster\]"'):
            computing_on(address, tmp_path).__enter__()


class Workers:
    """What two workers would answer."""

    def __init__(self, threads=1, answers=()):
        self.threads = {"tcp://a": 1, "tcp://b": threads} if threads else {}
        self.answers = list(answers)

    def nthreads(self):
        return self.threads

    def run(self, function, *arguments, **_):
        return {"tcp://a": function(*arguments), "tcp://b": self.answers.pop(0)}


OTHER = {**workers.environment(), "torch": "1.0"}


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        (Workers(threads=0), "has no workers. Start some: dask worker tcp://x"),
        (Workers(threads=4), "tcp://b has 4 threads"),
        (
            Workers(answers=[ModuleNotFoundError("no fibrolib")]),
            r"tcp://b has no fibrolib as it is here \(no fibrolib\)",
        ),
        (Workers(answers=[OTHER]), r"tcp://b would compute something else: torch is 1\.0 there"),
    ],
)
def test_workers_that_would_compute_something_else_are_refused(client, expected):
    with pytest.raises(FibrolibError, match=expected):
        workers._refuse_unequal(client, "tcp://x")


def test_workers_that_see_another_disk_are_refused(monkeypatch, tmp_path):
    client = Workers(answers=[True, False])
    monkeypatch.setattr(workers, "_client", lambda: client)
    (tmp_path / "cohort").mkdir()
    with pytest.raises(FibrolibError, match=f"tcp://b does not see {tmp_path / 'cohort'} as it is here"):
        workers._refuse_other_disks(tmp_path / "runs", tmp_path / "cohort")
