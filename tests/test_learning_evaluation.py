import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC

from fibrolib.diagnostics import APRI, FIB4
from fibrolib.errors import FibrolibError
from fibrolib.learning import NetClassifier, auc_at_cutoff, evaluate, stage_folds
from fibrolib.learning.evaluation import _search_table
from fibrolib.stages import at_least

TINY = {"options": {"width": 4}, "clip_length": 4, "n_clips": 1, "epochs": 2, "batch_size": 6, "n_threads": 1}
EXTEND = Path(__file__).parents[1] / "docs" / "extend.md"
LABS = ["age", "ast", "alt", "platelets"]


class Ruler(ClassifierMixin, BaseEstimator):
    """A user's own diagnostic in ten lines: reads a number, scales it by what it saw in training."""

    columns = ("number",)

    def __init__(self, cutoff=1, sign=1):
        self.cutoff, self.sign = cutoff, sign

    def fit(self, X, y, validation=None):
        self.classes_, self.scale_, self.seen_ = np.array([0, 1]), X["number"].max() + 10, set(X.index)
        self.targets_, self.validation_ = set(y), validation
        return self

    def predict_proba(self, X):
        score = 0.5 + self.sign * X["number"].to_numpy() / self.scale_ / 2
        return np.column_stack([1 - score, score])


class Greedy(ClassifierMixin, BaseEstimator):
    """Takes every numeric column that it can get hold of; notes what it was given."""

    def __init__(self, reverse=False):
        self.reverse = reverse

    def fit(self, X, y):
        self.model_ = LogisticRegression(C=1e6).fit(X.select_dtypes("number"), y)
        self.given_, self.classes_ = list(X.columns), np.array([1, 0] if self.reverse else [0, 1])
        return self

    def predict_proba(self, X):
        return self.model_.predict_proba(X.select_dtypes("number"))[:, self.classes_]


class Viewer(Greedy):
    """What it reads depends on a setting, as with nets."""

    def __init__(self, view="number", reverse=False):
        super().__init__(reverse)
        self.view = view

    @property
    def columns(self):
        return (self.view,)


def plain():
    return make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression())


@pytest.fixture
def labs(patients):
    """The patients, with blood values that know a little of the stage."""
    random, stage = np.random.default_rng(1), patients["stage"]
    means = {"age": 45 + 4 * stage, "ast": 40 + 10 * stage, "alt": 50 + 5 * stage, "platelets": 240 - 15 * stage}
    return patients.assign(**{name: mean * random.lognormal(0, 0.3, 60) for name, mean in means.items()})


@pytest.fixture
def patients():
    random = np.random.default_rng(0)
    stage = np.repeat([0, 1, 2, 3], 15)
    table = pd.DataFrame({"stage": stage, "number": stage + random.normal(0, 1.0, 60)})
    return table.set_index(pd.Index([f"p{i}" for i in range(60)], name="patient_id"))


@pytest.fixture
def split(patients):
    sides = np.array(["train"] * 4 + ["validation", "test"])
    return pd.Series(sides[np.arange(60) % 6], index=patients.index)


def test_user_diagnostic_takes_the_same_road(patients, split):
    found = evaluate("ruler", Ruler(cutoff=2), patients.assign(split=split), grid={"sign": [-1, 1]}, n_folds=4)
    assert found.best == {"sign": 1}
    assert found.search["rank"].tolist() == [1, 2]
    assert found.histories.empty
    table = found.predictions
    assert table.groupby("split").size().to_dict() == {"train": 40, "validation": 10, "test": 10}
    assert not table.duplicated(["patient_id", "model"]).any()
    assert sorted(table["fold"].dropna().unique()) == [1, 2, 3, 4]
    assert table.loc[table["split"] != "train", "fold"].isna().all()
    assert (table["y_true"] == at_least(table["stage"], 2)).all()
    by_fold = table.dropna(subset=["fold"]).groupby("fold")
    expected = [roc_auc_score(rows["y_true"], rows["y_score"]) for _, rows in by_fold]
    np.testing.assert_allclose(found.cv_auc, expected)
    assert found.final.seen_ == set(split.index[split == "train"])


def test_missing_scores_are_left_out(patients, split):
    patients.loc[["p0", "p4", "p5"], "number"] = np.nan
    found = evaluate("ruler", Ruler(cutoff=2), patients.assign(split=split), n_folds=4)
    assert len(found.predictions) == 57
    assert np.isfinite(found.cv_auc).all()


