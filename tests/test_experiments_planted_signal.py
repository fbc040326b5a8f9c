"""Virtual patients in whom one signal alone tells the stage."""

import pandas as pd

from fibrolib.experiments import planted_signal
from fibrolib.experiments.planted_signal import SIGNALS, plant
from fibrolib.study import load_profile
from fibrolib.video import load_clip


def test_worlds_share_bodies_and_differ_in_their_signal(tmp_path, monkeypatch):
    monkeypatch.setattr(planted_signal, "n_workers", lambda: 1)
    scenarios = plant(tmp_path / "cohorts", tmp_path / "cache", load_profile("smoke"), "cnn3d", patients=3, seed=2)
    assert list(scenarios) == list(SIGNALS)
    stages = [pd.concat([scenario.train, scenario.held_out])["stage"].to_dict() for scenario in scenarios.values()]
    assert stages[0] == stages[1] == stages[2]
    truth = [pd.read_csv(path) for path in sorted((tmp_path / "cohorts").glob("*/truth/patients.csv"))]
    assert all(table["bmi"].equals(truth[0]["bmi"]) for table in truth)
    assert not any(truth[0]["capsule"].equals(table["capsule"]) for table in truth[1:])
    files = [set(scenario.cache_key["files"]) for scenario in scenarios.values()]
    assert not files[0] & files[1]
    # A video holds just the frames that the net sees.
    clip = load_clip(scenarios["motion"].train["clips"].iloc[0][0])
    assert (len(clip.frames), clip.fps) == (9, 10.0)
    marked = scenarios["motion"]._marked(next(scenarios["motion"].explained.itertuples()), "liver")
    clip = load_clip(marked)
    assert clip.roi.shape == clip.frames.shape
    assert clip.roi.any()
