import ast
import json
import pickle
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import make_patients
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from fibrolib.errors import FibrolibError
from fibrolib.learning import PERTURBATIONS, NetClassifier, classifier, training
from fibrolib.learning.training import torch_threads, warm_cosine
from fibrolib.nets import write_tensors
from fibrolib.nets.volume import _MotionSlowFast
from fibrolib.video import load_clip, save_clip

TINY = {"options": {"width": 4}, "clip_length": 4, "n_clips": 2, "epochs": 6, "batch_size": 6, "n_threads": 1}


def split(patients):
    return patients.iloc[:12], patients.iloc[12:18], patients.iloc[18:]


def fitted(patients, **options):
    train, validation, _ = split(patients)
    net = NetClassifier(**{**TINY, "cutoff": 1, "n_stages": 3, **options})
    return net.fit(train, train["stage"], validation=(validation, validation["stage"]))


@pytest.fixture(scope="module")
def net(flicker_patients):
    return fitted(flicker_patients, learning_rate=1e-2, epochs=12)


def test_an_interrupted_fit_is_not_kept_as_a_finished_one(flicker_patients, tmp_path, monkeypatch):
    def interrupt_at_third_step(step, total):
        if step == 3:
            signal.raise_signal(signal.SIGINT)
        return warm_cosine(step, total)

    monkeypatch.setattr(training, "warm_cosine", interrupt_at_third_step)
    with pytest.raises(KeyboardInterrupt):
        fitted(flicker_patients, memory=tmp_path)
    assert not list(tmp_path.iterdir())


def test_learns_what_moves(net, flicker_patients):
    *_, test = split(flicker_patients)
    assert roc_auc_score(test["stage"] >= 1, net.predict_proba(test)[:, 1]) == 1.0


def test_probabilities(net, flicker_patients):
    test = flicker_patients.iloc[18:]
    proba, stages = net.predict_proba(test), net.predict_stage_proba(test)
    assert proba.shape == (6, 2)
    np.testing.assert_allclose(proba.sum(1), 1)
    np.testing.assert_allclose(stages.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(stages[:, 1:].sum(1), proba[:, 1], rtol=1e-6)
    assert (net.predict(test) == (proba[:, 1] >= 0.5)).all()
    assert (np.diff(net.predict_cumulative(test), axis=1) <= 0).all()


@pytest.mark.parametrize("architecture", ["motion_resnet3d", "frame_lstm"])
def test_perturbed_windows_are_scored_as_files_that_look_so(architecture, flicker_patients, tmp_path):
    options = {"weights": "scratch"} if architecture == "frame_lstm" else {"width": 4}
    net = fitted(flicker_patients, architecture=architecture, options=options, epochs=1, n_clips=1, clip_length=10)
    found = net.predict_perturbed(flicker_patients, PERTURBATIONS)
    assert list(found) == list(PERTURBATIONS)
    for name, change in PERTURBATIONS.items():
        files = []
        for patient, (path,) in flicker_patients["clips"].items():
            clip, changed = load_clip(path), tmp_path / f"{name}-{patient}.npz"
            save_clip(changed, replace(clip, frames=change(clip.frames)))
            files.append((changed,))
        np.testing.assert_allclose(
            found[name], net.predict_cumulative(flicker_patients.assign(clips=files)), rtol=1e-4, atol=1e-6
        )


def test_scores_do_not_depend_on_who_else_is_scored(net, flicker_patients):
    together = net.predict_proba(flicker_patients)[:, 1]
    alone = [net.predict_proba(flicker_patients.iloc[[row]])[0, 1] for row in range(3)]
    np.testing.assert_allclose(together[:3], alone, rtol=1e-5)


def test_a_fitted_net_reaches_a_fresh_process(tmp_path):
    """There timm is imported for the first time, which needs the package's help."""
    patients = make_patients(tmp_path, 6, side=32)
    net = NetClassifier(
        "frame_cnn", {"weights": "scratch"}, clip_length=1, n_clips=1, epochs=1, n_stages=3, n_threads=1
    )
    net.fit(patients, patients["stage"])
    (tmp_path / "net.pickle").write_bytes(pickle.dumps(net))
    patients.to_pickle(tmp_path / "patients.pickle")
    script = (
        "import pathlib, pickle, sys; at = pathlib.Path(sys.argv[1]);"
        "net, patients = (pickle.loads((at / f'{name}.pickle').read_bytes()) for name in ('net', 'patients'));"
        "print(repr(net.predict_proba(patients)[:, 1].tolist()))"
    )
    found = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True)
    np.testing.assert_array_equal(ast.literal_eval(found.stdout), net.predict_proba(patients)[:, 1])


