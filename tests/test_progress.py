"""Progress bars, and what an interrupt says: in a real kernel, as JupyterLab starts it."""

import contextlib
import io
import os
import re
import signal
import textwrap
import threading
import time
from functools import partial
from pathlib import Path

import psutil
import pytest
from jupyter_client.manager import start_new_kernel
from tqdm.notebook import tqdm as notebook_tqdm
from tqdm.std import tqdm

import fibrolib
from fibrolib import progress
from fibrolib.errors import FibrolibError, Interrupted
from fibrolib.progress import _Left, track, watch

LONGEST = 300  # seconds; generous: nothing here takes ten, once the disk is warm


@pytest.fixture
def shown(monkeypatch):
    """What a terminal shows, of bars that do not wait before they appear."""
    screen = io.StringIO()
    monkeypatch.delenv("FIBROLIB_PROGRESS", raising=False)
    monkeypatch.setattr(progress, "_DELAY", 0.0)
    monkeypatch.setattr(progress, "_POLL", 0.01)
    monkeypatch.setattr(progress, "tqdm", partial(tqdm, file=screen))
    return screen


def until(condition):
    """Wait for a condition."""
    end = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def last_states(screen):
    return re.findall(r"(\d+) of (\d+) (\w+) \[", screen.getvalue())


def test_bar_counts_results_and_goes_away(shown):
    results = []
    for result in track("abc", "Spelling", 3, "letters"):
        results.append(result)
        until(lambda: (str(len(results) - 1), "3", "letters") in last_states(shown))
    assert results == ["a", "b", "c"]
    assert "Spelling:  67%" in shown.getvalue()
    assert shown.getvalue().split("\r")[-2].strip() == "", "a finished bar is cleared"


def test_bar_follows_files_and_those_of_an_earlier_run_do_not_count_for_the_time_left(shown, tmp_path):
    (tmp_path / "0").touch()
    with watch("Writing", lambda: len(list(tmp_path.iterdir())), 4, "files"):
        until(lambda: ("1", "4", "files") in last_states(shown))
        (tmp_path / "1").touch()
        until(lambda: ("2", "4", "files") in last_states(shown))
    assert "1 of 4 files [00:00 so far, no estimate before the first is finished]" in shown.getvalue(), (
        "nothing is known before a file is finished"
    )
    assert re.search(r"2 of 4 files \[\S+ so far, \d\d:\d\d left\]", shown.getvalue())


def test_nothing_is_shown_of_quick_work(shown, monkeypatch):
    monkeypatch.setattr(progress, "_DELAY", LONGEST)
    assert list(track([1, 2], "Counting", 2, "numbers")) == [1, 2]
    assert shown.getvalue() == ""


def test_nothing_is_shown_where_the_variable_says_so(shown, monkeypatch):
    monkeypatch.setenv("FIBROLIB_PROGRESS", "0")
    before = threading.active_count()
    with watch("Waiting", lambda: 0, 1, "turns"):
        assert threading.active_count() == before
    assert shown.getvalue() == ""


def test_interrupt_says_what_is_kept(tmp_path):
    with pytest.raises(Interrupted) as raised, watch("Training", lambda: 7, 16, "fits", kept=tmp_path):
        raise KeyboardInterrupt
    assert str(raised.value) == (
        f"Interrupted. What is finished is kept in {tmp_path}: 7 of 16 fits. Run the cell again to continue."
    )


def test_interrupt_says_it_where_nothing_is_kept():
    with pytest.raises(Interrupted, match=r"Interrupted after 0 of 2 maps\. Run the cell again"):
        next(track(interrupted(), "Mapping", 2, "maps"))


def interrupted():
    raise KeyboardInterrupt
    yield


def test_step_inside_another_speaks_for_both(tmp_path):
    outer = watch("Outer", lambda: 0, 2, "parts", kept=tmp_path)
    inner = watch("Inner", lambda: 1, 3, "steps", kept=tmp_path)
    with pytest.raises(Interrupted, match="1 of 3 steps"), outer, inner:
        raise KeyboardInterrupt


