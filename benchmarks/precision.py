"""Training time per clip of each net: float32 against bfloat16, plain against channels-last layout."""

import statistics
import time

import pandas as pd
import torch

from fibrolib.learning.training import channels_last
from fibrolib.nets import OrdinalLoss, build_net

CASES = {
    "motion_slowfast": (4, 1, 17, 224, 224),
    "frame_cnn": (8, 1, 1, 224, 224),
    "frame_lstm": (4, 1, 3, 224, 224),
    "r3d_18": (4, 1, 16, 64, 64),
}
REPEATS = 5


def seconds_per_clip(name: str, shape: tuple[int, ...], *, layout: bool, bfloat16: bool) -> float:
    """Median time of a forward and backward pass, divided by the batch."""
    torch.manual_seed(0)
    net = build_net(name, 5)
    net = channels_last(net) if layout else net
    clips, stages, times = torch.rand(shape), torch.randint(0, 5, shape[:1]), []
    for _ in range(REPEATS + 1):
        begun = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            logits = net(clips)
        OrdinalLoss()(logits.float(), stages).backward()
        times.append(time.perf_counter() - begun)
    return statistics.median(times[1:]) / shape[0]


def main() -> None:
    """Print one row per net."""
    torch.set_num_threads(1)
    rows = []
    for name, shape in CASES.items():
        row = {"net": name, "clip": "x".join(map(str, shape[2:]))}
        for layout in (False, True):
            for bfloat16 in (False, True):
                title = f"{'channels-last' if layout else 'plain'}, {'bfloat16' if bfloat16 else 'float32'}"
                row[title] = 1000 * seconds_per_clip(name, shape, layout=layout, bfloat16=bfloat16)
        rows.append(row)
    print("milliseconds per clip, one thread")
    print(pd.DataFrame(rows).round(1).to_markdown(index=False))


if __name__ == "__main__":
    main()
