"""Time, processor seconds by part, peak memory and results of whole runs, one per seed.

    python benchmarks/study.py --seeds 0 1 2                       # the virtual cohort at `quick`
    python benchmarks/study.py --cohort COHORT.csv --cutoff 1      # a cohort on disk
    python benchmarks/study.py --seeds 0 --schedulers none local:2 # without Dask, and with it; are the results equal?

Memory is the sum of the proportional set sizes of the run and all its processes (kernels, workers), sampled every
two seconds: shared pages count once. Processor seconds are user and system time; those of a notebook are its kernel's
(run.json), the rest is the run itself: starting and following kernels, and the report. Runs go to
``reports/benchmark-<name>-<seed>``, of Dask with its scheduler in the name; one that is there already is removed first,
so that nothing kept shortens it. Virtual cohorts that are already on disk are simulated anew.
"""

import argparse
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil

TOP = Path(__file__).resolve().parents[1]


def memory_of(process: psutil.Process) -> int:
    """Proportional set size of a process and its descendants, bytes."""
    total = 0
    for member in [process, *process.children(recursive=True)]:
        try:
            total += member.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return total


def processor_seconds() -> float:
    """User and system time of all processes that have been waited for, and of those that they had waited for."""
    return sum(os.times()[2:4])


def parts(row: dict, out: Path) -> dict[str, float]:
    """Processor seconds by step of a run; those of Dask's workers are in the rest."""
    steps, total = json.loads((out / "run.json").read_text("utf-8"))["processor_seconds"], row["processor s"]
    rest = {"the rest": total - sum(steps.values()), "total": total}
    return {"run": f"{row['seed']}, {row['scheduler']}"} | steps | rest


def run(seed: int, scheduler: str, options: argparse.Namespace) -> tuple[dict, Path]:
    """Run the study from nothing; return its row and its folder."""
    name = Path(options.cohort).resolve().parent.name if options.cohort else "virtual"
    with_dask = scheduler != "none"
    suffix = "-" + re.sub(r"\W+", "-", scheduler) if with_dask else ""
    out = TOP / "reports" / f"benchmark-{name}-{seed}{suffix}"
    shutil.rmtree(out, ignore_errors=True)
    for turned in ("", "-*"):  # with dials at their places, and not
        for cohort in (TOP / "reports" / "cohorts").glob(f"virtual-*-seed{seed}{turned}"):
            shutil.rmtree(cohort)
    command = [sys.executable, "-m", "fibrolib", "run", "--seed", str(seed), "--out", str(out)]
    command += ["--profile", options.profile, "--cutoff", str(options.cutoff), "--cohort", options.cohort]
    command += ["--scheduler", scheduler] if with_dask else []
    command += ["--pseudonymous"] if options.cohort else []  # as written, the split is the same for everybody's key
    begun, peak, spent = time.monotonic(), 0, processor_seconds()
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=sys.stderr)
    while process.poll() is None:
        peak = max(peak, memory_of(process))
        time.sleep(2)  # reading the sizes takes a tenth of a core at twice a second
    minutes = (time.monotonic() - begun) / 60
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    row = {
        "seed": seed,
        "scheduler": scheduler,
        "minutes": minutes,
        "processor s": processor_seconds() - spent,
        "peak GiB": peak / 2**30,
        "run folder MiB": size / 2**20,
    }
    return row | {"status": process.returncode, "load before": psutil.getloadavg()[2]}, out


def equal_results(folders: list[Path]) -> bool:
    """Whether the results of runs are the same bytes."""
    names = ("results.json", "predictions.csv")
    return all(len({(out / name).read_bytes() for out in folders}) == 1 for name in names)


def results_rows(seed: int, out: Path) -> list[dict]:
    """Test results of one run, from results.json."""
    found = json.loads((out / "results.json").read_text("utf-8"))
    shares = found["attribution"]
    return [
        {
            "seed": seed,
            "model": name,
            "n": entry["n"],
            "cv AUC": sum(entry["cv_auc"]) / len(entry["cv_auc"]),
            "test AUC": entry["auc"],
            "low": entry["auc_ci"][0],
            "high": entry["auc_ci"][1],
            "accuracy": entry["accuracy"],
            "F1 macro": entry["f1_macro"],
            "capsule share": shares.get(name, {}).get("capsule_share"),
            "capsule area": shares.get(name, {}).get("capsule_area"),
        }
        for name, entry in found["models"].items()
    ]


def main() -> None:
    """Parse the command line, run, print three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--schedulers", nargs="+", default=["none"], help="of Dask, such as local:2; none: without")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--cohort", default="")
    parser.add_argument("--cutoff", type=int, default=2)
    options = parser.parse_args()
    costs, rows, spent, finished = [], [], [], {}
    for seed, scheduler in itertools.product(options.seeds, options.schedulers):
        cost, out = run(seed, scheduler, options)
        costs.append(cost)
        if cost["status"] == 0:
            spent.append(parts(cost, out))
            finished.setdefault(seed, []).append(out)
        print(pd.DataFrame(costs).round(2).to_markdown(index=False), flush=True)
    for seed, folders in finished.items():
        rows += results_rows(seed, folders[0])
        if len(folders) > 1:
            print(f"\nSeed {seed}: results {'equal to the byte' if equal_results(folders) else 'differ'}")
    print("\n" + pd.DataFrame(spent).set_index("run").T.rename_axis("processor s").to_markdown(floatfmt=".1f"))
    print("\n" + pd.DataFrame(rows).round(3).to_markdown(index=False))


if __name__ == "__main__":
    main()
