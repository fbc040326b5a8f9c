"""A hospital's DICOM cohort runs to its report, with the index and the net of docs/extend.md, word for word.

Not one byte of the run folder tells who was examined; the index and the net stand everywhere, and the package is not
touched.
"""

import base64
import contextlib
import gzip
import io
import json
import re
import shutil
import subprocess
import sys
import time
import zipfile
import zlib
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pydicom
import pytest
from conftest import FEW
from PIL import Image, ImageDraw, ImageFont

from fibrolib.cohort import read_cohort
from fibrolib.errors import FibrolibError
from fibrolib.phantom import simulate_cohort
from fibrolib.privacy import private_folder
from fibrolib.study import Request, Study
from fibrolib.study.preprocessing import prepare_files
from fibrolib.video import load_clip

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[1] / "docs" / "extend.md").read_text("utf-8")
N_PATIENTS = 16
NAMES = ["Wilhelmine", "Quastenflosser", "Zbigniew", "Xylander"]
WORDS = [
    *NAMES,
    "ZX7741906",
    # A birth date, and the date of the examination, as they are commonly written.
    *("19430917", "1943-09-17", "17.09.1943", "17-09-1943", "09/17/1943", "17/09/1943", "1943_09_17", "17SEP1943"),
    *("20240229", "2024-02-29", "29.02.2024", "29-02-2024", "02/29/2024", "29/02/2024", "2024_02_29"),
    "Examinations of",
]


def identify(path, number):
    """Put a patient into a virtual video: in the header, and in white letters above the fan."""
    dataset = pydicom.dcmread(path)
    frames = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns).copy()
    words = Image.new("L", (dataset.Columns, 30))
    ImageDraw.Draw(words).text((4, 6), "WILHELMINE 17.09.1943", fill=255, font=ImageFont.load_default(14))
    frames[:, :30] = np.asarray(words)
    dataset.PixelData = frames.tobytes()
    dataset.PatientName = f"{NAMES[number % 2 * 2 + 1]}^{NAMES[number % 2 * 2]}"
    dataset.PatientID, dataset.PatientBirthDate, dataset.StudyDate = f"ZX7741906-{number}", "19430917", "20240229"
    dataset.ImageComments = "Wilhelmine"
    dataset.save_as(path)


@pytest.fixture(scope="module")
def virtual(tmp_path_factory):
    """Table of sixteen virtual patients whom nobody has written upon."""
    short = {"frames": 20, "fps": 10.0, "dicom": True, "n_jobs": 1}
    return simulate_cohort(tmp_path_factory.mktemp("virtual") / "cohort", patients=N_PATIENTS, seed=1, **short)


@pytest.fixture(scope="module")
def cohort(virtual, tmp_path_factory):
    """Sixteen people who do not exist, under names, numbers and dates as a hospital writes them.

    Three markers rise with the stage.
    """
    folder = tmp_path_factory.mktemp("clinic") / "Examinations of 29.02.2024"
    shutil.copytree(virtual.parent, folder)
    table = pd.read_csv(virtual)
    table["stage"] = np.array([0, 0, 2, 3])[np.arange(N_PATIENTS) % 4]  # eight of each class, and nobody in stage 1
    for number, row in enumerate(table.to_dict("records")):
        identify(folder / row["video"], number)
        identify(folder / row["image"], number)
        for column in ("video", "image"):
            new = f"{column}s/{NAMES[number % 4]}_1943-09-17_{number}.dcm"
            (folder / row[column]).rename(folder / new)
            table.loc[number, column] = new
    table["patient_id"] = [f"{NAMES[number % 4]} ZX7741906-{number}" for number in range(N_PATIENTS)]
    table["birth_date"], table["name"] = "17.09.1943", "Wilhelmine Quastenflosser"
    random = np.random.default_rng(0)
    for name, usual in {"ha": 40, "piiinp": 8, "timp1": 220}.items():
        table[name] = (usual * np.exp(0.3 * table["stage"] + 0.4 * random.normal(size=N_PATIENTS))).round(1)
    table.to_csv(folder / "cohort.csv", index=False)
    return folder / "cohort.csv"


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    """The page's files, and its lines at the end of a copy of `smoke`; the folder's name is the user's to choose."""
    folder = tmp_path_factory.mktemp("Quastenflosser profiles")
    for name in ("elf.py", "tiny_net.py"):
        code = re.search(rf"`{name}`:\n\n```python\n(.*?)```", PAGE, re.DOTALL)[1]
        (folder / name).write_text(code, "utf-8")
    smoke = (resources.files("fibrolib.study") / "profiles" / "smoke.toml").read_text("utf-8")
    smaller = smoke.replace("size = 48", "size = 32")
    (folder / "mine.toml").write_text(smaller + re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1], "utf-8")
    return folder / "mine.toml"


