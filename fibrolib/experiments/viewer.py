"""Maps of relevance under sliders: choose a patient and a method, play the clip, fade the map in and out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ipywidgets as widgets

from fibrolib.attribution import METHODS, Explanation, attribute
from fibrolib.experiments.virtual_patient import _Player, _png
from fibrolib.learning import NetClassifier
from fibrolib.plots import OPACITY, beside_overlay, plot_maps, png_bytes
from fibrolib.video import Clip


class Viewer(_Player):
    """The maps of a net, to be played with; show it as the last line of a cell.

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
