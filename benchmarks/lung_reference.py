"""Real videos: the nets beside frozen ImageNet features, five-fold by patient, the same folds for all.

    python benchmarks/lung_reference.py PATH/TO/lung-video/cohort.csv [--nets cnn3d] [--weights interpolated]
        [--first 100] [--change '{"learning_rate": 1e-9}']
    # settings of the nets in place of the profile's; this: the probe alone

The reference: EfficientNet-Lite0 with ImageNet weights on 12 frames per video, maps (of one scale, of another, of both
as in nets from ImageNet, and both with their standard deviations) averaged per patient, logistic regression; and the
same with weights part of the way to those that `cnn2d` and `cnn3d` have after simulation pretraining (deeper layers
stay ImageNet's). The nets: settings of `quick` (`benchmarks/weights.py`), one fit per fold and weights, no
stopping (there are no validation patients), all epochs.
Scores out of fold make one AUC per seed; patients, not videos, are counted.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from weights import WEIGHTS, settings_from

from fibrolib.cohort import read_cohort
from fibrolib.learning import NetClassifier
from fibrolib.nets import Backbone, build_net
from fibrolib.stages import at_least
from fibrolib.study import load_profile
from fibrolib.study.preprocessing import prepare_files
from fibrolib.video import prepare_clip

FRAMES, SIDE, FOLDS = 12, 224, 5
SHARES = (0.25, 0.5, 0.75, 1.0)
PROFILE = load_profile("quick")


def features_of(video: Path, backbones: dict[str, Backbone]) -> dict[str, np.ndarray]:
    """Mean over frames, spread over a video, of the mean of their maps, and of their standard deviation behind it."""
    clip = prepare_clip(video, size=SIDE, fps=None, max_frames=10_000)
    chosen = np.linspace(0, len(clip.frames) - 1, FRAMES).round().astype(int)
    frames = torch.from_numpy(clip.frames[chosen].astype(np.float32) / 255)[:, None]
    with torch.inference_mode():
        maps = {name: backbone(frames).flatten(2) for name, backbone in backbones.items()}
    return {name: torch.cat([each.mean(2), each.std(2)], dim=1).mean(0).numpy() for name, each in maps.items()}


def folds_of(truth: np.ndarray, seed: int) -> StratifiedKFold:
    """Folds of patients."""
    return StratifiedKFold(FOLDS, shuffle=True, random_state=seed)


def between(architecture: str, share: float) -> Backbone:
    """The image backbone so far on the way from ImageNet's weights to the net's simulation weights."""
    net, simulated = (build_net(architecture, 2, weights=weights) for weights in ("imagenet", "simulation"))
    net.move_towards(simulated.state_dict(), "backbone", share)
    return net.backbone.eval()


def frozen_features(patients: pd.DataFrame) -> dict[str, np.ndarray]:
    """Features of patients by what is read, all from one pass over the videos."""
    backbones = {"ImageNet": Backbone(scales=[16, 32]).eval()} | {
        f"{share:.0%} of the way to {name}'s simulation weights": between(architecture, share)
        for name, architecture in (("cnn2d", "frame_cnn"), ("cnn3d", "motion_slowfast"))
        for share in SHARES
    }
    found = [[features_of(path, backbones) for path in row] for row in patients["videos"]]
    rows = {name: np.array([np.mean([each[name] for each in row], axis=0) for row in found]) for name in backbones}
    n_maps, n_fine = backbones["ImageNet"].n_channels, Backbone(scales=[16]).n_channels
    means = {name: each[:, :n_maps] for name, each in rows.items()}
    return {
        "ImageNet, 1/32 of the resolution": means["ImageNet"][:, n_fine:],
        "ImageNet, 1/16 of the resolution": means["ImageNet"][:, :n_fine],
        "ImageNet, 1/16 and 1/32 of the resolution, with deviations": rows["ImageNet"],
        **{f"{name}, 1/16 and 1/32 of the resolution": each for name, each in means.items()},
    }


def reference(features: np.ndarray, truth: np.ndarray, seeds: range) -> list[float]:
    """AUC of the frozen features, one per seed."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=5000))
    return [
        roc_auc_score(
            truth, cross_val_predict(model, features, truth, cv=folds_of(truth, seed), method="predict_proba")[:, 1]
        )
        for seed in seeds
    ]


def fold_scores(name: str, settings: dict, train: pd.DataFrame, left_out: pd.DataFrame, seed: int) -> np.ndarray:
    """Scores of a fold's patients by a net that has not seen them."""
    arguments = {**PROFILE.model(name).arguments, **settings}
    net = NetClassifier(**arguments, cutoff=1, n_stages=2, seed=seed, n_threads=1)
    return net.fit(train, train["stage"]).predict_proba(left_out)[:, 1]


def net_areas(name: str, settings: dict, patients: pd.DataFrame, truth: np.ndarray, seeds: range) -> list[float]:
    """AUC of a net, one per seed."""
    jobs = [(seed, *fold) for seed in seeds for fold in folds_of(truth, seed).split(patients, truth)]
    found = Parallel(2)(
        delayed(fold_scores)(name, settings, patients.iloc[train], patients.iloc[left_out], seed)
        for seed, train, left_out in jobs
    )
    scores = {seed: np.zeros(len(truth)) for seed in seeds}
    for (seed, _, left_out), part in zip(jobs, found, strict=True):
        scores[seed][left_out] = part
    return [roc_auc_score(truth, scores[seed]) for seed in seeds]


def report(name: str, areas: list[float]) -> None:
    """One line: mean, spread, and every seed."""
    each = " ".join(f"{area:.3f}" for area in areas)
    print(f"{name}: AUC {np.mean(areas):.3f} +- {np.std(areas):.3f}  ({each})", flush=True)


def main() -> None:
    """Print mean and standard deviation of the patient AUC over seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", nargs="?", default="", help="table with stages 0 and 1")
    parser.add_argument("--nets", nargs="*", default=["cnn3d", "cnn2d", "cnn2d_lstm"])
    parser.add_argument("--weights", nargs="*", choices=WEIGHTS, default=WEIGHTS)
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first; to try settings in other draws of the folds")
    parser.add_argument("--change", type=json.loads, default={}, help="settings of the nets, as JSON")
    asked = parser.parse_args()
    if not Path(asked.cohort).is_file():
        print("skipped: give the path of a cohort table with stages 0 and 1, for example the lung videos'")
        return
    patients, seeds = read_cohort(asked.cohort, cutoff=1).patients(), range(asked.first, asked.first + asked.seeds)
    truth = at_least(patients["stage"], 1)
    print(f"{len(truth)} patients, {len(seeds)} seeds, {FOLDS} folds")
    for what, features in frozen_features(patients).items():
        report(f"frozen features: {what}", reference(features, truth, seeds))
    with tempfile.TemporaryDirectory() as folder:
        clips, stills = (prepare_files(patients, Path(folder), PROFILE, kind) for kind in ("clip", "image"))
        patients = patients.assign(clips=clips, stills=stills)
        for name in asked.nets:
            for weights in asked.weights_list:
                title = f"{name} from {weights}" + (f", {asked.change}" if asked.change else "")
                report(title, net_areas(name, settings_from(weights, name) | asked.change, patients, truth, seeds))


if __name__ == "__main__":
    main()
