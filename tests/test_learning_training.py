import numpy as np
import pytest
import torch
from conftest import make_patients
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from fibrolib.learning import ClipDataset, NetClassifier
from fibrolib.learning.training import _fit_probe, _initialise_linear_probe
from fibrolib.nets import OrdinalHead, build_net


@pytest.fixture
def features():
    random = np.random.default_rng(0)
    stages = np.repeat([0, 1, 2], 12)
    values = random.normal(size=(36, 50)) * random.uniform(0.1, 10, 50) + 3 + np.outer(stages, random.normal(size=50))
    return torch.from_numpy(values).float(), torch.from_numpy(stages)


def test_two_stages_are_the_logistic_regression_of_scikit_learn(features):
    values, stages = features
    truth = (stages >= 1).long()
    direction, head = _fit_probe(values, truth, 2)
    scaler = StandardScaler().fit(values.numpy())
    undecided = np.zeros((2, 50))
    standard, weights = np.vstack([scaler.transform(values.numpy()), undecided]), np.r_[np.ones(36), 0.5, 0.5]
    expected = LogisticRegression(C=0.01, tol=1e-10, max_iter=10_000).fit(standard, [*truth, 0, 1], weights)
    np.testing.assert_allclose(direction, expected.coef_[0] / scaler.scale_, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(-head.thresholds.detach(), expected.intercept_, rtol=1e-3)


def test_more_stages_have_increasing_thresholds_and_one_direction(features):
    values, stages = features
    direction, head = _fit_probe(values, stages, 3)
    assert direction.shape == (50,)
    assert (head.thresholds.diff() > 0).all()
    severity = (values @ direction).numpy()
    assert roc_auc_score(stages >= 1, severity) > 0.9
    assert roc_auc_score(stages >= 2, severity) > 0.9


def test_a_feature_that_never_varies_says_nothing(features):
    values, stages = features
    values[:, 7] = 4.0
    direction, _ = _fit_probe(values, stages, 3)
    assert direction[7] == 0
    assert torch.isfinite(direction).all()


@pytest.mark.parametrize(
    ("name", "options", "view", "clip_length"),
    [
        ("frame_cnn", {}, "stills", 1),
        ("frame_lstm", {"hidden": 8}, "clips", 2),
        ("frame_lstm", {"hidden": 8, "direct": True, "deviations": False}, "clips", 2),
        ("motion_slowfast", {"width": 4, "slow_frames": 1}, "clips", 5),
        ("motion_slowfast", {"width": 4, "scales": [16, 32], "direct": True, "deviations": False}, "clips", 5),
    ],
)
def test_a_net_begins_with_the_severities_of_its_probe(tmp_path, name, options, view, clip_length):
    patients = make_patients(tmp_path, 12, side=32)
    windows = ClipDataset(
        patients, patients["stage"].to_numpy(), view=view, clip_length=clip_length, frame_stride=1, n_clips=1
    )
    torch.manual_seed(0)
    net = build_net(name, 3, weights="imagenet", **options)
    _initialise_linear_probe(net, windows, batch_size=5)
    rows = []
    net.embedding.register_forward_pre_hook(lambda _, inputs: rows.append(inputs[0]))
    with torch.no_grad():
        logits = net.eval()(torch.stack([clip for clip, _ in windows]))
    direction, head = _fit_probe(rows[0], torch.tensor(windows.targets), 3)
    severity = rows[0] @ direction
    expected = (severity - severity.mean())[:, None] - head.thresholds
    torch.testing.assert_close(logits, expected.detach(), rtol=1e-2, atol=1e-2)
    assert logits[:, 0].std() > 0.02


def test_patients_count_once_however_many_windows_they_have(tmp_path):
    """The probe is fitted to means of patients, and the net's severity is that probe's, window by window."""
    patients = make_patients(tmp_path, 9, side=32)
    patients["clips"] = [files * (1 + row % 3) for row, files in enumerate(patients["clips"])]
    windows = ClipDataset(
        patients, patients["stage"].to_numpy(), view="clips", clip_length=3, frame_stride=1, n_clips=2
    )
    net = build_net("frame_cnn", 3, weights="imagenet")
    _initialise_linear_probe(net, windows, batch_size=4)
    rows = []
    net.embedding.register_forward_pre_hook(lambda _, inputs: rows.append(inputs[0]))
    with torch.no_grad():
        logits = net.eval()(torch.stack([clip for clip, _ in windows]))
    owner = torch.from_numpy(windows.owner)
    means = torch.stack([rows[0][owner == row].mean(0) for row in range(9)])
    direction, head = _fit_probe(means, torch.tensor(windows.targets), 3)
    expected = (rows[0] @ direction - (means @ direction).mean())[:, None] - head.thresholds
    torch.testing.assert_close(logits, expected.detach(), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("missing", [{0}, {2}, {4}, {0, 1, 2}, {1, 2, 3, 4}])
def test_stages_that_no_patient_has_get_no_certain_answer(missing):
    """A training fold may lack a stage; a threshold at infinity would never be unlearned."""
    random = np.random.default_rng(3)
    stages = torch.tensor([stage for stage in range(5) if stage not in missing for _ in range(8)])
    _, head = _fit_probe(torch.from_numpy(random.normal(size=(len(stages), 30))).float(), stages, 5)
    assert head.thresholds.abs().max() < 6
    assert (head.thresholds.diff() > 0).all()


def test_layers_from_chance_have_the_statistics_of_the_windows(tmp_path):
    patients = make_patients(tmp_path, 8, side=32)
    windows = ClipDataset(patients, patients["stage"].to_numpy(), view="clips", clip_length=5, frame_stride=1)
    net = build_net("motion_slowfast", 3, weights="imagenet", width=4)
    _initialise_linear_probe(net, windows, batch_size=8)
    pooled = []
    net.pool.norm.register_forward_pre_hook(lambda _, inputs: pooled.append(inputs[0]))
    with torch.no_grad():
        net.train()(torch.stack([clip for clip, _ in windows]))
    torch.testing.assert_close(net.pool.norm.running_mean, pooled[0].mean(0), rtol=0.5, atol=0.02)
    begun = build_net("motion_slowfast", 3, weights="imagenet", width=4).pool.norm
    assert not torch.equal(begun.running_mean, net.pool.norm.running_mean)


def test_training_keeps_the_statistics_that_the_probe_was_fitted_to(tmp_path):
    patients = make_patients(tmp_path, 8, side=32)
    windows = ClipDataset(patients, patients["stage"].to_numpy(), view="clips", clip_length=5, frame_stride=1)
    net = build_net("motion_slowfast", 3, weights="imagenet", width=4)
    _initialise_linear_probe(net, windows, batch_size=4)
    clips = torch.stack([clip for clip, _ in windows])
    before = {name: value.clone() for name, value in net.named_buffers()}
    with torch.no_grad():
        scored, trained = net.eval()(clips), net.train()(clips)
    torch.testing.assert_close(trained, scored, rtol=1e-3, atol=1e-4)
    for name, value in net.named_buffers():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize(("weights", "width"), [("imagenet", 4), ("interpolated", 16)])
def test_a_fit_keeps_them_to_its_end_and_loads_again(tmp_path, weights, width):
    patients = make_patients(tmp_path, 8, side=32)
    options = {"clip_length": 5, "epochs": 2, "n_stages": 3, "n_threads": 1, "weights": weights, "learning_rate": 1e-3}
    net = NetClassifier("motion_slowfast", options={"width": width}, **options)
    net.fit(patients, patients["stage"])
    begun = net._build()
    _initialise_linear_probe(begun, net._dataset(patients, patients["stage"].to_numpy()), batch_size=net.batch_size)
    before, after = dict(begun.named_buffers()), dict(net.module_.named_buffers())
    for name in before:
        torch.testing.assert_close(after[name], before[name], rtol=1e-4, atol=1e-5)
    assert not torch.equal(net.module_.embedding.project.weight, begun.embedding.project.weight)
    net.save(tmp_path / "net.safetensors")
    again = NetClassifier.load(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(again.predict_proba(patients), net.predict_proba(patients))


def test_a_probe_that_tells_nobody_apart_leaves_the_net_alone(tmp_path):
    patients = make_patients(tmp_path, 4, side=32)
    windows = ClipDataset(patients, np.zeros(4, dtype=np.int64), view="stills", clip_length=1, frame_stride=1)
    net = build_net("frame_cnn", 3, weights="imagenet")
    before = net.embedding.project.weight.clone()
    _initialise_linear_probe(net, windows, batch_size=4)
    assert torch.equal(net.embedding.project.weight, before)
    assert net.head.severity.weight.abs().max() == 0
    assert not net.freeze_batchnorm


def test_the_same_seed_repeats_the_fit_to_the_last_bit(tmp_path):
    patients = make_patients(tmp_path, 6, side=32)
    options = {"clip_length": 5, "epochs": 1, "n_stages": 3, "n_threads": 1, "options": {"width": 4}}
    nets = [NetClassifier("motion_slowfast", weights="imagenet", **options) for _ in range(2)]
    scores = [net.fit(patients, patients["stage"]).predict_proba(patients) for net in nets]
    np.testing.assert_array_equal(*scores)


def test_momenta_of_batch_statistics_are_put_back(tmp_path):
    patients = make_patients(tmp_path, 4, side=32)
    windows = ClipDataset(patients, patients["stage"].to_numpy(), view="clips", clip_length=5, frame_stride=1)
    net = build_net("motion_slowfast", 3, weights="imagenet", width=4)
    before = [layer.momentum for layer in net.modules() if hasattr(layer, "momentum")]
    kept = net.backbone.model.bn1.running_mean.clone()
    _initialise_linear_probe(net, windows, batch_size=4)
    assert [layer.momentum for layer in net.modules() if hasattr(layer, "momentum")] == before
    torch.testing.assert_close(net.backbone.model.bn1.running_mean, kept, rtol=0, atol=0)


def test_only_a_net_whose_last_layers_know_nothing_is_probed(tmp_path, monkeypatch):
    """What was learned by measuring must not be overwritten, and features of chance are not worth a probe."""
    probed = []
    monkeypatch.setattr("fibrolib.learning.classifier._initialise_linear_probe", lambda *_, **__: probed.append(True))
    patients = make_patients(tmp_path, 6, side=32)
    for weights, expected in {"scratch": 0, "simulation": 0, "imagenet": 1, "interpolated": 1}.items():
        probed.clear()
        net = NetClassifier(
            "frame_cnn", weights=weights, view="stills", clip_length=1, epochs=1, n_stages=3, n_threads=1
        )
        net.fit(patients, patients["stage"])
        assert len(probed) == expected, weights


def test_a_head_takes_over_another_ones_thresholds():
    one, other = OrdinalHead(4, 5), OrdinalHead(9, 5)
    other.start_at_prevalence(torch.tensor([0, 0, 1, 2, 3, 4, 4]))
    one.start_from(torch.tensor(2.0), other)
    torch.testing.assert_close(one.thresholds, other.thresholds)
    torch.testing.assert_close(one.severity.weight, torch.tensor([[2.0, 0.0, 0.0, 0.0]]))
