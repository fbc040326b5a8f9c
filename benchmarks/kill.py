"""Kill a run at random instants, resume it each time, and compare its end with that of a run nobody disturbed.

python benchmarks/kill.py [--kills 20] [--seed 0] [--folder FOLDER]

A kill is SIGKILL to the run's whole process group, as a power cut would end it; notebook kernels, which are sessions of
their own, are left to notice that their run is gone, while the next attempt is already at work. Both runs simulate
their cohort for themselves, at the profile kill.toml.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PROFILE = Path(__file__).with_name("kill.toml")
COMPARED = ("results.json", "predictions.csv")
SHORTEST = 3.0  # seconds: an attempt takes about so long to import what it needs


def start(out: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "fibrolib", "run", "--profile", str(PROFILE), "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)


def finish(out: Path) -> float:
    begun = time.monotonic()
    process = start(out)
    _, told = process.communicate()
    if process.returncode:
        raise SystemExit(f"{out}: the run ended with status {process.returncode}\n{told.decode()}")
    return time.monotonic() - begun


def finished_parts(out: Path) -> str:
    counts = {name: len(list(out.glob(pattern))) for name, pattern in PARTS.items()}
    return ", ".join(f"{count} {name}" for name, count in counts.items())


PARTS = {
    "virtual patients": "../cohorts/*/truth/virtual-*.npz",
    "clips": "cache/clips/*.npz",
    "results": "cache/results/[!.]*",
    "notebooks": "notebooks/[!.]*.ipynb",
}


def kill(out: Path, seconds: float) -> bool:
    """Start a run and kill it; False where it had ended before."""
    process = start(out)
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return True
    if process.returncode:
        raise SystemExit(f"{out}: an attempt ended by itself with status {process.returncode}")
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=None, help="where the runs are kept; none: they are removed")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        compare(asked.folder or Path(scratch), asked.kills, asked.seed)


def compare(folder: Path, kills: int, seed: int) -> None:
    undisturbed, killed = folder / "one" / "undisturbed", folder / "other" / "killed"
    whole = finish(undisturbed)
    print(f"undisturbed: {whole:.0f} s", flush=True)
    instants = SHORTEST + np.random.default_rng(seed).uniform(0, 2 * whole / kills, kills)
    done = 0
    for seconds in instants:
        if not kill(killed, seconds):
            print(f"it was finished after {done} kills; the last attempt found nothing left to do")
            break
        done += 1
        print(f"kill {done} after {seconds:.1f} s: {finished_parts(killed)}", flush=True)
    print(f"last attempt: {finish(killed):.0f} s")
    time.sleep(SHORTEST)  # for the last orphaned kernel
    left = list(killed.rglob(".unfinished-*"))
    different = [name for name in COMPARED if (undisturbed / name).read_bytes() != (killed / name).read_bytes()]
    print(f"killed {done} times; half-written files left: {len(left)}; different: {', '.join(different) or 'nothing'}")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