@pytest.fixture(scope="module")
def runs(cohort, profile, tmp_path_factory):
    """What two runs said, the processes and notebooks of the first, and the run folder, whose name the user chooses.

    The report of the first cannot be written; the second goes on.
    """
    out = tmp_path_factory.mktemp("Quastenflosser reports") / "study"
    options = ["--cohort", str(cohort), "--profile", str(profile), "--out", str(out), *FEW, "-ptrainings=0"]
    command = [sys.executable, "-m", "fibrolib", "run", *options]
    first, processes = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True), {}
    while first.poll() is None:
        if (out / "notebooks").exists():
            (out / "results.json" / "in the way").mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(psutil.NoSuchProcess):
            processes |= {each.pid: each for each in psutil.Process(first.pid).children(recursive=True)}
        time.sleep(1)
    said, notebooks = (first.returncode, first.stderr.read()), times_of_notebooks(out)
    first.stderr.close()
    shutil.rmtree(out / "results.json")
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 0, f"{said} {second.stderr}"
    return said, second.stdout, list(processes.values()), notebooks, out


@pytest.fixture(scope="module")
def run(runs):
    return runs[-1]


def times_of_notebooks(out):
    return {path: path.stat().st_mtime_ns for path in (out / "notebooks").glob("*.ipynb")}


def test_a_report_that_cannot_be_written_ends_the_run_and_keeps_the_notebooks(runs):
    (status, errors), output, processes, notebooks, out = runs
    assert status != 0
    assert "results.json" in errors
    assert not psutil.wait_procs(processes, timeout=60)[1]
    assert output.count("  kept  ") == len(notebooks) > 8
    assert times_of_notebooks(out) == notebooks
    assert "Pseudonyms and patient ids (private)" in output


def contents(data, depth=0):
    """A file's bytes, and all that is packed in them: archives, compressed streams, tables, base64, escaped text."""
    yield data
    if depth == 4:
        return
    if data[:4] == b"PK\3\4":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield name.encode()
                yield from contents(archive.read(name), depth + 1)
    elif data[:4] == b"PAR1":
        yield pd.read_parquet(io.BytesIO(data)).to_csv().encode()
    elif data[:8] == b"\x89PNG\r\n\x1a\n":
        with Image.open(io.BytesIO(data)) as image:
            yield repr(image.info).encode()
            yield image.tobytes()
    elif data[:2] == b"\x1f\x8b":
        yield from contents(gzip.decompress(data), depth + 1)
    elif data[:2] in (b"\x78\x9c", b"\x78\xda", b"\x78\x01"):
        yield zlib.decompressobj().decompress(data)
    if data[:1] == b"{":
        with contextlib.suppress(ValueError):  # what only looks like JSON: a hash that is read as base64
            yield repr(json.loads(data)).encode()
    for found in re.finditer(rb"[A-Za-z0-9+/]{64,}={0,2}", data):
        whole = len(found[0]) // 4 * 4
        yield from contents(base64.b64decode(found[0][:whole]), depth + 1)


def told(data):
    """Which of the words some bytes hold, in any common spelling of text."""
    low = data.lower()
    return {word for word in WORDS for code in ("utf-8", "utf-16-le", "utf-32-le") if word.lower().encode(code) in low}


