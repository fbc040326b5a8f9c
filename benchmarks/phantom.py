"""The virtual cohort measured: speed, calibration beside the literature, and a cross-check against PyMUST.

python benchmarks/phantom.py speed        # frames per second, memory, seconds for a cohort
python benchmarks/phantom.py calibrate    # 2,000 virtual patients beside the published figures
python benchmarks/phantom.py dials        # the oracle at each dial's 0 / 1 / 3
python benchmarks/phantom.py recover      # what plain statistics of the pictures find of the carriers
python benchmarks/phantom.py pymust       # needs `pip install pymust` (LGPL), which the package itself does not
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.stats import kstest, spearmanr
from sklearn.metrics import roc_auc_score

from fibrolib.diagnostics import apri, fib4
from fibrolib.phantom import (
    MOVING,
    STILL,
    SignalStrengths,
    draw_patients,
    oracle_auc,
    render,
    render_clip,
    simulate_cohort,
)
from fibrolib.phantom.imaging import _PointSpread, _PolarGrid, _Receiver

PUBLISHED_AUC = {  # >= F2, >= F3, F4
    "SWE": (0.878, 0.932, 0.942),  # n = 327; the other large study: .887 / .912 / .832
    "FIB-4": (0.784, 0.817, 0.845),  # Xiao 2015
    "APRI": (0.741, 0.735, 0.727),  # Xiao 2015
}
# World J Gastroenterol 2019;25:3256, n = 63: lognormal mean and sigma in F0-1, F2, F3, F4.
PUBLISHED_SHAPE = {
    "SWE": ((1.774, 0.255), (2.049, 0.272), (2.068, 0.251), (2.399, 0.260)),
    "FIB-4": ((0.502, 0.339), (0.510, 0.332), (0.845, 0.355), (1.073, 0.431)),
    "APRI": ((-0.601, 0.335), (-0.518, 0.592), (-0.148, 0.441), (-0.096, 0.520)),
}
GROUPS = {"F0-1": (0, 1), "F2": (2,), "F3": (3,), "F4": (4,)}


def speed(patients: int) -> None:
    rows = list(draw_patients(8, seed=0).itertuples(index=False))
    render_clip(rows[0], (0, 0))
    start = time.process_time()
    count = sum(_frames(row, number) for number, row in enumerate(rows[:4]))
    print(f"one core: {count / (time.process_time() - start):.0f} frames per second of processor time, masks included")
    for kept in (True, False, True, False):
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            rate = pool.submit(_rate, kept).result()
        print(f"in a new process, freed memory {'kept' if kept else 'given back'}: {rate:.0f} frames per second of it")
    for workers in (1, 2):
        # Starting workers and importing takes seconds, once: a cohort does not feel it, eight patients would.
        Parallel(workers)(delayed(_frames)(row, number) for number, row in enumerate(rows[:workers]))
        start = time.perf_counter()
        counts = Parallel(workers)(delayed(_frames)(row, number) for number, row in enumerate(rows))
        print(f"{workers} worker(s): {sum(counts) / (time.perf_counter() - start):.0f} frames/s")
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        simulate_cohort(folder, patients=patients, n_jobs=2)
        print(f"{patients} patients with files: {time.perf_counter() - start:.0f} s on two workers")
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        print(f"size on disk: {size / patients / 1e6:.2f} MB per patient")
    for count in (2, 8):
        with tempfile.TemporaryDirectory() as folder:
            simulate_cohort(folder, patients=count, n_jobs=1)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"peak memory of one process after {count} patients: {peak:.0f} MiB")


def _rate(kept: bool) -> float:
    """Frames per second of processor time, without masks."""
    if not kept:
        render.reuse_memory = lambda: None
    rows = list(draw_patients(5, seed=0).itertuples(index=False))
    render_clip(rows[0], (0, 0), truth=False)
    start = time.process_time()
    count = sum(len(render_clip(row, (0, number), truth=False).frames) for number, row in enumerate(rows))
    return count / (time.process_time() - start)


def _frames(row: object, number: int) -> int:
    return len(render_clip(row, (0, number)).frames)


def calibrate(patients: int) -> None:
    table = draw_patients(patients, seed=2024)
    values = {
        "SWE": table["swe_kpa"],
        "FIB-4": fib4(table["age"], table["ast"], table["alt"], table["platelets"]),
        "APRI": apri(table["ast"], table["platelets"]),
    }
    rows = []
    for name, value in values.items():
        for (group, stages), (mean, sigma) in zip(GROUPS.items(), PUBLISHED_SHAPE[name], strict=True):
            here = np.percentile(value[table["stage"].isin(stages)], [25, 50, 75])
            there = np.exp(mean + sigma * np.array([-0.6745, 0, 0.6745]))
            rows.append((name, group, _quartiles(here), _quartiles(there)))
    print(_markdown(pd.DataFrame(rows, columns=["index", "stage", "virtual: median (quartiles)", "small study"])), "\n")
    rows = [
        (
            name,
            f">= F{cutoff}",
            f"{roc_auc_score(table['stage'] >= cutoff, value):.3f}",
            PUBLISHED_AUC[name][cutoff - 2],
        )
        for name, value in values.items()
        for cutoff in (2, 3, 4)
    ]
    print(_markdown(pd.DataFrame(rows, columns=["index", "cut-off", "virtual AUC", "large study"])), "\n")
    low, high = (table.loc[side, "strain"] for side in (table["stage"] < 2, table["stage"] >= 2))
    effect = (low.mean() - high.mean()) / np.sqrt((low.var() + high.var()) / 2)
    print(f"Cohen's d of strain at >= F2: {effect:.2f} (assumed band 0.8-1.1)")


def strengths() -> None:
    rows = []
    for name in ("texture", "capsule", "motion"):
        for value in (0.0, 1.0, 3.0):
            setting = replace(SignalStrengths(), **{name: value})
            ceilings = (
                f"{oracle_auc(setting, cutoff, STILL):.3f} / {oracle_auc(setting, cutoff, MOVING):.3f}"
                for cutoff in (2, 3, 4)
            )
            rows.append((f"{name} = {value:g}", *ceilings))
    print(_markdown(pd.DataFrame(rows, columns=["dial", ">= F2 still / moving", ">= F3", "F4"])))


def recover(patients: int) -> None:
    table = draw_patients(patients, seed=1)
    rows = list(table.itertuples(index=False))
    found = pd.DataFrame(Parallel(2)(delayed(_statistics)(row, number) for number, row in enumerate(rows)))
    lines = []
    for statistic, carrier, sign in (
        ("coarseness", "texture", 1),
        ("roughness", "capsule", 1),
        ("pulse", "strain", -1),
    ):
        aucs = (f"{roc_auc_score(table['stage'] >= cutoff, sign * found[statistic]):.2f}" for cutoff in (2, 3, 4))
        lines.append((statistic, carrier, f"{spearmanr(found[statistic], table[carrier]).statistic:.2f}", *aucs))
    print(_markdown(pd.DataFrame(lines, columns=["statistic", "carrier", "rank correlation", ">= F2", ">= F3", "F4"])))


def _statistics(row: object, number: int) -> dict[str, float]:
    """Three plain measurements on a clip, each within the true mask: an upper bound for a reader with callipers."""
    clip = render_clip(row, (1, number))
    liver = clip.masks["liver"] & ~clip.masks["vessels"] & ~clip.masks["capsule"]
    smooth = gaussian_filter(clip.frames.astype(np.float32), (0, 1.5, 1.5))
    weight = liver[0].astype(np.float32)
    fine, coarse = (
        gaussian_filter(clip.frames[0] * weight, size) / np.maximum(gaussian_filter(weight, size), 1e-3)
        for size in (2, 10)
    )
    band, grey = clip.masks["capsule"][0], gaussian_filter(clip.frames[0].astype(np.float32), 0.7)
    columns, line = np.nonzero(band.any(axis=0))[0], []
    for column in columns:
        at = np.nonzero(band[:, column])[0]
        light = np.clip(grey[at, column] - np.median(grey[at, column]), 0, None) + 1e-3
        line.append(np.average(at, weights=light))
    line = np.array(line) - np.polyval(np.polyfit(columns - columns.mean(), line, 6), columns - columns.mean())
    blocks = np.abs(np.diff(smooth, axis=0)).reshape(len(smooth) - 1, 16, 16, 20, 16).mean(axis=(2, 4))
    beat = np.percentile(blocks, 95, axis=0) - np.percentile(blocks, 30, axis=0)
    full = liver.mean(axis=0).reshape(16, 16, 20, 16).mean(axis=(1, 3)) > 0.6
    return {
        "coarseness": float((fine - coarse)[liver[0]].std()),
        "roughness": float(line[8:-8].std()),
        "pulse": float(np.sort(beat[full])[-6:].mean()),
    }


def pymust(scatterers: int) -> None:
    """One diverging transmit of a convex probe, beam-formed, against our receiver on the same scatterers."""
    import pymust as must  # not a dependency of the package

    probe = must.getparam("C5-2v")
    probe.fs = 4 * probe.fc
    face = 1e3 * probe.radius
    rng = np.random.default_rng(0)
    r, theta = rng.uniform(58, 82, scatterers), rng.uniform(-0.13, 0.13, scatterers)
    grid = np.meshgrid(np.arange(61.0, 79.0, 0.1), np.arange(-0.11, 0.11, 0.002), indexing="ij")

    def image(r: np.ndarray, theta: np.ndarray, strength: np.ndarray) -> tuple[np.ndarray, float]:
        def plane(r: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return (face + r) * np.sin(theta) / 1e3, ((face + r) * np.cos(theta) - face) / 1e3

        delays = np.zeros((1, probe.Nelements))
        start = time.perf_counter()
        echoes = must.rf2iq(must.simus(*plane(r, theta), strength, delays, probe)[0], probe.fs, probe.fc)
        seconds = time.perf_counter() - start
        weights = must.dasmtx(1j * np.array(echoes.shape), *plane(*grid), delays, probe)
        return np.abs(weights @ echoes.flatten(order="F")).reshape(grid[0].shape, order="F"), seconds

    point, _ = image(np.array([70.0, 99.0]), np.array([0.0, 0.0]), np.array([1.0, 1e-6]))
    widths = [_full_width(point.max(axis=1), 0.1), _full_width(point.max(axis=0), 0.002)]
    theirs, slow = image(r, theta, np.ones(scatterers))

    spread = _PointSpread(probe.fc / 1e6, widths[0], widths[1], 70.0, 0.0)
    scene = r.astype("f4"), theta.astype("f4"), np.ones(scatterers, "c8")
    usual = _Receiver(_PolarGrid(140.0), spread, 1.0)
    usual.envelope(*scene)
    start = time.perf_counter()
    usual.envelope(*scene)
    quick = time.perf_counter() - start
    # PyMUST's full aperture and bandwidth resolve more than our default grid: compare on a finer one.
    fine = _PolarGrid(100.0, rows=1520, columns=832)
    ours = map_coordinates(_Receiver(fine, spread, 1.0).envelope(*scene), fine.index(*grid), order=1)
    print(f"{scatterers} scatterers: PyMUST transmit {slow:.1f} s, ours {1e3 * quick:.1f} ms, {slow / quick:.0f} times")
    print(
        f"point at 70 mm, PyMUST: {widths[0]:.2f} mm axially, {1e3 * widths[1]:.1f} mrad laterally; ours set to these"
    )
    print(f"correlation of the two envelopes: {np.corrcoef(theirs.ravel(), ours.ravel())[0, 1]:.2f}")
    for name, envelope in (("PyMUST", theirs), ("ours", ours)):
        flat = envelope / gaussian_filter(envelope, [40, 25])
        apart = flat[::10, ::10].ravel()
        fit = kstest(apart, "rayleigh", args=(0, np.sqrt(np.mean(apart**2) / 2)))
        print(
            f"{name}: envelope mean/SD {flat.mean() / flat.std():.2f}; speckle grain {0.1 * _grain(flat, 0):.2f} mm, "
            f"{2 * _grain(flat, 1):.1f} mrad; Rayleigh p = {fit.pvalue:.2f} (n = {apart.size})"
        )


def _full_width(profile: np.ndarray, step: float) -> float:
    """Full width at half maximum of a peak, by linear interpolation."""
    peak = int(profile.argmax())
    half = profile[peak] / 2
    left = np.nonzero(profile[:peak] < half)[0].max()
    right = peak + np.nonzero(profile[peak:] < half)[0].min()
    before = left + (half - profile[left]) / (profile[left + 1] - profile[left])
    after = right - (half - profile[right]) / (profile[right - 1] - profile[right])
    return float((after - before) * step)


def _grain(envelope: np.ndarray, axis: int) -> float:
    """Full width at half maximum, in samples, of the autocovariance of the intensity along an axis."""
    power = envelope**2 - np.mean(envelope**2)
    spectrum = np.abs(np.fft.fft(power, axis=axis)) ** 2
    covariance = np.fft.ifft(spectrum.mean(axis=1 - axis)).real
    return _full_width(np.fft.fftshift(covariance), 1.0)


def _quartiles(values: np.ndarray) -> str:
    return f"{values[1]:.2f} ({values[0]:.2f}-{values[2]:.2f})"


def _markdown(table: pd.DataFrame) -> str:
    lines = [table.columns, ["---"] * table.shape[1], *table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "calibrate", "dials", "recover", "pymust"])
    parser.add_argument("-n", type=int, help="patients (speed, calibrate, recover) or scatterers (pymust)")
    asked = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sized = {
        "speed": (speed, 110),
        "calibrate": (calibrate, 2000),
        "recover": (recover, 300),
        "pymust": (pymust, 12_000),
    }
    if asked.what == "dials":
        strengths()
        return
    run, usual = sized[asked.what]
    run(asked.n or usual)


if __name__ == "__main__":
    main()
