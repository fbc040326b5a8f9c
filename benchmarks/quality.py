"""Sensitivity and specificity of the quality gate on virtual clips, half of which are of no use.

    python benchmarks/quality.py FOLDER --patients 60 --seed 501

simulates them (or takes those of FOLDER), and prints the gate's numbers by fault, its sensitivity for each fault and
its specificity with Wilson intervals, and the processor time per clip. With --cohort TABLE also the numbers of the
videos of that table and the share that is flagged with the limits of other clips, which are not fitted to them.
"""

import argparse
import time
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from fibrolib.inference import wilson
from fibrolib.phantom import SignalStrengths, simulate_cohort
from fibrolib.video import QUALITY_LIMITS, STEADY_LIMITS, clip_quality, prepare_clip, quality_faults


def _measure(root: Path, names: Iterable[str]) -> tuple[pd.DataFrame, float]:
    """Numbers of each clip, and processor seconds per clip."""
    rows, seconds = [], 0.0
    for name in names:
        clip = prepare_clip(root / name, size=224, fps=20.0, max_frames=192)
        start = time.process_time()
        rows.append(clip_quality(clip))
        seconds += time.process_time() - start
    return pd.DataFrame(rows), seconds / len(rows)


def _say(label: str, count: int, n: int) -> None:
    share = wilson(count, n)
    print(f"{label} {count} of {n}, {share.value:.2f} ({share.low:.2f} to {share.high:.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--patients", type=int, default=60)
    parser.add_argument("--seed", type=int, default=501)
    parser.add_argument("--cohort", type=Path)
    asked = parser.parse_args()
    form = {"frames": 24, "fps": 10.0, "images": False, "truth": False}
    strengths = SignalStrengths(bad_clips=0.5)
    table = simulate_cohort(asked.folder, patients=asked.patients, seed=asked.seed, strengths=strengths, **form)
    clips = pd.read_csv(table.parent / "truth" / "clips.csv", keep_default_na=False)
    numbers, seconds = _measure(table.parent, clips["video"])
    truth = clips["fault"].replace("", "none")
    print(numbers.groupby(truth).quantile([0.0, 0.5, 1.0]).round(2).to_string())
    for name, limits in (("of virtual clips", STEADY_LIMITS), ("of other clips", QUALITY_LIMITS)):
        print(f"With the limits {name}")
        flagged = numbers.apply(quality_faults, axis=1, limits=limits).map(bool)
        for fault, found in flagged.groupby(truth):
            kind = "specificity" if fault == "none" else "sensitivity"
            _say(f"{fault}: {kind}", int((found == (fault != "none")).sum()), len(found))
    print(f"{1000 * seconds:.1f} ms a clip")
    if asked.cohort:
        videos, _ = _measure(asked.cohort.parent, pd.read_csv(asked.cohort)["video"])
        print(videos.quantile([0.0, 0.05, 0.5, 0.95, 1.0]).round(2).to_string())
        faults = videos.apply(quality_faults, axis=1).str.join("; ")
        _say(f"{asked.cohort.parent.name}: flagged", int(faults.ne("").sum()), len(faults))
        print(faults[faults.ne("")].value_counts().to_string())


if __name__ == "__main__":
    main()