def test_folds_hold_every_patient_once_and_every_stage():
    stages = np.repeat([0, 1, 2, 3, 4], [14, 20, 14, 11, 18])
    folds = stage_folds(stages, cutoff=2, n_folds=5, seed=0)
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(77))
    for train, test in folds:
        assert not set(train) & set(test)
        assert set(stages[test]) == {0, 1, 2, 3, 4}


def test_folds_of_a_rare_stage_are_stratified_by_cutoff():
    stages = np.repeat([0, 1, 4], [10, 10, 2])
    folds = stage_folds(stages, cutoff=1, n_folds=5, seed=0)
    assert all((stages[test] >= 1).any() and (stages[test] < 1).any() for _, test in folds)


def test_scorer_needs_both_sides(patients):
    ruler = Ruler(cutoff=2).fit(patients, patients["stage"])
    assert np.isnan(auc_at_cutoff(ruler, patients.iloc[:10], patients["stage"].iloc[:10]))


def test_nothing_leaks_from_the_test_patients(flicker_patients):
    """Other labels and other videos of the test patients: not one score or setting of the others changes."""
    sides = np.array(["train", "train", "train", "validation", "test", "train"])
    split = pd.Series(sides[np.arange(24) % 6], index=flicker_patients.index)
    test = split == "test"
    other = flicker_patients.copy()
    other.loc[test, "stage"] = [(stage + 1) % 3 for stage in other.loc[test, "stage"]]
    other.loc[test, "clips"] = pd.Series([other["clips"].iloc[0]] * test.sum(), index=other.index[test])
    grid = {"learning_rate": [1e-3, 1e-2]}
    net = NetClassifier(**TINY, cutoff=1, n_stages=3)
    found, again = (evaluate("n", net, p.assign(split=split), grid=grid, n_folds=2) for p in (flicker_patients, other))
    assert found.best == again.best
    pd.testing.assert_frame_equal(found.search, again.search)
    pd.testing.assert_frame_equal(found.histories, again.histories)
    known = [table.predictions.query("split != 'test'") for table in (found, again)]
    pd.testing.assert_frame_equal(*known)
    for ours, theirs in zip(
        found.final.module_.state_dict().values(), again.final.module_.state_dict().values(), strict=True
    ):
        assert (ours == theirs).all()


def test_scores_of_test_patients_do_not_depend_on_their_labels(flicker_patients):
    split = pd.Series(np.array(["train", "train", "validation", "test"])[np.arange(24) % 4], flicker_patients.index)
    other = flicker_patients.copy()
    test = split == "test"
    other.loc[test, "stage"] = [(stage + 1) % 3 for stage in other.loc[test, "stage"]]
    net = NetClassifier(**TINY, cutoff=1, n_stages=3)
    scores = [
        evaluate("n", net, p.assign(split=split), n_folds=2).predictions.query("split == 'test'")["y_score"].to_numpy()
        for p in (flicker_patients, other)
    ]
    assert (scores[0] == scores[1]).all()


def test_parallel_folds_give_the_same_result(flicker_patients):
    split = pd.Series(np.array(["train", "train", "validation", "test"])[np.arange(24) % 4], flicker_patients.index)
    net = NetClassifier(**TINY, cutoff=1, n_stages=3)
    one, two = (evaluate("n", net, flicker_patients.assign(split=split), n_folds=2, n_jobs=jobs) for jobs in (1, 2))
    pd.testing.assert_frame_equal(one.predictions, two.predictions)


def test_a_fold_without_a_class_does_not_decide():
    results = {"params": [{"a": 1}, {"a": 2}], "split0_test_score": [0.6, 0.9], "split1_test_score": [np.nan, np.nan]}
    table = _search_table(results, 2)
    assert table["auc_mean"].tolist() == [0.9, 0.6]
    assert table["a"].tolist() == [2, 1]
    assert table["rank"].tolist() == [1, 2]
    with pytest.raises(ValueError, match="no fold holds both classes"):
        _search_table({**results, "split0_test_score": [np.nan, 0.9]}, 2)


@pytest.mark.parametrize(
    ("second", "chosen"), [([0.71, 0.79, 0.76], 1), ([0.78, 0.84, 0.81], 2)], ids=["within one SE", "beyond it"]
)
def test_the_first_setting_within_one_standard_error_is_chosen(second, chosen):
    """Means .733 and .753 with standard error .023; .720 and .810 with .017."""
    first = [0.70, 0.74, 0.76] if chosen == 1 else [0.70, 0.74, 0.72]
    results = {"params": [{"a": 1}, {"a": 2}, {"a": 3}]}
    results |= {f"split{k}_test_score": [first[k], second[k], 0.5] for k in range(3)}
    table = _search_table(results, 3)
    assert table["a"].tolist() == ([1, 2, 3] if chosen == 1 else [2, 1, 3])


