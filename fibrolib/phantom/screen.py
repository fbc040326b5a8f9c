"""The frame of a scanner's screen around the fan: invented words, depth scale, grey bar."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fibrolib.phantom.imaging import ScanConverter
from fibrolib.phantom.scanners import Scanner

__all__ = ["BANNER", "CENTRE", "FAN_HEIGHT", "SCREEN", "TOP", "draw_screen"]

SCREEN = (256, 320)
"""Height and width of the screen, pixels."""

TOP, CENTRE, FAN_HEIGHT = 34, 150, 208
"""Row of the fan's upper edge, column of its axis, and rows from there to its deepest point."""

BANNER = "VIRTUAL PATIENT"
"""Words on every frame: nobody shall take one for a real patient."""


def draw_screen(patient: object, scanner: Scanner, converter: ScanConverter) -> NDArray[np.uint8]:
    """Draw everything on the screen but the fan.

    Parameters
    ----------
    patient : row of `draw_patients`
        With attributes ``patient_id, fps, gain_db, depth_mm, dynamic_range_db``.
    scanner : Scanner
        The machine.
    converter : ScanConverter
        Where the fan lies.

    Returns
    -------
    ndarray of uint8, shape `SCREEN`
        The screen, black where the fan will be.
    """
    picture = Image.new("L", (SCREEN[1], SCREEN[0]))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(10)
    left, right = (scanner.preset, scanner.name) if scanner.name_right else (scanner.name, scanner.preset)
    settings = (
        f"{patient.fps:.0f} Hz",
        f"{patient.depth_mm / 10:.1f} cm",
        f"G {50 + 2 * patient.gain_db:.0f} %",
        f"DR {patient.dynamic_range_db:.0f}",
    )
    draw.text((4, 2), left, fill=190, font=font)
    draw.text((SCREEN[1] - 4, 2), right, fill=190, font=font, anchor="ra")
    draw.text((CENTRE, 2), f"{BANNER} {patient.patient_id[-3:]}", fill=230, font=font, anchor="ma")
    for line, text in enumerate(settings):
        draw.text((4, 16 + 11 * line), text, fill=140, font=font)
    _depth_scale(draw, font, scanner, patient.depth_mm, converter)
    for row in range(80):  # grey bar
        draw.line([(4, 100 + row), (9, 100 + row)], fill=round(255 * (1 - row / 79) ** scanner.gamma))
    screen = np.array(picture)
    screen[converter.sector] = 0
    return screen


def _depth_scale(
    draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont, scanner: Scanner, depth: float, converter: ScanConverter
) -> None:
    """Ticks every centimetre, a number every five, and the focus."""
    column = SCREEN[1] - 4
    for centimetre in range(int(depth / 10) + 1):
        row = converter.origin[0] + 10 * centimetre / converter.scale
        long = centimetre % 5 == 0
        draw.line([(column - (6 if long else 3), row), (column, row)], fill=170)
        if long and centimetre:
            draw.text((column - 8, row), str(centimetre), fill=150, font=font, anchor="rm")
    focus = converter.origin[0] + scanner.spread.focus / converter.scale
    draw.polygon([(column + 3, focus - 3), (column + 3, focus + 3), (column - 1, focus)], fill=200)
