"""Records, and files of a user's own: what is wrong with one is said in a sentence, before any work."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import SMALL_PROFILE
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from fibrolib.cohort import read_cohort
from fibrolib.cohort.columns import NUMBERS
from fibrolib.diagnostics import (
    BUILT_IN,
    ColumnSpec,
    Diagnostic,
    DiagnosticError,
    PublishedCutoff,
    find_diagnostic,
    load_diagnostic,
    model_label,
)
from fibrolib.errors import CohortError, FibrolibError
from fibrolib.learning import NetClassifier
from fibrolib.own_files import LOADED
from fibrolib.plots.style import _model_colour, _model_dashes
from fibrolib.study import load_profile

MARKER = {"marker": ColumnSpec("ng/mL", 1, 100)}
HEAD = "from fibrolib.diagnostics import ColumnSpec, Diagnostic\n"
INDEX = HEAD + (
    "def same(marker):\n    return marker\n"
    "MINE = Diagnostic('mine', 'My marker', columns={'marker': ColumnSpec('ng/mL', 1, 100)}, formula=same)\n"
)
NET = HEAD + (
    "from torch import nn\n"
    "from fibrolib.nets import ClipNetwork, OrdinalHead\n"
    "class Small(ClipNetwork):\n"
    "    def __init__(self, n_stages, width=2):\n"
    "        super().__init__()\n"
    "        self.cam_layer = nn.Conv3d(1, width, 1)\n"
    "        self.head = OrdinalHead(width, n_stages)\n"
    "    def features(self, clips):\n"
    "        return self.cam_layer(clips).mean(dim=(2, 3, 4))\n"
    "SMALL = Diagnostic('small', 'Small net', kind='net', network=Small)\n"
)
PROFILE = '[[diagnostics]]\nimport = "{}"\n' + SMALL_PROFILE
USED = '[models.small]\narchitecture = "small"\n'


@pytest.fixture(autouse=True)
def forgotten():
    yield
    LOADED.clear()


@pytest.fixture
def write(tmp_path):
    """Write a file and a profile that names an object in it; return the profile's path."""

    def written(code, named="own.py:MINE", further=""):
        (tmp_path / "own.py").write_text(code, "utf-8")
        path = tmp_path / "mine.toml"
        path.write_text(PROFILE.format(named) + further, "utf-8")
        return str(path)

    return written


def test_every_record_of_the_package_is_found_by_its_name():
    assert [find_diagnostic(record.name) for record in BUILT_IN] == list(BUILT_IN)
    assert find_diagnostic("mine") is None


def test_an_index_of_ones_own_follows_those_of_the_package(write):
    profile = load_profile(write(INDEX))
    assert list(profile.indices) == ["swe", "fib4", "apri", "mine"]
    assert model_label("mine") == "My marker"
    assert _model_dashes("mine") == _model_dashes("swe")
    assert _model_colour("mine") not in [record.colour for record in BUILT_IN]


def test_another_file_is_another_study(write):
    first, same = load_profile(write(INDEX)).as_dict(), load_profile(write(INDEX)).as_dict()
    assert first == same != load_profile(write(INDEX + "\n# changed")).as_dict()


def test_a_pipeline_is_fitted_at_the_cutoff_of_the_study():
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    record = Diagnostic("mine", "Mine", columns=MARKER, estimator=pipeline)
    assert record.classifier(3) is not pipeline
    assert isinstance(record.classifier(3)[-1], LogisticRegression)
    staged = Diagnostic(
        "mine", "Mine", columns=MARKER, estimator=Diagnostic("a", "A", columns=MARKER, formula=abs).classifier(2)
    )
    assert staged.classifier(3).cutoff == 3


