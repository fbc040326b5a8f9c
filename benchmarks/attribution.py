"""Explanations where the truth is planted, and what they cost.

python benchmarks/attribution.py planted   # cohorts with one signal each: does every method's map move with it?
python benchmarks/attribution.py sanity    # the sanity table with all methods, other seeds and random labels
python benchmarks/attribution.py speed     # maps per second and memory, beside loops over clips

``planted``: three worlds, in which only the capsule, only the texture, or only the movement tells the stage, with dials
turned up so that nets learn; per world and seed another virtual cohort of 110, split as in the study. Nets of the
profile are trained on 77, stopped by 16, and explained on fresh patients of F2 to F4 (in whom there is something to
find). A map's share on a region is set against the region's share of the picture; 1 is chance, and intervals are over
patients, each the mean of all seeds. In the worlds without a signal in the capsule a method passes where its interval
holds 1 or lies below it. Maps of finer layers are tried beside those of each net's own.

Cohorts and fits are kept in ``reports/benchmark-attribution``; delete it to start anew. ``--dry`` is for trying out.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import resource
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from captum.attr import LayerGradCam
from joblib import Parallel, delayed

from fibrolib.attribution import METHODS, attribute_clips, judge, mask_scores, sanity_values, summarise_shares
from fibrolib.attribution.windows import as_batch, middle_window
from fibrolib.cohort import read_cohort, split_patients
from fibrolib.inference import auc_ci
from fibrolib.learning import NetClassifier
from fibrolib.nets import build_net, import_torchvision
from fibrolib.phantom import Dials, simulate_cohort
from fibrolib.stages import at_least
from fibrolib.study import load_profile
from fibrolib.study.population import fresh_patients
from fibrolib.study.preparing import prepare_files, sources
from fibrolib.video import Clip, load_clip, prepare_cached

TOP = Path(__file__).resolve().parents[1] / "reports" / "benchmark-attribution"
WORLDS = {
    "capsule only": Dials(texture=0.0, capsule=3.0, motion=0.0),
    "texture only": Dials(texture=3.0, capsule=0.0, motion=0.0),
    "motion only": Dials(texture=0.0, capsule=0.0, motion=3.0),
}
FINER = {
    "cnn2d": ("backbone.model.blocks.2", "backbone.model.blocks.1"),
    "cnn2d_lstm": ("backbone.model.blocks.2", "backbone.model.blocks.1"),
    "cnn3d": ("backbone.model.blocks.2", "fast.blocks.1", "fast.stem"),
}
SIZES = {"frame_cnn": (128, 1), "frame_lstm": (112, 6), "motion_slowfast": (112, 17), "r3d_18": (112, 16)}
"""Pixels of a side and frames for timing: those of the profile quick."""

CUTOFF, STAGES, FRESH_SEED = 2, 5, 99
REGIONS = ("capsule", "liver")


def cohort(profile, dials: Dials, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and validation patients of one cohort, prepared."""
    folder = TOP / "cohorts" / f"{profile.patients}-{seed}-{dials.texture:g}-{dials.capsule:g}-{dials.motion:g}"
    found = read_cohort(
        simulate_cohort(folder, patients=profile.patients, seed=seed, dials=dials, n_jobs=-1), CUTOFF
    ).patients()
    side = split_patients(found, seed)
    clips, stills = (prepare_files(found, TOP / "clips", profile, kind) for kind in ("clip", "image"))
    found = found.assign(clips=clips, stills=stills)
    return tuple(found[side.reindex(found.index) == part] for part in ("train", "validation"))


def fresh(profile, dials: Dials, patients: int) -> pd.DataFrame:
    """Patients that nothing was trained on."""
    return fresh_patients(
        TOP / "cohorts", TOP / "clips", profile, patients=patients, seed=FRESH_SEED, cutoff=CUTOFF, dials=dials
    )


def regions_of(profile, patient, view: str) -> dict[str, np.ndarray | Clip]:
    """The first prepared file of a patient once per region, each with that region marked."""
    kind = "clip" if view == "clips" else "image"
    form = {"size": profile.clips.size, "fps": profile.clips.fps, "max_frames": profile.clips.max_frames}
    if kind == "image":
        form["size"] = profile.still_size
    path, roi = sources(patient, kind)[0]
    return {
        region: load_clip(prepare_cached(path, TOP / "clips", kind=kind, roi=roi, region=region, **form))
        for region in REGIONS
    }


