"""Fresh virtual patients: who they are, and what is computed from scores of a net that is really trained."""

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from small_nets import Patch, classifier_with

from fibrolib.errors import FibrolibError
from fibrolib.experiments import SimulatedTestSet, ablate, ceilings_of
from fibrolib.experiments.simulated_test_set import SCENARIOS
from fibrolib.inference import auc, delong_test, share_of_ceiling
from fibrolib.learning import AS_FILMED, PERTURBATIONS, Evaluation, NetClassifier
from fibrolib.phantom import draw_patients
from fibrolib.study import NetEvaluations, load_profile
from fibrolib.study.runfolder import RunFolder

SEED, PATIENTS = 1, 4
LATENT = ["texture", "capsule", "strain", "scanner", "severity"]


def evaluations(folder, patients, nets, **settings) -> NetEvaluations:
    """Evaluations of finished nets, under the settings of the smoke profile."""
    finished = {
        name: Evaluation(name, net, pd.DataFrame(), np.array([]), pd.DataFrame(), {}, pd.DataFrame())
        for name, net in nets.items()
    }
    profile = load_profile("smoke")
    profile = replace(profile, models=tuple(profile.model(name) for name in nets))
    options = {"cutoff": 1, "seed": SEED, "virtual": True, **settings}
    return NetEvaluations(patients, profile, RunFolder(folder), **options, _finished=finished)


@pytest.fixture(scope="module")
def nets(flicker_patients, tmp_path_factory):
    """Nets that were trained on flickering squares for a second."""
    fitted = {
        name: NetClassifier(
            **{"options": {"width": 4}, "view": view, "clip_length": length, "n_clips": 1, "batch_size": 6},
            **{"epochs": 12, "learning_rate": 1e-2, "cutoff": 1, "n_stages": 3, "n_threads": 1},
        ).fit(flicker_patients, flicker_patients["stage"])
        for name, view, length in (("cnn2d", "stills", 2), ("cnn3d", "clips", 6))
    }
    return evaluations(tmp_path_factory.mktemp("run") / "run", flicker_patients.assign(split="train"), fitted)


@pytest.fixture(scope="module")
def simulated(nets):
    return lambda: SimulatedTestSet(replace(nets, cutoff=2), n=PATIENTS)


@pytest.fixture
def people(nets, flicker_patients):
    test_set = SimulatedTestSet(nets)
    latent = draw_patients(len(flicker_patients), seed=3)[LATENT].set_axis(flicker_patients.index)
    test_set.patients = flicker_patients.join(latent)
    return test_set


def test_fresh_patients_are_prepared_and_known(simulated):
    table = simulated().patients
    assert len(table) == PATIENTS
    assert all(path.exists() for view in ("clips", "stills") for files in table[view] for path in files)
    drawn = draw_patients(PATIENTS, SEED + 1_000_000).set_index("patient_id")
    assert (table["stage"] == drawn["stage"]).all()
    np.testing.assert_allclose(table[LATENT].astype(float), drawn[LATENT].astype(float), rtol=1e-5)


def test_the_same_seed_gives_the_same_files(simulated):
    parent, first = simulated().source.parent, simulated().patients
    videos = {path: path.stat().st_mtime_ns for path in parent.rglob("*.mp4")}
    pd.testing.assert_frame_equal(first, simulated().patients)
    assert {path: path.stat().st_mtime_ns for path in parent.rglob("*.mp4")} == videos


def test_they_are_never_the_cohorts(simulated):
    table = simulated().patients
    for seed in range(20):
        own = draw_patients(PATIENTS, seed)
        alike = [np.isclose(own[name].to_numpy(), table[name].to_numpy(), rtol=1e-4) for name in ("strain", "texture")]
        assert not np.logical_and(*alike).any()


def test_every_seed_and_every_strength_has_its_folder(nets):
    settings = [(seed, strengths) for seed in (0, 1) for strengths in SCENARIOS.values()]
    folders = {SimulatedTestSet(replace(nets, seed=seed), strengths=each, n=50).source for seed, each in settings}
    assert len(folders) == 6
    usual = replace(nets.profile, clips=replace(nets.profile.clips, max_frames=1200))
    longer = SimulatedTestSet(replace(nets, profile=usual, seed=0), n=50).source
    assert longer == nets.folder.cohorts / "virtual-fresh-50-seed0"
    assert longer not in folders  # those videos are as short as the clips


def test_nobody_can_simulate_more_of_a_hospitals_patients(nets):
    with pytest.raises(FibrolibError, match="no virtual cohort"):
        SimulatedTestSet(replace(nets, virtual=False))


