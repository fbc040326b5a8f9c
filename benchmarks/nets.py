"""The nets on virtual patients, beside their ceilings, their rivals and themselves without movement.

python benchmarks/nets.py headline    # AUC in a fresh population, way to the oracle, tests; by weights (--weights)
python benchmarks/nets.py controls    # frames shuffled, frozen ...; a cohort whose movement says nothing
python benchmarks/nets.py rivals      # r3d_18, frozen ImageNet features, hand-made features: the same patients
python benchmarks/nets.py size        # 20 to 300 training patients
python benchmarks/nets.py cost        # training throughput beside r3d_18

Every seed is another virtual cohort, split 77 / 16 / 17 as in the study; the 17 are not used. Nets are trained with the
settings of the profile `quick` (no search; `headline`: each weights of its grid, and ImageNet alone) on the 77, stopped
by the 16, and scored once on one fresh population. Simulated cohorts and fits are kept in ``reports/benchmark-nets``;
delete it to start anew.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from scipy.ndimage import gaussian_filter
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from weights import WEIGHTS, settings_from

from fibrolib.cohort import read_cohort, split_patients
from fibrolib.experiments.simulated_test_set import _FAR, _prepared_patients
from fibrolib.inference import auc_ci, compare_trainings, delong_test
from fibrolib.learning import PERTURBATIONS, NetClassifier
from fibrolib.nets import Backbone, build_net
from fibrolib.phantom import MOVING, STILL, SignalStrengths, oracle_score, simulate_cohort
from fibrolib.stages import at_least
from fibrolib.study import load_profile
from fibrolib.study.preprocessing import prepare_files
from fibrolib.video import load_clip

TOP = Path(__file__).resolve().parents[1] / "reports" / "benchmark-nets"
PROFILE = load_profile("quick")
PUBLISHED = SignalStrengths()
CUTOFF, STAGES = 2, 5
POPULATION_SEED = 78  # settings were looked at with 77
_SMALL = 64  # pixels of r3d_18's clips: at the size of ours one epoch takes longer than all of our fits
NETS = ("cnn3d", "cnn2d_lstm", "cnn2d")


def cohort(seed: int, strengths: SignalStrengths = PUBLISHED, patients: int = 110) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and validation patients of one virtual cohort, prepared."""
    folder = (
        TOP
        / "cohorts"
        / f"virtual-{patients}-seed{seed}-{strengths.texture:g}{strengths.capsule:g}{strengths.motion:g}"
    )
    table = simulate_cohort(folder, patients=patients, seed=seed, strengths=strengths, n_jobs=-1)
    found = read_cohort(table, CUTOFF).patients()
    side = split_patients(found, seed)
    found = found[side.reindex(found.index) != "test"]
    clips, stills = (prepare_files(found, TOP / "clips", PROFILE, kind) for kind in ("clip", "image"))
    found = found.assign(clips=clips, stills=stills)
    side = side.reindex(found.index)
    return found[side == "train"], found[side == "validation"]


def population(patients: int, strengths: SignalStrengths = PUBLISHED) -> pd.DataFrame:
    """Fresh patients that nothing was trained on, with what the oracles read."""
    changed = "" if strengths == PUBLISHED else f"-{strengths.texture:g}{strengths.capsule:g}{strengths.motion:g}"
    folder = TOP / "cohorts" / f"virtual-fresh-{patients}-seed{POPULATION_SEED}{changed}"
    options = {"patients": patients, "seed": POPULATION_SEED + _FAR, "strengths": strengths}
    table = simulate_cohort(folder, **options, truth=False, n_jobs=-1)
    found = _prepared_patients(table, TOP / "clips", PROFILE, CUTOFF)
    truth = pd.read_csv(folder / "truth" / "patients.csv", index_col="patient_id")
    return found.assign(**truth[["texture", "capsule", "strain", "scanner", "severity"]].reindex(found.index))


def net(name: str, seed: int, **changes) -> NetClassifier:
    """A net of the profile, not yet fitted."""
    arguments = {"n_threads": 1, "memory": TOP / "fits", **PROFILE.model(name).arguments, **changes}
    return NetClassifier(**arguments, cutoff=CUTOFF, n_stages=STAGES, seed=seed)


def fitted(name: str, seed: int, sides: tuple[pd.DataFrame, pd.DataFrame], **changes) -> NetClassifier:
    train, validation = sides
    return net(name, seed, **changes).fit(train, train["stage"], (validation, validation["stage"]))


