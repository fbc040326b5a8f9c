"""Videos that FFmpeg opens, as grey frames; and what all sources of frames have in common."""

from __future__ import annotations

import io
import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from time import monotonic

import av
import numpy as np
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray
from PIL import Image

from fibrolib.errors import VideoError
from fibrolib.video.grey import _luma, _on_black

DEFAULT_FPS = 25.0
"""Taken where a file tells no usable rate (*assumption*: PAL video, the commonest output of scanners)."""

VIDEO_SUFFIXES = frozenset(
    {".3gp", ".avi", ".dcm", ".dicom", ".flv", ".gif", ".ima", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg"}
    | {".mts", ".ts", ".vob", ".webm", ".wmv"}
)
"""Names of video and DICOM files."""

_SLOWEST_FPS, _FASTEST_FPS = 0.5, 1000.0
"""Rates outside are errors of the header (*assumption*)."""

_LARGEST_SIDE, _MOST_PIXELS = 8192, 64_000_000
"""A picture beyond is refused before it is decoded: a file of some kilobytes can ask for gigabytes."""

_MOST_MOVING = 36_000_000  # bytes of a video's frame: a decoder holds up to 17, which must take less than 1 GiB
_FOR_MANY_THREADS = 6_000_000  # bytes; larger frames are decoded by one thread, as each holds frames of its own

# What libraries say of odd files names paths, and speaks of their own matters: `VideoError` and notes say it in words.
warnings.filterwarnings("ignore", category=UserWarning, module=r"(pydicom|PIL)\.")

TOO_LARGE = (MemoryError, Image.DecompressionBombError, Image.DecompressionBombWarning)

_TIMED = ("matroska", "flv")
"""Formats whose header states a duration but no number of frames."""

_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_HEADER = 65536  # bytes in which it is looked for

_MATRICES = {0, 1, 2, 4, 5, 6, 7, 9}  # ITU-T H.273: colour matrices that FFmpeg converts
_UNSPECIFIED = 2

Wanted = Callable[[int], bool]
"""Which frames, by their index."""

Frame = tuple[float | None, NDArray[np.uint8] | None, NDArray[np.uint8] | None]
"""Time stamp in seconds, grey levels (height, width) and colours (height, width, 3); None where not wanted."""


def _usable_rate(rate: float | Fraction | str | None) -> float | None:
    """A stated frame rate as a float, or None where it is missing or absurd."""
    try:
        value = float(rate)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return value if _SLOWEST_FPS <= value <= _FASTEST_FPS else None


def _check_size(path: Path, width: int, height: int, most: int = _MOST_PIXELS) -> None:
    """Refuse a picture that is larger than any scanner's, before it is decoded."""
    if max(width, height) > _LARGEST_SIDE or width * height > most:
        raise VideoError(
            f"{path}: the picture is {width} x {height} pixels; up to {_LARGEST_SIDE} a side and "
            f"{most // 1_000_000} million in all are read. Export it smaller."
        )


def _most_pixels(form: av.VideoFormat | None, most: int) -> int:
    """Pixels that take so many bytes in a frame; 12 bits each where the format is not known, as of most videos."""
    return 8 * most // max(form.padded_bits_per_pixel if form else 12, 8)


def one_line(error: Exception) -> str:
    """The first line of what a decoder says, for the end of a sentence in our own words."""
    if isinstance(error, (AttributeError, IndexError, KeyError, TypeError)):  # their text speaks of Python
        return "what the file says of itself is incomplete, or does not fit together"
    text = str(getattr(error, "strerror", None) or error)
    return re.sub(r" ?<[^>]*>", "", (text.splitlines() or [type(error).__name__])[0])


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """The boundary: whatever a decoder raises becomes a `VideoError` that names the file."""
    try:
        yield
    except VideoError:
        raise
    except TOO_LARGE as error:
        raise VideoError(f"{path}: the picture is too large to be read here. Export it smaller.") from error
    except Exception as error:  # damaged files surface as almost any error, depending on the decoder
        raise VideoError(
            f"{path}: the file is damaged, or of a kind that cannot be decoded here. Copy or export it again. "
            f"(The decoder says: {one_line(error)})"
        ) from error


class Source:
    """Gives the frames of a file one at a time; kinds of files define `_open`, `_times` and `_frames`.

    `notes` are pairs of a kind and a sentence about what is odd in the file. All is complete once the frames were read.
    """

    container = ""
    fps: float | None = None  # as the file states it
    pixel_aspect = 1.0  # width of a pixel by its height
    region: tuple[int, int, int, int] | None = None  # where the ultrasound picture is, as DICOM tells it

    def __init__(self, path: Path, seconds: float | None = None) -> None:
        self.path = path
        self.notes: list[tuple[str, str]] = []
        self._seconds, self._start = seconds, monotonic()
        with _reading(path):
            self._open()

    def _check_time(self) -> None:
        """Refuse the file where reading it takes longer than `seconds`; asked between frames and between packets."""
        if self._seconds is not None and monotonic() - self._start > self._seconds:
            raise VideoError(
                f"{self.path}: this file takes longer than {self._seconds:g} s to read, so it was not read to its end. "
                "Export a shorter stretch, or a smaller picture."
            )

    def note(self, kind: str, sentence: str) -> None:
        """Keep what is odd in the file, once."""
        if (kind, sentence) not in self.notes:
            self.notes.append((kind, sentence))

    def expected_times(self) -> NDArray[np.float64]:
        """About when frames are shown, in seconds; costs no decoding, and finds the middle of a file."""
        with _reading(self.path):
            return self._times()

    def frames(self, wanted: Wanted, coloured: Wanted = lambda index: False) -> Iterator[Frame]:
        """Every frame; what is not wanted is not decoded where that can be avoided."""
        with _reading(self.path):
            for frame in self._frames(wanted, coloured):
                self._check_time()
                yield frame

    def note_guessed_rate(self) -> None:
        """Say that nothing in the file tells the frame rate."""
        self.note("frame-rate", f"the file does not tell its frame rate: {DEFAULT_FPS:g} per second is a guess.")


class _Stream(Source):
    """A video file, or a video that lies within another file (`content`)."""

    def __init__(self, path: Path, seconds: float | None = None, content: bytes | None = None) -> None:
        self._content = content
        super().__init__(path, seconds)

    def _open(self) -> None:
        """Nothing is opened before it is read: to open a video costs as much as to decode some frames."""

    def _times(self) -> NDArray[np.float64]:
        container, stream = self._container()
        with container:
            self.fps = _usable_rate(stream.average_rate)
            packets = self._demuxed(container, stream)
            stamps = [_stamp(packet) for packet in packets if packet.size and not packet.is_discard]
            if None in stamps or len(set(stamps)) < len(stamps) or stream.time_base is None:
                return np.arange(len(stamps)) / (_usable_rate(stream.average_rate) or DEFAULT_FPS)
            return np.sort(np.array(stamps, dtype=np.float64)) * float(stream.time_base)

    def _frames(self, wanted: Wanted, coloured: Wanted) -> Iterator[Frame]:
        container, stream = self._container()
        # One reformatter for all frames, of each kind: to set one up costs several times the conversion.
        reformatters, turn, stamped = defaultdict(VideoReformatter), None, True
        with container:
            self.container = container.format.name
            for index, frame in enumerate(_progressive(self._decoded(container, stream))):
                self._note_oddities(frame)
                # Asked of the first alone: PyAV ties a frame to its side data, and frees neither for a while.
                turn, stamped = turn or _upright(frame), stamped and frame.time is not None
                grey = turn(_converted(frame, reformatters, "gray")) if wanted(index) else None
                yield frame.time, grey, turn(_converted(frame, reformatters, "rgb24")) if coloured(index) else None
            aspect = float(stream.sample_aspect_ratio or 1)
            turned = turn is not None and turn(np.empty((2, 1))).shape == (1, 2)
            self.pixel_aspect = 1 / aspect if turned else aspect
            self.fps = _usable_rate(stream.average_rate)
            if not (self.fps or stamped):
                self.note_guessed_rate()

    def _container(self) -> tuple[av.container.InputContainer, av.VideoStream]:
        try:
            container = av.open(str(self.path) if self._content is None else io.BytesIO(self._content))
        except (av.FFmpegError, OSError, ValueError) as error:
            raise VideoError(
                f"{self.path}: this is no video that can be opened ({one_line(error)}). "
                "Expected MP4, MOV, AVI, MPEG, GIF or DICOM; it may be damaged or cut short."
            ) from error
        streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
        if not streams:
            pictured = bool(container.streams.video)
            container.close()
            raise VideoError(f"{self.path}: the file holds no video stream{', only a cover picture' * pictured}.")
        stream = max(streams, key=lambda stream: stream.frames)  # the first, where the container counts none
        if len(streams) > 1:
            self.note("streams", f"the file holds {len(streams)} videos: the longest is read. Export them one by one.")
        if stream.codec_context is None:
            container.close()
            raise VideoError(f"{self.path}: nothing here decodes the video in this file. Export it as MP4 (H.264).")
        size = stream.width or 0, stream.height or 0
        _check_size(self.path, *size, _most_pixels(stream.codec_context.format, _MOST_MOVING))
        stream.thread_type = "AUTO"
        if size[0] * size[1] > _most_pixels(stream.codec_context.format, _FOR_MANY_THREADS):
            stream.codec_context.thread_count = 1
        return container, stream

    def _demuxed(self, container, stream) -> Iterator[av.Packet]:
        for packet in container.demux(stream):
            self._check_time()
            yield packet

    def _decoded(self, container, stream) -> Iterator[av.VideoFrame]:
        count = 0
        try:
            for packet in self._demuxed(container, stream):
                if packet.is_corrupt:
                    raise self._broken(count, "the last packet is incomplete")
                for frame in packet.decode():
                    count += 1
                    yield frame
        except (av.FFmpegError, OSError, ValueError) as error:
            raise self._broken(count, one_line(error)) from error
        self._compare_length(container, stream, count)
        if container.format.name == "gif":
            self._check_end_of_gif(count)

    def _compare_length(self, container, stream, count: int) -> None:
        """Note a file with far fewer frames, or bytes, than its header states; some formats state a duration."""
        stated, timed = stream.frames, any(name in container.format.name for name in _TIMED)
        if not stated and timed and container.duration and stream.average_rate:
            stated = round(float(container.duration / av.time_base * stream.average_rate))
        if count < 0.9 * stated - 1:
            message = f"the header states about {stated} frames, but {count} can be decoded: it may be cut short."
            self.note("cut-short", message)
        if container.format.name == "asf" and (share := _share_of_asf(self.path)) < 1:
            message = f"only {share:.0%} of the bytes that the header states are there: the file was cut short."
            self.note("cut-short", message)

    def _check_end_of_gif(self, count: int) -> None:
        end = _end_of_gif(self.path.read_bytes())
        if end == "cut":
            raise self._broken(count, "the last picture is incomplete")
        if end == "open":
            self.note("cut-short", "the mark that ends a GIF is missing: pictures at its end may be missing too.")

    def _broken(self, count: int, reason: str) -> VideoError:
        return VideoError(
            f"{self.path}: the file is damaged or cut short after frame {count} ({reason}). Copy or export it again."
        )

    def _note_oddities(self, frame: av.VideoFrame) -> None:
        _check_size(self.path, frame.width, frame.height, _most_pixels(frame.format, _MOST_MOVING))
        if frame.colorspace not in _MATRICES:
            how = "the file names a way of coding colours that is not known: only grey is certain."
            self.note("colour-matrix", how)
            frame.colorspace = _UNSPECIFIED


def _share_of_asf(path: Path) -> float:
    """Bytes of a WMV file by those that its header states (ASF 3.2, File Properties Object); 1 where it states none."""
    with path.open("rb") as file:
        _, found, properties = file.read(_ASF_HEADER).partition(_ASF_PROPERTIES)
    size, flags = (int.from_bytes(properties[start : start + 8], "little") for start in (24, 72))
    return path.stat().st_size / size if found and size and not flags & 1 else 1.0


def _stamp(packet: av.Packet) -> int | None:
    return packet.dts if packet.pts is None else packet.pts


def _progressive(frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """Both halves of interlaced frames at one time, by FFmpeg's yadif; other frames as they are."""
    graph = None
    for frame in frames:
        if graph is None and not frame.interlaced_frame:
            yield frame
            continue
        if graph is None:
            graph = av.filter.Graph()
            form = {"width": frame.width, "height": frame.height, "format": frame.format}
            source = graph.add_buffer(**form, time_base=frame.time_base or Fraction(1, 25))
            graph.link_nodes(source, graph.add("yadif", "deint=interlaced"), graph.add("buffersink")).configure()
        graph.push(frame)
        yield from _pulled(graph)
    if graph is not None:
        graph.push(None)
        yield from _pulled(graph)


def _pulled(graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            yield graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return


def _converted(frame: av.VideoFrame, reformatters: dict[str, VideoReformatter], form: str) -> NDArray[np.uint8]:
    if any(component.is_alpha for component in frame.format.components):
        pixels = reformatters["rgba"].reformat(frame, format="rgba", threads=1).to_ndarray()
        if pixels[..., 3].min() < 255:
            colours = _on_black(pixels)
            return _luma(colours) if form == "gray" else colours
    return reformatters[form].reformat(frame, format=form, threads=1).to_ndarray()


def _upright(frame: av.VideoFrame) -> Callable[[NDArray], NDArray]:
    """What turns, and mirrors, a frame as its display matrix says (ISO/IEC 14496-12, matrix a, b, u, c, d, ...)."""
    if not frame.side_data:
        return lambda picture: picture
    matrix = next((np.frombuffer(bytes(data), "<i4") for data in frame.side_data if _is_display(data)), None)
    if matrix is None or len(matrix) < 5:
        return lambda picture: picture
    a, b, c, d = matrix[[0, 1, 3, 4]]
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return lambda picture: picture[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return lambda picture: np.swapaxes(picture, 0, 1)[:: -1 if b < 0 else 1, :: -1 if c < 0 else 1]


def _is_display(data: object) -> bool:
    return getattr(getattr(data, "type", None), "name", "") == "DISPLAYMATRIX"


def _end_of_gif(content: bytes) -> str:
    """How a GIF ends: "whole" with its mark, "open" after a picture but without it, "cut" within a picture."""
    place = 13 + _gif_colours(content[10:11])
    while place < len(content):
        kind = content[place]
        if kind == 0x3B:
            return "whole"
        if kind == 0x21:  # an extension
            place += 2
        elif kind == 0x2C:  # a picture: descriptor, colours, size of codes
            place += 11 + _gif_colours(content[place + 9 : place + 10])
        else:
            return "open" if not content[place:].strip(b"\0") else "cut"
        while place < len(content) and content[place]:
            place += 1 + content[place]
        if place >= len(content):
            return "cut"
        place += 1
    return "open"


def _gif_colours(flags: bytes) -> int:
    """Bytes of a table of colours."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0
