"""What simulation pretraining is worth on images of another simulator (docs/nets.md, *Simulation pretraining*).

python benchmarks/transfer.py compare     # frozen features of each weights: ours, PyMUST, and from one to the other
python benchmarks/transfer.py looks       # the same with other gain, grey map, compression and batch statistics
python benchmarks/transfer.py backbones   # EfficientNet-Lite0, 1 and 2 at their resolutions: correlation and cost
python benchmarks/transfer.py randomise   # short pretraining with and without domain randomisation

The second simulator is PyMUST (`pip install pymust==0.1.9`; LGPL, no dependency of the package): wave propagation for
each frequency and element, delay-and-sum, its own envelope and compression. Scenes, screen and grey map are of this
script. In both simulators clustering (dB) and nodules (mm) of every image are known. Features are means of the maps at
1/16 and 1/32 of the resolution; a ridge regression reads them, in five folds by image, five times. Figures are rank
correlations with 95 % intervals over images. Images are kept in ``reports/benchmark-transfer``.
"""

from __future__ import annotations

import argparse
import copy
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from numpy.random import Generator
from scipy.ndimage import gaussian_filter, gaussian_filter1d, map_coordinates
from scipy.stats import rankdata
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from fibrolib.errors import FibrolibError
from fibrolib.nets import Backbone, build_net
from fibrolib.phantom import draw_unstaged_patients, physical_quantities, render, render_image
from fibrolib.phantom.imaging import _PointSpread, _Scanner
from fibrolib.pretraining import RECIPES, pretrain
from fibrolib.video import prepare_image, save_clip, write_image, write_video

TOP = Path(__file__).resolve().parents[1] / "reports" / "benchmark-transfer"
SIDE, SMALL, FOLDS, SEEDS = 224, 128, 5, range(5)  # sides in pixels; SMALL: of `randomise`
QUANTITIES = ("clustering", "nodules")  # what simulation pretraining learns to measure in a still image
OTHERS = ("wall", "vessels")  # what it does not: thickness of the abdominal wall, area of vessels
OUR_SEED = 6_000_000  # neither of cohorts nor of the packaged pretraining
HALF_ANGLE, NEAR, FAR = np.radians(34.0), 4.0, 100.0  # of PyMUST's sector; depths in mm
_EMPTY = -28.0  # dB, of vessels
POLAR = (360, 176)  # samples of its beam-formed image


@dataclass(frozen=True)
class Look:
    """How echoes become a picture: spread of gain and of dynamic range (dB), of ln gamma, and compression."""

    gain: float = 2.5
    dynamic_range: float = 4.0
    gamma: float = 0.0
    crf: int | None = 16  # H.264's constant rate factor; None: PNG


LOOKS = {
    "H.264 as in the package": Look(),
    "no compression": Look(crf=None),
    "strong compression": Look(crf=34),
    "gain and dynamic range": Look(gain=7.0, dynamic_range=12.0),
    "grey map": Look(gamma=0.5),
}
USUAL = "H.264 as in the package"


# --- the second simulator ------------------------------------------------------------------------------------------


