"""A hospital's DICOM cohort runs to its report, and not one byte of the run folder tells whose it is."""

import base64
import contextlib
import gzip
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
import zlib
from importlib import resources

import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image, ImageDraw, ImageFont

from fibrolib.cohort import read_cohort
from fibrolib.phantom import simulate_cohort
from fibrolib.privacy import private_folder
from fibrolib.study import Request, Study
from fibrolib.study.preprocessing import prepare_files
from fibrolib.video import load_clip

pytestmark = pytest.mark.slow

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
    return simulate_cohort(tmp_path_factory.mktemp("virtual") / "cohort", patients=16, seed=1, dicom=True, n_jobs=1)


@pytest.fixture(scope="module")
def cohort(virtual, tmp_path_factory):
    """Sixteen people who do not exist, under names, numbers and dates as a hospital writes them."""
    folder = tmp_path_factory.mktemp("clinic") / "Examinations of 29.02.2024"
    shutil.copytree(virtual.parent, folder)
    table = pd.read_csv(virtual)
    table["stage"] = np.arange(16) % 4  # eight of each class
    for number, row in enumerate(table.to_dict("records")):
        identify(folder / row["video"], number)
        identify(folder / row["image"], number)
        for column in ("video", "image"):
            new = f"{column}s/{NAMES[number % 4]}_1943-09-17_{number}.dcm"
            (folder / row[column]).rename(folder / new)
            table.loc[number, column] = new
    table["patient_id"] = [f"{NAMES[number % 4]} ZX7741906-{number}" for number in range(16)]
    table["birth_date"], table["name"] = "17.09.1943", "Wilhelmine Quastenflosser"
    table.to_csv(folder / "cohort.csv", index=False)
    return folder / "cohort.csv"


@pytest.fixture(scope="module")
def run(cohort, tmp_path_factory):
    """The run folder; its own name, and that of the profile, are the user's to choose."""
    parent = tmp_path_factory.mktemp("Quastenflosser reports")
    profile = tmp_path_factory.mktemp("Quastenflosser profiles") / "tiny.toml"
    smoke = resources.files("fibrolib.study") / "profiles" / "smoke.toml"
    profile.write_text(smoke.read_text().replace("size = 48", "size = 32"))
    command = [
        "run",
        "--cohort",
        cohort,
        "--profile",
        profile,
        "--out",
        parent / "study",
        "-p",
        "redraws=20",
        "-p",
        "draws=200",
    ]
    found = subprocess.run(
        [sys.executable, "-m", "fibrolib", *map(str, command)], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert "Pseudonyms and patient ids (private)" in found.stdout
    return parent / "study"


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
        assert len(without) == len(study.patients) == 16
        for kept, clean in zip(study.patients[view], without, strict=True):
            (kept, clean) = load_clip(*kept), load_clip(*clean)
            np.testing.assert_array_equal(kept.frames, clean.frames)
            assert not kept.frames[:, ~kept.sector].any()
            assert kept.sector.mean() < 0.7  # a fan in a square


def test_the_run_is_whole_and_calls_patients_by_pseudonyms(run):
    found = json.loads((run / "results.json").read_text("utf-8"))
    assert re.fullmatch(r"cohort-[a-z2-7]{10}", found["cohort"]["name"])
    assert found["cohort"]["patients"] == 16
    assert sorted(found["models"]) == ["apri", "cnn2d", "cnn2d_lstm", "cnn3d", "fib4", "frozen", "swe"]
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
