"""What memory that is kept and bfloat16 save: milliseconds per clip of each net, scoring and training.

Ways, each in a process of its own, on one thread:

- float32: every layer, and glibc as it comes;
- memory kept: the same, with `fibrolib.nets.backbone`;
- reduced: also bfloat16 where nothing is learned (`fibrolib.nets.Backbone`);
- as fibrolib: also with normalisation folded into convolutions (`fibrolib.nets.folding`);
- bfloat16: also bfloat16 everywhere else.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time

import pandas as pd
import torch

from fibrolib.nets import OrdinalLoss, backbone, build_net

CASES = {"frame_cnn": (8, 1, 1, 224, 224), "frame_lstm": (8, 1, 3, 224, 224), "motion_slowfast": (8, 1, 17, 224, 224)}
SETTINGS = ("float32", "memory kept", "reduced", "as fibrolib", "bfloat16")
REPEATS = 5


def median_time(call, clips: torch.Tensor) -> float:
    """Milliseconds of processor time per clip, median after a first call."""
    times = []
    for _ in range(REPEATS + 1):
        begun = time.process_time()
        call()
        times.append(time.process_time() - begun)
    return 1000 * statistics.median(times[1:]) / len(clips)


def measure(way: str, name: str, shape: tuple[int, ...]) -> dict[str, float]:
    """Scoring and training of one net."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if way == "float32":
        backbone._reuse_memory = lambda: None
    if way in ("float32", "memory kept"):
        backbone._has_bfloat16 = lambda: False
    net = build_net(name, 5)
    if way in ("float32", "memory kept", "reduced"):
        for module in net.modules():
            vars(module).pop("forward", None)
    clips, stages = torch.rand(shape), torch.randint(0, 5, shape[:1])

    def forward() -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=way == "bfloat16"):
            return net(clips).float()

    net.eval()
    with torch.inference_mode():
        scoring = median_time(forward, clips)
    net.train()
    return {"scoring": scoring, "training": median_time(lambda: OrdinalLoss()(forward(), stages).backward(), clips)}


def main() -> None:
    """Print one row per net and work."""
    found = {}
    for name, shape in CASES.items():
        for way in SETTINGS:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                for work, value in pool.apply(measure, (way, name, shape)).items():
                    found[name, work, way] = value
    found = pd.Series(found, name="ms").rename_axis(["net", "work", "way"]).reset_index()
    table = found.pivot_table(index=["net", "work"], columns="way", values="ms")[list(SETTINGS)]
    print("CPU milliseconds per clip, one thread")
    print(table.round(1).reset_index().to_markdown(index=False))


if __name__ == "__main__":
    main()
