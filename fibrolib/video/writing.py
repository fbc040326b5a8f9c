"""Write videos (H.264 in MP4) and images (PNG): atomic, without metadata, the same bytes for the same frames."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fibrolib.atomic import replacing

__all__ = ["check_frames", "write_image", "write_timed_video", "write_video"]

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
    check_frames(frames, fps)
    if frames.shape[1] % 2 or frames.shape[2] % 2:
        raise ValueError(f"H.264 needs an even height and width, not {frames.shape[1]} x {frames.shape[2]}")
    with replacing(path) as temporary, av.open(str(temporary), "w", format="mp4", options=_MUXER) as container:
        if comment is not None:
            container.metadata["comment"] = comment
        stream = _add_stream(container, fps, *frames.shape[1:3])
        kind = "gray" if frames.ndim == 3 else "rgb24"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=kind)))
        container.mux(stream.encode())


def write_timed_video(
    path: str | Path, frames: Iterable[tuple[float | None, NDArray[np.uint8]]], fps: float, pixel_aspect: float = 1.0
) -> int:
    """Write a colour video, one frame at a time, each at its own time; else like `write_video`.

    Parameters
    ----------
    path : str or Path
        File to write; its folder must exist. A file of that name is replaced in one step, at the end.
    frames : iterable of (float or None, ndarray of uint8, shape (height, width, 3))
        Time stamp in seconds, and red, green and blue; all of one size. A side of odd length gets a black line more, as
        H.264 needs it even.
    fps : float
        Frames per second, for frames without a time stamp.
    pixel_aspect : float
        Width of a pixel by its height.

    Returns
    -------
    int
        Number of frames.
    """
    count, clock, last = 0, Fraction(1, 90_000), -1
    with replacing(Path(path)) as temporary, av.open(str(temporary), "w", format="mp4", options=_MUXER) as container:
        stream = None
        for time, frame in frames:
            height, width = frame.shape[:2]
            even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)))
            if stream is None:
                stream, start = _add_stream(container, fps, *even.shape[:2]), time or 0.0
                stream.codec_context.time_base = clock
                stream.codec_context.sample_aspect_ratio = Fraction(pixel_aspect).limit_denominator(255)
            picture = av.VideoFrame.from_ndarray(even, format="rgb24")
            shown = count / fps if time is None else time - start
            picture.time_base, picture.pts = clock, max(round(shown / clock), last + 1)
            last, count = picture.pts, count + 1
            container.mux(stream.encode(picture))
        container.mux(stream.encode() if stream is not None else [])
    return count


def _add_stream(container: av.container.OutputContainer, fps: float, height: int, width: int) -> av.VideoStream:
    stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=_ENCODER)
    stream.height, stream.width = height, width
    stream.pix_fmt = "yuv420p"
    stream.codec_context.thread_count = 1
    return stream


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


def check_frames(frames: NDArray[np.uint8], fps: float) -> None:
    """Raise a ValueError where frames are not uint8, of another shape than a video's, or the rate is not positive."""
    if frames.dtype != np.uint8 or 0 in frames.shape or not (frames.ndim == 3 or frames.shape[3:] == (3,)):
        expected = "(frames, height, width), with a last axis of 3 for colour"
        raise ValueError(f"frames are uint8 of shape {expected}, not {frames.dtype} of {frames.shape}")
    if not fps > 0:
        raise ValueError(f"frames per second must be above 0, not {fps!r}")
