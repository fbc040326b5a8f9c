"""Files are there whole or not at all, whatever stops the writer."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from fibrolib.atomic import remove_unfinished, write_atomically

# Every writer of the package is asked for a file larger than may be: it fails half-way, as on a full disk.
FULL = """
    import resource, sys, warnings
    from pathlib import Path
    import nbformat, numpy as np, pandas as pd, torch
    from matplotlib.figure import Figure
    from fibrolib.checking import CheckReport
    from fibrolib.checking.report import _Finding
    from fibrolib.cohort import write_cohort
    from fibrolib.nets import write_tensors
    from fibrolib.study.cache import ResultCache
    from fibrolib.study.runfolder import RunFolder
    from fibrolib.video import Clip, save_clip, write_image, write_video

    out = Path(sys.argv[1])
    noise = np.random.default_rng(0).integers(0, 255, (12, 64, 64), dtype=np.uint8)
    table = pd.DataFrame({"patient_id": range(4000), "video": "a", "stage": 1})
    figure = Figure()
    figure.subplots().imshow(noise[0])
    many = CheckReport("a", (_Finding("warning", "x", "y" * 9000),), ())
    folder = RunFolder(out)
    writers = {
        "cohort.csv": lambda path: write_cohort(table, path),
        "cohort.parquet": lambda path: write_cohort(table, path),
        "clip.npz": lambda path: save_clip(path, Clip(noise, 20.0, noise[0] > 0)),
        "video.mp4": lambda path: write_video(path, noise, 20),
        "image.png": lambda path: write_image(path, noise.reshape(-1, 64)),
        "net.safetensors": lambda path: write_tensors(path, {"a": torch.zeros(4000)}, {}),
        "check.html": lambda path: many.write_page(path),
        "tables/t.csv": lambda path: folder.save_table("t", table),
        "figures/f.png": lambda path: folder.save_figure("f", figure),
        "figures/f.svg": lambda path: folder.save_figure("f", figure),
        "results.json": lambda path: folder.save_json("results", {"a": ["b"] * 4000}),
        "report.html": lambda path: folder.save_report("a" * 9000),
        "kept": lambda path: ResultCache(out / "kept").get_or_compute(
            "kept", {}, lambda: "a" * 9000, lambda text, place: (place / "a").write_text(text), str,
            made_by=(ResultCache,)),
    }
    folder.claim()
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    for name, write in writers.items():
        path = out / name
        path.parent.mkdir(exist_ok=True)
        if name != "kept":
            path.write_text("old")
        try:
            write(path)
        except Exception as error:
            assert name == "kept" or path.read_text() == "old", name
            print(name, type(error).__name__)
        else:
            print(name, "was written")
"""


def test_a_full_disk_leaves_what_was_there_and_nothing_half_written(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL), str(tmp_path)], capture_output=True, text=True, check=True
    )
    told = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert len(told) == 13
    assert "was written" not in told.values(), told
    assert not list(tmp_path.rglob(".unfinished-*"))
    assert list((tmp_path / "kept").iterdir()) == []


def test_what_fails_leaves_the_old_file(tmp_path):
    path = write_atomically(tmp_path / "sub" / "file.txt", lambda file: file.write_text("old"))

    def fail(unfinished):
        unfinished.write_text("ne")
        raise OSError

    with pytest.raises(OSError):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


def test_a_file_is_as_readable_as_any_other(tmp_path):
    (tmp_path / "plain").touch()
    path = write_atomically(tmp_path / "a.txt", lambda file: file.write_text("a"))
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_what_a_killed_process_left_is_removed(tmp_path):
    code = """
import sys, time
from pathlib import Path
from fibrolib.atomic import write_atomically
def slow(file):
    file.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
write_atomically(Path(sys.argv[1]) / "sub" / "a.txt", slow)
"""
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    (left,) = (tmp_path / "sub").iterdir()
    assert left.name.startswith(".unfinished-")
    remove_unfinished(tmp_path)
    assert list((tmp_path / "sub").iterdir()) == []