def test_several_videos_of_a_patient_are_averaged(net, flicker_patients):
    patients = flicker_patients.iloc[:2].copy()
    single = net.predict_stage_proba(patients)
    both = patients.iloc[[0]].copy()
    both["clips"] = [patients["clips"].iloc[0] + patients["clips"].iloc[1]]
    np.testing.assert_allclose(net.predict_stage_proba(both)[0], single.mean(0), rtol=1e-5)


def test_same_seed_same_scores_to_the_last_bit(flicker_patients):
    first, again = (fitted(flicker_patients, seed=3) for _ in range(2))
    scores = [net.predict_proba(flicker_patients) for net in (first, again)]
    assert (scores[0] == scores[1]).all()
    assert not (fitted(flicker_patients, seed=4).predict_proba(flicker_patients) == scores[0]).all()


def test_fitting_leaves_the_random_state_alone(flicker_patients):
    import torch

    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    fitted(flicker_patients, epochs=1)
    assert torch.rand(1) == expected


def test_stops_early_and_keeps_the_best_epoch(flicker_patients):
    train, validation, _ = split(flicker_patients)
    upside_down = (validation, 2 - validation["stage"])  # the better it learns, the worse its validation loss
    net = NetClassifier(**TINY | {"epochs": 40}, cutoff=1, n_stages=3, patience=3, learning_rate=1e-2)
    net.fit(train, train["stage"], validation=upside_down)
    best = int(net.history_["valid_loss"].argmin())
    assert len(net.history_) == best + 3 < 40 or len(net.history_) == best + 1 + 3 < 40


def test_memory_gives_the_same_fit_back_without_training(flicker_patients, tmp_path, monkeypatch):
    first = fitted(flicker_patients, memory=tmp_path)
    monkeypatch.setattr(NetClassifier, "_train", lambda *_: pytest.fail("trained again"))
    again = fitted(flicker_patients, memory=tmp_path)
    assert (first.predict_proba(flicker_patients) == again.predict_proba(flicker_patients)).all()
    assert again.history_.equals(first.history_)


@pytest.mark.parametrize(
    "perturbation", [{"seed": 9}, {"learning_rate": 0.5}, {"options": {"width": 5}}, {"cutoff": 2}]
)
def test_memory_is_not_taken_for_other_settings(flicker_patients, tmp_path, perturbation):
    fitted(flicker_patients, memory=tmp_path, epochs=1)
    fitted(flicker_patients, memory=tmp_path, epochs=1, **perturbation)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2


def test_memory_is_not_taken_for_other_stages(flicker_patients, tmp_path):
    fitted(flicker_patients, memory=tmp_path, epochs=1)
    other = flicker_patients.assign(stage=flicker_patients["stage"].to_numpy()[::-1])
    fitted(other, memory=tmp_path, epochs=1)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2


def test_saved_and_loaded(net, flicker_patients, tmp_path):
    net.save(tmp_path / "net.safetensors")
    loaded = NetClassifier.load(tmp_path / "net.safetensors")
    assert (loaded.predict_proba(flicker_patients) == net.predict_proba(flicker_patients)).all()
    assert loaded.get_params() == {**net.get_params(), "memory": None, "device": "auto"}


def test_a_saved_net_is_built_when_it_is_needed(net, flicker_patients, tmp_path, monkeypatch):
    net.save(tmp_path / "net.safetensors")
    expected = net.predict_proba(flicker_patients)
    with monkeypatch.context() as patch:
        patch.setattr(NetClassifier, "_build", lambda self: pytest.fail("built"))
        kept = NetClassifier.load(tmp_path / "net.safetensors", build=False)
        kept.save(tmp_path / "again.safetensors")
        sent = pickle.loads(pickle.dumps(kept))
        assert kept.n_stages_ == 3
        assert kept.history_.equals(net.history_)
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "net.safetensors").read_bytes()
    for each in (kept, sent):
        np.testing.assert_array_equal(each.predict_proba(flicker_patients), expected)