def test_the_search_finds_what_is_there(cohort, tmp_path):
    """Each road along which a word could reach the folder."""
    word = "Wilhelmine 17.09.1943"
    expected = {"Wilhelmine", "17.09.1943"}
    np.savez_compressed(tmp_path / "a.npz", word=np.array([word]))
    pd.DataFrame({"a": [word]}).to_parquet(tmp_path / "a.parquet")
    inner = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.html").write_bytes(b"<img src='data:image/png;base64," + base64.b64encode(inner) + b"'>")
    (tmp_path / "a.ipynb").write_text('{"a": "\\u0057ilhelmine 17.09.1943"}')
    for path in tmp_path.iterdir():
        assert {name for part in contents(path.read_bytes()) for name in told(part)} == expected, path.name
    assert told(cohort.read_bytes()) >= {*NAMES, "ZX7741906", "17.09.1943", "1943-09-17"}


def test_no_byte_tells_who_was_examined(run):
    files = [path for path in run.rglob("*") if path.is_file()]
    assert len(files) > 60
    for path in files:
        assert not told(str(path.relative_to(run)).encode()), path
        for part in contents(path.read_bytes()):
            assert not told(part), path


def test_no_pixel_from_outside_of_the_picture_is_kept(run, virtual, tmp_path):
    """What is kept of an examination is what is kept of the same one without a name above the fan."""
    # The virtual patients whom notebook 11 adds are nobody's; the user's own are told by their study.
    name = json.loads((run / "results.json").read_text("utf-8"))["cohort"]["name"]
    study = Study(Request(cohort=name, profile=str(next((run / "profile").glob("*.toml"))), out=str(run)))
    unwritten = read_cohort(virtual).patients()
    for view, kind in (("clips", "clip"), ("stills", "image")):
        without = prepare_files(unwritten, tmp_path, study.profile, kind)
        assert len(without) == len(study.patients) == N_PATIENTS
        for kept, clean in zip(study.patients[view], without, strict=True):
            (kept, clean) = load_clip(*kept), load_clip(*clean)
            np.testing.assert_array_equal(kept.frames, clean.frames)
            assert not kept.frames[:, ~kept.sector].any()
            assert kept.sector.mean() < 0.7  # a fan in a square


def test_the_run_is_whole_and_calls_patients_by_pseudonyms(run):
    found = json.loads((run / "results.json").read_text("utf-8"))
    assert re.fullmatch(r"cohort-[a-z2-7]{10}", found["cohort"]["name"])
    assert found["cohort"]["patients"] == N_PATIENTS
    predictions = pd.read_csv(run / "predictions.csv")
    assert predictions["patient_id"].str.fullmatch(r"p-[a-z2-7]{10}").all()
    assert (run / "report.html").stat().st_size > 10_000
    assert found["cohort"]["name"] in (run / "report.html").read_text("utf-8")


def test_the_user_can_look_up_who_is_who(run, cohort):
    name = json.loads((run / "results.json").read_text("utf-8"))["cohort"]["name"]
    listed = pd.read_csv(private_folder() / "cohorts" / name / "who-is-who.csv")
    assert list(listed["patient_id"]) == list(pd.read_csv(cohort)["patient_id"])
    assert set(listed["pseudonym"]) == set(pd.read_csv(run / "predictions.csv")["patient_id"])


def test_an_executed_copy_runs_alone(run):
    """As in JupyterLab: started in its own folder, with the parameters it carries."""
    options = ["--nbval-lax", "-p", "no:cacheprovider", "--nbval-cell-timeout=300", "-q", "01_eda.ipynb"]
    command = [sys.executable, "-m", "pytest", *options]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=run / "notebooks")
    assert found.returncode == 0, found.stdout[-3000:]


