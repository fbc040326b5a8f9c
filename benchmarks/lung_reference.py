"""Real videos: the nets beside the frozen baseline, in nested cross-validation by patient, the same folds for all.

    python benchmarks/lung_reference.py PATH/TO/lung-video/cohort.csv [--nets cnn3d] [--seeds 5]
    python benchmarks/lung_reference.py PATH/TO/lung-video/cohort.csv --movement
    python benchmarks/lung_reference.py PATH/TO/lung-video/cohort.csv --features

Nested: in each of five outer folds, the other patients are divided 4 : 1 into training and validation; `evaluate` tunes
and fits each diagnostic on them with the settings of `quick` for real patients, and scores the fold once. AUCs are of
patients; the interval is over patients, of scores averaged over the seeds. Clips and fits are kept in
``reports/benchmark-lung``, so that a run that was stopped goes on; delete it to start anew.

``--movement`` asks whether movement adds to the frozen still features: a logistic regression on them alone, beside
three representations of movement in windows of 1.6 s, and on each of these alone. Nothing is tuned.

``--features`` prints the AUC of a logistic regression on frozen features in place of this: EfficientNet-Lite0 with
ImageNet weights on 12 frames per video, maps of one scale, of another and of both; and with weights part of the way to
those after simulation pretraining (deeper layers stay ImageNet's). It was used to choose settings: see
docs/evaluation.md.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fibrolib.cohort import read_cohort
from fibrolib.inference import auc_ci, delong_test
from fibrolib.learning import NetClassifier, evaluate
from fibrolib.learning.clips import _spread_windows, _take_window
from fibrolib.nets import Backbone, build_net
from fibrolib.nets.volume import _downsampled
from fibrolib.stages import at_least
from fibrolib.study import load_profile
from fibrolib.study.preprocessing import prepare_files
from fibrolib.video import prepare_clip

TOP = Path(__file__).resolve().parents[1] / "reports" / "benchmark-lung"
FRAMES, SIDE, FOLDS = 12, 224, 5
SHARES = (0.25, 0.5, 0.75, 1.0)
PROFILE = load_profile("quick").for_cohort(virtual=False)


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


def movement_features_of(video: Path, backbone: Backbone, fast: torch.nn.Module) -> dict[str, np.ndarray]:
    """Features of a video's frames, and three representations of what changes within its windows."""
    clips = PROFILE.clips
    frames = prepare_clip(video, size=SIDE, fps=clips.fps, max_frames=clips.max_frames).frames
    chosen = np.linspace(0, len(frames) - 1, FRAMES).round().astype(int)
    settings = PROFILE.model("cnn3d").arguments
    length, stride = settings["clip_length"], settings["frame_stride"]
    starts = _spread_windows(len(frames), length, stride, settings["n_clips"])
    windows = [_take_window(frames, start, length, stride) for start in starts]

    def statistics(pictures: np.ndarray) -> torch.Tensor:
        return backbone(torch.from_numpy(pictures.astype(np.float32) / 255)[:, None]).flatten(2).mean(2)

    with torch.inference_mode():
        change = torch.stack([statistics(window).std(0) for window in windows]).mean(0)
        small = _downsampled(torch.from_numpy(np.stack(windows).astype(np.float32) / 255)[:, None])
        maps = fast(small).flatten(2)
        learned = torch.cat([maps.mean(2), maps.std(2)], dim=1).mean(0)
        difference = fast.motion(small)[:, 1].flatten(2)  # absolute differences: (windows, times, places)
        numbers = [difference.mean(2).mean(1), difference.mean(2).std(1), difference.mean(1).std(1)]
        return {
            "still": statistics(frames[chosen]).mean(0).numpy(),
            "standard deviation over time of the frozen features": change.numpy(),
            "fast pathway with simulation weights": learned.numpy(),
            "absolute differences: mean, and spread over time and over places": torch.stack(numbers).mean(1).numpy(),
        }


def report_movement(patients: pd.DataFrame, truth: np.ndarray, seeds: range) -> None:
    """AUC of still features, of movement, and of both; and both against the still features alone."""
    backbone = Backbone(scales=[16, 32]).eval()
    fast = build_net("motion_slowfast", 2, weights="simulation").fast.eval()
    found = [[movement_features_of(path, backbone, fast) for path in row] for row in patients["videos"]]
    rows = {name: np.array([np.mean([each[name] for each in row], axis=0) for row in found]) for name in found[0][0]}
    still = rows.pop("still")
    alone = [cross_validated(still, truth, seed) for seed in seeds]
    report_nested("frozen still features", alone, alone, truth)
    for name, movement in rows.items():
        report(f"{name}, alone", [roc_auc_score(truth, cross_validated(movement, truth, seed)) for seed in seeds])
        both = [cross_validated(np.hstack([still, movement]), truth, seed) for seed in seeds]
        report_nested(f"still features and {name}", both, alone, truth)


