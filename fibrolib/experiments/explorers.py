"""To look at and to play with: virtual patients typical of a severity, and maps of relevance."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import ipywidgets as widgets
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from fibrolib.attribution import METHODS, Explanation, attribute
from fibrolib.inference import auc
from fibrolib.learning import NetClassifier
from fibrolib.phantom import MOVING, STILL, Rendering, SignalStrengths, draw_patients, oracle_score, render_view
from fibrolib.plots import OPACITY, beside_overlay, plot_maps, plot_patient, png_bytes
from fibrolib.stages import at_least
from fibrolib.video import Clip

_DIALS = ("texture", "capsule", "motion")
_HEART_RATE = 66.0  # 1/min; slow enough to be followed by eye


def typical_patient(severity: float, seed: int = 0, strengths: SignalStrengths | None = None, **scan: float) -> tuple:
    """A virtual patient whose carriers are exactly the mean of a severity, 0 (F0) to 4 (F4).

    Body, scanner and settings are those of the seed's first patient: two pictures differ by severity or dials alone.
    `scan` sets columns of `draw_patients`, such as ``breath_mm=0``; unknown ones raise a `TypeError`.
    """
    strengths = strengths or SignalStrengths()
    drawn = draw_patients(1, seed, strengths).drop(columns=["ast", "alt", "platelets"])
    unknown = set(scan) - set(drawn)
    if unknown:
        raise TypeError(f"no such columns of a virtual patient: {sorted(unknown)}")
    stiffness = float(np.exp(strengths.log_stiffness_mean(severity)))
    truth = {
        "stage": round(severity),
        "severity": float(severity),
        "stiffness_kpa": stiffness,
        "swe_kpa": round(stiffness, 1),
        "texture": float(strengths.carrier_mean("texture", severity)),
        "capsule": float(strengths.carrier_mean("capsule", severity)),
        "strain": float(np.exp(strengths.carrier_mean("motion", severity))),
    }
    return next(drawn.assign(**truth, **scan).itertuples(index=False))


@lru_cache(maxsize=24)  # a rendering of one heartbeat takes about 5 MB
def render_beats(patient: tuple, seed: int = 0, beats: int = 1, frames: int = 16) -> Rendering:
    """A few whole heartbeats of a patient, kept for when they are asked for again."""
    patient = patient._replace(fps=frames * patient.heart_rate / 60)
    return render_view(patient, beats * frames, np.random.default_rng(seed))


@lru_cache(maxsize=8)
def _many_patients(strengths: SignalStrengths, n: int = 4000) -> pd.DataFrame:
    return draw_patients(n, seed=1, strengths=strengths)


@dataclass(frozen=True)
class _Movement:
    """How the heart moves the liver in a rendering; fields on the grid are not numbers outside the liver."""

    systole: int  # the frame in which the liver is most deformed
    displacement: NDArray[np.float32]  # (grid rows, grid columns, 2): added by the heart then, (right, down) in mm
    strain: NDArray[np.float32]  # (grid rows, grid columns): largest principal strain of that displacement
    place: tuple[int, int]  # row and column on the screen of the node that is followed
    path: NDArray[np.float32]  # (frames,): how far down (mm) that tissue is from its median, shift and turn included


def true_movement(rendering: Rendering, place: tuple[int, int] | None = None) -> _Movement:
    """Movement of the liver in a heartbeat or more; the tissue at `place` is followed, or that which moves most."""
    rows, columns = rendering.nodes
    # Only nodes that are liver throughout: others would count the wall, which stays behind.
    liver = rendering.masks["liver"][:, rows, columns].all(axis=0)
    # From each node's median over the clip, where the heart leaves it most of the time.
    moved = rendering.displacement - np.median(rendering.displacement, axis=0)
    moved = np.where(liver[..., None], moved, np.nan)
    deformed = moved - _rigid_part(moved, rendering.nodes, liver & (rows < np.median(rows[liver])))
    distance = np.nan_to_num(np.hypot(deformed[..., 0], deformed[..., 1]))
    systole, *node = np.unravel_index(distance.argmax(), distance.shape)
    if place is not None:
        away = np.hypot(rows - place[0], columns - place[1])
        node = np.unravel_index(np.where(liver, away, np.inf).argmin(), away.shape)
    spacing = float(rows[1, 0] - rows[0, 0]) * rendering.scale
    return _Movement(
        systole=int(systole),
        displacement=deformed[systole],
        strain=_principal_strain(deformed[systole], spacing),
        place=(int(rows[*node]), int(columns[*node])),
        path=moved[:, *node, 1],
    )


def _rigid_part(moved: NDArray, nodes: NDArray, front: NDArray[np.bool_]) -> NDArray:
    """Shift and turn of the whole liver (breathing, hand, tug), by least squares in front of the heart's push."""
    down, right = (part - part[front].mean() for part in nodes.astype(float))
    shift = moved[:, front].mean(axis=1)[:, None, None, :]
    across, along = (moved[:, front] - shift[:, :, 0]).transpose(2, 0, 1)
    turn = (right[front] * along - down[front] * across).sum(axis=1) / (right[front] ** 2 + down[front] ** 2).sum()
    return shift + turn[:, None, None, None] * np.stack([-down, right], axis=-1)