@pytest.mark.parametrize("name", ["elf", "tiny"])
def test_it_is_in_every_result(run, name):
    results = json.loads((run / "results.json").read_text("utf-8"))
    others = {"cnn2d", "cnn2d_lstm", "cnn3d", "frozen", "swe", "fib4", "apri", "elf", "tiny"} - {name}
    assert results["models"].keys() - {name} == others
    for comparisons in ("comparisons", "permutation_comparisons", "accuracy_comparisons"):
        pairs = [{row["a"], row["b"]} for row in results[comparisons]]
        assert all({name, other} in pairs for other in others), comparisons
    predictions = pd.read_csv(run / "predictions.csv")
    assert predictions.query("model == @name and split == 'test'")["y_score"].between(0, 1).all()
    for tables in ("metrics", "calibration", "split_luck"):
        assert name in set(pd.read_csv(run / "tables" / f"{tables}.csv")["model"]), tables


@pytest.mark.parametrize("label", ["ELF", "Tiny net"])
def test_it_is_in_the_figures_and_in_the_report(run, label):
    for figure in ("roc_all", "forest", "delong_matrix", "calibration_test", "decision"):
        assert f">{label}" in (run / "figures" / f"{figure}.svg").read_text("utf-8"), figure
    report = (run / "report.html").read_text("utf-8")
    assert f"<th>{label}</th>" in report
    assert f"User-defined diagnostic: {label}, from <code>" in report


def test_scores_are_those_of_the_formula(run, cohort):
    """The page's coefficients, by the page's own numbers: the AUC of ELF is that of the raw sum of logarithms."""
    markers = pd.read_csv(cohort)
    score = 2.494 + np.log(markers[["ha", "piiinp", "timp1"]]) @ [0.846, 0.735, 0.391]
    zones = pd.read_csv(run / "tables" / "zones.csv").query("index == 'elf'").set_index("zone")["n"]
    below, above = int((score < 7.7).sum()), int((score >= 9.8).sum())
    assert zones.to_dict() == {"low": below, "indeterminate": N_PATIENTS - below - above, "high": above, "missing": 0}
    table1 = pd.read_csv(run / "tables" / "table1.csv")["Characteristic"]
    assert table1.str.startswith("Hyaluronic acid, ng/mL").any()


def test_what_is_of_the_net_has_the_net(run):
    staging = pd.read_csv(run / "tables" / "staging.csv")
    assert "tiny" in set(staging["model"])
    assert (run / "models" / "tiny.safetensors").is_file()


COMMANDS = """
import contextlib, io, json, sys
from fibrolib import cli

said = []
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["fibrolib", *arguments]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        cli.main()
    said.append(out.getvalue())
print(json.dumps(said))
"""
"""Several commands in one process, and what each has said."""


def test_a_check_and_a_saved_net_need_the_profile(run, cohort, profile):
    """Those without the profile go first, or the process would know its diagnostics."""
    scoring = ["score", run / "models" / "tiny.safetensors", cohort.parent / pd.read_csv(cohort)["video"][0]]
    without = [["check", cohort], scoring]
    commands = [*without, *[[*each, "--profile", profile] for each in without]]
    script = [sys.executable, "-c", COMMANDS, json.dumps(commands, default=str)]
    found = subprocess.run(script, capture_output=True, text=True, check=True)
    check, score, check_with_profile, score_with_profile = json.loads(found.stdout)
    assert "'ha'" in check
    assert f"{N_PATIENTS} patients" in check_with_profile
    assert "'ha'" not in check_with_profile
    assert score == ""
    assert found.stderr.count("give --profile") == 1
    assert "Not a diagnosis" in score_with_profile


def test_a_run_does_not_go_on_with_other_files(run, profile):
    def refuse():
        Study(Request(name, str(profile), out=str(run))).folder.refuse_other_content()

    name = json.loads((run / "results.json").read_text("utf-8"))["cohort"]["name"]
    code = (profile.parent / "elf.py").read_text()
    assert (run / "profile" / "elf.py").read_text() == code
    refuse()
    (profile.parent / "elf.py").write_text(code.replace("2.494", "2.278"))
    with pytest.raises(FibrolibError, match="holds another study"):
        refuse()