def test_options_of_a_net_are_columns_of_the_search():
    """A dictionary in a table is read back from CSV as text, which equals no setting."""
    settings = [{"a": 1}, {"a": 2, "options": {"freeze_to_stride": 0, "scales": [16]}}]
    table = _search_table({"params": settings, "split0_test_score": [0.9, 0.6]}, 1)
    assert table.columns[:3].tolist() == ["a", "options.freeze_to_stride", "options.scales"]
    assert table["options.freeze_to_stride"].isna().tolist() == [True, False]


def test_options_that_a_grid_chooses_are_those_of_the_final_net(flicker_patients):
    split = pd.Series(np.array(["train", "train", "validation", "test"])[np.arange(24) % 4], flicker_patients.index)
    grid = [{"learning_rate": [1e-3]}, {"options": [{"width": 8}], "epochs": [1]}]
    found = evaluate(
        "n", NetClassifier(**TINY, cutoff=1, n_stages=3), flicker_patients.assign(split=split), grid=grid, n_folds=2
    )
    assert found.search.columns[:3].tolist() == ["learning_rate", "epochs", "options.width"]
    chosen = found.search["options.width"].notna()[0]
    assert found.best == [{"learning_rate": 1e-3}, {"epochs": 1, "options": {"width": 8}}][int(chosen)]
    assert found.best.items() <= found.final.get_params().items()


def test_a_fit_that_fails_is_not_passed_over(flicker_patients):
    split = pd.Series(np.array(["train", "train", "validation", "test"])[np.arange(24) % 4], flicker_patients.index)
    net = NetClassifier(**TINY | {"options": {"width": 4, "no_such_option": 1}}, cutoff=1, n_stages=3)
    with pytest.raises(ValueError, match="motion_resnet3d has no option no_such_option"):
        evaluate("n", net, flicker_patients.assign(split=split), grid={"learning_rate": [1e-3, 1e-2]}, n_folds=2)


def test_a_classifier_that_takes_all_numbers_cannot_see_the_stage(patients, split):
    patients = patients.assign(number=np.random.default_rng(3).normal(size=60), label=at_least(patients["stage"], 2))
    found = evaluate("greedy", Greedy(), patients.assign(split=split), columns=["number"], n_folds=4)
    assert found.final.given_ == ["number"]
    assert found.cv_auc.mean() < 0.8
    seen = Greedy().fit(patients, patients["label"]).predict_proba(patients)[:, 1]
    assert roc_auc_score(patients["label"], seen) == 1.0  # what it would have had


def test_a_plain_pipeline_scores_as_in_scikit_learn(labs, split):
    labs.loc[["p0", "p4", "p7"], "ast"] = np.nan
    found = evaluate("plain", plain(), labs.assign(split=split), columns=LABS, cutoff=3, n_folds=4, seed=5)
    train, label = labs[split == "train"], at_least(labs["stage"], 3)[split == "train"]
    folds = stage_folds(train["stage"], cutoff=3, n_folds=4, seed=5)
    expected = cross_val_predict(plain(), train[LABS], label, cv=folds, method="predict_proba")[:, 1]
    table = found.predictions.set_index("patient_id")
    ours = table.loc[train.index]
    np.testing.assert_array_equal(ours["y_score"], expected)
    np.testing.assert_array_equal(ours["y_true"], label)
    np.testing.assert_array_equal(ours["stage"], train["stage"])
    by_fold = [roc_auc_score(label.iloc[held_out], expected[held_out]) for _, held_out in folds]
    np.testing.assert_allclose(found.cv_auc, by_fold, rtol=1e-12)
    others = labs[split != "train"]
    final = plain().fit(train[LABS], label).predict_proba(others[LABS])[:, 1]
    np.testing.assert_allclose(table.loc[others.index, "y_score"], final, rtol=1e-12)