class PyMust:
    """A convex array of 96 elements at 2.8 MHz: one diverging wave, delay-and-sum with dynamic aperture."""

    def __init__(self) -> None:
        import pymust

        self.must, probe = pymust, pymust.getparam("C5-2v")
        probe.Nelements, probe.fc, probe.radius, probe.fnumber = 96, 2.8e6, 0.045, 1.2
        probe.fs = 4 * probe.fc
        self.probe, self.delays = probe, np.zeros((1, probe.Nelements))
        self.centre = float(np.ravel(probe.getElementPositions()[3])[0])  # of the face's curvature, m above its chord
        self.options = pymust.utils.Options()
        self.options.dBThresh, self.options.ElementSplitting = -30, 1
        r, theta = np.linspace(NEAR, FAR, POLAR[0]), np.linspace(-HALF_ANGLE, HALF_ANGLE, POLAR[1])
        self.samples = int(2.2e-3 * (FAR + 15) / 1540 * probe.fs)
        form = 1j * np.array([self.samples, probe.Nelements])
        places = self.plane(*np.meshgrid(r, theta, indexing="ij"))
        self.beamformer = pymust.dasmtx(form, *places, self.delays, probe)

    def plane(self, r: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Depth below the face (mm) and angle to PyMUST's coordinates (m)."""
        radius = self.probe.radius + r / 1e3
        return radius * np.sin(theta), radius * np.cos(theta) - self.centre

    def envelope(self, r: np.ndarray, theta: np.ndarray, echo: np.ndarray, attenuation: float) -> np.ndarray:
        """Envelope on the polar grid of scatterers that reflect `echo`; `attenuation` in dB/cm/MHz."""
        self.probe.attenuation = attenuation
        signals = np.zeros((self.samples, self.probe.Nelements))
        for part in np.array_split(np.arange(r.size), max(1, r.size // 1500)):  # echoes add up; small parts are faster
            # A silent scatterer behind all others: the sampling of frequencies depends on the deepest one.
            places = self.plane(np.append(r[part], FAR + 12), np.append(theta[part], 0.0))
            received = self.must.simus(*places, np.append(echo[part], 0.0), self.delays, self.probe, self.options)[0]
            signals[: len(received)] += received[: self.samples]
        demodulated = self.must.tgc(self.must.rf2iq(signals, self.probe.fs, self.probe.fc))[0]
        return np.abs(self.beamformer @ demodulated.flatten(order="F")).reshape(POLAR, order="F")


def scene(clustering: float, nodules: float, rng: Generator, n: int = 12_000) -> tuple[tuple[np.ndarray, ...], dict]:
    """Depth (mm), angle and strength of scatterers, and `OTHERS`: layers, a scalloped surface, parenchyma, vessels.

    Unlike in our phantom, scatterers are denser, not stronger, where there is more echo (a Cox process), nodules are
    arcs, and there are no septa, neighbouring organs, ribs, or lung.
    """
    many, face = 6 * n, 45.0
    radius = np.sqrt(rng.uniform((face + 1) ** 2, (face + FAR + 3) ** 2, many))
    theta = rng.uniform(-HALF_ANGLE - 0.06, HALF_ANGLE + 0.06, many)
    x, y = radius * np.sin(theta), radius * np.cos(theta) - face
    across = np.arange(-110, 110, 0.1)
    base = rng.uniform(14, 28)
    smooth = base + rng.normal(0, 0.05) * across + rng.uniform(-0.006, 0.001) * across**2
    surface = smooth + _arcs(across, rng) * nodules
    depth = y - np.interp(x, across, surface)
    field = partial(_field, x=x, y=y, rng=rng)
    layers = [smooth * share for share in np.sort(rng.uniform(0.2, 0.95, 3))]
    wall = rng.normal(-3, 3) + sum(rng.normal(0, 4) * (y > np.interp(x, across, layer)) for layer in layers)
    liver = clustering * field(rng.uniform(0.9, 1.8)) + 1.2 * field(12.0)
    liver -= 10 * np.log10(np.mean(10 ** (liver[depth > 0] / 10)))  # brightness does not tell the clustering
    level = np.where(depth < 0, wall + 2 * field(4.0), liver) + 11 * np.exp(-((depth / 0.7) ** 2))
    for _ in range(rng.integers(2, 7)):
        level = _with_vessel(level, x, y, (depth > 4, base), rng)
    power = 10 ** (level / 10)
    chosen = rng.choice(many, n, replace=False, p=power / power.sum())
    parts = [(x[chosen], y[chosen], rng.rayleigh(1.0, n) * rng.choice([-1.0, 1.0], n))]
    for line, strength in [(surface, 2.0), *((layer, rng.uniform(0.5, 1.5)) for layer in layers)]:
        uneven = gaussian_filter1d(rng.standard_normal(across.size), 60)
        parts.append((across[::2], line[::2], (strength * 10 ** (0.15 * uneven / uneven.std()))[::2]))
    x, y, echo = (np.concatenate(each) for each in zip(*parts, strict=True))
    r, theta = np.hypot(x, y + face) - face, np.arctan2(x, y + face)
    inside = (r > 1) & (r < FAR + 3) & (np.abs(theta) < HALF_ANGLE + 0.06)
    return (r[inside], theta[inside], echo[inside]), {"wall": base, "vessels": np.mean(level == _EMPTY) + 1e-3}


def _arcs(across: np.ndarray, rng: Generator) -> np.ndarray:
    """A row of arcs of 4 to 10 mm that bulge towards the probe, of root-mean-square height 1."""
    edges = across[0] + np.cumsum(rng.uniform(4, 10, 70))
    arcs = np.zeros_like(across)
    for left, right in pairwise(edges):
        place = (2 * across - left - right) / (right - left)
        arcs -= rng.uniform(0.4, 1.4) * np.clip(1 - place**2, 0, None)
    return (arcs - arcs.mean()) / arcs.std()


def _field(size: float, x: np.ndarray, y: np.ndarray, rng: Generator) -> np.ndarray:
    """A standard normal field of correlation length `size` (mm) at places."""
    noise = gaussian_filter(rng.standard_normal((280, 460)), 2 * size, mode="wrap")
    return map_coordinates(noise / noise.std(), [2 * (y + 20), 2 * (x + 115)], order=1, mode="nearest")


def _with_vessel(
    level: np.ndarray, x: np.ndarray, y: np.ndarray, liver: tuple[np.ndarray, float], rng: Generator
) -> np.ndarray:
    """Decibels with an oval without echoes, half of the time in a bright wall."""
    inside, base = liver
    along, middle = rng.uniform(0, np.pi), (rng.uniform(-45, 45), rng.uniform(base + 12, FAR - 6))
    width = rng.uniform(1.2, 4.0)
    length = width * rng.uniform(1, 8)
    dx, dy = x - middle[0], y - middle[1]
    turned = dx * np.cos(along) + dy * np.sin(along), dy * np.cos(along) - dx * np.sin(along)
    place = np.hypot(turned[0] / length, turned[1] / width)
    rim = 8.0 * rng.integers(2) * ((place >= 1) & (place < 1 + 1 / width) & inside)
    return np.where((place < 1) & inside, _EMPTY, level + rim)


def _simulate(jobs: list[tuple[int, Path, tuple[float, float]]]) -> None:
    """Write envelopes: number, file, and clustering and nodules of each."""
    scanner = PyMust()
    for number, file, values in jobs:
        rng = np.random.default_rng((44, number))
        np.random.seed(number)  # noqa: NPY002 (PyMUST's gain curve draws from it)
        np.save(file, scanner.envelope(*scene(*values, rng)[0], rng.uniform(0.3, 0.7)).astype(np.float32))


def second_truth(n: int) -> pd.DataFrame:
    """`QUANTITIES` (dB, mm), drawn evenly on a logarithmic scale, and `OTHERS` of PyMUST's images."""
    low, high = np.log([[0.7, 0.1], [6.5, 2.0]])
    drawn = np.exp(np.random.default_rng(43).uniform(low, high, (1000, 2)))[:n]
    others = [scene(*values, np.random.default_rng((44, number)))[1] for number, values in enumerate(drawn)]
    return pd.DataFrame(drawn, columns=list(QUANTITIES)).join(pd.DataFrame(others))


def second_screens(n: int, look: Look) -> Iterable[np.ndarray]:
    """Screens of the second simulator: PyMUST's envelope, another logarithmic grey map, another sector."""
    folder = TOP / "envelopes"
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{number:04d}.npy" for number in range(n)]
    values = second_truth(n)[list(QUANTITIES)].itertuples(index=False, name=None)
    jobs = [job for job in zip(range(n), files, values, strict=True) if not job[1].exists()]
    Parallel(2)(delayed(_simulate)(jobs[part::2]) for part in range(2) if jobs[part::2])
    rows, columns = np.indices((300, 420))
    scale, face = (FAR + 8.0) / 290, 45.0
    x, y = (columns - 210) * scale, (rows - 5) * scale + face * np.cos(HALF_ANGLE)
    r, theta = np.hypot(x, y) - face, np.arctan2(x, y)
    sector = (r >= NEAR) & (r <= FAR) & (np.abs(theta) <= HALF_ANGLE)
    place = (r - NEAR) / (FAR - NEAR) * (POLAR[0] - 1), (theta + HALF_ANGLE) / (2 * HALF_ANGLE) * (POLAR[1] - 1)
    for number, file in enumerate(files):
        rng, envelope = np.random.default_rng((45, number)), np.load(file)
        gain, width = rng.normal(0, look.gain), 52 + rng.uniform(-1, 1) * look.dynamic_range
        noise = 10 ** (-34 / 20) * np.median(envelope) * rng.rayleigh(1.0, envelope.shape)
        level = 20 * np.log10((envelope + noise) / np.median(envelope)) + gain
        grey = np.clip(level / width + 0.55, 0, 1)
        grey = grey**2 * (3 - 2 * grey) * 0.4 + 0.6 * grey  # an S-shaped grey map
        picture = map_coordinates(grey, place, order=1, mode="nearest") * sector
        yield _other_grey(np.uint8(255 * picture), look, number)


# --- images of both simulators -------------------------------------------------------------------------------------


def our_screens(patients: pd.DataFrame, seed: int, look: Look) -> Iterable[np.ndarray]:
    """Screens of our simulator; gain and dynamic range are changed before compression."""
    for number, patient in enumerate(patients.itertuples(index=False)):
        rng = np.random.default_rng((46, number))
        changed = {}
        if look.gain > Look.gain:
            gain, width = rng.normal(0, look.gain), 60 + rng.uniform(-1, 1) * look.dynamic_range
            changed = {"gain_db": gain, "dynamic_range_db": width}
        still = render_image(patient._replace(**changed), (seed, number), truth=False)
        yield _other_grey(still.frames[0], look, number)


def _other_grey(screen: np.ndarray, look: Look, number: int) -> np.ndarray:
    gamma = np.exp(look.gamma * np.random.default_rng((47, number)).uniform(-1, 1))
    return np.uint8(np.round(255 * (screen / 255) ** gamma)) if look.gamma else screen


def prepared(screen: np.ndarray, crf: int | None, size: int = SIDE):
    """What a net sees of a screen that went through a file: the sector, scaled."""
    with tempfile.TemporaryDirectory() as folder:
        if crf is None:
            write_image(Path(folder) / "still.png", screen)
            return prepare_image(Path(folder) / "still.png", size=size)
        with mock.patch.dict("fibrolib.video.writing._ENCODER", crf=str(crf)):
            write_video(Path(folder) / "clip.mp4", np.repeat(screen[None], 5, axis=0), 25.0)
        return prepare_image(Path(folder) / "clip.mp4", size=size)


def images_of(simulator: str, n: int, look: str = USUAL, size: int = SIDE) -> tuple[np.ndarray, pd.DataFrame]:
    """Images ``(n, size, size)`` of one simulator, and the truth (logarithms of `QUANTITIES`)."""
    if simulator == "PyMUST":
        truth, screens = np.log(second_truth(n)), partial(second_screens, n, LOOKS[look])
    else:
        patients = draw_unstaged_patients(n, OUR_SEED)
        truth = pd.DataFrame(physical_quantities(patients)[:, :2], columns=list(QUANTITIES))
        screens = partial(our_screens, patients, OUR_SEED, LOOKS[look])
    file = TOP / f"{simulator}-{look.replace(' ', '_')}-{n}-{size}.npy"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, np.stack([prepared(each, LOOKS[look].crf, size).frames[0] for each in screens()]))
    return np.load(file), truth


# --- features, and what a linear readout finds in them -------------------------------------------------------------


def backbone_of(simulated: str | Path = "simulation", share: float = 1.0) -> Backbone:
    """EfficientNet-Lite0, so far on the way from ImageNet's to simulation weights; deeper layers are ImageNet's."""
    net, pretrained = (build_net("frame_cnn", 2, weights=weights) for weights in ("imagenet", simulated))
    net.move_towards(pretrained.state_dict(), "backbone", share)
    return net.backbone.eval()


@torch.inference_mode()
def described(images: np.ndarray, network: Callable[[torch.Tensor], torch.Tensor]) -> np.ndarray:
    """Features ``(n, k)`` of images: means of the maps of a backbone, or what another network gives."""
    batches = torch.from_numpy(images)[:, None].float().div(255).split(16)
    outputs = [network(batch) for batch in batches]
    return torch.cat([each.mean((2, 3)) if each.ndim == 4 else each for each in outputs]).numpy()


def embedding_of(simulated: str | Path = "simulation") -> Callable[[torch.Tensor], torch.Tensor]:
    """The four numbers of the pretrained network."""
    net = build_net("frame_cnn", 2, weights=simulated).eval()
    return lambda frames: net.features(frames[:, :, None])


def with_own_statistics(backbone: Backbone, images: np.ndarray) -> Backbone:
    """The backbone with batch statistics of these images, which need no truth."""
    changed = copy.deepcopy(backbone)
    for layer in changed.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None
            layer.train()
    described(images, changed)
    return changed.eval()


def contrast(frames: torch.Tensor) -> torch.Tensor:
    """No network: logarithm of the contrast at five scales, inside the sector."""
    rows = []
    for frame in frames[:, 0].numpy():
        smooth = [frame, *(gaussian_filter(frame, size) for size in (0.7, 1.4, 2.8, 5.6, 11.2))]
        inside = smooth[-1] > 0.05
        rows.append([np.log((fine - coarse)[inside].std() + 1e-3) for fine, coarse in pairwise(smooth)])
    return torch.tensor(np.array(rows))


def readout():
    return make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 5, 11)))


