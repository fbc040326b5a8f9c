"""Which pixels of a file are the ultrasound picture: the only ones that are kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fibrolib.deidentify.report import RefusedError
from fibrolib.video import Sector, Video, find_sector, is_still, read_image, read_video

__all__ = ["Picture", "find_picture"]

_WHOLE = 0.98
"""Share of the frame from which on nothing would be blanked (*assumption*: of 71 real pictures the largest takes
0.975)."""


@dataclass(frozen=True)
class Picture:
    """The ultrasound picture of a file.

    Parameters
    ----------
    sector : Sector
        Where it is.
    brightest : ndarray of uint8, shape (height, width)
        The brightest that each pixel of it gets, in frames spread over the file: text shows that comes and goes.
    fps : float
        Frames per second; 1 for a still picture.
    pixel_aspect : float
        Width of a pixel by its height.
    look : tuple of str
        What a person must look at.
    """

    sector: Sector
    brightest: NDArray[np.uint8]
    fps: float = 1.0
    pixel_aspect: float = 1.0
    look: tuple[str, ...] = ()

    @property
    def kept(self) -> float:
        """Share of the frame."""
        return float(self.sector.mask.mean())


def find_picture(path: Path, whole: bool = False) -> Picture:
    """Find the ultrasound picture of a file.

    Parameters
    ----------
    path : Path
        A video, DICOM file or image.
    whole : bool
        Accept pictures that fill the frame: nothing is blanked.

    Raises
    ------
    RefusedError
        There is no ultrasound picture to be found, or nothing would be blanked and that was not accepted.
    VideoError
        The file cannot be read.
    """
    if is_still(path):
        video = Video(read_image(path)[np.newaxis], 1.0, path, np.zeros(1))
    else:
        video = read_video(path, max_frames=1)
    frames = video.frames if video.overview is None else video.overview
    sector = find_sector(frames, video.region)
    if not sector.found:
        raise RefusedError("no ultrasound picture was found in it")
    look = ()
    if sector.mask.mean() >= _WHOLE:
        if not whole:
            raise RefusedError(
                "the picture seems to fill the frame, so nothing would be blanked. Look at it; if there is no text on "
                "it, ask for it with --whole"
            )
        look = ("the picture fills the frame: nothing was blanked",)
    return Picture(sector, frames.max(axis=0) * sector.mask, video.fps, video.pixel_aspect, look)