def test_low_values_may_go_with_high_stages():
    values = np.arange(1.0, 41)
    X, stage = pd.DataFrame({"marker": values}), np.where(values > 20, 0, 3)
    falling = Diagnostic("mine", "Mine", columns=MARKER, formula=lambda marker: marker, direction=-1).classifier(2)
    scores = falling.fit(X, stage).predict_proba(X)[:, 1]
    assert roc_auc_score(stage >= 2, scores) == 1
    assert falling.slope_ < 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "My Marker"}, "lower-case letters"),
        ({"label": ""}, "label must be a text"),
        ({"kind": "score"}, "kind must be 'index', 'net' or 'covariate'"),
        ({"colour": "red"}, "#RRGGBB"),
        ({"colour": 5}, "#RRGGBB, such as #7F6A00, not 5"),
        ({"citation": 5}, "citation must be a text, .* it is 5"),
        ({"columns": {}}, "at least one name of a column"),
        ({"columns": {"marker": "ng/mL"}}, "ColumnSpec"),
        ({"columns": "marker"}, "columns must map their names to ColumnSpec, .* they are 'marker'"),
        ({"columns": ["m"], "name": "m", "kind": "covariate"}, r"columns must map .* they are \['m'\]"),
        ({"formula": None}, "either a formula or an estimator"),
        ({"estimator": LogisticRegression()}, "either a formula or an estimator"),
        ({"formula": None, "estimator": LinearSVC()}, "LinearSVC has no predict_proba"),
        ({"formula": None, "estimator": LogisticRegression}, r"made with its settings, .* it is the class Logistic"),
        ({"direction": 2}, "direction must be 1"),
        ({"cutoffs": ("x",)}, "cutoffs must be a tuple of PublishedCutoff"),
        ({"cutoffs": PublishedCutoff(2, 1, 2, "", "")}, "cutoffs must be a tuple of PublishedCutoff"),
        ({"formula": "x"}, "formula must be a function; it is 'x'"),
        ({"measures": "kPa"}, "must be a ColumnSpec, of an index with a formula"),
        ({"network": list}, "belongs to the kind 'net'"),
        ({"kind": "net"}, "belong to the kind 'index'"),
    ],
)
def test_a_record_that_cannot_be_used_says_why(options, message):
    with pytest.raises(DiagnosticError, match=message):
        Diagnostic(**{"name": "mine", "label": "Mine", "columns": MARKER, "formula": abs, **options})


@pytest.mark.parametrize(
    ("formula", "returned"),
    [
        (lambda marker: 1.0, r"float of shape \(\)"),
        (lambda marker: pd.DataFrame({"marker": marker}), r"DataFrame of shape \(40, 1\)"),
        (lambda marker: marker[:3], r"ndarray of shape \(3,\)"),
    ],
)
def test_a_formula_gives_one_number_for_each_patient(formula, returned):
    classifier = Diagnostic("mine", "Mine", columns=MARKER, formula=formula).classifier(2)
    with pytest.raises(DiagnosticError, match=f"Mine: its formula must .* 40 patients; it returned {returned}"):
        classifier.fit(pd.DataFrame({"marker": np.arange(1.0, 41)}), np.arange(40) % 4)


