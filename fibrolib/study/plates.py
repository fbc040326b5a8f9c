"""Pictures that a manuscript shows, kept with a finished run: frames of patients, and maps of one test patient a stage.

Their file is enough to draw them again at any size, without the cohort's videos and without the nets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fibrolib.attribution import Explanation, Target, attribute_methods
from fibrolib.learning import NetClassifier
from fibrolib.video import Clip, load_clip

PLATES = "figures/plates.npz"
"""Where a run folder has its plates."""


@dataclass
class Plates:
    """Clips of one frame by stage, and maps of each net by stage; of a map, the frames that the net was shown."""

    samples: dict[int, Clip] = field(default_factory=dict)
    maps: dict[str, dict[int, Explanation]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _GradCams(Mapping[str, list[Explanation]]):
    """Grad-CAM of a net by patient, one map per prepared file; made when asked for: a map takes megabytes."""

    net: NetClassifier
    files: pd.Series  # tuples of prepared files by patient
    track: Callable[[pd.Index], Iterator[str]]  # shows progress, where all are asked for

    def __getitem__(self, patient: str) -> list[Explanation]:
        return attribute_methods(self.net, [load_clip(path) for path in self.files[patient]], ["gradcam"])["gradcam"]

    def __iter__(self) -> Iterator[str]:
        return self.track(self.files.index)

    def __len__(self) -> int:
        return len(self.files)


def make_plates(patients: pd.DataFrame, nets: Mapping[str, NetClassifier]) -> Plates:
    """Take the first training patient of each stage and the first test patient of each, as notebooks 01 and 07 do."""
    first = patients.sort_values("stage", kind="stable").drop_duplicates(["split", "stage"])
    training, test = (first[first["split"] == split] for split in ("train", "test"))
    plates = Plates({row.stage: _middle_frame(load_clip(row.clips[0])) for row in training.itertuples()})
    for name, net in nets.items():
        clips = [load_clip(getattr(row, net.view)[0]) for row in test.itertuples()]
        maps = attribute_methods(net, clips, ["gradcam"])["gradcam"]
        plates.maps[name] = dict(zip(test["stage"], maps, strict=True))
    return plates


def _middle_frame(clip: Clip) -> Clip:
    middle = len(clip.frames) // 2
    one = slice(middle, middle + 1)
    return Clip(clip.frames[one], clip.fps, clip.sector, None if clip.roi is None else clip.roi[one])


def write_plates(plates: Plates, path: Path) -> None:
    """Write plates; relevance is rounded to 1/255, which no picture shows."""
    arrays: dict[str, NDArray] = {}
    for stage, clip in plates.samples.items():
        arrays |= _parts(f"sample/{stage}", frames=clip.frames, sector=clip.sector, roi=clip.roi)
    for name, maps in plates.maps.items():
        for stage, cam in maps.items():
            values = {"frames": cam.frames, "sector": cam.sector, "roi": cam.roi, "times": cam.times}
            values |= {"relevance": np.uint8(255 * cam.relevance + 0.5), "score": np.array(cam.score)}
            arrays |= _parts(f"{name}/{stage}", **values)
    np.savez_compressed(path, **arrays)


def _parts(place: str, **values: NDArray | None) -> dict[str, NDArray]:
    return {f"{place}/{name}": value for name, value in values.items() if value is not None}


def read_plates(path: Path, cutoff: int) -> Plates:
    """Read what `write_plates` wrote; `cutoff` is that of the run, the target of its maps."""
    plates = Plates()
    with np.load(path) as file:
        for group, stage in dict.fromkeys(tuple(name.split("/")[:2]) for name in file):
            parts = {name.split("/")[2]: file[name] for name in file if name.startswith(f"{group}/{stage}/")}
            if group == "sample":
                plates.samples[int(stage)] = Clip(parts["frames"], 1.0, parts["sector"], parts.get("roi"))
                continue
            plates.maps.setdefault(group, {})[int(stage)] = Explanation(
                **{name: parts.get(name) for name in ("frames", "roi", "sector", "times")},
                relevance=parts["relevance"].astype(np.float32) / 255,
                score=float(parts["score"]),
                method="gradcam",
                layer="",
                target=Target(cutoff),
            )
    return plates
