import warnings

import joblib
import psutil

from fibrolib.workers import quiet_workers, workers_end_here


def workers():
    children = psutil.Process().children(recursive=True)
    running = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]  # kernels of other tests
    return [child for child in running if "popen_loky_posix" in " ".join(child.cmdline())]


def test_workers_end_with_the_block():
    with workers_end_here(2):
        assert joblib.Parallel(2)(joblib.delayed(abs)(n) for n in (-1, 2)) == [1, 2]
        assert workers()
    assert not psutil.wait_procs(workers(), timeout=30)[1]
    with workers_end_here(2):
        assert joblib.Parallel(2)(joblib.delayed(abs)(n) for n in (-3, 4)) == [3, 4], "they can be started again"


def test_without_workers_none_are_started_to_be_ended():
    before = len(workers())
    with workers_end_here(1):
        pass
    assert len(workers()) == before


def test_renewed_workers_are_not_spoken_of_and_other_warnings_are():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with quiet_workers():
            warnings.warn("A worker stopped while some jobs were given to the executor.", UserWarning, stacklevel=1)
            warnings.warn("Something else.", UserWarning, stacklevel=1)
    assert [str(one.message) for one in seen] == ["Something else."]