def trained(profile, name: str, sides, seed: int, shuffled: bool = False) -> NetClassifier:
    """A net of the profile, fitted, or taken from where it was kept."""
    stages = [side["stage"].to_numpy() for side in sides]
    if shuffled:
        stages = [np.random.default_rng(seed).permutation(known) for known in stages]
    net = NetClassifier(
        **profile.model(name).arguments, cutoff=CUTOFF, n_stages=STAGES, seed=seed, n_threads=1, memory=TOP / "fits"
    )
    return net.fit(sides[0], stages[0], validation=(sides[1], stages[1]))


def planted_rows(profile, world: str, name: str, seed: int, sides, people: pd.DataFrame, methods) -> list[dict]:
    """Scores of one net's maps, by method, layer, region and patient."""
    net = trained(profile, name, sides, seed)
    truth = at_least(people["stage"], CUTOFF).astype(bool)
    area = auc_ci(truth, net.predict_proba(people)[:, 1]).value
    marked = [regions_of(profile, patient, net.view) for patient in people[truth].itertuples()]
    rows = []
    for method, layer in asked(name, methods):
        maps = attribute_clips(net, [files["capsule"] for files in marked], method, layer=layer)
        for patient, files, cam in zip(people.index[truth], marked, maps, strict=True):
            for region in REGIONS:
                scores = vars(mask_scores(cam, middle_window(net, files[region]).roi))
                group = {"world": world, "model": name, "method": method, "layer": layer or "own", "region": region}
                rows.append({**group, "seed": seed, "auc": area, "patient_id": patient, **scores})
    return rows


def asked(name: str, methods) -> list[tuple[str, str | None]]:
    """Methods with the net's own layer, and Layer-CAM with finer ones."""
    return [(method, None) for method in methods] + [("layercam", layer) for layer in FINER[name]]


def planted(profile, seeds: range, patients: int, methods) -> None:
    jobs = [
        delayed(planted_rows)(profile, world, name, seed, cohort(profile, dials, seed), people, methods)
        for world, dials in WORLDS.items()
        for people in [fresh(profile, dials, patients)]
        for seed in seeds
        for name in FINER
    ]
    table = pd.DataFrame([row for rows in Parallel(2)(jobs) for row in rows])
    table.to_csv(TOP / "planted.csv", index=False)
    areas = table.pivot_table(index=["world", "model"], columns="seed", values="auc", aggfunc="first")
    show("AUC at F2 in fresh patients, by seed", areas.reset_index())
    for region, part in table.groupby("region", sort=False):
        groups = part.groupby(["world", "model", "method", "layer"], sort=False)
        found = pd.DataFrame([dict(zip(groups.keys, key, strict=True)) | over_seeds(rows) for key, rows in groups])
        found["verdict"] = [verdict(row, region) for row in found.itertuples()]
        show(f"Relevance on the {region}: times its share of the picture", found)
        moved = found.pivot_table(index=["model", "method", "layer"], columns="world", values="ratio", sort=False)
        show(f"The same ratios side by side: does relevance on the {region} move with the signal?", moved.reset_index())


def over_seeds(rows: pd.DataFrame) -> dict[str, float]:
    """Summary of a method: all seeds explain the same fresh patients, so a patient is their mean and counts once."""
    patients = rows.groupby("patient_id")[["relevance", "area", "rank", "pointing"]].mean()
    return summarise_shares(patients).iloc[0].to_dict()


def verdict(row, region: str) -> str:
    """Pass or fail of the capsule: at least three times chance where the signal is, not above chance elsewhere."""
    if region != "capsule" or not np.isfinite(row.ratio_low):
        return ""
    if row.world == "capsule only":
        return "pass" if row.ratio >= 3 else "fail"
    return "pass" if row.ratio_low <= 1 else "fail"