def _principal_strain(displacement: NDArray, spacing: float) -> NDArray:
    """Largest principal value of the small-strain tensor of a displacement field on a grid."""
    right, down = displacement[..., 0], displacement[..., 1]
    across, along = _slope(right, spacing, 1), _slope(down, spacing, 0)
    shear = (_slope(right, spacing, 0) + _slope(down, spacing, 1)) / 2
    return (across + along) / 2 + np.hypot((across - along) / 2, shear)


def _slope(values: NDArray, spacing: float, axis: int) -> NDArray:
    """Slope along an axis: the mean of the steps to both neighbours, or the one step there is at the liver's edge."""
    edge = np.full_like(values.take([0], axis), np.nan)
    step = np.diff(values, axis=axis, prepend=edge, append=edge) / spacing
    before, after = (np.delete(step, end, axis) for end in (-1, 0))
    return np.where(np.isnan(before), after, np.where(np.isnan(after), before, (before + after) / 2))


def detail(rendering: Rendering, size: int = 96) -> NDArray[np.uint8]:
    """A square of the first frame: the liver's surface in the middle of the picture, and what lies below it."""
    liver = rendering.masks["liver"][0]
    middle = int(np.nonzero(liver)[1].mean())
    left, top = middle - size // 2, int(liver[:, middle].argmax()) - size // 6
    return rendering.frames[0, top : top + size, left : left + size]


def mmode_strip(rendering: Rendering, place: tuple[int, int], half: float = 22.0) -> NDArray[np.uint8]:
    """Motion mode: the line of the picture from `half` mm above `place` to `half` below, frame beside frame."""
    reach = round(half / rendering.scale)
    rows = np.clip(np.arange(place[0] - reach, place[0] + reach + 1), 0, rendering.frames.shape[1] - 1)
    return rendering.frames[:, rows, place[1]].T


class _Player:
    """A picture of several frames under sliders; where no kernel answers, a PNG stands in its place."""

    def __init__(self, frames: int, interval: float, width: int) -> None:
        self.frame = widgets.IntSlider(max=frames - 1, description="frame", readout=False)
        self.play = widgets.Play(max=frames - 1, interval=round(interval), repeat=True, show_repeat=False)  # ms
        widgets.jslink((self.play, "value"), (self.frame, "value"))
        self._picture = widgets.Image(format="png", width=width)

    @property
    def picture(self) -> bytes:
        """PNG of the frame that is shown."""
        return self._picture.value

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        live = self.box._repr_mimebundle_(include=include, exclude=exclude)
        return {**live, "image/png": base64.b64encode(self._still).decode()}


class Explorer(_Player):
    """A virtual patient under sliders (`controls`); show it as the last line of a cell."""

    def __init__(self, seed: int = 0, cutoff: int = 2, frames: int = 12) -> None:
        super().__init__(frames, 60_000 / _HEART_RATE / frames, width=360)
        self._cutoff, self._frames = cutoff, frames
        self.controls = {"severity": _slider("severity", 4.0, 4.0, "0 = F0 to 4 = F4")}
        for dial in _DIALS:
            self.controls[dial] = _slider(dial, 1.0, 3.0, "0 = says nothing, 1 = published effect, more = teaching")
        looks = {"tooltip": "another body, another view", "layout": widgets.Layout(width="12em")}
        self.controls["seed"] = widgets.BoundedIntText(value=seed, max=10**9, description="seed", **looks)
        self._panels = widgets.Image(format="png", layout=widgets.Layout(width="900px"))
        self._move()
        for control in self.controls.values():
            control.observe(self._move, names="value")
        self.frame.observe(self._turn, names="value")
        screen = widgets.VBox([self._picture, widgets.HBox([self.play, self.frame])])
        self.box = widgets.VBox([widgets.HBox([widgets.VBox(list(self.controls.values())), screen]), self._panels])

    @property
    def strengths(self) -> SignalStrengths:
        """Where the dials stand."""
        return SignalStrengths(**{dial: self.controls[dial].value for dial in _DIALS})

    @property
    def panels(self) -> bytes:
        """PNG of the figure that is shown."""
        return self._panels.value

    _still = panels

    def _turn(self, _change: object = None) -> None:
        """Show another frame of the same heartbeat."""
        self._picture.value = _png(self.rendering.frames[self.frame.value])

    def _move(self, _change: object = None) -> None:
        """Simulate and draw what the sliders ask for."""
        strengths, seed = self.strengths, self.controls["seed"].value
        scan = {"breath_mm": 0.0, "heart_rate": _HEART_RATE}
        patient = typical_patient(self.controls["severity"].value, seed, strengths, **scan)
        self.rendering = rendering = render_beats(patient, seed, frames=self._frames)
        movement = true_movement(rendering)
        self._turn()
        figure = plot_patient(
            rendering.frames[movement.systole],
            mmode_strip(rendering, movement.place),
            movement.path,
            field=(rendering.nodes, movement.displacement),
            seconds=len(rendering.frames) / rendering.fps,
            scale=rendering.scale,
            patient=patient,
            others=_many_patients(strengths),
            cutoff=self._cutoff,
            ceilings=_ceilings(strengths, self._cutoff),
        )
        self._panels.value = png_bytes(figure)


