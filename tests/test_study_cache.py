"""What is kept is computed once, and again when its inputs or the code that makes it change."""

import importlib
import os
import pkgutil
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from dirty_cohort import clean_table, write_files

import fibrolib
from fibrolib.experiments.saliency_tests import SaliencyTests
from fibrolib.experiments.simulated_test_set import SimulatedTestSet
from fibrolib.learning import NetClassifier, fit_shuffled
from fibrolib.provenance import _import_closure
from fibrolib.study import Request, Study, evaluation, own_cohort, preprocessing
from fibrolib.study.cache import ResultCache, digest
from fibrolib.study.own_cohort import validate_cohort
from fibrolib.validation import pictures


@pytest.fixture
def calls():
    return []


def keep(cache, calls, cache_key, value="x", made_by=(digest,)):
    def compute():
        calls.append(value)
        return value

    return cache.get_or_compute(
        "result",
        cache_key,
        compute,
        lambda result, folder: (folder / "file").write_text(result),
        lambda folder: (folder / "file").read_text(),
        made_by=made_by,
    )


def test_computed_once(tmp_path, calls):
    cache = ResultCache(tmp_path / "kept")
    assert not cache.has("result", {"a": 1}, (digest,))
    assert keep(cache, calls, {"a": 1}, "x") == keep(cache, calls, {"a": 1}, "y") == "x"
    assert calls == ["x"]
    assert cache.has("result", {"a": 1}, (digest,))


def test_a_table_is_computed_once_and_read_back_to_the_last_bit(tmp_path):
    cache = ResultCache(tmp_path)
    table = pd.DataFrame({"patient_id": ["007", "8"], "share": [0.1 + 0.2, float("nan")], "note": ["", "a"]})
    first = cache.get_or_compute_table("table", {"a": 1}, lambda: table, made_by=(digest,))
    again = cache.get_or_compute_table("table", {"a": 1}, lambda: pytest.fail("computed twice"), made_by=(digest,))
    pd.testing.assert_frame_equal(first, table, check_exact=True)
    pd.testing.assert_frame_equal(again, table, check_exact=True)


def test_another_question_is_another_result(tmp_path, calls):
    cache = ResultCache(tmp_path)
    keep(cache, calls, {"a": 1}, "x")
    assert keep(cache, calls, {"a": 2}, "y") == "y"


def test_what_is_made_by_other_code_is_another_result(tmp_path, calls):
    cache = ResultCache(tmp_path)
    keep(cache, calls, {"a": 1}, "x")
    assert keep(cache, calls, {"a": 1}, "y", made_by=(digest, validate_cohort)) == "y"
    assert keep(cache, calls, {"a": 1}, "z") == "x"


def test_what_fails_leaves_nothing(tmp_path):
    cache = ResultCache(tmp_path)

    def save(result, folder):
        (folder / "half").write_text("h")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        cache.get_or_compute("result", {}, lambda: 1, save, lambda folder: 1, made_by=(digest,))
    assert list(tmp_path.iterdir()) == []


def test_a_result_that_another_process_finished_first_is_taken(tmp_path, calls):
    cache, other = ResultCache(tmp_path), ResultCache(tmp_path)

    def compute():
        keep(other, calls, {"a": 1}, "x")
        return "y"

    save = lambda result, folder: (folder / "file").write_text(result)  # noqa: E731
    load = lambda folder: (folder / "file").read_text()  # noqa: E731
    assert cache.get_or_compute("result", {"a": 1}, compute, save, load, made_by=(digest,)) == "x"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_digest_knows_content_and_not_order():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})


PROFILE = """
installation_test = true
[cohort]
patients = 40
[population]
patients = 12
[clips]
size = 24
fps = 20.0
max_frames = 10
[stills]
size = 24
[folds]
n = 2
[models.cnn2d]
architecture = "motion_resnet3d"
options = { width = 2 }
clip_length = 2
epochs = 1
[models.cnn2d_lstm]
architecture = "frame_lstm"
clip_length = 2
n_clips = 1
epochs = 1
options = { weights = "imagenet", hidden = 4 }
[models.cnn3d]
architecture = "motion_resnet3d"
options = { width = 2 }
clip_length = 4
n_clips = 1
epochs = 1
batch_size = 8
grid = { learning_rate = [1e-3, 2e-3] }
"""
FITS = 2 * 2 + 1
"""Two settings, two folds, and the final fit."""

HANDING_ON = {
    "fibrolib.cohort.table",  # asked whether a cohort is virtual
    "fibrolib.diagnostics.records",  # names in progress bars
    "fibrolib.plots.style",
    "fibrolib.progress",
    "fibrolib.study.study",
    *(
        f"fibrolib.study.{name}"
        for name in ("cache", "evaluation", "own_cohort", "preprocessing", "profiles", "runfolder")
    ),
    *(f"fibrolib.experiments.{name}" for name in ("saliency_tests", "simulated_test_set")),
}
"""Modules that only hand on what stands in the cache key, write files of the run folder, or show progress."""

THRESHOLDS = {f"fibrolib.inference.{name}" for name in ("checks", "predictions", "tables", "thresholds")}
"""What makes the operating point beside a model, which is written anew."""

READING_INPUTS = {
    "fibrolib.learning.classifier",  # the length of the clips that a net takes
    "fibrolib.privacy.pseudonyms",  # which table
    "fibrolib.provenance",
    "fibrolib.video.clips",  # hashes of files
}
"""What finds out the key of the check."""