def test_a_grid_reaches_the_steps_of_a_pipeline(labs, split):
    grid = {"logisticregression__C": [1e-4, 1e-2, 1.0], "simpleimputer__strategy": ["mean", "median"]}
    found = evaluate("plain", plain(), labs.assign(split=split), columns=LABS, grid=grid, n_folds=4)
    train, label = labs[split == "train"], at_least(labs["stage"], 2)[split == "train"]
    folds = stage_folds(train["stage"], cutoff=2, n_folds=4, seed=0)
    expected = GridSearchCV(plain(), grid, scoring="roc_auc", cv=folds).fit(train[LABS], label)
    np.testing.assert_allclose(found.search["auc_mean"], expected.cv_results_["mean_test_score"], rtol=1e-12)
    assert found.best == expected.best_params_


@pytest.mark.parametrize(("below", "chosen"), [(0.4, "cautious"), (0.6, "best")])
def test_the_standard_error_does_not_shrink_as_divisions_are_repeated(below, chosen):
    """Sixteen folds are four divisions of the same patients: the error is that of four folds."""
    scores = np.random.default_rng(0).normal(0.7, 0.05, 16)
    shift = below * scores.std(ddof=1)
    folds = {f"split{fold}_test_score": [score - shift, score] for fold, score in enumerate(scores)}
    settings = [{"way": "cautious"}, {"way": "best"}]
    assert _search_table({"params": settings, **folds}, 4, 4)["way"].iloc[0] == chosen


def test_repeated_divisions_choose_the_setting_and_leave_the_out_of_fold_scores(labs, split):
    """The mean is over all divisions; its standard error stays that of one division into folds."""
    grid = {"logisticregression__C": [1e-4, 1e-2, 1.0]}
    given = {"diagnostic": plain(), "patients": labs.assign(split=split), "columns": LABS, "n_folds": 4, "seed": 3}
    once, found = (evaluate("plain", grid=grid, n_repeats=repeats, **given) for repeats in (1, 5))
    train, label = labs[split == "train"], at_least(labs["stage"], 2)[split == "train"]
    divisions = [stage_folds(train["stage"], cutoff=2, n_folds=4, seed=3 + 10_007 * number) for number in range(5)]
    held_out = {tuple(fold) for division in divisions for _, fold in division}
    assert len(held_out) == 20, "divided anew each time"
    every_fold = [fold for division in divisions for fold in division]
    results = GridSearchCV(plain(), grid, scoring="roc_auc", cv=every_fold).fit(train[LABS], label).cv_results_
    mean = results["mean_test_score"]
    best = mean.argmax()
    error = np.std([results[f"split{fold}_test_score"][best] for fold in range(20)], ddof=1) / 4**0.5
    assert found.best == results["params"][int(np.flatnonzero(mean >= mean[best] - error)[0])]
    np.testing.assert_allclose(sorted(found.search["auc_mean"]), sorted(mean), rtol=1e-12)
    alone = [evaluate("plain", n_repeats=repeats, **given).predictions for repeats in (1, 5)]
    pd.testing.assert_frame_equal(*alone)
    assert found.cv_auc.shape == once.cv_auc.shape == (4,)


def test_indices_score_as_their_formulae_say(labs, split):
    """They are given four columns, or two, where it was all: not a score or fold changes."""
    train = labs[split == "train"]
    folds = stage_folds(train["stage"], cutoff=2, n_folds=4, seed=0)
    formulae = {FIB4: labs["age"] * labs["ast"] / (labs["platelets"] * labs["alt"] ** 0.5)}
    formulae[APRI] = labs["ast"] / labs["platelets"]  # up to factors that no AUC knows of
    for index, raw in formulae.items():
        found = evaluate("index", index.classifier(2), labs.assign(split=split), n_folds=4)
        label = at_least(train["stage"], 2)
        by_fold = [roc_auc_score(label.iloc[held_out], raw[train.index].iloc[held_out]) for _, held_out in folds]
        np.testing.assert_allclose(found.cv_auc, by_fold, rtol=1e-12)
        whole = [index.classifier(2).fit(train.iloc[seen], train["stage"].iloc[seen]) for seen, _ in folds]
        scores = [fit.predict_proba(train.iloc[out])[:, 1] for fit, (_, out) in zip(whole, folds, strict=True)]
        table = found.predictions
        np.testing.assert_array_equal(table.loc[table["split"] == "train", "y_score"], np.concatenate(scores))
        assert found.final.feature_names_in_.tolist() == list(index.columns)


def test_a_net_is_given_its_view_alone():
    assert NetClassifier().columns == ("clips",)
    assert NetClassifier(view="stills").columns == ("stills",)


