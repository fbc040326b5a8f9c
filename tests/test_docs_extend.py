"""docs/extend.md, word for word: an index and a net of one's own stand everywhere, and the package is not touched."""

import json
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fibrolib.phantom import simulate_cohort

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[1] / "docs" / "extend.md").read_text("utf-8")
FEW = ("redraws=20", "draws=100", "methods=gradcam", "explained=2", "trainings=0", "planted=12")


def command(name, *arguments):
    found = [sys.executable, "-m", "fibrolib", name, *map(str, arguments)]
    return subprocess.run(found, capture_output=True, text=True, check=False)


def run(table, profile, out):
    return command("run", "--cohort", table, "--profile", profile, "--out", out, *[f"-p{each}" for each in FEW])


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    """The page's files, and its lines at the end of a copy of `smoke`."""
    folder = tmp_path_factory.mktemp("profiles")
    for name in ("elf.py", "tiny_net.py"):
        code = re.search(rf"`{name}`:\n\n```python\n(.*?)```", PAGE, re.DOTALL)[1]
        (folder / name).write_text(code, "utf-8")
    smoke = (resources.files("fibrolib.study") / "profiles" / "smoke.toml").read_text("utf-8")
    smaller = smoke.replace("size = 48", "size = 32")
    (folder / "mine.toml").write_text(smaller + re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1], "utf-8")
    return folder / "mine.toml"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Twenty-four virtual patients under other names, with three markers that rise with the stage."""
    path = simulate_cohort(
        tmp_path_factory.mktemp("clinic") / "cohort", patients=24, seed=3, frames=20, fps=10.0, n_jobs=1
    )
    cohort = pd.read_csv(path)
    cohort["stage"] = np.arange(24) % 4
    cohort["patient_id"] = [f"A{number:02}" for number in range(24)]
    random = np.random.default_rng(0)
    for name, usual in {"ha": 40, "piiinp": 8, "timp1": 220}.items():
        cohort[name] = (usual * np.exp(0.3 * cohort["stage"] + 0.4 * random.normal(size=24))).round(1)
    cohort.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def out(table, profile, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports") / "mine"
    found = run(table, profile, folder)
    assert found.returncode == 0, found.stderr
    return folder


@pytest.mark.parametrize("name", ["elf", "tiny"])
def test_it_is_in_every_result(out, name):
    results = json.loads((out / "results.json").read_text("utf-8"))
    others = {"cnn2d", "cnn2d_lstm", "cnn3d", "frozen", "swe", "fib4", "apri", "elf", "tiny"} - {name}
    assert results["models"].keys() - {name} == others
    for comparisons in ("comparisons", "permutation_comparisons", "accuracy_comparisons"):
        pairs = [{row["a"], row["b"]} for row in results[comparisons]]
        assert all({name, other} in pairs for other in others), comparisons
    predictions = pd.read_csv(out / "predictions.csv")
    assert predictions.query("model == @name and split == 'test'")["y_score"].between(0, 1).all()
    for tables in ("metrics", "calibration", "split_luck"):
        assert name in set(pd.read_csv(out / "tables" / f"{tables}.csv")["model"]), tables


@pytest.mark.parametrize("label", ["ELF", "Tiny net"])
def test_it_is_in_the_figures_and_in_the_report(out, label):
    for figure in ("roc_all", "forest", "delong_matrix", "calibration_test", "decision"):
        assert f"<!-- {label}" in (out / "figures" / f"{figure}.svg").read_text("utf-8"), figure
    report = (out / "report.html").read_text("utf-8")
    assert f"<th>{label}</th>" in report
    assert f"User-defined diagnostic: {label}, from <code>" in report


def test_scores_are_those_of_the_formula(out, table):
    """The page's coefficients, by the page's own numbers: the AUC of ELF is that of the raw sum of logarithms."""
    markers = pd.read_csv(table)
    score = 2.494 + np.log(markers[["ha", "piiinp", "timp1"]]) @ [0.846, 0.735, 0.391]
    zones = pd.read_csv(out / "tables" / "zones.csv").query("index == 'elf'").set_index("zone")["n"]
    below, above = int((score < 7.7).sum()), int((score >= 9.8).sum())
    assert zones.to_dict() == {"low": below, "indeterminate": 24 - below - above, "high": above, "missing": 0}
    table1 = pd.read_csv(out / "tables" / "table1.csv")["Characteristic"]
    assert table1.str.startswith("Hyaluronic acid, ng/mL").any()


def test_what_is_of_the_net_has_the_net(out):
    staging = pd.read_csv(out / "tables" / "staging.csv")
    assert "tiny" in set(staging["model"])
    assert (out / "models" / "tiny.safetensors").is_file()


def test_a_saved_net_is_scored_with_its_profile_only(out, profile, table):
    model, video = out / "models" / "tiny.safetensors", table.parent / pd.read_csv(table)["video"][0]
    assert command("score", model, video, "--profile", profile).returncode == 0
    without = command("score", model, video)
    assert without.returncode == 2
    assert "give --profile" in without.stderr


def test_a_check_knows_the_columns_by_the_profile(table, profile):
    assert "'ha'" in command("check", table).stdout
    found = command("check", table, "--profile", profile)
    assert "'ha'" not in found.stdout + found.stderr


def test_a_run_goes_on_with_the_same_files_and_not_with_others(out, table, profile):
    again = run(table, profile, out)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("  kept  ") == len(list((out / "notebooks").glob("*.ipynb")))
    assert (out / "profile" / "elf.py").read_text() == (profile.parent / "elf.py").read_text()
    code = (profile.parent / "elf.py").read_text()
    (profile.parent / "elf.py").write_text(code.replace("2.494", "2.278"))
    other = run(table, profile, out)
    (profile.parent / "elf.py").write_text(code)
    assert other.returncode == 2
    assert "holds another study" in other.stderr
