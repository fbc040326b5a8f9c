import numpy as np
import pytest
import torch
from conftest import make_patients
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from fibrolib.learning import NetClassifier
from fibrolib.learning.clips import ClipDataset
from fibrolib.learning.probe import begin_with_probe, fit_probe
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
    direction, head = fit_probe(values, truth, 2)
    scaler = StandardScaler().fit(values.numpy())
    expected = LogisticRegression(C=0.01, tol=1e-10, max_iter=10_000).fit(scaler.transform(values.numpy()), truth)
    np.testing.assert_allclose(direction, expected.coef_[0] / scaler.scale_, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(-head.thresholds.detach(), expected.intercept_, rtol=1e-3)


def test_more_stages_have_increasing_thresholds_and_one_direction(features):
    values, stages = features
    direction, head = fit_probe(values, stages, 3)
    assert direction.shape == (50,)
    assert (head.thresholds.diff() > 0).all()
    severity = (values @ direction).numpy()
    assert roc_auc_score(stages >= 1, severity) > 0.9
    assert roc_auc_score(stages >= 2, severity) > 0.9


def test_a_feature_that_never_varies_says_nothing(features):
    values, stages = features
    values[:, 7] = 4.0
    direction, _ = fit_probe(values, stages, 3)
    assert direction[7] == 0
    assert torch.isfinite(direction).all()


@pytest.mark.parametrize(
    ("name", "options", "view", "length"),
    [
        ("frame_cnn", {}, "stills", 1),
        ("frame_lstm", {"hidden": 8}, "clips", 2),
        ("motion_slowfast", {"width": 4, "slow_frames": 1}, "clips", 5),
    ],
)
def test_a_net_begins_with_the_severities_of_its_probe(tmp_path, name, options, view, length):
    patients = make_patients(tmp_path, 12, side=32)
    windows = ClipDataset(patients, patients["stage"].to_numpy(), view=view, length=length, step=1, n_windows=1)
    torch.manual_seed(0)
    net = build_net(name, 3, start="imagenet", **options)
    begin_with_probe(net, windows, batch_size=5)
    rows = []
    net.embedding.register_forward_pre_hook(lambda _, inputs: rows.append(inputs[0]))
    with torch.no_grad():
        logits = net.eval()(torch.stack([clip for clip, _ in windows]))
    direction, head = fit_probe(rows[0], torch.tensor(windows.targets), 3)
    severity = rows[0] @ direction
    expected = (severity - severity.mean())[:, None] - head.thresholds
    torch.testing.assert_close(logits, expected.detach(), rtol=1e-2, atol=1e-2)


def test_momenta_of_batch_statistics_are_put_back(tmp_path):
    patients = make_patients(tmp_path, 4, side=32)
    windows = ClipDataset(patients, patients["stage"].to_numpy(), view="clips", length=5, step=1)
    net = build_net("motion_slowfast", 3, start="imagenet", width=4)
    before = [layer.momentum for layer in net.modules() if hasattr(layer, "momentum")]
    kept = net.backbone.model.bn1.running_mean.clone()
    begin_with_probe(net, windows, batch_size=4)
    assert [layer.momentum for layer in net.modules() if hasattr(layer, "momentum")] == before
    torch.testing.assert_close(net.backbone.model.bn1.running_mean, kept, rtol=0, atol=0)


def test_only_a_net_whose_last_layers_know_nothing_is_probed(tmp_path, monkeypatch):
    """What was learned by measuring must not be overwritten, and features of chance are not worth a probe."""
    probed = []
    monkeypatch.setattr("fibrolib.learning.classifier.begin_with_probe", lambda *_, **__: probed.append(True))
    patients = make_patients(tmp_path, 6, side=32)
    for start, expected in {"scratch": 0, "simulation": 0, "imagenet": 1}.items():
        probed.clear()
        net = NetClassifier("frame_cnn", start=start, view="stills", length=1, epochs=1, n_stages=3, n_threads=1)
        net.fit(patients, patients["stage"])
        assert len(probed) == expected, start


def test_a_head_takes_over_another_ones_thresholds():
    one, other = OrdinalHead(4, 5), OrdinalHead(9, 5)
    other.start_at_prevalence(torch.tensor([0, 0, 1, 2, 3, 4, 4]))
    one.read_first(torch.tensor(2.0), other)
    torch.testing.assert_close(one.thresholds, other.thresholds)
    torch.testing.assert_close(one.severity.weight, torch.tensor([[2.0, 0.0, 0.0, 0.0]]))