@pytest.mark.parametrize(
    ("code", "named", "message"),
    [
        (INDEX, "elsewhere.py:MINE", r"there is no file .*elsewhere\.py"),
        (INDEX, "own.py", "must name a Python file and an object in it"),
        (INDEX, "../own.py:MINE", "must lie beside the profile"),
        (INDEX, "own.py:YOURS", "has no object 'YOURS'. Records in this file: MINE"),
        (INDEX, "own.py:same", "'same' is no Diagnostic but function"),
        ("MINE = 1 / 0", "own.py:MINE", "cannot be run .ZeroDivisionError"),
        ("MINE = (", "own.py:MINE", "cannot be run .SyntaxError"),
        (INDEX.replace("'mine'", "'fib4'"), "own.py:MINE", "the package has a diagnostic 'fib4' already"),
        (INDEX.replace("'mine'", "'My'"), "own.py:MINE", "lower-case letters"),
        (INDEX.replace("'marker':", "'ast':"), "own.py:MINE", "of the column 'ast' what another diagnostic does not"),
        (INDEX.replace("'marker':", "'stage':"), "own.py:MINE", "cannot read the column 'stage'"),
        (NET, "own.py:SMALL", r"no model uses the net .* architecture = \"small\""),
        (HEAD + "MINE = Diagnostic('mine', 'Mine', kind='net')", "own.py:MINE", "the net 'mine' has no network"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_its_profile(write, code, named, message):
    with pytest.raises(FibrolibError, match=rf"(?s)mine\.toml.*{message}"):
        load_profile(write(code, named))


@pytest.mark.parametrize(
    ("further", "message"),
    [
        (USED + "options = { depth = 3 }", "small has no option 'depth'; it has width"),
        (USED + "options = { width = 0.5 }", "the network 'small' cannot be built .ValueError"),
        (USED + '[[diagnostics]]\nimport = "own.py:SMALL"', "two diagnostics are called 'small'"),
        (USED + '[[diagnostics]]\nfile = "own.py"', "takes import = .* and nothing else; it has file"),
        ('[models.swe]\narchitecture = "small"', "has the name of an index"),
    ],
)
def test_a_net_of_ones_own_is_tried_before_the_work(write, further, message):
    with pytest.raises(FibrolibError, match=message):
        load_profile(write(NET, "own.py:SMALL", further))


def test_what_is_no_net_of_clips_is_refused(write):
    code = NET.replace("class Small(ClipNetwork)", "class Small(nn.Module)")
    with pytest.raises(FibrolibError, match=r"must be a fibrolib\.nets\.ClipNetwork"):
        load_profile(write(code, "own.py:SMALL", USED))


def test_the_fits_of_a_net_are_those_of_its_file(write, tmp_path):
    first = load_profile(write(NET, "own.py:SMALL", USED)).model("small")
    with pytest.raises(FibrolibError, match=r"has loaded another network 'small'.*Restart the kernel"):
        load_profile(write(NET + "\n# changed", "own.py:SMALL", USED))
    LOADED.clear()
    assert load_profile(write(NET + "\n# changed", "own.py:SMALL", USED)).model("small") != first


def test_another_process_builds_the_net(write, tmp_path):
    load_profile(write(NET, "own.py:SMALL", USED))
    net = NetClassifier("small", n_stages=3)
    net.n_stages_ = 3
    net.module_ = net._build()
    (tmp_path / "net.pickle").write_bytes(pickle.dumps(net))
    code = "import pickle, sys; net = pickle.load(open(sys.argv[1], 'rb')); print(type(net._build()).__name__)"
    found = subprocess.run([sys.executable, "-c", code, tmp_path / "net.pickle"], capture_output=True, text=True)
    assert found.stdout == "Small\n", found.stderr


def table_of(folder, ids, **further):
    for name in ids:
        (folder / f"{name}.mp4").touch()
    table = pd.DataFrame(
        {"patient_id": ids, "video": [f"{name}.mp4" for name in ids], "stage": np.arange(len(ids)) % 4}
    )
    table.assign(**further).to_csv(folder / "cohort.csv", index=False)
    return folder / "cohort.csv"


def test_a_declared_column_is_checked_and_kept(write, tmp_path):
    indices = load_profile(write(INDEX)).indices.values()
    ids = [f"P{number}" for number in range(24)]
    cohort = read_cohort(table_of(tmp_path, ids, marker=np.arange(1, 25)), diagnostics=indices)
    assert cohort.patients()["marker"].tolist() == list(range(1, 25))
    assert list(cohort.numbers) == [*NUMBERS, "marker"]
    with pytest.raises(CohortError, match=r"column 'marker': 'x' is no number. Expected ng/mL"):
        read_cohort(table_of(tmp_path, ids, marker="x"), diagnostics=indices)


def test_a_table_without_a_declared_column_is_told_so_unless_its_patients_are_virtual(write, tmp_path):
    indices = load_profile(write(INDEX)).indices.values()
    with pytest.raises(CohortError, match="column 'marker': this column is missing, which the diagnostic My marker"):
        read_cohort(table_of(tmp_path, [f"P{number}" for number in range(24)]), diagnostics=indices)
    virtual = read_cohort(table_of(tmp_path, [f"virtual-{number}" for number in range(24)]), diagnostics=indices)
    assert virtual.patients()["marker"].isna().all()


def test_a_diagnostic_is_asked_for_by_a_text(tmp_path):
    with pytest.raises(DiagnosticError, match=r"must be a text, .* such as 'elf.py:ELF'; it is .*Path"):
        load_diagnostic(tmp_path / "own.py", tmp_path)


def test_files_are_loaded_by_their_content(tmp_path):
    (tmp_path / "own.py").write_text(INDEX)
    record, file = load_diagnostic("own.py:MINE", tmp_path)
    assert load_diagnostic("own.py:MINE", str(tmp_path)) == (record, file)
    (tmp_path / "own.py").write_text(INDEX.replace("My marker", "Another"))
    assert load_diagnostic("own.py:MINE", tmp_path)[1].digest != file.digest
    assert find_diagnostic("mine").label == "Another"