def test_scores_are_those_of_the_net_and_are_kept(people, nets, monkeypatch):
    net = nets["cnn3d"].final
    cumulative_probs = people.cumulative_probs("cnn3d")
    np.testing.assert_allclose(cumulative_probs, net.predict_cumulative(people.patients))
    assert list(cumulative_probs.columns) == [1, 2]
    changed = people.cumulative_probs("cnn3d", "frozen")
    alone = net.predict_perturbed(people.patients, {"frozen": PERTURBATIONS["frozen"]})["frozen"]
    np.testing.assert_allclose(changed, alone, rtol=1e-5)
    assert len(list(nets.folder.cache.folder.glob("scores-cnn3d-*"))) == 2
    monkeypatch.setattr(NetClassifier, "predict_cumulative", lambda *_: pytest.fail("scored again"))
    pd.testing.assert_frame_equal(people.cumulative_probs("cnn3d"), cumulative_probs)


def test_areas_comparisons_and_shares(people):
    truth = people.patients["stage"] >= 1
    areas = people.tables["fresh_auc"].set_index("model")
    assert list(areas.index) == ["cnn3d", "cnn2d", "oracle_still", "oracle_moving"]
    assert areas.loc["cnn3d", "auc"] == pytest.approx(auc(truth, people.cumulative_probs("cnn3d")[1]))
    (pair,) = people.tables["fresh_comparisons"].itertuples()
    assert pair.p == pytest.approx(
        delong_test(truth, people.cumulative_probs("cnn3d")[1], people.cumulative_probs("cnn2d")[1]).pvalue
    )
    shares = people.tables["fresh_shares"].set_index("model")
    for ceiling in ("still", "moving"):
        achievable = areas.loc[f"oracle_{ceiling}", "auc"] - 0.5
        by_hand = (areas.loc["cnn3d", "auc"] - 0.5) / achievable if achievable > 0 else np.nan
        assert shares.loc["cnn3d", ceiling] == pytest.approx(by_hand, nan_ok=True)
        scores = (
            people.cumulative_probs("cnn3d")[1],
            people.predictions.query(f"model == 'oracle_{ceiling}'").set_index("patient_id")["y_score"],
        )
        expected = share_of_ceiling(truth, *scores)
        assert shares.loc["cnn3d", f"{ceiling}_low"] == pytest.approx(expected.low, nan_ok=True)
    assert people.gain.difference == pytest.approx(areas.loc["oracle_moving", "auc"] - areas.loc["oracle_still", "auc"])


def test_ablations_test_each_change_against_the_clip_as_filmed(people):
    table = ablate({"here": people}, ["cnn3d", "cnn2d"], cutoff=1)
    assert table["perturbation"].tolist() == [
        AS_FILMED,
        *PERTURBATIONS,
        AS_FILMED,
    ]  # a still image has no order to lose
    rows = table[table["model"] == "cnn3d"].set_index("perturbation")
    truth, filmed = people.patients["stage"] >= 1, people.cumulative_probs("cnn3d")[1]
    for perturbation in PERTURBATIONS:
        score = people.cumulative_probs("cnn3d", perturbation)[1]
        assert rows.loc[perturbation, "auc"] == pytest.approx(auc(truth, score))
        assert rows.loc[perturbation, "loss"] == pytest.approx(
            rows.loc[AS_FILMED, "auc"] - rows.loc[perturbation, "auc"]
        )
        assert rows.loc[perturbation, "p"] == pytest.approx(delong_test(truth, filmed, score).pvalue, nan_ok=True)
    assert rows.loc[AS_FILMED, ["loss", "p", "p_holm"]].isna().all()


class OneAtATime(Patch):
    """Like an LSTM, whose weights are packed anew whenever it is moved: no two threads may use it at once."""

    busy = False

    def forward(self, clips):
        if self.busy:
            raise RuntimeError("a net was used by two threads at once")
        self.busy = True
        time.sleep(0.02)
        self.busy = False
        return super().forward(clips)


def test_threads_that_score_share_no_net(people, tmp_path):
    net = classifier_with(OneAtATime())
    net.n_stages_ = 2
    people.nets = evaluations(tmp_path, people.nets.patients, {"cnn3d": net})
    assert ablate({"here": people}, ["cnn3d"], cutoff=1)["auc"].notna().all()


def test_ceilings_fall_where_a_signal_is_off(nets):
    scenarios = {}
    for name, strengths in SCENARIOS.items():
        scenarios[name] = SimulatedTestSet(nets, strengths=strengths)
        scenarios[name].patients = draw_patients(4000, seed=5, strengths=strengths)
    ceilings = ceilings_of(scenarios, cutoff=2).set_index("scenario")
    # docs/virtual-cohort.md, from 100,000 patients: .833 / .866, and .833 / .833 without motion.
    assert ceilings.loc["published effects", ["still", "moving"]].tolist() == pytest.approx([0.833, 0.866], abs=0.02)
    assert ceilings.loc["motion = 0", "moving"] == pytest.approx(ceilings.loc["motion = 0", "still"])
    assert ceilings.loc["texture = 0, capsule = 0", "still"] == 0.5
    assert ceilings.loc["texture = 0, capsule = 0", "moving"] > 0.7
