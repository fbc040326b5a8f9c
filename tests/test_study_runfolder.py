import json

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fibrolib.study.runfolder import RunFolder
from fibrolib.video import read_video


def test_json_has_no_nan(tmp_path):
    RunFolder(tmp_path).save_json("results", {"a": float("nan"), "b": [np.float64(1.5), np.int64(2)], 3: (None, "ü")})
    assert json.loads((tmp_path / "results.json").read_text("utf-8")) == {"a": None, "b": [1.5, 2], "3": [None, "ü"]}


def test_tables_and_predictions(tmp_path):
    folder, table = RunFolder(tmp_path), pd.DataFrame({"a": [1.25], "b": ["x"]})
    assert folder.save_table("t", table).read_text() == "a,b\n1.25,x\n"
    assert folder.save_predictions(table).name == "predictions.csv"


def test_figures_repeat_to_the_byte(tmp_path):
    def figure():
        made = Figure()
        made.subplots().plot([0, 1], [1, 0])
        return made

    RunFolder(tmp_path / "a").save_figure("f", figure())
    RunFolder(tmp_path / "b").save_figure("f", figure())
    for suffix in ("svg", "png"):
        first, again = ((tmp_path / run / "figures" / f"f.{suffix}").read_bytes() for run in "ab")
        assert first == again


def test_clip(tmp_path):
    frames = np.full((5, 32, 32), 90, dtype=np.uint8)
    path = RunFolder(tmp_path).save_clip("sample", frames, 10.0)
    assert read_video(path).frames.shape == (5, 32, 32)


def test_a_folder_shows_one_request_only(tmp_path):
    first = RunFolder(tmp_path, "seed 0")
    first.save_table("t", pd.DataFrame({"a": [1]}))
    first.save_report("old")
    (tmp_path / "cache").mkdir()
    RunFolder(tmp_path, "seed 0").save_json("results", {})
    assert (tmp_path / "report.html").exists()
    RunFolder(tmp_path, "seed 1").save_json("results", {"new": 1})
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", ".made-for", "cache", "results.json"]