class Recording(ResultCache):
    """Remembers what each result is said to be made by."""

    def get_or_compute(self, name, *given, made_by):
        self.__dict__.setdefault("made_by", {})[name] = made_by
        return super().get_or_compute(name, *given, made_by=made_by)


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    path = tmp_path_factory.mktemp("profile") / "tiny.toml"
    path.write_text(PROFILE, "utf-8")
    return path


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    write_files(folder, 40)
    clean_table().head(40).to_csv(folder / "cohort.csv", index=False)
    return folder / "cohort.csv"


@pytest.fixture(scope="module")
def study(cohort, profile, tmp_path_factory):
    """A study of a small cohort, whose work is done in this process."""
    for module in pkgutil.walk_packages(fibrolib.__path__, "fibrolib."):
        if module.name != "fibrolib.__main__":
            importlib.import_module(module.name)  # what is done on import is not what a result is made by
    study = Study(Request(cohort=str(cohort), profile=str(profile), out=str(tmp_path_factory.mktemp("run") / "run")))
    study.folder.cache = Recording(study.folder.cache.folder)
    with pytest.MonkeyPatch.context() as patch:
        for module in (evaluation, own_cohort, preprocessing, pictures):
            patch.setattr(module, "n_workers", lambda *_, **__: 1)
        assert len(study.patients) == 40  # prepared and split before
        yield study


def executed(call) -> set[str]:
    """Modules of the package of which a function runs in a call."""
    codes = set()
    sys.settrace(lambda frame, *_: codes.add(frame.f_code))  # of calls alone, and so faster than a profile
    try:
        call()
    finally:
        sys.settrace(None)
    package = Path(fibrolib.__file__).parent
    files = {Path(code.co_filename) for code in codes}
    paths = [file.relative_to(package.parent).with_suffix("") for file in files if file.is_relative_to(package)]
    return {".".join(path.parts).removesuffix(".__init__") for path in paths}


def test_keys_hold_all_code_that_makes_their_results(study):
    virtual = replace(study.net_evaluations, virtual=True)
    tests, people = SaliencyTests(study.net_evaluations, ["gradcam"], explained=1), SimulatedTestSet(virtual)
    people.patients = study.patients.head(6)
    untracked = lambda results, total: results  # noqa: E731
    calls = {
        **{name: lambda name=name: study.evaluation(name) for name in study.nets},
        "attribution-cnn3d": lambda: study.attribution("cnn3d"),
        "plates": lambda: study.plates,
        "scores-cnn3d": lambda: people.cumulative_probs("cnn3d", "frozen"),
        "sanity-cnn3d": tests.sanity,
        "cascade-cnn3d": tests.cascade,
        "faithfulness-cnn3d": tests.faithfulness,
        "check": lambda: validate_cohort(study.reference, study.cutoff, study.profile, study.folder, untracked),
        "pictures": lambda: pictures._look_at_pictures(study.patients, study.folder.cache, untracked),
    }
    for name, call in calls.items():
        used = executed(call)
        closure = _import_closure(*study.folder.cache.made_by[name])
        assert len(used & closure) > 3, name
        missing = used - closure - HANDING_ON - (READING_INPUTS if name == "check" else set())
        missing -= THRESHOLDS if name in study.nets else set()
        assert not missing, f"{name}: {sorted(missing)}"
        assert not {module.split(".")[1] for module in closure} & {"plots", "progress", "report", "cli"}, name
    shuffled = _import_closure(*study.folder.cache.made_by["shuffled-cnn3d"])
    assert _import_closure(NetClassifier, fit_shuffled) <= shuffled


SCRIPT = """
import sys
from dataclasses import replace
from pathlib import Path
import fibrolib
from fibrolib.study import Request, Study

if __name__ == "__main__":
    cohort, profile, out = sys.argv[1:]
    study = Study(Request(cohort=cohort, profile=profile, out=out))
    study.evaluation("cnn3d")
    print(fibrolib.__file__)
"""


def test_editing_statistics_and_pictures_trains_no_net(cohort, profile, tmp_path):
    """In new processes with an edited copy of the package; every fit leaves a file in the run folder."""
    package, out, script = tmp_path / "fibrolib", tmp_path / "run", tmp_path / "script.py"
    shutil.copytree(Path(fibrolib.__file__).parent, package)
    script.write_text(SCRIPT, "utf-8")

    def fits_of_a_run() -> int:
        """Run the study again where no fit of earlier runs is left, and count those that it makes."""
        shutil.rmtree(out / "cache" / "fits", ignore_errors=True)
        command = [sys.executable, str(script), str(cohort), str(profile), str(out)]
        found = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(tmp_path)})
        assert found.returncode == 0, found.stderr
        assert found.stdout.strip().endswith(str(package / "__init__.py"))
        return len(list((out / "cache" / "fits").rglob("*.safetensors")))

    def edit(name: str, added: str) -> None:
        path = package / name
        path.write_text(path.read_text("utf-8") + added, "utf-8")

    assert fits_of_a_run() == FITS
    for room in ("inference/appraisal/forensics.py", "plots/style.py"):
        edit(room, "\n# A comment.\n")
        edit(room, "\nCODE = 1\n")
    edit("nets/frame.py", "\n# A comment.\n")
    assert fits_of_a_run() == 0
    edit("nets/frame.py", "\nCODE = 1\n")
    assert fits_of_a_run() == FITS