def cumulative_probs(name: str, seed: int, sides, fresh: pd.DataFrame, change: str = "", **changes) -> np.ndarray:
    """P(stage >= 1), ... of fresh patients."""
    classifier = fitted(name, seed, sides, **changes)
    if change:
        return classifier.predict_perturbed(fresh, {change: PERTURBATIONS[change]})[change]
    return classifier.predict_cumulative(fresh)


def area(truth: np.ndarray, score: np.ndarray) -> float:
    return auc_ci(truth, score).value


def ceilings(fresh: pd.DataFrame, cutoff: int = CUTOFF, strengths: SignalStrengths = PUBLISHED) -> dict[str, float]:
    truth = at_least(fresh["stage"], cutoff)
    latent = fresh.reset_index(drop=True)
    signals = {"still": STILL, "moving": MOVING}
    return {name: area(truth, oracle_score(latent, cutoff, carried, strengths)) for name, carried in signals.items()}


def show(table: pd.DataFrame, digits: int = 3) -> None:
    print(table.to_markdown(index=False, floatfmt=f".{digits}f"), "\n", flush=True)


def headline(seeds: range, patients: int, weights_list: tuple[str, ...]) -> None:
    fresh = population(patients)
    sides = {seed: cohort(seed) for seed in seeds}
    starts = [("imagenet", "frozen"), *((weights, name) for weights in weights_list for name in NETS)]
    asked = [(name, seed, weights) for weights, name in starts for seed in seeds]
    scores = dict(
        zip(
            asked,
            Parallel(2)(
                delayed(cumulative_probs)(name, seed, sides[seed], fresh, **settings_from(weights, name))
                for name, seed, weights in asked
            ),
            strict=True,
        )
    )
    for cutoff in (2, 3, 4):
        truth, ceiling = at_least(fresh["stage"], cutoff), ceilings(fresh, cutoff)
        print(
            f">= F{cutoff}, {patients} fresh virtual patients, {len(seeds)} training seeds. "
            f"Oracle on the same patients: still {ceiling['still']:.3f}, moving {ceiling['moving']:.3f}\n"
        )
        rows = []
        for weights, name in starts:
            areas = np.array([area(truth, scores[name, seed, weights][:, cutoff - 1]) for seed in seeds])
            share = (areas.mean() - 0.5) / (np.array([ceiling["still"], ceiling["moving"]]) - 0.5)
            rows.append(
                {
                    "weights": weights,
                    "net": name,
                    "mean AUC": areas.mean(),
                    "SD": areas.std(ddof=1),
                    **{f"seed {seed}": value for seed, value in zip(seeds, areas, strict=True)},
                    "way to still": share[0],
                    "way to moving": share[1],
                }
            )
        show(pd.DataFrame(rows))
    truth = at_least(fresh["stage"], CUTOFF)
    rows = []
    for weights in weights_list:
        for rival in ("cnn2d_lstm", "cnn2d"):
            pair = [[scores[name, seed, weights][:, CUTOFF - 1] for seed in seeds] for name in ("cnn3d", rival)]
            tests = [
                (f"seed {seed}", delong_test(truth, *each))
                for seed, each in zip(seeds, zip(*pair, strict=True), strict=True)
            ]
            if len(seeds) > 1:
                tests.append(("any training", compare_trainings(truth, *pair)))
            for trained, found in tests:
                row = {"weights": weights, "cnn3d minus": rival, "trained with": trained}
                row |= {"difference": found.difference, "low": found.low, "high": found.high, "p": found.pvalue}
                rows.append(row)
    print("DeLong's test of each training; 'any training': trainings as random (compare_trainings).\n")
    show(pd.DataFrame(rows), 4)


