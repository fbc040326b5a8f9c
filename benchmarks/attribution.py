"""Explanations where the truth is planted, and what they cost.

python benchmarks/attribution.py planted         # scenarios with one signal each: does every method's map move with it?
python benchmarks/attribution.py sanity          # the sanity table of a finished run with all methods
python benchmarks/attribution.py plates          # plates of a finished run, more patients and methods than 07_gradcam
python benchmarks/attribution.py speed           # maps per second and memory, beside loops over clips

``planted``: three scenarios, in which only the capsule, only the texture, or only the movement tells the stage, with
signals strong enough for nets to learn (`fibrolib.experiments.planted_signal`). In each scenario and for each seed
every net of the profile is trained on two thirds of 120 virtual patients and explained on the others who have
significant fibrosis. A map's share on a region is set against the region's share of the picture; 1 is chance, and
intervals are over the patients of all seeds. What is finished is kept in ``reports/benchmark-attribution``, patient by
patient, fit by fit and net by net: a run that was stopped goes on there; delete the folder to start anew. ``--dry`` is
for trying out.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from captum.attr import LayerGradCam
from joblib import Parallel, delayed

from fibrolib import plots, report
from fibrolib.attribution import METHODS, attribute_methods, judge, judge_planted, middle_window, summarise_shares
from fibrolib.attribution.explain import _as_batch
from fibrolib.experiments import SALIENCY_CONFIGS, SaliencyTests
from fibrolib.experiments.planted_signal import _Scenario
from fibrolib.experiments.saliency_tests import _plant
from fibrolib.learning import NetClassifier
from fibrolib.nets import build_net, import_torchvision
from fibrolib.stages import is_metavir, stage_name
from fibrolib.study import Profile, load_profile, open_study
from fibrolib.study.cache import ResultCache
from fibrolib.video import Clip

TOP = Path(__file__).resolve().parents[1] / "reports" / "benchmark-attribution"
NETS = ("cnn2d", "cnn2d_lstm", "cnn3d")
RIVAL = ("r3d_18", 112, 16)
"""A net of torchvision with the pixels of a side and the frames of its own training, for timing."""

CUTOFF, STAGES = 2, 5
_REPEATS = 5


def planted_of(profile, net: str, seed: int, patients: int, configs) -> pd.DataFrame:
    """Scores of one net's maps in the three scenarios; kept."""
    scenarios = _plant(TOP / "cohorts", TOP, profile, net, patients=patients, seed=seed)
    cache_key = {"ways": configs, "scenarios": [scenario.cache_key for scenario in scenarios.values()]}
    return ResultCache(TOP / "results").get_or_compute(
        f"planted-{net}-{seed}",
        cache_key,
        lambda: pd.concat(Parallel(2)(delayed(scenario.scores)(configs) for scenario in scenarios.values())),
        lambda table, folder: table.to_csv(folder / "scores.csv", index=False),
        lambda folder: pd.read_csv(folder / "scores.csv"),
        made_by=(_Scenario,),
    )


def planted(profile, nets: list[str], seeds: range, patients: int, methods: list[str]) -> None:
    configs, tables = [config for config in SALIENCY_CONFIGS if config.method in methods], []
    for seed in seeds:
        for net in nets:
            begun = time.perf_counter()
            tables.append(planted_of(profile, net, seed, patients, configs))
            print(f"{net}, seed {seed}: {time.perf_counter() - begun:.0f} s", flush=True)
    table = pd.concat(tables, ignore_index=True)
    table.to_csv(TOP / "planted.csv", index=False)
    areas = table.pivot_table(index=["model", "signal"], columns="seed", values="auc", aggfunc="first", sort=False)
    show("AUC at F2 in the patients held out, by seed", areas.reset_index())
    judged = judge_planted(table)
    show("Relevance on the capsule, times its share of the picture", report.readable("planted", judged))
    show("Numbers", judged)
    by_seed = pd.concat(judge_planted(rows).assign(seed=seed) for seed, rows in table.groupby("seed"))
    keys = ["model", "method", "layer", "signal"]
    seeds_apart = by_seed.pivot_table(index=keys, columns="seed", values="ratio", sort=False)
    show("The same ratios, seed by seed", seeds_apart.reset_index())
    summary = summarise_shares(table)
    liver = summary[summary["region"] == "liver"].pivot_table(
        index=keys[:3], columns="signal", values="ratio", sort=False
    )
    show("Relevance on the liver, times its share of the picture", liver.reset_index())
    plots.save_figure(plots.plot_planted(summary, judged), TOP / "planted.png")
    print(f"figure: {TOP / 'planted.png'}")


def sanity(tests: SaliencyTests) -> None:
    """All tests of all methods on the nets of a finished run of the study."""
    judged = judge(tests.sanity())
    show("Sanity", report.readable("sanity", judged))
    show("Numbers", judged.drop(columns=["question", "source"]))


