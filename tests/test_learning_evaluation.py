import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import roc_auc_score

from fibrolib.learning import NetClassifier, auc_at_cutoff, evaluate, stage_folds
from fibrolib.learning.evaluation import _search_table
from fibrolib.stages import at_least

TINY = {"options": {"width": 4}, "length": 4, "n_windows": 1, "epochs": 2, "batch_size": 6, "n_threads": 1}


class Ruler(ClassifierMixin, BaseEstimator):
    """A user's own diagnostic in ten lines: reads a number, scales it by what it saw in training."""

    def __init__(self, cutoff=1, sign=1):
        self.cutoff, self.sign = cutoff, sign

    def fit(self, X, y, validation=None):
        self.classes_, self.scale_, self.seen_ = np.array([0, 1]), X["number"].max() + 10, set(X.index)
        return self

    def predict_proba(self, X):
        score = 0.5 + self.sign * X["number"].to_numpy() / self.scale_ / 2
        return np.column_stack([1 - score, score])


@pytest.fixture
def patients():
    random = np.random.default_rng(0)
    stage = np.repeat([0, 1, 2, 3], 15)
    table = pd.DataFrame({"stage": stage, "number": stage + random.normal(0, 1.0, 60)})
    return table.set_index(pd.Index([f"p{i}" for i in range(60)], name="patient_id"))


@pytest.fixture
def partition(patients):
    sides = np.array(["train"] * 4 + ["validation", "test"])
    return pd.Series(sides[np.arange(60) % 6], index=patients.index)


def test_user_diagnostic_takes_the_same_road(patients, partition):
    found = evaluate("ruler", Ruler(cutoff=2), patients, partition, grid={"sign": [-1, 1]}, n_folds=4)
    assert found.best == {"sign": 1}
    assert found.search["rank"].tolist() == [2, 1]
    assert found.histories.empty
    table = found.predictions
    assert table.groupby("partition").size().to_dict() == {"train": 40, "validation": 10, "test": 10}
    assert not table.duplicated(["patient_id", "model"]).any()
    assert sorted(table["fold"].dropna().unique()) == [1, 2, 3, 4]
    assert table.loc[table["partition"] != "train", "fold"].isna().all()
    assert (table["y_true"] == at_least(table["stage"], 2)).all()
    by_fold = table.dropna(subset=["fold"]).groupby("fold")
    expected = [roc_auc_score(rows["y_true"], rows["y_score"]) for _, rows in by_fold]
    np.testing.assert_allclose(found.cv_auc, expected)
    assert found.final.seen_ == set(partition.index[partition == "train"])


def test_missing_scores_are_left_out(patients, partition):
    patients.loc[["p0", "p4", "p5"], "number"] = np.nan
    found = evaluate("ruler", Ruler(cutoff=2), patients, partition, n_folds=4)
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
    partition = pd.Series(sides[np.arange(24) % 6], index=flicker_patients.index)
    test = partition == "test"
    other = flicker_patients.copy()
    other.loc[test, "stage"] = [(stage + 1) % 3 for stage in other.loc[test, "stage"]]
    other.loc[test, "clips"] = pd.Series([other["clips"].iloc[0]] * test.sum(), index=other.index[test])
    grid = {"learning_rate": [1e-3, 1e-2]}
    net = NetClassifier(**TINY, cutoff=1, n_stages=3)
    found, again = (evaluate("n", net, p, partition, grid=grid, n_folds=2) for p in (flicker_patients, other))
    assert found.best == again.best
    pd.testing.assert_frame_equal(found.search, again.search)
    pd.testing.assert_frame_equal(found.histories, again.histories)
    known = [table.predictions.query("partition != 'test'") for table in (found, again)]
    pd.testing.assert_frame_equal(*known)
    for ours, theirs in zip(
        found.final.module_.state_dict().values(), again.final.module_.state_dict().values(), strict=True
    ):
        assert (ours == theirs).all()


def test_scores_of_test_patients_do_not_depend_on_their_labels(flicker_patients):
    partition = pd.Series(np.array(["train", "train", "validation", "test"])[np.arange(24) % 4], flicker_patients.index)
    other = flicker_patients.copy()
    test = partition == "test"
    other.loc[test, "stage"] = [(stage + 1) % 3 for stage in other.loc[test, "stage"]]
    net = NetClassifier(**TINY, cutoff=1, n_stages=3)
    scores = [
        evaluate("n", net, p, partition, n_folds=2).predictions.query("partition == 'test'")["y_score"].to_numpy()
        for p in (flicker_patients, other)
    ]
    assert (scores[0] == scores[1]).all()


def test_parallel_folds_give_the_same_result(flicker_patients):
    partition = pd.Series(np.array(["train", "train", "validation", "test"])[np.arange(24) % 4], flicker_patients.index)
    net = NetClassifier(**TINY, cutoff=1, n_stages=3)
    one, two = (evaluate("n", net, flicker_patients, partition, n_folds=2, n_jobs=jobs) for jobs in (1, 2))
    pd.testing.assert_frame_equal(one.predictions, two.predictions)


def test_a_fold_without_a_class_does_not_decide():
    results = {"params": [{"a": 1}, {"a": 2}], "split0_test_score": [0.6, 0.9], "split1_test_score": [np.nan, np.nan]}
    table = _search_table(results, 2)
    assert table["auc_mean"].tolist() == [0.6, 0.9]
    assert table["rank"].tolist() == [2, 1]
    with pytest.raises(ValueError, match="no fold holds both classes"):
        _search_table({**results, "split0_test_score": [np.nan, 0.9]}, 2)


def test_options_of_a_net_are_columns_of_the_search():
    """A dictionary in a table is read back from CSV as text, which equals no setting."""
    settings = [{"a": 1}, {"a": 2, "options": {"hold": 0, "scales": [16]}}]
    table = _search_table({"params": settings, "split0_test_score": [0.6, 0.9]}, 1)
    assert table.columns[:3].tolist() == ["a", "options.hold", "options.scales"]
    assert table["options.hold"].isna().tolist() == [True, False]


def test_options_that_a_grid_chooses_are_those_of_the_final_net(flicker_patients):
    partition = pd.Series(np.array(["train", "train", "validation", "test"])[np.arange(24) % 4], flicker_patients.index)
    grid = [{"learning_rate": [1e-3]}, {"options": [{"width": 8}], "epochs": [1]}]
    found = evaluate(
        "n", NetClassifier(**TINY, cutoff=1, n_stages=3), flicker_patients, partition, grid=grid, n_folds=2
    )
    assert found.search.columns[:3].tolist() == ["learning_rate", "epochs", "options.width"]
    chosen = found.search["auc_mean"].to_numpy().argmax()
    assert found.best == [{"learning_rate": 1e-3}, {"epochs": 1, "options": {"width": 8}}][chosen]
    assert found.best.items() <= found.final.get_params().items()


def test_a_fit_that_fails_is_not_passed_over(flicker_patients):
    partition = pd.Series(np.array(["train", "train", "validation", "test"])[np.arange(24) % 4], flicker_patients.index)
    net = NetClassifier(**TINY | {"options": {"width": 4, "no_such_option": 1}}, cutoff=1, n_stages=3)
    with pytest.raises(ValueError, match="motion_resnet3d has no option no_such_option"):
        evaluate("n", net, flicker_patients, partition, grid={"learning_rate": [1e-3, 1e-2]}, n_folds=2)
