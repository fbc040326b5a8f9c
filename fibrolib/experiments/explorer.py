"""Sliders beside a virtual patient: turn one dial, and see what it does to picture, movement and ceiling.

The callbacks join the room that simulates to the room that draws, and keep what they made: hence they live here, where
notebooks meet the package, and neither there.
"""

from __future__ import annotations

import base64
import io
from functools import lru_cache

import ipywidgets as widgets
from PIL import Image

from fibrolib.experiments.virtual_patient import mmode_strip, population, render_beats, true_movement, typical_patient
from fibrolib.inference import auc
from fibrolib.phantom import MOVING, STILL, Rendering, SignalStrengths, oracle_score
from fibrolib.plots import plot_patient, png_bytes
from fibrolib.stages import at_least

__all__ = ["Explorer"]

DIALS = ("texture", "capsule", "motion")
_HELP = {
    "severity": "0 = F0 to 4 = F4",
    "texture": "0 = says nothing, 1 = published effect, more = teaching",
    "capsule": "0 = says nothing, 1 = published effect, more = teaching",
    "motion": "0 = says nothing, 1 = published effect, more = teaching",
    "seed": "another body, another view",
}
_HEART_RATE = 66.0  # 1/min; slow enough to be followed by eye


class Explorer:
    """A virtual patient under sliders.

    In a notebook that runs, show it as the last line of a cell. Where no kernel answers (papermill, a web page), the
    picture of its first state stands in its place.

    Parameters
    ----------
    seed : int
        Body and view at the start.
    cutoff : int
        Lowest stage that counts as diseased, for the ceilings and the two crowds.
    frames : int
        Frames of the one heartbeat that is simulated at every move; fewer answer sooner.

    Attributes
    ----------
    controls : dict of str to Widget
        Sliders ``severity, texture, capsule, motion, seed``; setting a ``value`` is moving the slider.
    frame : IntSlider
        Which frame is shown.
    rendering : Rendering
        The heartbeat that is shown.
    """

    def __init__(self, seed: int = 0, cutoff: int = 2, frames: int = 12) -> None:
        self._cutoff, self._frames = cutoff, frames
        self.controls = {"severity": _slider("severity", 4.0, 4.0)}
        self.controls |= {dial: _slider(dial, 1.0, 3.0) for dial in DIALS}
        self.controls["seed"] = widgets.BoundedIntText(
            value=seed, max=10**9, description="seed", tooltip=_HELP["seed"], layout=widgets.Layout(width="12em")
        )
        self.frame = widgets.IntSlider(max=frames - 1, description="frame", readout=False)
        interval = round(60_000 / _HEART_RATE / frames)  # ms: the heart beats in its own time
        self.play = widgets.Play(max=frames - 1, interval=interval, repeat=True, show_repeat=False)
        widgets.jslink((self.play, "value"), (self.frame, "value"))
        self._picture = widgets.Image(format="png", width=360)
        self._panels = widgets.Image(format="png", layout=widgets.Layout(width="900px"))
        self.rendering: Rendering = self._draw()
        for control in self.controls.values():
            control.observe(self._move, names="value")
        self.frame.observe(self._turn, names="value")
        screen = widgets.VBox([self._picture, widgets.HBox([self.play, self.frame])])
        self.box = widgets.VBox([widgets.HBox([widgets.VBox(list(self.controls.values())), screen]), self._panels])

    @property
    def strengths(self) -> SignalStrengths:
        """Where the dials stand."""
        return SignalStrengths(**{dial: self.controls[dial].value for dial in DIALS})

    @property
    def picture(self) -> bytes:
        """PNG of the frame that is shown."""
        return self._picture.value

    @property
    def panels(self) -> bytes:
        """PNG of the figure that is shown."""
        return self._panels.value

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        live = self.box._repr_mimebundle_(include=include, exclude=exclude)
        return {**live, "image/png": base64.b64encode(self.panels).decode()}

    def _move(self, _change: object) -> None:
        """Simulate and draw what the sliders ask for."""
        self.rendering = self._draw()

    def _turn(self, _change: object) -> None:
        """Show another frame of the same heartbeat."""
        self._picture.value = _png(self.rendering, self.frame.value)

    def _draw(self) -> Rendering:
        strengths, seed = self.strengths, self.controls["seed"].value
        scan = {"breath_mm": 0.0, "heart_rate": _HEART_RATE}
        patient = typical_patient(self.controls["severity"].value, seed, strengths, **scan)
        rendering = render_beats(patient, seed, frames=self._frames)
        movement = true_movement(rendering)
        self._picture.value = _png(rendering, self.frame.value)
        figure = plot_patient(
            rendering.frames[movement.systole],
            mmode_strip(rendering, movement.place),
            movement.path,
            field=(rendering.nodes, movement.displacement),
            seconds=len(rendering.frames) / rendering.fps,
            scale=rendering.scale,
            patient=patient,
            others=population(strengths),
            cutoff=self._cutoff,
            ceilings=_ceilings(strengths, self._cutoff),
        )
        self._panels.value = png_bytes(figure)
        return rendering


def _slider(name: str, value: float, most: float) -> widgets.FloatSlider:
    # Answer where the slider is let go of: answering all along the way would queue up.
    return widgets.FloatSlider(
        value=value, max=most, step=0.25, description=name, tooltip=_HELP[name], continuous_update=False
    )


@lru_cache(maxsize=128)
def _ceilings(strengths: SignalStrengths, cutoff: int) -> dict[str, float]:
    """AUC of the oracle that sees a still image, and of the one that sees a video, on the histograms' patients."""
    people, seen = population(strengths), {"still image": STILL, "video": MOVING}
    truth = at_least(people["stage"], cutoff)
    return {name: auc(truth, oracle_score(people, cutoff, signals, strengths)) for name, signals in seen.items()}


def _png(rendering: Rendering, frame: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rendering.frames[frame]).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