def plates(tests: SaliencyTests) -> None:
    """Plates of a finished run to be looked at: a row per test patient, a file per net and method."""
    metavir = is_metavir(tests.nets.patients["stage"])
    stages = tests.test["stage"].map(lambda stage: stage_name(stage, metavir))
    for net in tests.nets.names:
        for method in tests.methods:
            maps = tests.maps(net, method)
            chosen = {f"patient {at} ({stages[who]})": maps[who] for at, who in enumerate(tests.few, start=1)}
            figure = plots.plot_maps(chosen, region="capsule" if tests.nets.virtual else "marked region")
            path = TOP / "plates" / f"{tests.nets.folder.path.name}-{net}-{method.replace(' ', '-')}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            plots.save_figure(figure, path)
            print(path)


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


def ways_of(architecture: str, side: int, length: int, n_clips: int) -> dict[str, Callable[[], object]]:
    """Grad-CAM of so many clips, each way ready to be called, on one thread."""
    torch.set_num_threads(1)
    options = {"weights": "scratch"} if architecture != RIVAL[0] else {}
    net = build_net(architecture, STAGES, **options).eval()
    torch.nn.init.normal_(net.head.severity.weight)
    random = np.random.default_rng(0)
    sector = np.ones((side, side), bool)
    clips = [Clip(random.integers(0, 256, (length, side, side), np.uint8), 20.0, sector) for _ in range(n_clips)]
    estimator = NetClassifier(clip_length=length, cutoff=CUTOFF, device="cpu")
    estimator.module_ = net

    def loop(one) -> None:
        for clip in clips:
            one(net, net.cam_layer, _as_batch([middle_window(estimator, clip).frames], "cpu"))

    configs = {
        "fibrolib, batched": lambda: attribute_methods(estimator, clips, ["gradcam"]),
        "fibrolib, one by one": lambda: attribute_methods(estimator, clips, ["gradcam"], batch_size=1),
        "Captum, loop over clips": lambda: loop(captum_loop),
    }
    if length == 1 and importlib.util.find_spec("pytorch_grad_cam") is not None:
        configs["grad-cam, loop over clips"] = lambda: loop(grad_cam_package)
    return configs


def rates(*asked) -> dict[str, float]:
    """Maps per second of processor time, by way: the ways take turns, and of each the median counts."""
    configs = ways_of(*asked)
    seconds: dict[str, list[float]] = {how: [] for how in configs}
    for _ in range(_REPEATS + 1):
        for how, make in configs.items():
            begun = time.process_time()
            make()
            seconds[how].append(time.process_time() - begun)
    return {how: asked[-1] / float(np.median(taken[1:])) for how, taken in seconds.items()}  # the first warms up


def added_peak(how: str, *asked) -> float:
    """MiB that one way adds to the peak memory of its process."""
    configs = ways_of(*asked)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    configs[how]()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def speed(profile: Profile, n_clips: int) -> None:
    if importlib.util.find_spec("pytorch_grad_cam") is None:
        print("The package grad-cam is not installed: its row is left out (pip install grad-cam, in another venv).\n")
    rows = []
    settings = [model.arguments for model in profile.models]
    sides = {"clips": profile.clips.size, "stills": profile.still_size}
    nets = [(net["architecture"], sides[net["view"]], net["clip_length"]) for net in settings]
    for architecture, side, length in [*nets, RIVAL]:
        asked = (architecture, side, length, n_clips)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found = pool.apply(rates, asked)
        for how, rate in found.items():
            # A fresh process each, or the first one's peak would be everybody's.
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                peak = pool.apply(added_peak, (how, *asked))
            case = {"net": architecture, "pixels": side, "frames": length, "way": how}
            rows.append({**case, "maps/s": rate, "added peak MiB": peak})
    show("Grad-CAM, one thread", pd.DataFrame(rows))


def show(title: str, table: pd.DataFrame) -> None:
    print(f"**{title}**\n\n{table.to_markdown(index=False, floatfmt='.2f')}\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["planted", "sanity", "plates", "speed"])
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--nets", nargs="+", default=list(NETS), choices=NETS, help="for planted")
    parser.add_argument("--seeds", type=int, default=3, help="for planted")
    parser.add_argument("--patients", type=int, default=120, help="for planted: in each scenario")
    parser.add_argument("--out", default="", help="for sanity and plates: run folder of a finished run")
    parser.add_argument("--cohort", default="", help="and its cohort table, if it is not the virtual cohort")
    parser.add_argument("--cutoff", type=int, default=CUTOFF, help="and its cut-off")
    parser.add_argument("--explained", type=int, default=10, help="and how many test patients are explained")
    parser.add_argument("--trainings", type=int, default=3, help="for sanity: trainings on shuffled stages")
    parser.add_argument("--clips", type=int, default=16, help="for speed")
    parser.add_argument("--dry", action="store_true", help="one seed, few patients")
    options = parser.parse_args()
    if options.what == "speed":
        return speed(load_profile(options.profile), 2 if options.dry else options.clips)
    if options.what == "planted":
        seeds, patients = (range(1, 2), 12) if options.dry else (range(1, options.seeds + 1), options.patients)
        return planted(load_profile(options.profile), options.nets, seeds, patients, options.methods)
    study = open_study(options.cohort, options.profile, options.cutoff, out=options.out)
    explained, trainings = (2, 1) if options.dry else (options.explained, options.trainings)
    tests = SaliencyTests(study.net_evaluations, options.methods, explained, trainings, study.heart_rates)
    return sanity(tests) if options.what == "sanity" else plates(tests)


if __name__ == "__main__":
    main()