class Viewer(_Player):
    """The maps of a fitted net, to be played with; show it as the last line of a cell.

    `clips` are prepared clips, or stills, by title of the patient; `region` is what their marked region is.
    """

    def __init__(
        self,
        estimator: NetClassifier,
        clips: Mapping[str, Clip],
        methods: Sequence[str] = METHODS,
        region: str = "capsule",
    ) -> None:
        interval = 1000 * estimator.frame_stride / next(iter(clips.values())).fps  # the clip plays in its own time
        super().__init__(estimator.clip_length, interval, width=640)
        self._estimator, self._clips = estimator, dict(clips)
        self._made: dict[tuple[str, str], Explanation] = {}
        self.patient = widgets.Dropdown(options=list(self._clips), description="patient")
        self.method = widgets.Dropdown(options=list(methods), description="method")
        self.opacity = widgets.FloatSlider(value=OPACITY, max=1.0, step=0.05, description="opacity")
        self._caption = widgets.HTML()
        self._choose()
        self._still = png_bytes(plot_maps({self.patient.value: self.explanation}, region=region))
        for chooser in (self.patient, self.method):
            chooser.observe(self._choose, names="value")
        for slider in (self.opacity, self.frame):
            slider.observe(self._show, names="value")
        controls = [self.patient, self.method, self.opacity]
        if estimator.clip_length > 1:
            controls.append(widgets.HBox([self.play, self.frame]))
        self.box = widgets.HBox([widgets.VBox([*controls, self._caption]), self._picture])

    @property
    def caption(self) -> str:
        """What is shown, in words."""
        return self._caption.value

    def _choose(self, _change: object = None) -> None:
        """Make the map that is asked for, when it is first looked at."""
        chosen = self.patient.value, self.method.value
        if chosen not in self._made:
            self._made[chosen] = attribute(self._estimator, self._clips[chosen[0]], chosen[1])
        self.explanation = self._made[chosen]
        self._show()

    def _show(self, _change: object = None) -> None:
        """Draw the frame beside the same under its map."""
        cam, at = self.explanation, self.frame.value
        self._picture.value = _png(beside_overlay(cam, self.opacity.value)[at])
        where = f" of layer <code>{cam.layer}</code>" if cam.layer else ""
        nothing = "" if cam.relevance.any() else "<br><b>Nothing in this window spoke for it.</b>"
        self._caption.value = (
            f"<p style='line-height:1.4'>{cam.method}{where}<br>P({cam.target}) = {cam.score:.2f}"
            f"<br>{cam.times[at]:.2f} s{nothing}</p>"
        )


def _slider(name: str, value: float, most: float, tooltip: str) -> widgets.FloatSlider:
    # Answer where the slider is let go of: answering all along the way would queue up.
    looks = {"description": name, "tooltip": tooltip, "continuous_update": False}
    return widgets.FloatSlider(value=value, max=most, step=0.25, **looks)


@lru_cache(maxsize=128)
def _ceilings(strengths: SignalStrengths, cutoff: int) -> dict[str, float]:
    """AUC of the oracle that sees a still image, and of the one that sees a video, on the histograms' patients."""
    patients, seen = _many_patients(strengths), {"still image": STILL, "video": MOVING}
    truth = at_least(patients["stage"], cutoff)
    return {name: auc(truth, oracle_score(patients, cutoff, signals, strengths)) for name, signals in seen.items()}


def _png(picture: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