def sanity(profile, seeds: range, patients: int, methods) -> None:
    """All tests of all methods: the nets of the first seed beside those of the others and of random labels."""
    dials = Dials()
    people = fresh(profile, dials, max(2, patients // 4))
    sides = cohort(profile, dials, seeds[0])
    tables = Parallel(2)(delayed(_sanity_of)(profile, name, seeds, sides, people, methods) for name in FINER)
    judged = judge(pd.concat(tables))
    judged.to_csv(TOP / "sanity.csv", index=False)
    show("Sanity", judged.drop(columns=["question", "source"]))


def _sanity_of(profile, name: str, seeds: range, sides, people: pd.DataFrame, methods) -> pd.DataFrame:
    nets = [trained(profile, name, sides, seed) for seed in seeds]
    random = [trained(profile, name, sides, seed, shuffled=True) for seed in seeds[1:]]
    clips = [load_clip(paths[0]) for paths in people[nets[0].view]]
    return pd.concat(
        sanity_values(nets[0], clips, method, other_training=nets[1:], random_labels=random).assign(
            model=name, method=method
        )
        for method in methods
    )


class OfImages(torch.nn.Module):
    """A net of clips as a net of images ``(n, 1, height, width)``, which is what grad-cam takes."""

    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits ``(n, n_stages - 1)``."""
        return self.net(images[:, :, None])


def grad_cam_package(net, layer, batch: torch.Tensor) -> None:
    """One image by the package grad-cam (not among our dependencies)."""
    import_torchvision()
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    with GradCAM(model=OfImages(net), target_layers=[layer]) as cam:
        cam(batch[:, :, 0], [ClassifierOutputTarget(CUTOFF - 1)])


def captum_loop(net, layer, batch: torch.Tensor) -> None:
    """One clip by Captum as its documentation shows it: the graph of the whole net, weights included."""
    LayerGradCam(net, layer).attribute(batch, target=CUTOFF - 1, relu_attributions=True)


def timed(how: str, architecture: str, side: int, length: int, n_clips: int) -> dict:
    """Maps per second and peak memory of one way, in a process of its own, on one thread."""
    torch.set_num_threads(1)
    options = {"start": "scratch"} if architecture != "r3d_18" else {}
    net = build_net(architecture, STAGES, **options).eval()
    torch.nn.init.normal_(net.head.severity.weight)
    random = np.random.default_rng(0)
    sector = np.ones((side, side), bool)
    clips = [Clip(random.integers(0, 256, (length, side, side), np.uint8), 20.0, sector) for _ in range(n_clips)]
    estimator = NetClassifier(length=length, cutoff=CUTOFF, device="cpu")
    estimator.module_ = net

    def loop(one) -> None:
        for clip in clips:
            one(net, net.cam_layer, as_batch([middle_window(estimator, clip).frames], "cpu"))

    ways = {
        "fibrolib, batched": lambda: attribute_clips(estimator, clips),
        "fibrolib, one by one": lambda: attribute_clips(estimator, clips, batch_size=1),
        "Captum, loop over clips": lambda: loop(captum_loop),
        "grad-cam, loop over clips": lambda: loop(grad_cam_package),
    }
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ways[how]()  # the first call pays for what torch sets up once
    begun = time.perf_counter()
    ways[how]()
    rate = n_clips / (time.perf_counter() - begun)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    case = {"net": architecture, "pixels": side, "frames": length, "way": how}
    return {**case, "maps/s": rate, "added peak MiB": (peak - before) / 1024}


def speed(n_clips: int, nets: list[str]) -> None:
    cases = [(name, *SIZES[name]) for name in nets]
    ways = ["fibrolib, batched", "fibrolib, one by one", "Captum, loop over clips"]
    package = importlib.util.find_spec("pytorch_grad_cam") is not None
    if not package:
        print("The package grad-cam is not installed: its row is left out (pip install grad-cam, in another venv).\n")
    rows = []
    for architecture, side, length in cases:
        for way in [*ways, *(["grad-cam, loop over clips"] if package and length == 1 else [])]:
            # A fresh process each, or the first one's peak would be everybody's.
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                rows.append(pool.apply(timed, (way, architecture, side, length, n_clips)))
    show("Grad-CAM, one thread", pd.DataFrame(rows))


def show(title: str, table: pd.DataFrame) -> None:
    print(f"**{title}**\n\n{table.to_markdown(index=False, floatfmt='.2f')}\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["planted", "sanity", "speed"])
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--patients", type=int, default=40, help="fresh patients to explain")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--clips", type=int, default=16, help="for speed")
    parser.add_argument("--nets", nargs="+", default=list(SIZES), choices=list(SIZES), help="for speed")
    parser.add_argument("--dry", action="store_true", help="one seed, two fresh patients of each kind")
    options = parser.parse_args()
    if options.what == "speed":
        return speed(2 if options.dry else options.clips, options.nets)
    seeds = range(1, 2 + (options.what == "sanity")) if options.dry else range(1, options.seeds + 1)
    run = planted if options.what == "planted" else sanity
    return run(load_profile(options.profile), seeds, 8 if options.dry else options.patients, options.methods)


if __name__ == "__main__":
    main()
