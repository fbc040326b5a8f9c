"""The virtual cohort to look at: plates, motion mode, a clip per stage; and how soon a slider answers.

python benchmarks/looks.py plates --out DIR   # PNG plates and MP4 clips
python benchmarks/looks.py latency            # median seconds from a slider moved to the picture drawn
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from fibrolib.experiments import Explorer, detail, mmode_strip, render_beats, true_movement, typical_patient
from fibrolib.phantom import SignalStrengths, render_image
from fibrolib.plots import plot_mmode, plot_movement, plot_plate, save_figure
from fibrolib.stages import METAVIR, stage_name
from fibrolib.video import write_video

SCAN = {"breath_mm": 0.0, "heart_rate": 66.0}
SETTINGS = (0.0, 1.0, 3.0)


def stages(out: Path, seed: int) -> None:
    """Five stages of one body in a row, and the surface of each magnified."""
    stills = [render_image(typical_patient(stage, seed, **SCAN), (seed, 0)) for stage in METAVIR]
    rows = {"picture": [still.frames[0] for still in stills], "detail": [detail(still) for still in stills]}
    figure = plot_plate(rows, [stage_name(stage) for stage in METAVIR], scale=stills[0].scale, width=12)
    save_figure(figure, out / f"stages_{seed}.png")


def strengths(out: Path, seed: int) -> None:
    """Each dial at 0, 1 and 3, on the patient with F4."""
    rows = {}
    for dial in ("texture", "capsule"):
        scenarios = [SignalStrengths(**{dial: value}) for value in SETTINGS]
        stills = [render_image(typical_patient(4, seed, scenario, **SCAN), (seed, 0)) for scenario in scenarios]
        rows[dial] = [still.frames[0] for still in stills]
        rows[f"{dial}, detail"] = [detail(still) for still in stills]
    titles = [f"dial at {value:g}" for value in SETTINGS]
    save_figure(plot_plate(rows, titles, scale=stills[0].scale), out / "dials.png")
    beats = {
        f"motion = {value:g}": render_beats(typical_patient(4, seed, SignalStrengths(motion=value), **SCAN), seed)
        for value in SETTINGS
    }
    movement(out / "motion_dial.png", beats)


def movement(path: Path, clips: dict) -> None:
    """Displacement and strain at systole."""
    moves = {name: true_movement(clip) for name, clip in clips.items()}
    one = next(iter(clips.values()))
    figure = plot_movement(
        {name: clips[name].frames[move.systole] for name, move in moves.items()},
        one.nodes,
        {name: move.displacement for name, move in moves.items()},
        {name: move.strain for name, move in moves.items()},
        scale=one.scale,
    )
    save_figure(figure, path)


def moving(out: Path, seed: int) -> None:
    """A clip per stage, side by side too; motion mode and movement of F0 beside F4."""
    clips = {
        stage_name(stage): render_beats(typical_patient(stage, seed, **SCAN), seed, beats=3, frames=22)
        for stage in METAVIR
    }
    fps = clips["F0"].fps
    for name, clip in clips.items():
        write_video(out / f"clip_{name}.mp4", clip.frames, fps)
    write_video(out / "clips.mp4", np.concatenate([clip.frames for clip in clips.values()], axis=2), fps)
    place = true_movement(clips["F0"]).place
    strips = {name: mmode_strip(clip, place) for name, clip in clips.items()}
    paths = {name: true_movement(clip, place).path for name, clip in clips.items()}
    figure = plot_mmode(strips, paths, seconds=len(clips["F0"].frames) / fps, scale=clips["F0"].scale)
    save_figure(figure, out / "mmode.png")
    movement(out / "movement.png", {name: clips[name] for name in ("F0", "F4")})


def plates(out: Path, seed: int) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for body in range(seed, seed + 3):
        stages(out, body)
    strengths(out, seed)
    moving(out, seed)
    print(*sorted(path.name for path in out.iterdir()))


def latency(seed: int) -> None:
    explorer = Explorer(seed)
    print("median over five moves; on a busy machine the processor's time says more than the clock")
    turns = dict.fromkeys(("severity", "texture", "capsule", "motion"), (0.25, 0.5, 2.0, 2.75, 3.0))
    for name, values in {**turns, "seed": range(seed + 1, seed + 6)}.items():
        _tell(name, explorer.controls[name], values)
    _tell("frame", explorer.frame, range(1, 6))


def _tell(name: str, control: object, values: Iterable[float]) -> None:
    """Move a slider and time it; the callbacks have run and the pictures are encoded when the value is set."""
    clock, processor = [], []
    for value in values:
        pretrained_modules = time.perf_counter(), time.process_time()
        control.value = value
        clock.append(time.perf_counter() - pretrained_modules[0])
        processor.append(time.process_time() - pretrained_modules[1])
    print(f"{name}: {statistics.median(clock):.3f} s, processor {statistics.median(processor):.3f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["plates", "latency"])
    parser.add_argument("--out", type=Path, default=Path("looks"))
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if asked.what == "latency":
        latency(asked.seed)
    else:
        plates(asked.out, asked.seed)


if __name__ == "__main__":
    main()
