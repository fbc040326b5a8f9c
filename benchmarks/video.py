"""Reading videos: frames beside plain PyAV, speed beside plain PyAV, the second read, memory.

python benchmarks/video.py FOLDER [--every N]     # all videos below FOLDER, or every N-th of them
python benchmarks/video.py --lengths              # preparing videos of 2 to 60 seconds, which it makes

Speeds are of processor time, the least of three alternating reads, so that they can be compared on a busy machine;
"plain" decodes the same files with PyAV into the same grey arrays and does nothing else.
"""

from __future__ import annotations

import argparse
import functools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np

from fibrolib.learning.clips import _spread_windows
from fibrolib.study import load_profile
from fibrolib.study.preprocessing import form_of
from fibrolib.video import find_sector, load_clip, prepare_cached, prepare_clip, read_video, survey_video, write_video

SUFFIXES = {".mp4", ".mov", ".avi", ".mpeg", ".mpg", ".gif", ".webm", ".mkv"}
FORM = form_of(load_profile("quick"), "clip")
REPEATS = 3


def plain(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        return np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)])


def decode_and_crop(path: Path) -> np.ndarray:
    frames = read_video(path).frames
    sector = find_sector(frames)
    top, bottom, left, right = sector.box
    return frames[:, top:bottom, left:right] * sector.mask[top:bottom, left:right]


def seconds(work, *arguments) -> tuple[float, object]:
    start = time.process_time()
    result = work(*arguments)
    return time.process_time() - start, result


def frames_and_speed(paths: list[Path]) -> None:
    totals, different = np.zeros(3), []
    for path in paths:
        expected = len(plain(path))
        least = np.min([[seconds(work, path)[0] for work in (plain, decode_and_crop)] for _ in range(REPEATS)], axis=0)
        totals += expected, *least
        different += [path.name] if survey_video(path).n_frames != expected else []
    print(f"{len(paths)} files, {totals[0]:.0f} frames as PyAV counts; other counts here: {different or 'none'}")
    print(f"plain PyAV {totals[0] / totals[1]:.0f} frames/s, decoded and cropped {totals[0] / totals[2]:.0f} frames/s:")
    print(f"ratio {totals[1] / totals[2]:.2f}")


def second_read(paths: list[Path]) -> None:
    with tempfile.TemporaryDirectory() as folder:

        def read(path: Path):
            return load_clip(prepare_cached(path, folder, **FORM))

        first, second = (sum(seconds(read, path)[0] for path in paths) for _ in range(2))
        kept = sum(file.stat().st_size for file in Path(folder).iterdir()) / len(paths)
    print(f"prepared {1e3 * first / len(paths):.0f} ms a file, again {1e3 * second / len(paths):.1f} ms: "
          f"{first / second:.0f} times faster; {kept / 1024:.0f} KiB kept a file")  # fmt: skip


def memory(paths: list[Path]) -> None:
    """Peak memory after the video that needs most, and after all of them in one process."""
    alone = max(peak([path]) for path in sorted(paths, key=lambda path: path.stat().st_size)[-3:])
    print(f"peak memory: {alone:.0f} MiB for one of the three largest files alone, {peak(paths):.0f} MiB for all "
          f"{len(paths)} one after the other")  # fmt: skip


def lengths() -> None:
    """Processor time and peak memory of preparing a video, and where the windows of `cnn3d` on real patients lie."""
    settings = load_profile("quick").for_cohort(virtual=False).model("cnn3d").arguments
    form = {name: value for name, value in FORM.items() if name != "kind"}
    random = np.random.default_rng(0)
    tissue = (90 + 60 * random.random((540, 720))).astype(np.uint8)
    print("video of 720 x 540 at 30 frames/s | processor s | peak MiB | frames kept | windows begin at (s)")
    with tempfile.TemporaryDirectory() as folder:
        for length in (2, 10, 30, 60):
            path = Path(folder) / f"{length}.mp4"
            write_video(path, np.stack([np.roll(tissue, frame % 20, axis=0) for frame in range(30 * length)]), 30)
            spent, clip = seconds(functools.partial(prepare_clip, path, **form))
            most = peak([path], f"import functools; from fibrolib.video import prepare_clip; "
                        f"work = functools.partial(prepare_clip, **{form})")  # fmt: skip
            shape = (settings["clip_length"], settings["frame_stride"], settings["n_clips"])
            starts = [f"{start / clip.fps:.1f}" for start in _spread_windows(len(clip.frames), *shape)]
            print(f"{length:2} s | {spent:.1f} | {most:.0f} | {len(clip.frames)} | {', '.join(starts)}", flush=True)


def peak(paths: list[Path], work: str = "from fibrolib.video import survey_video as work") -> float:
    code = f"import re, sys; {work}\nfor path in sys.argv[1:]: work(path)\n"
    # Not ru_maxrss, which a process takes over from the one that starts it.
    code += "print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) / 1024)"
    done = subprocess.run([sys.executable, "-c", code, *map(str, paths)], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--lengths", action="store_true")
    parser.add_argument("--every", type=int, default=1)
    asked = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if asked.lengths:
        lengths()
        return
    if asked.folder is None:
        parser.error("give a folder with videos, or --lengths")
    paths = sorted(path for path in asked.folder.rglob("*") if path.suffix.lower() in SUFFIXES)[:: asked.every]
    frames_and_speed(paths)
    second_read(paths)
    memory(paths)


if __name__ == "__main__":
    main()