@pytest.mark.parametrize("before", [None, "1"])
def test_bars_are_hidden_in_a_block_and_not_after_it(monkeypatch, before):
    monkeypatch.delenv("FIBROLIB_PROGRESS", raising=False)
    if before is not None:
        monkeypatch.setenv("FIBROLIB_PROGRESS", before)
    with pytest.raises(ValueError, match="wrong"), progress.hidden():
        assert os.environ["FIBROLIB_PROGRESS"] == "0"
        raise ValueError("wrong")
    assert os.environ.get("FIBROLIB_PROGRESS") == before


def test_errors_pass_unchanged():
    with pytest.raises(ValueError, match="wrong"), watch("Failing", lambda: 0, 1, "turns"):
        raise ValueError("wrong")


def test_a_notebook_shows_the_message_of_an_error_and_a_run_its_traceback(monkeypatch):
    monkeypatch.delenv("FIBROLIB_PROGRESS", raising=False)
    try:
        raise FibrolibError("cohort.csv: no such file")
    except FibrolibError as error:
        assert error._render_traceback_() == ["cohort.csv: no such file"]
        monkeypatch.setenv("FIBROLIB_PROGRESS", "0")
        text = "".join(error._render_traceback_())
    assert text.startswith("Traceback (most recent call last)")
    assert text.endswith("FibrolibError: cohort.csv: no such file\n")
    assert Path(__file__).name in text


class Kernel:
    """A kernel in its own process group, and what it sends."""

    def __init__(self):
        path = {"PYTHONPATH": str(Path(fibrolib.__file__).parents[1])}
        shown = {name: value for name, value in os.environ.items() if name != "FIBROLIB_PROGRESS"}
        self.manager, self.client = start_new_kernel(kernel_name="python3", env={**shown, **path})
        self.process = psutil.Process(self.manager.provisioner.pid)

    def run(self, code, interrupt_when=None):
        """Run a cell; interrupt it once something holds. Gives what was shown, by kind."""
        messages = []
        if interrupt_when is not None:
            interrupter = threading.Thread(target=self._interrupt, args=(interrupt_when,))
            interrupter.start()
        self.client.execute_interactive(textwrap.dedent(code), output_hook=messages.append, timeout=LONGEST)
        if interrupt_when is not None:
            interrupter.join()
        return {kind: [one["content"] for one in messages if one["msg_type"] == kind] for kind in ("stream", "error")}

    def _interrupt(self, when):
        until(when)
        os.killpg(self.manager.provisioner.pgid, signal.SIGINT)  # as `interrupt_kernel` does, which needs its own loop

    def workers(self):
        """Workers that run. One that was killed keeps its number until the kernel asks for its exit status."""
        running = []
        for child in self.process.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                running += [child] if "popen_loky" in " ".join(child.cmdline()) else []
        return running


@pytest.fixture(scope="module")
def kernel():
    kernel = Kernel()
    yield kernel
    kernel.client.stop_channels()
    kernel.manager.shutdown_kernel(now=True)


def test_interrupted_cell_shows_one_sentence(kernel, tmp_path):
    code = f"""
    import time
    from pathlib import Path
    from fibrolib.progress import track
    folder = Path({str(tmp_path)!r})
    for number in track(map(lambda n: time.sleep(n), (0, 0, 600)), "Sleeping", 3, "naps", kept=folder):
        (folder / f"{{time.monotonic_ns()}}").touch()
    """
    shown = kernel.run(code, interrupt_when=lambda: len(list(tmp_path.iterdir())) == 2)
    sentence = f"Interrupted. What is finished is kept in {tmp_path}: 2 of 3 naps. Run the cell again to continue."
    assert shown["error"] == [{"ename": "Interrupted", "evalue": sentence, "traceback": [sentence]}]
    assert shown["stream"] == []


def test_interrupted_cell_without_a_bar_shows_one_sentence_too(kernel, tmp_path):
    code = f"""
    import time
    from pathlib import Path
    from fibrolib.errors import Interrupted, shorten_interrupts
    shorten_interrupts()
    Path({str(tmp_path / "begun")!r}).touch()
    time.sleep(600)
    """
    shown = kernel.run(code, interrupt_when=(tmp_path / "begun").exists)
    sentence = "Interrupted. Run the cell again; finished results are kept."
    assert shown["error"][0]["traceback"] == [sentence]
    assert shown["stream"] == []
    said = kernel.run("raise Interrupted('Interrupted after 2 of 3 maps.')")
    assert said["error"][0]["traceback"] == ["Interrupted after 2 of 3 maps."], "a step speaks for itself"


