import re
from dataclasses import replace
from importlib import resources

import pytest
from conftest import SMALL_PROFILE
from sklearn.model_selection import ParameterGrid

from fibrolib.errors import FibrolibError
from fibrolib.learning import NetClassifier
from fibrolib.study.profiles import BUILT_IN, load_profile
from fibrolib.video import QUALITY_LIMITS, STEADY_LIMITS

TEXT = (
    SMALL_PROFILE
    + """\
options = { dropout = 0.5 }
epochs = 1
grid = { learning_rate = [1e-3, 1e-2], weight_decay = [0.0, 0.1, 0.2] }
"""
)


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_profiles_make_the_three_nets_and_the_probe(name):
    profile = load_profile(name)
    assert profile.nets == ["cnn2d", "cnn2d_lstm", "cnn3d"]
    assert profile.probes == ["frozen"]
    for model in profile.models:
        net = NetClassifier(**model.arguments)
        assert {key for grid in model.grid for key in grid} <= set(net.get_params())


def test_quick_and_paper_are_the_study():
    for name in ("quick", "paper"):
        profile = load_profile(name)
        assert (profile.patients, profile.n_folds) == (110, 5)
        assert all(profile.model(net).n_settings >= 2 for net in profile.nets)


@pytest.mark.parametrize("name", ["quick", "paper"])
def test_on_real_patients_nets_begin_as_a_linear_probe_on_imagenet(name):
    virtual, real = (load_profile(name).for_cohort(virtual) for virtual in (True, False))
    assert replace(virtual, quality={}) == load_profile(name)
    for net in real.nets:
        settings = real.model(net)
        assert settings.arguments["weights"] == "imagenet"
        assert ParameterGrid(settings.grid)[0] == {"epochs": 0}
        assert virtual.model(net).arguments.get("weights") is None
    assert real.model("frozen").arguments["n_clips"] > virtual.model("frozen").arguments["n_clips"]


def test_virtual_videos_are_as_short_as_the_clips_of_an_installation_test():
    smoke, quick = load_profile("smoke"), load_profile("quick")
    assert smoke.virtual_video == {"frames": smoke.clips.max_frames, "fps": smoke.clips.fps}
    assert quick.virtual_video == {}  # two heartbeats of the patient


def test_the_setting_can_be_chosen_on_repeated_divisions_into_folds(tmp_path):
    assert [load_profile(name).n_repeats for name in BUILT_IN] == [1, 1, 3]
    path = tmp_path / "mine.toml"
    path.write_text(re.sub(r"(?m)^n = \d+", r"\g<0>\nrepeats = 2", TEXT, count=1))
    assert load_profile(str(path)).n_repeats == 2
    path.write_text(path.read_text().replace("repeats = 2", "repeats = 0"))
    with pytest.raises(FibrolibError, match=r"repeats in \[folds\] must be a number of at least 1"):
        load_profile(str(path))


def test_settings_for_real_patients_are_checked_as_others(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TEXT + "own_cohort = { learning_rat = 1 }\n")
    with pytest.raises(FibrolibError, match="unknown setting 'learning_rat'"):
        load_profile(str(path))
    path.write_text(TEXT + "own_cohort = { epochs = 3 }\n")
    settings = load_profile(str(path)).for_cohort(virtual=False).model("cnn3d")
    assert settings.arguments["epochs"] == 3
    assert settings.n_settings == 6


def test_own_profile(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TEXT)
    profile = load_profile(str(path))
    assert profile.name == "mine"
    assert profile.model("cnn3d").n_settings == 6
    assert profile.as_dict()["clips"] == {"size": 32, "fps": 10.0, "max_frames": 8}
    with pytest.raises(FibrolibError, match="has no model 'mine'; it has cnn2d, cnn2d_lstm, cnn3d"):
        profile.model("mine")


@pytest.mark.parametrize(
    ("name", "meant"), [("quik", r" Did you mean 'quick'\?"), ("Smoke", r" Did you mean 'smoke'\?"), ("nosuch", "")]
)
def test_unknown_profile(name, meant):
    with pytest.raises(FibrolibError, match=rf"Unknown profile '{name}'\.{meant} Choose one of smoke, quick, paper"):
        load_profile(name)


@pytest.mark.parametrize(("name", "said"), [("smoke", True), ("quick", False), ("paper", False)])
def test_the_smallest_profile_alone_says_that_its_numbers_mean_nothing(name, said):
    assert load_profile(name).caveat == ("A test of the installation: its numbers mean nothing." if said else "")


