"""Many videos: peak memory and processor seconds of checking, preparing, training and scoring a cohort of N videos.

    python benchmarks/many.py 100 1000 10000
    python benchmarks/many.py 10000 --steps check     # check, prepare, probe, train, memory, score
    python benchmarks/many.py 10000 --pairs           # only looking for copies, by a part of all pairs

Small videos of synthetic speckle are made for it: every patient's has a texture of its own beside one that all share
(livers look alike), and every fiftieth is a copy of the one before: coded anew with another gain, mirrored, without its
first third, or with a twentieth cut off two or four sides. Each step is a process of its own; memory is its peak
resident size. "train" reads clips from disk, "memory" is the same epoch with all clips in memory beforehand.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage

from fibrolib.checking import check_cohort, copies
from fibrolib.cohort import read_cohort, write_cohort
from fibrolib.learning import NetClassifier, clips
from fibrolib.study import load_profile
from fibrolib.study.preprocessing import prepare_files
from fibrolib.video import fingerprints, map_frames, write_video
from fibrolib.video.survey import _Miniature

HEIGHT, WIDTH, FRAMES = 96, 128, 18
COPY_EVERY = 50
COPIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "gain": lambda frames: np.clip(frames * 0.8 + 12, 0, 255).astype(np.uint8),
    "mirrored": lambda frames: frames[:, :, ::-1],
    "later": lambda frames: frames[len(frames) // 3 :],
    "two sides": lambda frames: frames[:, 4:, :-6],
    "four sides": lambda frames: frames[:, 4:-4, 6:-6],
}
NET = {"architecture": "motion_slowfast", "options": {"weights": "scratch", "width": 4}, "clip_length": 9}


def speckle(seed: int, grain: float, sway: float = 0.0) -> np.ndarray:
    """A texture, of mean 0 and deviation 1, that sways from side to side."""
    noise = np.random.default_rng(seed).normal(size=(HEIGHT, WIDTH))
    texture = ndimage.gaussian_filter(noise, grain, mode="wrap")
    spectrum = np.fft.rfft(texture / texture.std(), axis=1)
    shifts = sway * np.sin(2 * np.pi * np.arange(FRAMES) / FRAMES)
    turns = np.exp(-2j * np.pi * np.fft.rfftfreq(WIDTH) * shifts[:, None])
    return np.fft.irfft(spectrum * turns[:, None], n=WIDTH, axis=2)


def video(number: int, shared: np.ndarray) -> np.ndarray:
    moving = shared + speckle(number + 1, 2.5, sway=1.5)
    return np.clip(110 + 28 * moving, 6, 250).astype(np.uint8)


def planted(n: int) -> dict[int, str]:
    """Numbers of the videos that are copies of the one before, and how."""
    return {number: list(COPIES)[k % len(COPIES)] for k, number in enumerate(range(COPY_EVERY - 1, n, COPY_EVERY))}


def make(folder: Path, n: int) -> None:
    shared, planned = speckle(0, 6.0), planted(n)
    (folder / "videos").mkdir()
    for number in range(n):
        frames = video(number - (number in planned), shared)
        frames = COPIES[planned[number]](frames) if number in planned else frames
        write_video(folder / "videos" / f"{number}.mp4", np.ascontiguousarray(frames), 20.0)
    stages = np.arange(n) % 5
    files = [f"videos/{number}.mp4" for number in range(n)]
    write_cohort(pd.DataFrame({"patient_id": np.arange(n), "video": files, "stage": stages}), folder / "cohort.csv")


def check(folder: Path, n: int) -> str:
    found = {
        tuple(line - 2 for line in finding.rows)
        for finding in check_cohort(folder / "cohort.csv").findings
        if finding.kind.startswith("copy-")
    }
    expected = {(number - 1, number): how for number, how in planted(n).items()}
    missed = sorted(how for pair, how in expected.items() if pair not in found)
    others = len(found - set(expected))
    return f"of {len(expected)} copies {len(expected) - len(missed)} found {missed or ''}, {others} others"


def prepare(folder: Path, n: int) -> str:
    patients = read_cohort(folder / "cohort.csv").patients()
    patients["clips"] = prepare_files(patients, folder / "clips", load_profile("smoke"), "clip")
    patients[["stage", "clips"]].to_pickle(folder / "patients.pkl")
    return f"{len(patients)} patients"


def train(folder: Path, n: int) -> str:
    patients = pd.read_pickle(folder / "patients.pkl")
    begun = time.process_time()
    net = NetClassifier(**NET, epochs=1, n_threads=1).fit(patients, patients["stage"])
    spent = time.process_time() - begun
    net.save(folder / "net.safetensors")
    return f"{1e3 * spent / n:.2f} ms a video"


def memory(folder: Path, n: int) -> str:
    paths = [str(path) for paths in pd.read_pickle(folder / "patients.pkl")["clips"] for path in paths]
    held = {path: np.array(map_frames(path)) for path in paths}
    clips.map_frames = held.__getitem__
    return train(folder, n)


def probe(folder: Path, n: int) -> str:
    patients = pd.read_pickle(folder / "patients.pkl")
    net = NetClassifier("frame_cnn", weights="imagenet", epochs=0, clip_length=1, n_threads=1, memory=folder / "fits")
    scores = net.fit(patients, patients["stage"]).predict_proba(patients)
    return f"mean score {scores[:, 1].mean():.3f}"


def score(folder: Path, n: int) -> str:
    scores = NetClassifier.load(folder / "net.safetensors").predict_proba(pd.read_pickle(folder / "patients.pkl"))
    return f"mean score {scores[:, 1].mean():.3f}"


def small(number: int, shared: np.ndarray) -> _Miniature:
    """Eight frames of a video as the survey keeps them, without coding it."""
    frames = [Image.fromarray(frame).resize((96, 96), Image.Resampling.BOX) for frame in video(number, shared)[:16:2]]
    return _Miniature(np.stack(frames), np.full((96, 96), 255, dtype=np.uint8))


def pairs(n: int, files: int = 256) -> None:
    """Processor seconds of looking for copies among n videos: measured for some of them, each with all n."""
    shared = speckle(0, 6.0)
    known = [copies._packed(fingerprints(small(number, shared))) for number in range(n)]
    block = [small(number, shared) for number in range(files)]
    in_full, compared = copies._how, []
    copies._how = lambda *prints: compared.append(in_full(*prints)) or compared[-1]
    begun = time.process_time()
    found = list(copies._matches(block, known, copies._MARGINS))
    each = (time.process_time() - begun) / files
    print(f"{n} videos: {n * each:.0f} s for all pairs, {1e3 * each:.1f} ms a video; compared in full "
          f"{len(compared) / files / n:.2%} of the pairs; found {len(found)}, {files} of them with themselves; "
          f"{sum(each.nbytes for each in known) / 2**20:.0f} MiB of fingerprints")  # fmt: skip


STEPS = {step.__name__: step for step in (check, prepare, probe, train, memory, score)}


def in_process(step: str, folder: Path, n: int) -> dict:
    """Peak memory and processor seconds of a step, as it tells them at its end."""
    command = [sys.executable, __file__, str(n), "--steps", step, "--inside", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def tell(step: str, folder: Path, n: int) -> None:
    begun = time.process_time()
    said = STEPS[step](folder, n)
    spent = time.process_time() - begun
    # Not ru_maxrss, which a process takes over from the one that starts it.
    peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024
    print(json.dumps({"peak": peak, "seconds": spent, "said": said}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("n", type=int, nargs="+", help="videos")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--inside", type=Path, help="folder of a cohort that was made (one step of one size)")
    parser.add_argument("--pairs", action="store_true")
    asked = parser.parse_args()
    if asked.pairs:
        for n in asked.n:
            pairs(n)
        return
    if asked.inside:
        tell(asked.steps[0], asked.inside, asked.n[0])
        return
    print("   n  step     peak MiB  processor s  ms a video")
    for n in asked.n:
        with tempfile.TemporaryDirectory() as folder:
            begun = time.process_time()
            make(Path(folder), n)
            print(f"{n:5}  made               {time.process_time() - begun:11.1f}")
            for step in asked.steps:
                row = in_process(step, Path(folder), n)
                each = 1e3 * row["seconds"] / n
                print(
                    f"{n:5}  {step:8} {row['peak']:8.0f} {row['seconds']:12.1f} {each:11.2f}  {row['said']}", flush=True
                )


if __name__ == "__main__":
    main()