def test_columns_follow_the_settings_of_a_grid(patients, split):
    patients["other"] = patients["number"] ** 3
    found = evaluate("v", Viewer(), patients.assign(split=split), grid={"view": ["number", "other"]}, n_folds=2)
    assert found.final.given_ == ["number", "other"]


def test_an_attribute_of_a_pipeline_declares_its_columns(labs, split):
    pipeline = plain()
    pipeline.columns = "ast"
    grid = {"logisticregression__C": [1e-2, 1.0]}
    found = evaluate("plain", pipeline, labs.assign(split=split), grid=grid, n_folds=2)
    assert found.final.feature_names_in_.tolist() == ["ast"]


@pytest.mark.parametrize("columns", [None, []])
def test_no_declared_columns(labs, split, columns):
    with pytest.raises(FibrolibError, match="plain declares no columns") as error:
        evaluate("plain", plain(), labs.assign(split=split), columns=columns)
    assert "evaluate(..., columns=[...])" in str(error.value)
    assert str(error.value).endswith("There are: number, age, ast, alt, platelets.")


@pytest.mark.parametrize(("wrong", "right"), [("platelet", "platelets"), ("AST", "ast")])
def test_a_declared_column_that_is_not_there_is_named_with_the_nearest(labs, split, wrong, right):
    with pytest.raises(FibrolibError, match=rf"'{wrong}', which the patients do not have\. Did you mean '{right}'\?"):
        evaluate("plain", plain(), labs.assign(split=split), columns=["age", wrong])


@pytest.mark.parametrize("column", ["stage", "split", "y_true"])
def test_outcomes_cannot_be_declared(labs, split, column):
    table = labs.assign(split=split, y_true=at_least(labs["stage"], 2))
    with pytest.raises(FibrolibError, match=f"plain declares the column '{column}', which holds the outcome"):
        evaluate("plain", plain(), table.assign(split=split), columns=["age", column])


@pytest.mark.parametrize(
    "disguise",
    [
        lambda stage: stage * 2.0,
        lambda stage: [f"F{value}" for value in stage],
        lambda stage: stage >= 2,
        lambda stage: 1 - at_least(stage, 3),
    ],
)
def test_outcomes_by_another_name_cannot_be_declared(labs, split, disguise):
    with pytest.raises(FibrolibError, match="'metavir', which is the stage, or a label made from it"):
        evaluate(
            "plain", plain(), labs.assign(metavir=disguise(labs["stage"])).assign(split=split), columns=["metavir"]
        )


def test_one_value_that_differs_is_no_outcome(labs, split):
    labs["sign"] = at_least(labs["stage"], 2)
    labs.loc["p0", "sign"] = 1
    assert evaluate("plain", plain(), labs.assign(split=split), columns=["sign"], n_folds=2).cv_auc.mean() > 0.9


def test_validation_reaches_only_a_fit_that_takes_it(patients, split):
    known = evaluate("ruler", Ruler(cutoff=2), patients.assign(split=split), n_folds=2).final
    X, y = known.validation_
    pd.testing.assert_frame_equal(X, patients.loc[split == "validation", ["number"]])
    np.testing.assert_array_equal(y, patients.loc[split == "validation", "stage"])
    assert known.targets_ == {0, 1, 2, 3}
    assert evaluate("greedy", Greedy(), patients.assign(split=split), columns=["number"], n_folds=2).final.given_ == [
        "number"
    ]


def test_a_pipeline_that_ends_in_a_cutoff_learns_stages(patients, split):
    pipeline = make_pipeline(FunctionTransformer(), Ruler(cutoff=3))
    found = evaluate("ruler", pipeline, patients.assign(split=split), columns=["number"], n_folds=2)
    assert found.final[-1].targets_ == {0, 1, 2, 3}
    assert found.final[-1].validation_ is None
    assert (found.predictions["y_true"] == at_least(found.predictions["stage"], 3)).all()
    expected = evaluate("ruler", Ruler(cutoff=3), patients.assign(split=split), n_folds=2)
    pd.testing.assert_frame_equal(found.predictions, expected.predictions)


def test_the_cutoffs_agree(patients, split):
    with pytest.raises(FibrolibError, match="the cut-off of the evaluation is 3, that of its classifier 2"):
        evaluate("ruler", Ruler(cutoff=2), patients.assign(split=split), cutoff=3)
    with pytest.raises(FibrolibError, match="the cut-off of the evaluation is 2, that of its classifier 3"):
        evaluate("ruler", Ruler(cutoff=2), patients.assign(split=split), grid={"cutoff": [2, 3]})
    assert evaluate("ruler", Ruler(cutoff=2), patients.assign(split=split), cutoff=2, n_folds=2).final.cutoff == 2


