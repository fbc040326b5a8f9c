"""What memory that is kept, bfloat16 and folded layers save and cost: milliseconds per clip, and error of maps.

Ways, each in a process of its own, on one thread:

- float32: every layer, and glibc as it comes;
- memory kept: the same, with `fibrolib.nets.backbone`;
- reduced: also bfloat16 where nothing is learned (`fibrolib.nets.Backbone`);
- folded: also with normalisation folded into convolutions (`fibrolib.nets.folding`);
- as fibrolib: also with the gradients of `fibrolib.nets.gradients`, and the fusion of SlowFast in bfloat16;
- finest too: also bfloat16 in the layers of the finest maps, where nothing is learned;
- bfloat16: bfloat16 everywhere.

With the folder of a run of `quick` as its argument, the script compares scores with and without bfloat16 instead.

The error is that of the image backbone's maps of virtual patients, as a share of the maps' norm, against float32.
"""

from __future__ import annotations

import multiprocessing
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from fibrolib.inference import auc
from fibrolib.learning import NetClassifier
from fibrolib.nets import OrdinalLoss, backbone, build_net, folding, gradients, volume
from fibrolib.phantom import SignalStrengths, draw_patients, render_image
from fibrolib.stages import at_least
from fibrolib.study import open_study

CASES = {"frame_cnn": (8, 1, 1, 224, 224), "frame_lstm": (8, 1, 3, 224, 224), "motion_slowfast": (8, 1, 17, 224, 224)}
SETTINGS = ("float32", "memory kept", "reduced", "folded", "as fibrolib", "finest too", "bfloat16")
REPEATS = 5
N_PICTURES = 16


def median_time(call, clips: torch.Tensor) -> float:
    """Milliseconds of processor time per clip, median after a first call."""
    times = []
    for _ in range(REPEATS + 1):
        begun = time.process_time()
        call()
        times.append(time.process_time() - begun)
    return 1000 * statistics.median(times[1:]) / len(clips)


def pictures() -> torch.Tensor:
    """Still images of virtual patients, ``(n, 1, 224, 224)``."""
    patients = draw_patients(N_PICTURES, 0, SignalStrengths()).itertuples(index=False)
    frames = [render_image(patient, (0, i), truth=False).frames[0] for i, patient in enumerate(patients)]
    images = torch.tensor(np.stack(frames)[:, None] / 255).float()
    return torch.nn.functional.interpolate(images, size=(224, 224), mode="bilinear", antialias=True)


def measure(way: str, name: str, shape: tuple[int, ...]) -> tuple[dict[str, float], np.ndarray]:
    """Scoring and training of one net, and the maps of its backbone."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if way == "float32":
        backbone.reuse_memory = lambda: None
    if way in ("float32", "memory kept"):
        backbone._has_bfloat16 = lambda: False
    if way not in ("as fibrolib", "finest too"):
        volume._has_bfloat16 = lambda: False
        folding.convolve = lambda layer, *given: gradients._convolve(
            *given[:3], layer.stride, layer.padding, layer.dilation, layer.groups
        )
    if way == "finest too":
        backbone.folded = lambda *_: folding.folded(torch.bfloat16)
    net = build_net(name, 5)
    if way in ("float32", "memory kept", "reduced"):
        for module in net.modules():
            vars(module).pop("forward", None)
    clips, stages = torch.rand(shape), torch.randint(0, 5, shape[:1])

    def forward() -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=way == "bfloat16"):
            return net(clips).float()

    net.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=way == "bfloat16"):
        maps = net.backbone(pictures()).float().numpy()
    with torch.inference_mode():
        scoring = median_time(forward, clips)
    net.train()
    training = median_time(lambda: OrdinalLoss()(forward(), stages).backward(), clips)
    return {"scoring": scoring, "training": training}, maps


def main() -> None:
    """Print one row per net and work, and the error of each way."""
    found, maps = {}, {}
    for name, shape in CASES.items():
        for way in SETTINGS:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                times, maps[name, way] = pool.apply(measure, (way, name, shape))
            found |= {(name, work, way): value for work, value in times.items()}
    found = pd.Series(found, name="ms").rename_axis(["net", "work", "way"]).reset_index()
    table = found.pivot_table(index=["net", "work"], columns="way", values="ms")[list(SETTINGS)]
    print("CPU milliseconds per clip, one thread")
    print(table.round(1).reset_index().to_markdown(index=False))
    print(f"\nError of the backbone's maps of {N_PICTURES} images, per cent of their norm")
    errors = {
        net: {way: 100 * relative_error(maps[net, way], maps[net, "float32"]) for way in SETTINGS} for net in CASES
    }
    print(pd.DataFrame(errors).T.round(2).rename_axis("net").reset_index().to_markdown(index=False))


def relative_error(found: np.ndarray, exact: np.ndarray) -> float:
    """Norm of the difference as a share of the norm."""
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def compare_scores(run: Path) -> None:
    """Print how far scores of the same networks differ with bfloat16 and without, for all patients of a run."""
    torch.set_num_threads(1)
    patients, rows = open_study("", "quick", 2, 0, str(run)).patients, []
    test = (patients["split"] == "test").to_numpy()
    truth = at_least(patients["stage"], 2)
    for path in sorted((run / "models").glob("*.safetensors")):
        net, scores = NetClassifier.load(path), {}
        for reduced in (False, True):
            for module in (backbone, volume):
                module._has_bfloat16 = lambda reduced=reduced: reduced
            scores[reduced] = net.predict_proba(patients)[:, 1]
        difference = np.abs(scores[True] - scores[False])
        row = {"net": path.stem, "patients": len(patients), "median": np.median(difference), "most": difference.max()}
        areas = {f"test AUC, {reduced=}": auc(truth[test], score[test]) for reduced, score in scores.items()}
        rows.append(row | areas)
    print(pd.DataFrame(rows).round(4).to_markdown(index=False))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        compare_scores(Path(sys.argv[1]))
    else:
        main()