def out_of_fold(features: np.ndarray, truth: np.ndarray, tested: np.ndarray | None = None) -> np.ndarray:
    """Predictions for every image by readouts trained without it, averaged over seeds; `tested`: of another look."""
    tested, scores = features if tested is None else tested, np.zeros((len(SEEDS), len(truth)))
    for row, seed in zip(scores, SEEDS, strict=True):
        for train, test in KFold(FOLDS, shuffle=True, random_state=seed).split(features):
            row[test] = readout().fit(features[train], truth[train]).predict(tested[test])
    return scores.mean(0)


def intervals(scores: dict[str, np.ndarray], truth: np.ndarray, base: str = "ImageNet") -> dict[str, tuple[str, str]]:
    """Rank correlation of each score, and its difference to the one of `base`, with bootstrap intervals over images."""
    draws = np.random.default_rng(0).integers(0, len(truth), (1000, len(truth)))
    draws[0] = np.arange(len(truth))
    ranks = rankdata(truth[draws], axis=1)
    values = {name: _correlations(rankdata(score[draws], axis=1), ranks) for name, score in scores.items()}
    return {
        name: (_with_interval(each), "" if name == base or base not in values else _with_interval(each - values[base]))
        for name, each in values.items()
    }


def _correlations(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pearson correlations of the rows of two arrays."""
    one, other = (each - each.mean(1, keepdims=True) for each in (one, other))
    return (one * other).sum(1) / np.sqrt((one**2).sum(1) * (other**2).sum(1))


def _with_interval(values: np.ndarray) -> str:
    low, high = np.percentile(values[1:], [2.5, 97.5])
    return f"{values[0]:.2f} ({low:.2f} to {high:.2f})"


def show(rows: list[dict]) -> None:
    print(pd.DataFrame(rows).to_markdown(index=False), "\n", flush=True)


NETWORKS = {
    "contrast at five scales, no network": lambda: contrast,
    "ImageNet": partial(backbone_of, share=0.0),
    "interpolated": partial(backbone_of, share=0.5),
    "simulation": backbone_of,
    "simulation, its embedding": embedding_of,
}


def compare(
    n: int,
    networks: dict[str, Callable] = NETWORKS,
    adapt: tuple[str, ...] = ("ImageNet", "simulation"),
    size: int = SIDE,
) -> None:
    """Readouts of frozen features: trained and tested on our images, on PyMUST's, and from ours to PyMUST's."""
    data = {simulator: images_of(simulator, n, size=size) for simulator in ("ours", "PyMUST")}
    found = {}
    for name, make in networks.items():
        network = make()
        found[name] = {simulator: described(images, network) for simulator, (images, _) in data.items()}
        if name in adapt:
            found[f"{name}, batch statistics of each simulator"] = {
                simulator: described(images, with_own_statistics(network, images))
                for simulator, (images, _) in data.items()
            }
    for quantity in QUANTITIES:
        truth = {simulator: table[quantity].to_numpy() for simulator, (_, table) in data.items()}
        scores = {
            "ours": {name: out_of_fold(each["ours"], truth["ours"]) for name, each in found.items()},
            "PyMUST": {name: out_of_fold(each["PyMUST"], truth["PyMUST"]) for name, each in found.items()},
            "ours to PyMUST": {
                name: readout().fit(each["ours"], truth["ours"]).predict(each["PyMUST"]) for name, each in found.items()
            },
        }
        tables = {way: intervals(each, truth[way.split()[-1]]) for way, each in scores.items()}
        rows = [{"features": name, **{way: table[name][0] for way, table in tables.items()}} for name in found]
        for row in rows:
            row |= {f"{way}, less ImageNet": tables[way][row["features"]][1] for way in ("PyMUST", "ours to PyMUST")}
        print(f"{quantity}, {n} images of each simulator:\n")
        show(rows)
    rows = [{"features": name} for name in found]
    for quantity in OTHERS:
        values = data["PyMUST"][1][quantity].to_numpy()
        table = intervals({name: out_of_fold(each["PyMUST"], values) for name, each in found.items()}, values)
        for row in rows:
            row[quantity], row[f"{quantity}, less ImageNet"] = table[row["features"]]
    print("PyMUST, what pretraining did not teach:\n")
    show(rows)


def looks(n: int) -> None:
    """Readouts trained and tested on images of a look; and trained on the usual look, tested on that one."""
    names = ("ImageNet", "interpolated", "simulation")
    networks = {name: NETWORKS[name]() for name in names}
    for simulator in ("PyMUST", "ours"):
        features, truth = {}, None
        for look in LOOKS:
            images, truth = images_of(simulator, n, look)
            features[look] = {name: described(images, network) for name, network in networks.items()}
        for quantity in QUANTITIES:
            rows, values = [], truth[quantity].to_numpy()
            for look, each in features.items():
                within = {name: out_of_fold(each[name], values) for name in names}
                across = {name: out_of_fold(features[USUAL][name], values, each[name]) for name in names}
                ways = {"": intervals(within, values), ", readout of the usual look": intervals(across, values)}
                rows.append({"look": look} | {name + way: t[name][0] for way, t in ways.items() for name in names})
            print(f"{simulator}, {quantity}:\n")
            show(rows)


def backbones(n: int) -> None:
    """EfficientNet-Lite0 to 2 with ImageNet weights at 224 pixels and at their own resolution."""
    torch.set_num_threads(1)
    rows, scores = [], {quantity: {} for quantity in QUANTITIES}
    for number, own in enumerate((224, 240, 260)):
        try:
            backbone = Backbone(f"tf_efficientnet_lite{number}", scales=[16, 32]).eval()
        except FibrolibError as error:
            print(f"skipped: {error}")
            continue
        for size in sorted({224, own}):
            (images, truth), name = images_of("PyMUST", n, USUAL, size), f"Lite{number}, {size} pixels"
            described(images[:16], backbone)
            costs, features = [], []
            for batch in np.array_split(images, max(1, n // 16)):
                begun = time.process_time()
                features.append(described(batch, backbone))
                costs.append(1e3 * (time.process_time() - begun) / len(batch))
            rows.append({"backbone": name, "processor ms per frame": round(float(np.median(costs)), 1)})
            for quantity in QUANTITIES:
                scores[quantity][name] = out_of_fold(np.concatenate(features), truth[quantity].to_numpy())
    for quantity, each in scores.items():
        table = intervals(each, truth[quantity].to_numpy(), base="Lite0, 224 pixels")
        for row in rows:
            row[quantity], row[f"{quantity}, less Lite0"] = table[row["backbone"]]
    show(rows)


# --- domain randomisation ------------------------------------------------------------------------------------------


def randomised_screen(patient: object, seed: tuple[int, int], rng: Generator) -> np.ndarray:
    """A screen of our simulator by a scanner, depth, gain and grey map drawn at random, with a few marks in it."""
    spread = _PointSpread(*rng.uniform((2.0, 0.6, 0.010, 40.0, 0.3), (5.0, 1.8, 0.030, 110.0, 1.5)))
    scanner = _Scanner("", spread, np.exp(rng.uniform(-0.5, 0.5)), rng.uniform(-32, -14), "", False)
    drawn = {"depth_mm": rng.uniform(95, 190), "gain_db": rng.normal(0, 6), "dynamic_range_db": rng.uniform(40, 80)}
    with mock.patch.object(render, "SCANNERS", (scanner,)):
        screen = render_image(patient._replace(scanner=0, **drawn), seed, truth=False).frames[0].copy()
    for row, column in rng.integers((60, 90), (220, 210), (rng.integers(0, 5), 2)):  # callipers
        screen[row - 3 : row + 4, column] = screen[row, column - 3 : column + 4] = 230
    return screen


def write_pictures(folder: Path, n: int, seed: int, randomise: bool) -> pd.DataFrame:
    """Pictures of unstaged patients for `pretrain`, as the package makes them or randomised and compressed."""
    folder.mkdir(parents=True, exist_ok=True)
    patients, rng = draw_unstaged_patients(n, seed), np.random.default_rng(seed)
    files = [folder / f"{number:05d}.npz" for number in range(n)]
    for number, (patient, file) in enumerate(zip(patients.itertuples(index=False), files, strict=True)):
        if randomise:
            crf = None if rng.random() < 0.3 else int(rng.integers(14, 38))
            save_clip(file, prepared(randomised_screen(patient, (seed, number), rng), crf, SMALL))
        else:
            save_clip(file, prepared(render_image(patient, (seed, number), truth=False).frames[0], None, SMALL))
    truth = pd.DataFrame(physical_quantities(patients)[:, :2], columns=list(QUANTITIES))
    return truth.assign(stills=[(file,) for file in files])


def randomise(n: int, training: int = 400, epochs: int = 4, seeds: int = 2) -> None:
    """Short pretraining of the 2D-CNN with and without domain randomisation, and what its features are worth."""
    weights = TOP / "weights"
    for seed in range(seeds):
        for arm in ("plain", "randomised"):
            file = weights / f"{arm}-{training}-{epochs}-{seed}.safetensors"
            if not file.exists():
                begun = time.process_time()
                with tempfile.TemporaryDirectory() as folder:
                    pictures = write_pictures(Path(folder), training, 7_000_000 + seed, arm == "randomised")
                    recipe = {**RECIPES["frame_cnn"], "epochs": epochs}
                    found, _ = pretrain(pictures, file, architecture="frame_cnn", **recipe)
                print(
                    f"{arm}, seed {seed}: held-out {found}, {time.process_time() - begun:.0f} processor s", flush=True
                )
    networks = {"ImageNet": NETWORKS["ImageNet"]}
    for arm in ("plain", "randomised"):
        for seed in range(seeds):
            file = weights / f"{arm}-{training}-{epochs}-{seed}.safetensors"
            networks[f"{arm}, seed {seed}"] = partial(backbone_of, file)
            networks[f"{arm}, seed {seed}, its embedding"] = partial(embedding_of, file)
    compare(n, networks, adapt=(), size=SMALL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ways = {"compare": compare, "looks": looks, "backbones": backbones, "randomise": randomise}
    parser.add_argument("what", choices=ways)
    parser.add_argument("-n", type=int, default=104, help="images of each simulator")
    asked = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if find_spec("pymust") is None:
        print("skipped: the second simulator is not installed (pip install pymust==0.1.9)")
        return
    ways[asked.what](asked.n)


if __name__ == "__main__":
    main()
