"""Sensitivity and specificity of the quality gate on virtual clips, half of which are of no use.

    python benchmarks/quality.py FOLDER --patients 60 --seed 501

simulates them (or takes those of FOLDER), and prints the gate's numbers by fault, its sensitivity for each fault and
its specificity with Wilson intervals, and the processor time per clip. The limits were chosen with --seed 500.
"""

import argparse
import time

import pandas as pd

from fibrolib.inference import wilson
from fibrolib.phantom import SignalStrengths, simulate_cohort
from fibrolib.video import clip_quality, prepare_clip, quality_faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--patients", type=int, default=60)
    parser.add_argument("--seed", type=int, default=501)
    asked = parser.parse_args()
    form = {"frames": 24, "fps": 10.0, "images": False, "truth": False}
    strengths = SignalStrengths(bad_clips=0.5)
    table = simulate_cohort(asked.folder, patients=asked.patients, seed=asked.seed, strengths=strengths, **form)
    clips = pd.read_csv(table.parent / "truth" / "clips.csv", keep_default_na=False)
    rows, seconds = [], 0.0
    for name in clips["video"]:
        clip = prepare_clip(table.parent / name, size=224, fps=20.0, max_frames=192)
        start = time.process_time()
        rows.append(clip_quality(clip))
        seconds += time.process_time() - start
    numbers = pd.DataFrame(rows).assign(fault=clips["fault"].replace("", "none"))
    print(numbers.groupby("fault").quantile([0.0, 0.5, 1.0]).round(2).to_string())
    flagged = pd.Series([quality_faults(row) != "" for row in rows])
    for fault, found in flagged.groupby(numbers["fault"]):
        right = int((found == (fault != "none")).sum())
        share = wilson(right, len(found))
        kind = "specificity" if fault == "none" else "sensitivity"
        print(f"{fault}: {kind} {right} of {len(found)}, {share.value:.2f} ({share.low:.2f} to {share.high:.2f})")
    print(f"{1000 * seconds / len(rows):.1f} ms a clip")


if __name__ == "__main__":
    main()
