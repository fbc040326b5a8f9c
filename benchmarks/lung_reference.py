"""The rival on real videos: frozen ImageNet features and logistic regression, on a cohort of the reader's.

    python benchmarks/lung_reference.py PATH/TO/lung-video/cohort.csv

EfficientNet-Lite0 with ImageNet weights on 12 frames per video, features averaged per patient, logistic regression,
five-fold cross-validation by patient, ten seeds. Nothing is fine-tuned.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fibrolib.cohort import read_cohort
from fibrolib.nets import Backbone
from fibrolib.stages import at_least
from fibrolib.video import prepare_clip

FRAMES, SIDE, SEEDS = 12, 224, range(10)


def features_of(video: Path, backbone: Backbone) -> np.ndarray:
    """Mean feature vector of frames spread over a video."""
    clip = prepare_clip(video, size=SIDE, fps=None, max_frames=10_000)
    chosen = np.linspace(0, len(clip.frames) - 1, FRAMES).round().astype(int)
    frames = torch.from_numpy(clip.frames[chosen].astype(np.float32) / 255)[:, None]
    with torch.inference_mode():
        return backbone(frames).mean(dim=(0, 2, 3)).numpy()


def main() -> None:
    """Print mean and standard deviation of the patient AUC over seeds."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).exists():
        print("skipped: give the path of a cohort table with stages 0 and 1, for example the lung videos'")
        return
    patients = read_cohort(sys.argv[1], cutoff=1).patients()
    backbone = Backbone(reduction=32).eval()
    features = np.array([np.mean([features_of(path, backbone) for path in row], axis=0) for row in patients["videos"]])
    truth = at_least(patients["stage"], 1)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=5000))
    areas = []
    for seed in SEEDS:
        folds = StratifiedKFold(5, shuffle=True, random_state=seed)
        score = cross_val_predict(model, features, truth, cv=folds, method="predict_proba")[:, 1]
        areas.append(roc_auc_score(truth, score))
    print(f"{len(truth)} patients, {len(areas)} seeds: AUC {np.mean(areas):.3f} +- {np.std(areas):.3f}")


if __name__ == "__main__":
    main()