def test_the_usual_cutoff_is_significant_fibrosis(patients, split):
    table = evaluate("plain", plain(), patients.assign(split=split), columns=["number"], n_folds=2).predictions
    assert (table["y_true"] == (table["stage"] >= 2)).all()


def test_the_order_of_the_classes_is_respected(patients, split):
    tables = [
        evaluate("g", Greedy(reverse), patients.assign(split=split), columns=["number"], n_folds=2).predictions
        for reverse in (False, True)
    ]
    pd.testing.assert_frame_equal(*tables)


def test_classes_that_are_stages_are_refused(patients, split):
    class Stager(LogisticRegression):
        cutoff = 2

    with pytest.raises(FibrolibError, match=r"Stager has the classes \[0, 1, 2, 3\]. Expected 0"):
        evaluate("stager", Stager(), patients.assign(split=split), columns=["number"], n_folds=2)


def test_probabilities_are_needed(labs, split):
    svc = make_pipeline(StandardScaler(), LinearSVC())
    with pytest.raises(FibrolibError, match="svc: Pipeline has no predict_proba, and probabilities are needed"):
        evaluate("svc", svc, labs.assign(split=split), columns=LABS)
    calibrated = CalibratedClassifierCV(svc, cv=2)
    assert len(evaluate("svc", calibrated, labs.assign(split=split), columns=LABS, n_folds=2).predictions) == 60


@pytest.mark.parametrize(("gap", "n_jobs"), [("p0", 1), ("p5", 1), ("p0", 2)], ids=["training", "test", "in a worker"])
def test_missing_values_that_are_not_taken_are_named(labs, split, gap, n_jobs):
    labs.loc[gap, "ast"] = np.nan
    assert (split["p0"], split["p5"]) == ("train", "test")
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    with pytest.raises(
        FibrolibError, match=r"plain does not accept missing values\. .* of 60 patients: ast \(1\)\. Begin"
    ):
        evaluate("plain", pipeline, labs.assign(split=split), columns=LABS, n_folds=2, n_jobs=n_jobs)


@pytest.mark.parametrize(
    "estimator",
    [
        HistGradientBoostingClassifier(max_iter=5),
        make_pipeline(ColumnTransformer([("ast", SimpleImputer(), ["ast"])]), LogisticRegression()),
        make_pipeline(FunctionTransformer(np.log), SimpleImputer(), LogisticRegression()),
        CalibratedClassifierCV(plain(), cv=2),
    ],
    ids=["trees", "by column", "log first", "calibrated"],
)
def test_missing_values_are_left_to_those_who_take_them(labs, split, estimator):
    labs.loc[["p0", "p5", "p10"], "ast"] = np.nan
    table = evaluate("own", clone(estimator), labs.assign(split=split), columns=LABS, n_folds=2).predictions
    assert len(table) == 60


def test_other_errors_stay_as_they_are(labs, split):
    labs.loc["p0", "ast"] = np.nan
    with pytest.raises(ValueError, match="The 'C' parameter of LogisticRegression") as error:
        evaluate(
            "plain", plain().set_params(logisticregression__C=-1.0), labs.assign(split=split), columns=LABS, n_folds=2
        )
    assert not isinstance(error.value, FibrolibError)


def test_the_page_on_diagnostics_of_your_own_runs(labs, tmp_path, monkeypatch):
    """Every example of docs/extend.md, in order, in a folder with a cohort of that name."""
    folder = tmp_path / "my"
    folder.mkdir()
    labs.loc[["p1", "p20"], "ast"] = np.nan
    videos = [f"{patient}.mp4" for patient in labs.index]
    for video in videos:
        (folder / video).touch()  # none is opened
    cohort = labs.drop(columns="number").assign(video=videos, bmi=25.0 + np.arange(60) % 7)
    cohort.to_csv(folder / "cohort.csv")
    monkeypatch.chdir(tmp_path)
    page: dict = {}
    for code in re.findall(r"```python\n(.*?)```", EXTEND.read_text("utf-8"), re.DOTALL):
        exec(code, page)
    assert page["blood"].final.feature_names_in_.tolist() == ["age", "bmi", *LABS[1:]]
    assert len(page["blood"].predictions) == 60
    assert len(page["fib4"].predictions) == len(page["de_ritis"].predictions) == 58