def test_a_profile_made_from_smoke_keeps_its_caveat_under_another_name(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text((resources.files("fibrolib.study") / "profiles" / "smoke.toml").read_text("utf-8"))
    assert load_profile(str(path)).caveat
    path.write_text(path.read_text().replace("installation_test = true", "installation_test = false"))
    assert load_profile(str(path)).caveat == ""


def test_operating_points_may_come_from_out_of_fold_scores(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TEXT)
    assert load_profile(str(path)).threshold_split == "validation"
    path.write_text(f'threshold_source = "out_of_fold"\n{TEXT}')
    assert load_profile(str(path)).threshold_split == "train"


def test_limits_of_quality_are_the_defaults_but_for_those_given(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TEXT.replace("[folds]", "[quality]\nmin_motion = 2\n[folds]"))
    for virtual, limits in ((True, STEADY_LIMITS), (False, QUALITY_LIMITS)):
        assert load_profile(str(path)).for_cohort(virtual).quality == {**limits, "min_motion": 2.0}
        assert load_profile("quick").for_cohort(virtual).quality == limits


def test_covariates_are_columns_of_any_numbers(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(f'covariates = ["waist_cm", "bmi"]\n{TEXT}')
    profile = load_profile(str(path))
    assert profile.covariates == ("waist_cm", "bmi")
    *indices, waist = profile.declared
    assert [record.name for record in indices] == list(profile.indices)
    assert (waist.name, waist.kind) == ("waist_cm", "covariate")
    assert "waist_cm" not in profile.indices
    spec = waist.columns["waist_cm"]
    assert spec.low < 0 < spec.high


def test_a_covariate_of_the_user_s_own_file_may_say_its_unit(tmp_path):
    (tmp_path / "waist.py").write_text(
        "from fibrolib.diagnostics import ColumnSpec, Diagnostic\n"
        "WAIST = Diagnostic('waist', 'Waist', 'covariate', columns={'waist': ColumnSpec('cm', 40, 200)})\n"
    )
    path = tmp_path / "mine.toml"
    path.write_text(f'{TEXT}\n[[diagnostics]]\nimport = "waist.py:WAIST"\n')
    profile = load_profile(str(path))
    assert profile.covariates == ("waist",)
    assert profile.declared[-1].columns["waist"].unit == "cm"


def test_a_grid_that_chooses_the_net_may_give_it_options_of_its_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TEXT.replace("grid = {", 'grid = { architecture = ["frame_lstm"], options = [{ hidden = 8 }],'))
    assert load_profile(str(path)).model("cnn3d").grid[0]["options"] == [{"hidden": 8}]


@pytest.mark.parametrize(
    ("perturbation", "message"),
    [
        (("[cohort]", "instalation_test = true\n[cohort]"), "unknown setting or section 'instalation_test'"),
        (("[cohort]", "installation_test = 1\n[cohort]"), "installation_test must be true or false"),
        (
            ("[cohort]", "threshold_source = 'test'\n[cohort]"),
            "threshold_source must be one of validation, out_of_fold",
        ),
        (("[cohort]", "covariates = 'waist'\n[cohort]"), "covariates: write a list of columns"),
        (("[cohort]", "covariates = ['centre']\n[cohort]"), "covariates: 'centre' cannot read the column 'centre'"),
        (("[folds]", "[quality]\nmin_movement = 2\n[folds]"), r"\[quality\] has the settings min_lit, max_shadow"),
        (("[folds]", "[quality]\nmin_motion = 'x'\n[folds]"), "min_motion in .quality. must be a number"),
        (("fps = 10.0\n", ""), r"section \[clips\] lacks fps"),
        (("epochs = 1", "epoks = 1"), "unknown setting 'epoks'"),
        (("epochs = 1", "seed = 1"), "unknown setting 'seed'"),
        (("[1e-3, 1e-2]", "1e-3"), "'learning_rate' must be a list"),
        (("[folds]", "[folds"), "not valid TOML"),
        (("[models.cnn3d]", "[models.mine]"), r"lacks the section \[models\.cnn3d\]"),
        (("dropout = 0.5", "width = 16"), "r3d_18 has no option 'width'; it has dropout"),
        (("grid = {", "grid = { options = [{ depth = 3 }],"), "r3d_18 has no option 'depth'"),
        (("grid = {", 'grid = { architecture = ["frame_lsm"],'), "unknown architecture 'frame_lsm'"),
        (
            ("grid = {", 'grid = { architecture = ["frame_cnn"], options = [{ width = 4 }],'),
            "frame_cnn has no option 'width'",
        ),
        (
            ("grid = {", 'grid = { architecture = ["frame_cnn"], options = [{ scales = "16" }],'),
            "scales must be a list",
        ),
        (("grid = {", 'grid = { architecture = ["frame_cnn"], options = [{ deviations = 1 }],'), "true or false"),
        (("grid = {", "grid = { options = { depth = 3 },"), "'options' must be a list"),
        (("grid = {", "grid = { options = ['deep'],"), "options must be a table"),
        (("dropout = 0.5", "scales = [16]"), "r3d_18 has no option 'scales'"),
        (('"r3d_18"', '"r4d_18"'), "unknown architecture 'r4d_18'"),
        (("n = 2", "n = 1"), r"n in \[folds\] must be a number of at least 2"),
        (("size = 32", "size = 'large'"), r"size in \[clips\] must be a number"),
        (("epochs = 1", "view = 'films'"), "view must be one of clips, stills"),
        (("epochs = 1", "weights = 'half-way'"), "weights must be one of simulation, interpolated, .* not 'half-way'"),
        (("grid = {", "grid = { weights = ['imagnet'],"), "weights must be one of .* not 'imagnet'"),
        (
            ("grid = {", "grid = { architecture = ['frame_cnn'], options = [{ weights = 5 }],"),
            "weights must be one of .* not 5",
        ),
    ],
)
def test_what_is_wrong_with_a_profile(tmp_path, perturbation, message):
    path = tmp_path / "mine.toml"
    path.write_text(TEXT.replace(*perturbation))
    with pytest.raises(FibrolibError, match=message):
        load_profile(str(path))