def test_a_saved_net_that_is_fitted_again_is_another(net, flicker_patients, tmp_path):
    net.save(tmp_path / "net.safetensors")
    kept = NetClassifier.load(tmp_path / "net.safetensors", build=False).set_params(seed=5, epochs=1)
    kept.fit(flicker_patients, flicker_patients["stage"]).save(tmp_path / "again.safetensors")
    again = NetClassifier.load(tmp_path / "again.safetensors")
    np.testing.assert_array_equal(again.predict_proba(flicker_patients), kept.predict_proba(flicker_patients))
    assert not (again.predict_proba(flicker_patients) == net.predict_proba(flicker_patients)).all()


def test_a_net_of_another_shape_is_refused_with_its_file(net, tmp_path):
    """As after a change of version, or of a default, that gives the same settings another net."""
    path, older = tmp_path / "net.safetensors", tmp_path / "older.safetensors"
    net.save(path)
    with safe_open(path, framework="pt") as file:
        state, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    settings = {**json.loads(metadata["settings"]), "options": {"width": 8}}
    save_file(state, older, {**metadata, "settings": json.dumps(settings)})
    with pytest.raises(FibrolibError, match=r"older\.safetensors holds a motion_resnet3d of another shape"):
        NetClassifier.load(older)


def test_a_file_that_is_no_model_is_named(tmp_path):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(FibrolibError, match=r"broken\.safetensors is not a model saved by fibrolib"):
        NetClassifier.load(path)


def test_an_interrupt_while_a_net_is_read_is_no_damage(net, tmp_path, monkeypatch):
    """SIGINT within `get_tensor` of safetensors 0.8 left this error, without a KeyboardInterrupt behind it."""
    net.save(tmp_path / "net.safetensors")

    def interrupted(*_, **__):
        raise ValueError("could not determine the shape of object type 'torch.storage.UntypedStorage'")

    monkeypatch.setattr(classifier, "safe_open", interrupted)
    with pytest.raises(KeyboardInterrupt):
        NetClassifier.load(tmp_path / "net.safetensors")


def test_scikit_learn_can_clone_it():
    net = NetClassifier("frame_cnn", {"weights": "scratch"}, view="stills", learning_rate=1.0)
    assert clone(net).get_params() == net.get_params()


def test_stills_and_a_frame_net(tmp_path):
    patients = make_patients(tmp_path, 6, side=32)
    net = NetClassifier("frame_cnn", {"weights": "scratch"}, view="stills", clip_length=1, epochs=1, cutoff=1)
    assert net.fit(patients, patients["stage"]).predict_proba(patients).shape == (6, 2)


def test_without_epochs_it_is_a_ridge_regression_on_frozen_features(tmp_path):
    """The reference: scikit-learn on the same features, standardised, with one undecided average patient more."""
    patients = make_patients(tmp_path, 30, n_stages=2, side=32)
    settings = {"view": "stills", "clip_length": 1, "cutoff": 1, "weights": "imagenet", "epochs": 0}
    net = NetClassifier("frame_cnn", **settings).fit(patients, patients["stage"])
    stills = np.stack([load_clip(path).frames[0] for (path,) in patients["stills"]])
    stills = torch.from_numpy(stills)[:, None, None] / 255
    with torch.no_grad():
        features = net.module_.frame_features(stills).mean(1).numpy()
    informative = features[:, features.std(0) > 1e-3 * features.std(0).max()]
    standard = StandardScaler().fit_transform(informative)
    twice, average = np.r_[standard, np.zeros((2, standard.shape[1]))], np.r_[np.ones(30), 0.5, 0.5]
    reference = LogisticRegression(C=0.01, tol=1e-8, max_iter=2000).fit(
        twice, np.r_[patients["stage"], 0, 1], sample_weight=average
    )
    np.testing.assert_allclose(net.predict_proba(patients)[:, 1], reference.predict_proba(standard)[:, 1], atol=2e-4)
    assert net.history_.empty


def test_without_epochs_there_must_be_a_probe(flicker_patients):
    with pytest.raises(ValueError, match="epochs = 0 is a linear probe alone"):
        fitted(flicker_patients, epochs=0)


def test_cutoff_outside_the_scale(flicker_patients):
    with pytest.raises(ValueError, match=r"cutoff 4 lies outside the 3 stages 0\.\.2"):
        NetClassifier(cutoff=4).fit(flicker_patients, flicker_patients["stage"])


def test_schedule_rises_and_falls_to_nothing():
    factors = [warm_cosine(step, 50) for step in range(51)]
    assert max(factors) == factors[4] == 1.0 or max(factors) == pytest.approx(1.0, abs=0.01)
    assert factors[-1] == pytest.approx(0, abs=1e-12)
    assert all(0 <= factor <= 1 for factor in factors)
    assert all(0 <= warm_cosine(step, 1) <= 1 for step in range(3))


