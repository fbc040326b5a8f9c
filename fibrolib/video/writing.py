"""Write videos (H.264 in MP4) and images (PNG): atomic, and the same bytes for the same frames."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fibrolib.atomic import replacing

__all__ = ["write_image", "write_video"]

_MUXER = {"fflags": "+bitexact", "movflags": "+faststart"}
# Constant rate factor 16: the speckle of ultrasound, and its motion, survive. Macroblock-tree rate control is switched
# off because, together with B-frames, x264 gives other bytes for the same frames from one run to the next.
_ENCODER = {"crf": "16", "preset": "veryfast", "x264-params": "threads=1:lookahead-threads=1:mbtree=0"}


def write_video(path: str | Path, frames: NDArray[np.uint8], fps: float, comment: str | None = None) -> None:
    """Write a video as H.264 in an MP4 file that browsers and hospital viewers play.

    Parameters
    ----------
    path : str or Path
        File to write; its folder must exist. A file of that name is replaced in one step, at the end.
    frames : ndarray of uint8, shape (frames, height, width) or (frames, height, width, 3)
        Gray frames, or red, green and blue; height and width even (H.264 stores colour at half resolution).
    fps : float
        Frames per second, above 0.
    comment : str, optional
        Kept in the file's metadata.

    Raises
    ------
    ValueError
        If the frames are not uint8, of another shape, empty or of odd size, or `fps` is not positive.

    Notes
    -----
    One encoder thread and no clock in the file, so that the same frames give the same bytes.
    """
    _check_frames(frames, fps)
    with replacing(path) as temporary, av.open(str(temporary), "w", format="mp4", options=_MUXER) as container:
        if comment is not None:
            container.metadata["comment"] = comment
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=_ENCODER)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        kind = "gray" if frames.ndim == 3 else "rgb24"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=kind)))
        container.mux(stream.encode())


def write_image(path: str | Path, image: NDArray[np.uint8]) -> None:
    """Write a gray image as PNG.

    Parameters
    ----------
    path : str or Path
        File to write; its folder must exist. A file of that name is replaced in one step, at the end.
    image : ndarray of uint8, shape (height, width)
        Gray image.

    Raises
    ------
    ValueError
        If the image is not uint8 or not two-dimensional.
    """
    if image.dtype != np.uint8 or image.ndim != 2:
        raise ValueError(f"an image is uint8 of shape (height, width), not {image.dtype} of shape {image.shape}")
    with replacing(path) as temporary:
        Image.fromarray(image).save(temporary, format="PNG")


def _check_frames(frames: NDArray[np.uint8], fps: float) -> None:
    if frames.dtype != np.uint8 or 0 in frames.shape or not (frames.ndim == 3 or frames.shape[3:] == (3,)):
        expected = "(frames, height, width), with a last axis of 3 for colour"
        raise ValueError(f"frames are uint8 of shape {expected}, not {frames.dtype} of {frames.shape}")
    if frames.shape[1] % 2 or frames.shape[2] % 2:
        raise ValueError(f"H.264 needs an even height and width, not {frames.shape[1]} x {frames.shape[2]}")
    if not fps > 0:
        raise ValueError(f"frames per second must be above 0, not {fps!r}")