def cross_validated(features: np.ndarray, truth: np.ndarray, seed: int) -> np.ndarray:
    """Out-of-fold scores of a logistic regression with a ridge penalty that is not tuned."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=5000))
    return cross_val_predict(model, features, truth, cv=folds_of(truth, seed), method="predict_proba")[:, 1]


def reference(features: np.ndarray, truth: np.ndarray, seeds: range) -> list[float]:
    """AUC of the frozen features, one per seed."""
    return [roc_auc_score(truth, cross_validated(features, truth, seed)) for seed in seeds]


def nested_scores(name: str, patients: pd.DataFrame, truth: np.ndarray, seed: int, fits: Path) -> np.ndarray:
    """Score of every patient by a diagnostic that was tuned, trained and stopped without them, as `quick` does it."""
    settings, scores = PROFILE.model(name), np.zeros(len(truth))
    for number, (_, held_out) in enumerate(folds_of(truth, seed).split(patients, truth)):
        split = np.full(len(truth), "train", dtype=object)
        split[held_out] = "test"
        rest = np.flatnonzero(split == "train")
        stopping = StratifiedShuffleSplit(1, test_size=1 / 5, random_state=seed).split(rest, np.asarray(truth)[rest])
        split[rest[next(stopping)[1]]] = "validation"
        net = NetClassifier(**settings.arguments, cutoff=1, n_stages=2, seed=seed, n_threads=1, memory=fits)
        given = patients.assign(split=split)
        found = evaluate(name, net, given, grid=settings.grid, n_folds=FOLDS, seed=seed, n_jobs=2)
        tested = found.predictions.query("split == 'test'").set_index("patient_id")["y_score"]
        scores[held_out] = tested[given.index[held_out]]
        print(f"  {name}, seed {seed}, fold {number + 1}: chosen {found.best or 'the only setting'}", flush=True)
    return scores


def report_nested(name: str, scores: list[np.ndarray], baseline: list[np.ndarray], truth: np.ndarray) -> None:
    """AUC per seed; of the scores averaged over seeds, with its interval over patients; and against the baseline."""
    report(name, [roc_auc_score(truth, each) for each in scores])
    mean, usual = np.mean(scores, axis=0), np.mean(baseline, axis=0)
    area, test = auc_ci(truth, mean), delong_test(truth, mean, usual)
    print(
        f"  mean scores: {area.value:.3f} (95 % interval over patients {area.low:.3f} to {area.high:.3f}); "
        f"less frozen {test.difference:+.3f} ({test.low:+.3f} to {test.high:+.3f}), p = {test.pvalue:.2f}",
        flush=True,
    )


def report(name: str, areas: list[float]) -> None:
    """One line: mean, spread, and every seed."""
    each = " ".join(f"{area:.3f}" for area in areas)
    print(f"{name}: AUC {np.mean(areas):.3f} +- {np.std(areas):.3f}  ({each})", flush=True)


def main() -> None:
    """Print the AUC of patients."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", nargs="?", default="", help="table with stages 0 and 1")
    parser.add_argument("--nets", nargs="*", default=["cnn2d", "cnn2d_lstm", "cnn3d"])
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--features", action="store_true", help="frozen features alone, also with interpolated weights")
    parser.add_argument("--movement", action="store_true", help="what movement adds to frozen still features")
    asked = parser.parse_args()
    if not Path(asked.cohort).is_file():
        print("skipped: give the path of a cohort table with stages 0 and 1, for example the lung videos'")
        return
    patients, seeds = read_cohort(asked.cohort, cutoff=1).patients(), range(asked.seeds)
    truth = at_least(patients["stage"], 1)
    print(f"{len(truth)} patients, {len(seeds)} seeds, {FOLDS} folds")
    if asked.features:
        for what, features in frozen_features(patients).items():
            report(f"frozen features: {what}", reference(features, truth, seeds))
        return
    if asked.movement:
        report_movement(patients, truth, seeds)
        return
    clips, stills = (prepare_files(patients, TOP / "clips", PROFILE, kind) for kind in ("clip", "image"))
    patients = patients.assign(clips=clips, stills=stills)
    scores: dict[str, list[np.ndarray]] = {name: [] for name in ("frozen", *asked.nets)}
    for seed in seeds:
        for name, found in scores.items():
            found.append(nested_scores(name, patients, truth, seed, TOP / "fits"))
        print(f"After {seed + 1} of {len(seeds)} seeds:")
        for name, found in scores.items():
            report_nested(name, found, scores["frozen"], truth)


if __name__ == "__main__":
    main()