def test_threads_are_given_back():
    import torch

    before = torch.get_num_threads()
    with torch_threads(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_a_file_of_tensors_has_the_same_bytes_every_time(tmp_path):
    """safetensors writes metadata in an order that differs from file to file."""
    paths = [tmp_path / f"{number}.safetensors" for number in range(6)]
    for path in paths:
        write_tensors(path, {"b": torch.arange(3.0), "a": torch.ones(2, 2)}, dict.fromkeys("hgfedcba", "1"))
    assert len({path.read_bytes() for path in paths}) == 1
    tensors = load_file(paths[0])
    assert tensors["b"].tolist() == [0.0, 1.0, 2.0]
    assert tensors["a"].shape == (2, 2)
    with safe_open(paths[0], "pt") as file:
        assert file.metadata() == dict.fromkeys("abcdefgh", "1")


PROBE = {"architecture": "frame_lstm", "options": {"hidden": 8}, "weights": "imagenet", "clip_length": 2, "epochs": 0}


def test_frozen_features_are_kept_and_give_the_same_probabilities(flicker_patients, tmp_path, monkeypatch):
    *_, test = split(flicker_patients)
    expected = fitted(flicker_patients, **PROBE).predict_proba(test)
    first = fitted(flicker_patients, memory=tmp_path, **PROBE)
    np.testing.assert_allclose(first.predict_proba(test), expected, atol=0.003)  # bfloat16 in batches of another size
    kept = set(tmp_path.rglob("*.npy"))
    assert len(kept) == 12 + len(test), "one file per clip of training and test patients"

    monkeypatch.setattr(type(first.module_.backbone), "forward", None)  # cannot be called
    again = fitted(flicker_patients, memory=tmp_path, cutoff=2, **PROBE)
    np.testing.assert_array_equal(again.predict_cumulative(test), first.predict_cumulative(test))
    assert set(tmp_path.rglob("*.npy")) == kept


def test_both_pathways_are_computed_once_for_all_folds(flicker_patients, tmp_path, monkeypatch):
    """The probe of a SlowFast net reads kept maps: of all weights and numbers of slow frames their own."""
    slow = {"architecture": "motion_slowfast", "options": {"slow_frames": 1}, "clip_length": 4, "epochs": 0}
    slow |= {"weights": "interpolated"}
    *_, test = split(flicker_patients)
    expected = fitted(flicker_patients, **slow).predict_proba(test)
    first = fitted(flicker_patients, memory=tmp_path, **slow)
    np.testing.assert_allclose(first.predict_proba(test), expected, rtol=1e-4)
    files = len(list(tmp_path.glob("*/features/*.npy")))
    assert files == 18  # of the training and the test patients
    fitted(flicker_patients, memory=tmp_path, **slow | {"options": {"slow_frames": 2}})
    assert len(list(tmp_path.glob("*/features/*.npy"))) == files + 12
    monkeypatch.setattr(_MotionSlowFast, "joined_maps", lambda *_: pytest.fail("computed again"))
    train, *_ = split(flicker_patients)
    rows = train.iloc[3:]
    first.fit(rows, rows["stage"])


def test_frozen_features_of_other_weights_windows_or_frames_are_others(flicker_patients, tmp_path):
    counts = []
    for changed in ({}, {"weights": "interpolated"}, {"n_clips": 1}, {"clip_length": 3}, {"view": "stills"}):
        fitted(flicker_patients, memory=tmp_path, **{**PROBE, **changed})
        counts.append(len(list(tmp_path.rglob("*.npy"))))
    assert counts == [12, 24, 36, 48, 60]


def test_a_share_of_what_was_tuned_lies_between_the_probe_and_the_tuned_net(flicker_patients):
    options = {**PROBE, "epochs": 1, "learning_rate": 1e-3, "backbone_lr_scale": 1.0}
    states = {
        share: fitted(flicker_patients, **options, tuned_share=share).module_.state_dict() for share in (0, 0.25, 1)
    }
    probe = fitted(flicker_patients, **PROBE).module_.state_dict()
    changed = 0
    for name, before in probe.items():
        if before.is_floating_point():
            torch.testing.assert_close(states[0][name], before)
            torch.testing.assert_close(states[0.25][name], 0.75 * before + 0.25 * states[1][name])
            changed += not torch.equal(states[1][name], before)
    assert changed > 10