def controls(seeds: range, patients: int) -> None:
    fresh = population(patients)
    sides = {seed: cohort(seed) for seed in seeds}
    truth = at_least(fresh["stage"], CUTOFF)
    jobs = [
        (name, seed, change) for name in ("cnn3d", "cnn2d_lstm") for change in ("", *PERTURBATIONS) for seed in seeds
    ]
    scores = dict(
        zip(
            jobs,
            Parallel(2)(
                delayed(cumulative_probs)(name, seed, sides[seed], fresh, change) for name, seed, change in jobs
            ),
            strict=True,
        )
    )
    rows = []
    for name in ("cnn3d", "cnn2d_lstm"):
        for change in ("", *PERTURBATIONS):
            areas = [area(truth, scores[name, seed, change][:, CUTOFF - 1]) for seed in seeds]
            rows.append(
                {"net": name, "clips": change or "as filmed", "mean AUC": np.mean(areas), "SD": np.std(areas, ddof=1)}
            )
    print(f"Ceilings of these {patients} fresh patients: {ceilings(fresh)}\n")
    show(pd.DataFrame(rows))
    still = replace(SignalStrengths(), motion=0.0)
    fresh, sides = population(patients, still), {seed: cohort(seed, still) for seed in seeds}
    truth = at_least(fresh["stage"], CUTOFF)
    rows = []
    for seed in seeds:
        pair = Parallel(2)(delayed(cumulative_probs)(name, seed, sides[seed], fresh) for name in ("cnn3d", "cnn2d"))
        found = delong_test(truth, *(score[:, CUTOFF - 1] for score in pair))
        low, high = found.confidence_interval
        rows.append(
            {
                "seed": seed,
                "cnn3d": found.value_a,
                "cnn2d": found.value_b,
                "difference": found.difference,
                "low": low,
                "high": high,
            }
        )
    print("Trained and tested where movement says nothing (motion = 0).")
    print(f"Ceilings of these {patients} fresh patients: {ceilings(fresh, strengths=still)}\n")
    show(pd.DataFrame(rows))


def frozen_features(paths: tuple[Path, ...], backbone: Backbone) -> np.ndarray:
    """Mean ImageNet features of twelve frames."""
    frames = np.concatenate([load_clip(path).frames for path in paths])
    chosen = frames[np.linspace(0, len(frames) - 1, 12).round().astype(int)].astype(np.float32) / 255
    with torch.inference_mode():
        return backbone(torch.from_numpy(chosen)[:, None]).mean(dim=(0, 2, 3)).numpy()


def handmade_features(paths: tuple[Path, ...]) -> np.ndarray:
    """Energy of frame differences over time and place, and texture at three scales; nothing of the truth."""
    clip = load_clip(paths[0])
    frames = clip.frames.astype(np.float32)
    inside = clip.sector & (frames.mean(0) > 0)
    moving = np.abs(np.diff(gaussian_filter(frames, (0, 1, 1)), axis=0)) / (frames.mean(0) + 10)
    over_time = moving[:, inside].mean(1)
    places = moving.mean(0)[inside]
    smooth = [frames[0]] + [gaussian_filter(frames[0], size) for size in (1, 2, 4, 8)]
    bands = [np.log((fine - coarse)[inside].std() + 1e-3) for fine, coarse in pairwise(smooth)]
    energy = [over_time.mean(), over_time.std(), over_time.max(), places.std(), np.percentile(places, 95)]
    return np.array([*np.log(np.array(energy) + 1e-4), *bands, frames[0][inside].mean(), frames[0][inside].std()])


def rivals(seeds: range, patients: int) -> None:
    fresh = population(patients)
    torch.set_num_threads(1)
    backbone = Backbone(scales=[32]).eval()
    describe = {
        "frozen ImageNet features + logistic regression": lambda paths: frozen_features(paths, backbone),
        "hand-made features + logistic regression": handmade_features,
    }
    described = {name: np.array([make(paths) for paths in fresh["clips"]]) for name, make in describe.items()}
    rows = []
    for seed in seeds:
        sides = cohort(seed)
        judged = _features_rivals(pd.concat(sides), fresh, describe, described) + _nets_rivals(seed, sides, fresh)
        show(pd.DataFrame(judged).assign(seed=seed))  # a fit of r3d_18 is long: nothing finished is lost
        rows += judged
    table = pd.DataFrame(rows).groupby("model", sort=False)
    found = table.agg(AUC=("AUC", "mean"), SD=("AUC", "std"), seconds=("CPU s", "median")).reset_index()
    print(f"{patients} fresh virtual patients, {len(seeds)} training seeds; CPU seconds of one fit (median)\n")
    show(found.rename(columns={"seconds": "CPU s"}))


def _judged(model: str, truth: np.ndarray, fit, score) -> dict:
    begun = time.process_time()
    made = fit()
    seconds = time.process_time() - begun
    return {"model": model, "CPU s": seconds, "AUC": area(truth, score(made))}


def _features_rivals(train: pd.DataFrame, fresh: pd.DataFrame, describe: dict, described: dict) -> list[dict]:
    """Features and a logistic regression; nothing is stopped, so the validation patients are learned from, too."""
    truth = at_least(fresh["stage"], CUTOFF)

    def fit(make):
        features = np.array([make(paths) for paths in train["clips"]])
        regression = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=5000))
        return regression.fit(features, at_least(train["stage"], CUTOFF))

    return [
        _judged(
            model,
            truth,
            lambda make=make: fit(make),
            lambda made, model=model: made.predict_proba(described[model])[:, 1],
        )
        for model, make in describe.items()
    ]


