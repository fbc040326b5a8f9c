"""A figure under sliders, with a still picture where no kernel runs."""

from __future__ import annotations

import base64
from collections.abc import Callable

import ipywidgets as widgets
from matplotlib.figure import Figure

from fibrolib.plots.style import png_bytes


class LiveFigure:
    """A figure that is drawn again when a control is moved; show it as the last line of a cell.

    Parameters
    ----------
    draw : callable
        Takes the value of every control by name; returns a figure and a caption (HTML).
    values : dict, optional
        Where controls stand at first; a slider that is left out stands in the middle.
    **controls : tuple, list or widget
        As in ``ipywidgets.interact``: ``(low, high, step)`` is a slider, a list is a menu.
    """

    def __init__(
        self, draw: Callable[..., tuple[Figure, str]], values: dict[str, object] | None = None, /, **controls: object
    ) -> None:
        self._draw = draw
        self.controls = {name: widgets.interactive.widget_from_abbrev(each) for name, each in controls.items()}
        self._picture = widgets.Image(format="png", layout={"max_width": "100%", "align_self": "flex-start"})
        self._caption = widgets.HTML()
        for name, value in (values or {}).items():
            self.controls[name].value = value
        for name, control in self.controls.items():
            control.description, control.layout.width = name.replace("_", " "), "30em"
            if hasattr(control, "continuous_update"):  # answer where the slider is let go of, not all along the way
                control.continuous_update = False
            control.observe(self._move, names="value")
        self._move()
        self.box = widgets.VBox([*self.controls.values(), self._picture, self._caption])

    @property
    def caption(self) -> str:
        """What is shown below the figure."""
        return self._caption.value

    @property
    def picture(self) -> bytes:
        """PNG of the figure that is shown."""
        return self._picture.value

    def _move(self, _change: object = None) -> None:
        values = {name: control.value for name, control in self.controls.items()}
        figure, self._caption.value = self._draw(**values)
        self._picture.value = png_bytes(figure)

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        live = self.box._repr_mimebundle_(include=include, exclude=exclude)
        return {**live, "image/png": base64.b64encode(self.picture).decode()}