WORKERS = """
import joblib, sys, time
from pathlib import Path
sys.path.insert(0, {module!r})
from nap import nap
from fibrolib.progress import watch
from fibrolib.workers import {context}
folder = Path({folder!r})
with watch("Napping", lambda: len(list(folder.glob("*.txt"))), 4, "naps", kept=folder), {context}{arguments}:
    (folder / "begun").touch()
    joblib.Parallel(2)(joblib.delayed(nap)(folder, number, {seconds}) for number in range(4))
print(sorted(file.read_text() for file in folder.glob("*.txt")))
"""
FRESH = """
import sys
from joblib.externals.loky import get_reusable_executor
sys.modules.pop("nap", None)
get_reusable_executor(reuse=True).shutdown(kill_workers=True)
"""
NAP = """
import time
def nap(folder, number, seconds):
    file = folder / f"{number}.txt"
    if not file.exists():
        time.sleep(seconds if number > 1 else 0)
        file.write_text(f"{number} of {seconds}")
"""


@pytest.mark.parametrize(("context", "arguments"), [("workers_end_here", "(2)"), ("quiet_workers", "()")])
@pytest.mark.parametrize("finished", [0, 2], ids=["while workers start", "while they work"])
def test_workers_are_silent_and_gone_after_an_interrupt_and_the_cell_resumes(
    kernel, tmp_path, context, arguments, finished
):
    folder = tmp_path / "kept"
    folder.mkdir()
    (tmp_path / "nap.py").write_text(NAP)
    places = {"module": str(tmp_path), "folder": str(folder), "context": context, "arguments": arguments}

    def ready():
        if finished:
            return len(list(folder.glob("*.txt"))) == finished
        return (folder / "begun").exists() and kernel.workers()

    kernel.run(FRESH)
    shown = kernel.run(WORKERS.format(**places, seconds=600), interrupt_when=ready)
    (error,) = shown["error"]
    assert error["ename"] == "Interrupted"
    assert error["traceback"] == [error["evalue"]]
    assert f"kept in {folder}: " in error["evalue"]
    assert shown["stream"] == [], "workers print nothing"
    until(lambda: not kernel.workers())
    kept = {file.name for file in folder.glob("*.txt")}
    assert finished == 0 or kept == {"0.txt", "1.txt"}

    again = kernel.run(WORKERS.format(**places, seconds=0))
    assert again["error"] == []
    wanted = sorted(f"{n} of {600 if f'{n}.txt' in kept else 0}" for n in range(4))
    assert again["stream"][0]["text"] == f"{wanted}\n", "what was finished is not done again"


def test_error_of_the_users_making_shows_its_message(kernel):
    shown = kernel.run("from fibrolib.errors import FibrolibError\nraise FibrolibError('no such video: a.mp4')")
    (error,) = shown["error"]
    assert error["traceback"] == ["no such video: a.mp4"]
    assert (error["ename"], error["evalue"]) == ("FibrolibError", "no such video: a.mp4")


def test_the_time_left_runs_down_between_two_that_are_finished():
    left = _Left(before=1, total=5, begun=100.0)
    assert left.text(1, 130.0) == "no estimate before the first is finished"
    assert left.text(2, 160.0) == "03:00 left"  # one in 60 s, three to do
    assert left.text(2, 190.0) == "02:30 left"
    assert left.text(2, 400.0) == "00:00 left"
    assert left.text(3, 400.0) == "05:00 left"  # two in 300 s, two to do


def test_a_label_of_a_notebook_bar_does_not_break_at_its_hyphen():
    bar = notebook_tqdm(desc="Training the 3D-CNN", total=1, display=False)
    progress._display(bar)
    assert [text.layout.flex for text in bar.container.children[::2]] == ["0 0 auto", "0 0 auto"]
    bar.close()