def _nets_rivals(seed: int, sides: tuple[pd.DataFrame, pd.DataFrame], fresh: pd.DataFrame) -> list[dict]:
    """Our 3D-CNN, and torchvision's on clips of a size it can be trained on in such a time."""
    truth = at_least(fresh["stage"], CUTOFF)

    def fit(parts, **changes):
        train, validation = parts
        return net("cnn3d", seed, memory=None, **changes).fit(train, train["stage"], (validation, validation["stage"]))

    small = [_small(part) for part in (*sides, fresh)]
    theirs = {
        "architecture": "r3d_18",
        "options": None,
        "clip_length": 16,
        "learning_rate": 1e-3,
        "backbone_lr_scale": 1.0,
        "epochs": 2,
    }
    return [
        _judged("cnn3d", truth, lambda: fit(sides), lambda made: made.predict_cumulative(fresh)[:, CUTOFF - 1]),
        _judged(
            f"r3d_18 from scratch, {_SMALL} px, two epochs",
            truth,
            lambda: fit(small[:2], **theirs),
            lambda made: made.predict_cumulative(small[2])[:, CUTOFF - 1],
        ),
    ]


def _small(patients: pd.DataFrame) -> pd.DataFrame:
    """The same patients with clips of a size that torchvision's nets can be trained on without a GPU."""
    profile = replace(PROFILE, clips=replace(PROFILE.clips, size=_SMALL))
    return patients.assign(clips=prepare_files(patients, TOP / "clips", profile, "clip"))


def size(seeds: range, patients: int) -> None:
    fresh = population(patients)
    truth = at_least(fresh["stage"], CUTOFF)
    rows = []
    sides = {seed: cohort(seed, patients=430) for seed in seeds}  # 301 of them train
    jobs = [
        (name, n, seed, (sides[seed][0].sample(n, random_state=seed), sides[seed][1].head(16)))
        for n in (20, 40, 77, 150, 300)
        for seed in seeds
        for name in NETS
    ]
    scores = Parallel(2)(delayed(cumulative_probs)(name, seed, part, fresh) for name, n, seed, part in jobs)
    for (name, n, seed, _), score in zip(jobs, scores, strict=True):
        rows.append({"net": name, "training patients": n, "seed": seed, "AUC": area(truth, score[:, CUTOFF - 1])})
    print(f"Ceilings of these {patients} fresh patients: {ceilings(fresh)}\n")
    table = pd.DataFrame(rows).pivot_table(index="net", columns="training patients", values="AUC").reset_index()
    show(table)


def cost() -> None:
    """Forward and backward passes of one batch at the clip size of `quick`, one thread, alternating."""
    torch.set_num_threads(1)
    shape = (2, 1, PROFILE.model("cnn3d").arguments["clip_length"], PROFILE.clips.size, PROFILE.clips.size)
    clips = torch.rand(shape)
    nets = {
        "cnn3d": build_net("motion_slowfast", STAGES),
        "r3d_18": build_net("r3d_18", STAGES),
    }
    seconds: dict[str, list[float]] = {name: [] for name in nets}
    for _ in range(3):
        for name, module in nets.items():
            begun = time.process_time()
            module(clips).sum().backward()
            seconds[name].append((time.process_time() - begun) / len(clips))
    middle = {name: float(np.median(values[1:])) for name, values in seconds.items()}
    print(f"clips of {shape[2]} frames at {shape[3]} px, CPU seconds per clip, forward and backward:")
    for name, value in middle.items():
        print(f"  {name}: {1e3 * value:.0f} ms")
    print(f"  ratio {middle['r3d_18'] / middle['cnn3d']:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["headline", "controls", "rivals", "size", "cost"])
    parser.add_argument("--seeds", type=int, default=5, help="training seeds, 100 onwards")
    parser.add_argument("-n", type=int, default=500, help="fresh patients")
    parser.add_argument("--weights", nargs="+", choices=WEIGHTS, default=WEIGHTS, help="of headline")
    asked = parser.parse_args()
    if asked.what == "cost":
        cost()
        return
    seeds = range(100, 100 + asked.seeds)
    if asked.what == "headline":
        headline(seeds, asked.n, tuple(asked.weights))
        return
    {"controls": controls, "rivals": rivals, "size": size}[asked.what](seeds, asked.n)


if __name__ == "__main__":
    main()
