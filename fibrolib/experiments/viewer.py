"""Maps of relevance under sliders: choose a patient and a method, play the clip, fade the map in and out."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

import ipywidgets as widgets

from fibrolib.attribution import METHODS, Explanation, attribute
from fibrolib.experiments.virtual_patient import _png
from fibrolib.learning import NetClassifier
from fibrolib.plots import OPACITY, beside_overlay, plot_maps, png_bytes
from fibrolib.video import Clip


class Viewer:
    """The maps of a net, to be played with; a map is made when it is first looked at.

    Show it as the last line of a cell. Where no kernel answers, the plate of its first state stands in its place.

    Parameters
    ----------
    estimator : NetClassifier
        Fitted.
    clips : mapping of str to Clip
        Prepared clips, or stills, by title of the patient.
    methods : sequence of str
        Of `fibrolib.attribution.METHODS`.
    region : str
        What the marked region is.
    """

    def __init__(
        self,
        estimator: NetClassifier,
        clips: Mapping[str, Clip],
        methods: Sequence[str] = METHODS,
        region: str = "capsule",
    ) -> None:
        self._estimator, self._clips, self._region = estimator, dict(clips), region
        self._made: dict[tuple[str, str], Explanation] = {}
        self.patient = widgets.Dropdown(options=list(self._clips), description="patient")
        self.method = widgets.Dropdown(options=list(methods), description="method")
        self.opacity = widgets.FloatSlider(value=OPACITY, max=1.0, step=0.05, description="opacity")
        self.frame = widgets.IntSlider(max=estimator.clip_length - 1, description="frame", readout=False)
        self.play = widgets.Play(
            max=estimator.clip_length - 1, interval=self._interval(), repeat=True, show_repeat=False
        )
        widgets.jslink((self.play, "value"), (self.frame, "value"))
        self._caption = widgets.HTML()
        self._picture = widgets.Image(format="png", width=640)
        self.explanation = self._explain()
        self._still = png_bytes(plot_maps({self.patient.value: self.explanation}, region=region))
        self._show()
        for chooser in (self.patient, self.method):
            chooser.observe(self._choose, names="value")
        for slider in (self.opacity, self.frame):
            slider.observe(self._show, names="value")
        controls = [self.patient, self.method, self.opacity]
        if estimator.clip_length > 1:
            controls.append(widgets.HBox([self.play, self.frame]))
        self.box = widgets.HBox([widgets.VBox([*controls, self._caption]), self._picture])

    @property
    def picture(self) -> bytes:
        """PNG of what is shown: the frame, the same frame under its map, and the scale of its colours, 0 to 1."""
        return self._picture.value

    @property
    def caption(self) -> str:
        """What is shown, in words."""
        return self._caption.value

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        live = self.box._repr_mimebundle_(include=include, exclude=exclude)
        return {**live, "image/png": base64.b64encode(self._still).decode()}

    def _interval(self) -> int:
        """Milliseconds per frame: the clip plays in its own time."""
        clip = next(iter(self._clips.values()))
        return round(1000 * self._estimator.frame_stride / clip.fps)

    def _explain(self) -> Explanation:
        chosen = self.patient.value, self.method.value
        if chosen not in self._made:
            self._made[chosen] = attribute(self._estimator, self._clips[chosen[0]], chosen[1])
        return self._made[chosen]

    def _choose(self, _change: object) -> None:
        """Make the map that is asked for."""
        self.explanation = self._explain()
        self._show()

    def _show(self, _change: object = None) -> None:
        """Draw the frame that is asked for."""
        cam, at = self.explanation, self.frame.value
        self._picture.value = _png(beside_overlay(cam, self.opacity.value)[at])
        where = f" of layer <code>{cam.layer}</code>" if cam.layer else ""
        nothing = "" if cam.relevance.any() else "<br><b>Nothing in this window spoke for it.</b>"
        self._caption.value = (
            f"<p style='line-height:1.4'>{cam.method}{where}<br>P({cam.target}) = {cam.score:.2f}"
            f"<br>{cam.times[at]:.2f} s{nothing}</p>"
        )
