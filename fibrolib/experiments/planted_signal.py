"""Planted signals: virtual patients in whom one signal alone tells the stage, and maps of nets trained on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import clone

from fibrolib.attribution import (
    Explanation,
    attainable_share,
    attribute_methods,
    fine_layer,
    list_layers,
    middle_window,
)
from fibrolib.errors import FibrolibError, counted
from fibrolib.inference import auc
from fibrolib.learning import NetClassifier
from fibrolib.phantom import SignalStrengths
from fibrolib.stages import at_least
from fibrolib.video import load_clip

# Signal strengths, turned up until a perfect reader has an AUC of .97, .95 and .89 at F2 and above: a net that fails to
# learn has nothing to explain.
SIGNALS = {
    "capsule": SignalStrengths(texture=0.0, capsule=6.0, motion=0.0),
    "texture": SignalStrengths(texture=4.0, capsule=0.0, motion=0.0),
    "motion": SignalStrengths(texture=0.0, capsule=0.0, motion=4.0),
}

REGIONS = ("capsule", "liver")  # that maps are counted on
# The region that each signal is in; the outermost millimetres of the liver belong to the capsule too.
_PLACES = {"capsule": "capsule", "texture": "liver", "motion": "liver"}


@dataclass(frozen=True)
class _SaliencyConfig:
    method: str
    layer: str = "own"


SALIENCY_CONFIGS = (
    *(_SaliencyConfig(method) for method in ("gradcam", "gradcam++", "layercam")),
    *(_SaliencyConfig(method, "fine") for method in ("gradcam", "layercam")),
    *(_SaliencyConfig(method, "pixels") for method in ("integrated gradients", "occlusion")),
)


class _Scenario:
    """A net, and virtual patients in whom one signal alone tells the stage.

    Every third patient is held out, and those of them who have the condition are explained. `marked` maps a patient and
    a region to the prepared file in which that region is marked.
    """

    def __init__(
        self,
        signal: str,
        net: str,
        patients: pd.DataFrame,
        estimator: NetClassifier,
        marked: Callable[[object, str], Path],
    ) -> None:
        self.signal, self.name, self._estimator, self._marked = signal, net, estimator, marked
        ordered = patients.sort_values("stage", kind="stable")
        chosen = np.arange(len(patients)) % 3 == 1
        self.train, self.held_out = ordered[~chosen], ordered[chosen]
        self.explained = self.held_out[at_least(self.held_out["stage"], estimator.cutoff).astype(bool)]
        if self.explained.empty:
            raise FibrolibError(
                f"None of {counted(len(self.held_out), 'virtual patient')} held out has the condition: ask for more."
            )

    @property
    def cache_key(self) -> dict:
        """All that `scores` depends on besides the code; names of prepared files stand for their contents."""
        patients = pd.concat([self.train, self.held_out])
        settings = {name: value for name, value in self._estimator.get_params().items() if name != "memory"}
        files = [path.name for paths in patients[self._estimator.view] for path in paths]
        return {"signal": self.signal, "estimator": settings, "stages": patients["stage"].to_dict(), "files": files}

    @cached_property
    def net(self) -> NetClassifier:
        return clone(self._estimator).fit(self.train, self.train["stage"].to_numpy())

    @cached_property
    def area(self) -> float:
        """AUC of the net in the patients held out."""
        truth = at_least(self.held_out["stage"], self.net.cutoff)
        return auc(truth, self.net.predict_proba(self.held_out)[:, 1])

    def maps(self, config: _SaliencyConfig, patients: Sequence[str] | None = None) -> dict[str, Explanation]:
        """Maps by patient: of those explained, or of some of them."""
        chosen = list(self.explained.index if patients is None else patients)
        clips = [load_clip(paths[0]) for paths in self.explained.loc[chosen, self.net.view]]
        layer = fine_layer(self.net, clips[0]) if config.layer == "fine" else None
        maps = attribute_methods(self.net, clips, [config.method], layer=layer)[config.method]
        return dict(zip(chosen, maps, strict=True))

    def scores(self, configs: Sequence[_SaliencyConfig] = SALIENCY_CONFIGS) -> pd.DataFrame:
        """Maps counted on regions: a row per configuration, region and patient explained.

        ``attainable`` is the `attainable_share` of the layer, ``even`` the share of a map that is spread evenly over
        the place of the signal.
        """
        scenario = {"signal": self.signal, "model": self.name, "seed": self.net.seed, "auc": self.area}
        marked = {
            (patient.Index, region): middle_window(self.net, load_clip(self._marked(patient, region))).roi
            for patient in self.explained.itertuples()
            for region in REGIONS
        }
        grids = list_layers(self.net, load_clip(self.explained[self.net.view].iloc[0][0])).set_index("layer")
        rows = []
        for config in configs:
            for patient, cam in self.maps(config).items():
                grid = grids.loc[cam.layer, ["times", "height", "width"]] if cam.layer else cam.relevance.shape
                described = {"patient_id": patient, "stage": int(self.explained.loc[patient, "stage"])}
                described |= {**vars(config), "movement": cam.movement_correlation()}
                place = marked[patient, _PLACES[self.signal]] & cam.sector
                for region in REGIONS:
                    mask = marked[patient, region]
                    best = attainable_share(mask, cam.sector, tuple(int(side) for side in grid))
                    shares = {"attainable": best, "even": float(mask[place].mean())}
                    rows.append({**scenario, **described, "region": region, **vars(cam.mask_scores(mask)), **shares})
        return pd.DataFrame(rows)
