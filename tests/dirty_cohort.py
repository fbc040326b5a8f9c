"""A clean cohort on disk, and a catalogue of what goes wrong with real ones: every fault spoils rows of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw
from scipy import ndimage
from test_video_reading import dicom_dataset, write_dicom

from fibrolib.video import read_video, write_image, write_video
from fibrolib.video.writing import write_timed_video

N_PATIENTS = 80
N_FRAMES = 20
SIDE = 64
FPS = 20.0


def liver(seed: int, n_frames: int = N_FRAMES, side: int = SIDE) -> np.ndarray:
    """Frames of a texture that belongs to one patient and sways with the heart; (frames, side, side)."""
    random = np.random.default_rng(seed)
    texture = ndimage.gaussian_filter(random.normal(size=(side, side + 16)), 1.0, mode="wrap")
    sway = 3 * np.sin(2 * np.pi * np.arange(n_frames) / 12 + random.uniform(0, 6))
    moved = np.stack([ndimage.shift(texture, (0, step), order=1, mode="wrap")[:, 8:-8] for step in sway])
    return np.clip(100 + random.uniform(-8, 8) + 150 * moved, 1, 250).astype(np.uint8)


def clean_table() -> pd.DataFrame:
    """Eighty patients, sixteen of each stage; nothing but the stiffness and the blood knows the stage."""
    random = np.random.default_rng(0)
    stages = np.arange(N_PATIENTS) % 5
    parts = np.array(["test", "test", "train", "validation", "test", "test", "train", "train"], dtype=object)
    names = [f"P{number:02d}" for number in range(N_PATIENTS)]
    return pd.DataFrame(
        {
            "patient_id": names,
            "video": [f"videos/{name}.mp4" for name in names],
            "stage": stages,
            "image": [f"images/{name}.png" for name in names],
            "age": random.integers(30, 80, N_PATIENTS),
            "sex": random.choice(["f", "m"], N_PATIENTS),
            "bmi": random.uniform(20, 32, N_PATIENTS).round(1),
            "ast": random.integers(20, 80, N_PATIENTS),
            "alt": random.integers(20, 80, N_PATIENTS),
            "platelets": random.integers(120, 300, N_PATIENTS),
            "swe_kpa": (5 + 1.5 * stages + random.uniform(-1, 1, N_PATIENTS)).round(1),
            "split": parts[np.arange(N_PATIENTS) % 8],
            "roi": [f"masks/{name}.png" for name in names],
        }
    ).astype(object)


def write_files(folder: Path, n_patients: int = N_PATIENTS) -> None:
    """Video, image and mask of the first clean patients."""
    for name in ("videos", "images", "masks", "bad"):
        (folder / name).mkdir()
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    mask[8:20] = 255
    for number in range(n_patients):
        frames = liver(number)
        write_video(folder / f"videos/P{number:02d}.mp4", frames, FPS)
        write_image(folder / f"images/P{number:02d}.png", liver(1000 + number, 1)[0])
        write_image(folder / f"masks/P{number:02d}.png", mask)


@dataclass(frozen=True)
class Fault:
    """One way for a cohort to be dirty.

    Parameters
    ----------
    name : str
        What is wrong, in a few words.
    kind : str
        `_Finding.kind` that must name it.
    words : str
        What the message must hold.
    spoil : callable
        Gets the table (index 0 on), the folder and the number of rows it may use from `rows`; spoils them.
    rows : int
        How many rows it spoils.
    """

    name: str
    kind: str
    words: str
    spoil: Callable[[pd.DataFrame, Path, list[int]], None]
    rows: int = 1


def cell(name: str, column: str, value: object, kind: str, words: str) -> Fault:
    """One cell with a wrong value."""

    def spoil(table, folder, rows):
        table.loc[rows[0], column] = value

    return Fault(name, kind, words, spoil)


def file(name: str, column: str, make: Callable[[Path, Path], None], kind: str, words: str, suffix: str) -> Fault:
    """One file replaced by what `make` writes, given the good file and the bad one's path."""

    def spoil(table, folder, rows):
        bad = folder / "bad" / f"{name.replace(' ', '-')}{suffix}"
        make(folder / table.loc[rows[0], column], bad)
        table.loc[rows[0], column] = bad.relative_to(folder).as_posix()

    return Fault(name, kind, words, spoil)


def pair(name: str, spoil: Callable, kind: str, words: str) -> Fault:
    """Two rows that do not go together."""
    return Fault(name, kind, words, spoil, rows=2)


def video_of(frames: Callable[[np.ndarray], np.ndarray], fps: float = FPS) -> Callable[[Path, Path], None]:
    """A maker of files: the good video's frames, changed."""
    return lambda good, bad: write_video(bad, np.ascontiguousarray(frames(read_video(good).frames)), fps)


def cut(share: float) -> Callable[[Path, Path], None]:
    """A maker of files: the first part of the good file."""
    return lambda good, bad: bad.write_bytes(good.read_bytes()[: int(share * good.stat().st_size)])


def _bit_flips(good: Path, bad: Path) -> None:
    content = bytearray(good.read_bytes())
    for place in range(len(content) // 2, len(content), 3):
        content[place] ^= 0x5A
    bad.write_bytes(content)


def _copy_of(change: Callable[[np.ndarray], np.ndarray] | None, stage: bool, split: bool) -> Callable:
    """Give the second row a copy of the first one's video; same stage or split where asked for."""

    def spoil(table, folder, rows):
        first, second = rows
        good, bad = folder / table.loc[first, "video"], folder / "bad" / f"copy-{second}.mp4"
        if change is None:
            bad.write_bytes(good.read_bytes())
        else:
            video_of(change)(good, bad)
        table.loc[second, "video"] = bad.relative_to(folder).as_posix()
        if stage:
            table.loc[second, "stage"] = table.loc[first, "stage"]
        else:
            table.loc[second, "stage"] = (table.loc[first, "stage"] + 1) % 5
        parts = ["train", "train"] if split else ["train", "test"]
        table.loc[rows, "split"] = parts

    return spoil


def _one_patient(spoiling: Callable[[pd.DataFrame, list[int]], None] | None = None) -> Callable:
    """Make the second row a second video of the first one's patient, then spoil it."""

    def spoil(table, folder, rows):
        first, second = rows
        keep = table.loc[second, ["video", "image"]]
        table.loc[second] = table.loc[first]
        table.loc[second, ["video", "image"]] = keep
        if spoiling is not None:
            spoiling(table, rows)

    return spoil


def _set(column: str, value: object) -> Callable:
    def spoiling(table, rows):
        table.loc[rows[1], column] = value

    return spoiling


def _second_copy_within(table, folder, rows):
    _one_patient()(table, folder, rows)
    bad = folder / "bad" / f"again-{rows[1]}.mp4"
    video_of(lambda frames: frames)(folder / table.loc[rows[0], "video"], bad)
    table.loc[rows[1], "video"] = bad.relative_to(folder).as_posix()


def _respelt(change: Callable[[str], str]) -> Callable:
    def spoil(table, folder, rows):
        table.loc[rows[1], "patient_id"] = change(table.loc[rows[0], "patient_id"])

    return spoil


def _same_labs(table, folder, rows):
    labs = ["age", "bmi", "ast", "alt", "platelets", "swe_kpa"]
    table.loc[rows[1], labs] = table.loc[rows[0], labs]


def _same_line(table, folder, rows):
    table.loc[rows[1], "video"] = "./" + table.loc[rows[0], "video"]


def _same_image(table, folder, rows):
    bad = folder / "bad" / "image-copy.png"
    bad.write_bytes((folder / table.loc[rows[0], "image"]).read_bytes())
    table.loc[rows[1], "image"] = "bad/image-copy.png"
    table.loc[rows, "split"] = "train"


def _mask(level: int, shape: tuple[int, int] = (SIDE, SIDE)) -> Callable[[Path, Path], None]:
    return lambda good, bad: write_image(bad, np.full(shape, level, dtype=np.uint8))


def _dicom(share: float) -> Callable[[Path, Path], None]:
    def make(good, bad):
        write_dicom(bad, read_video(good).frames, FrameTime=50)
        bad.write_bytes(bad.read_bytes()[: int(share * bad.stat().st_size)])

    return make


def _dicom_report(good: Path, bad: Path) -> None:
    dataset = dicom_dataset(read_video(good).frames)
    del dataset.PixelData
    dataset.save_as(bad, enforce_file_format=True)


def _cut_off(table, folder, rows):
    """A recording of usual size, and in the second row the same without a twentieth at each side."""
    large = np.stack([ndimage.zoom(frame.astype(float), 2, order=1) for frame in liver(3000)])
    large = ndimage.gaussian_filter(large, (0, 2, 2)) - 100  # tissue has structures larger than a pixel
    large = np.clip(100 + 3 * large, 1, 250).astype(np.uint8)
    margin = round(0.05 * large.shape[1])
    for row, frames in zip(rows, (large, large[:, margin:-margin, margin:-margin]), strict=True):
        table.loc[row, "video"] = f"bad/cut-off-{row}.mp4"
        write_video(folder / table.loc[row, "video"], np.ascontiguousarray(frames), FPS)
    table.loc[rows, ["stage", "split"]] = [2, "train"]
    table.loc[rows, "roi"] = None


def _shadowed(frames: np.ndarray) -> np.ndarray:
    """Only the left sixth of the beams reaches the tissue."""
    dark = frames // 5
    dark[..., : SIDE // 6] = frames[..., : SIDE // 6]
    return dark


def _written_on(frames):
    """Letters and two callipers on every frame."""
    written = []
    for frame in frames:
        image = Image.fromarray(frame)
        draw = ImageDraw.Draw(image)
        draw.text((14, 40), "LIVER", fill=255)
        for x in (20, 44):
            draw.line((x - 3, 26, x + 3, 26), fill=255)
            draw.line((x, 23, x, 29), fill=255)
        written.append(np.array(image))
    return np.stack(written)


def _coloured(good, bad):
    """Red and blue flow in a box."""
    colours = np.repeat(read_video(good).frames[..., None], 3, axis=3)
    colours[:, 20:30, 20:40] = (200, 40, 30)
    colours[:, 30:40, 20:40] = (30, 60, 210)
    write_timed_video(bad, ((number / FPS, frame) for number, frame in enumerate(colours)), FPS)


def _black_at_the_end(frames):
    return np.concatenate([frames[: N_FRAMES // 2], np.zeros_like(frames[N_FRAMES // 2 :])])


def _frozen(frames):
    return np.concatenate([frames[:5], np.repeat(frames[5:6], 10, axis=0), frames[15:]])


def _side_by_side(frames):
    """Two views of a dual display; the second is another patient's, as copies are another fault."""
    gap = np.zeros((N_FRAMES, SIDE, 16), dtype=np.uint8)
    return np.concatenate([liver(4000), gap, liver(4001)], axis=2)


def _brighter(frames):
    return np.clip(frames * 1.2 + 5, 0, 255).astype(np.uint8)


def _twice_the_size(frames):
    return np.stack([np.asarray(Image.fromarray(frame).resize((2 * SIDE, 2 * SIDE))) for frame in frames])


FAULTS = [
    # cells of the table
    cell("no patient", "patient_id", None, "table", "empty"),
    cell("no stage", "stage", None, "table", "empty"),
    cell("stage as F2", "stage", "F2", "stage-in-words", "'F2' as 2"),
    cell("stage as S3", "stage", "3 (S3)", "stage-in-words", "'3 (S3)' as 3"),
    cell("stage in Roman numerals", "stage", "IV", "table", "write 4"),
    cell("stage in words", "stage", "cirrhosis", "table", "write 4"),
    cell("two stages", "stage", "F3-4", "table", "two stages, 3 and 4"),
    cell("half a stage", "stage", 2.5, "table", "no whole number"),
    cell("stage of another scale", "stage", 6, "table", "outside 0 to 4"),
    cell("no such video", "video", "videos/none.mp4", "table", "there is no file"),
    cell("a path of Windows", "video", "videos\\P01.mp4", "table", "written with /"),
    cell("a path out of the folder", "image", "../secret.png", "table", "leaves the folder"),
    cell("no such mask", "roi", "masks/none.png", "table", "there is no file"),
    cell("unknown part of the split", "split", "training", "table", "no part of the split"),
    cell("age in words", "age", "old", "table", "no number"),
    cell("decimal comma", "swe_kpa", "7,5", "table", "write 7.5"),
    cell("limit of detection", "ast", "<10", "table", "limit of detection"),
    cell("negative value", "alt", -4, "table", "not above 0"),
    cell("zero", "platelets", 0, "table", "not above 0"),
    # values
    cell("year of birth", "age", 1961, "implausible", "year of birth"),
    cell("a child", "age", 7, "implausible", "child"),
    cell("platelets per microlitre", "platelets", 182000, "unit", "per µL = 182"),
    cell("AST in microkatal", "ast", 0.7, "unit", "µkat/L = 42"),
    cell("ALT in microkatal", "alt", 0.5, "unit", "µkat/L = 30"),
    cell("stiffness as a speed", "swe_kpa", 1.4, "unit", "m/s = 5.88"),
    cell("stiffness in pascal", "swe_kpa", 7400, "unit", "Pa = 7.4"),
    cell("an impossible body mass", "bmi", 240, "implausible", "outside"),
    # who the patients are
    cell("a number a spreadsheet changed", "patient_id", "1.23457E+11", "mangled-id", "spreadsheet"),
    cell("a name as identifier", "patient_id", "Doe, Jane", "identifying-id", "person's name"),
    cell("a date in the identifier", "patient_id", "X-1961-03-07", "date-in-id", "date"),
    cell("a virtual patient among real ones", "patient_id", "virtual-900", "mixture", "virtual"),
    cell("sex written in two ways", "sex", "female", "spelt-variously", "counted apart"),
    pair("one patient in two cases", _respelt(str.lower), "patient-spelt-twice", "look like one patient"),
    pair("a zero more", _respelt(lambda name: name.replace("P", "P0")), "patient-spelt-twice", "look like one patient"),
    pair("a number with a point", _respelt(lambda name: f"{name}.0"), "patient-spelt-twice", "look like one patient"),
    pair(
        "a space more", _respelt(lambda name: name.replace("P", "P ")), "patient-spelt-twice", "look like one patient"
    ),
    pair("two patients with one set of values", _same_labs, "same-values", "have all clinical values in common"),
    # one patient, two rows
    pair("two stages of one patient", _one_patient(_set("stage", 9 - 8)), "table", "more than one stage"),
    pair("one patient on two sides", _one_patient(_set("split", "validation")), "table", "two sides of the split"),
    pair("two ages of one patient", _one_patient(_set("age", 91)), "table", "more than one value"),
    pair("the same video listed twice", _same_line, "table", "already on line"),
    # copies
    pair(
        "a file copied to another patient", _copy_of(None, True, True), "copy-across-patients", "the same file content"
    ),
    pair("a file copied to another stage", _copy_of(None, False, True), "copy-across-stages", "one label is wrong"),
    pair("a file copied across the split", _copy_of(None, True, False), "copy-across-split", "trained on"),
    pair("brightened", _copy_of(_brighter, True, True), "copy-across-patients", "nearly the same pictures"),
    pair("enlarged", _copy_of(_twice_the_size, True, False), "copy-across-split", "nearly the same pictures"),
    pair("cut at the front", _copy_of(lambda f: f[2:], False, True), "copy-across-stages", "nearly the same pictures"),
    pair("a twentieth cut off", _cut_off, "copy-across-patients", "with a margin cut off"),
    pair("mirrored", _copy_of(lambda f: f[:, :, ::-1], True, True), "copy-across-patients", "mirrored"),
    pair("the same video twice in a patient", _second_copy_within, "copy-within-patient", "counts double"),
    pair("an image copied to another patient", _same_image, "copy-across-stages", "the same file content"),
    # files
    file("cut short", "video", cut(0.6), "unreadable", "bad/cut-short.mp4", ".mp4"),
    file("empty file", "video", cut(0), "unreadable", "0 bytes", ".mp4"),
    file("text for a video", "video", lambda g, b: b.write_text("no video"), "unreadable", "no video", ".mp4"),
    file("bits flipped", "video", _bit_flips, "unreadable", "bits-flipped", ".mp4"),
    file("damaged image", "image", cut(0.5), "unreadable", "damaged-image", ".png"),
    file("one frame", "video", video_of(lambda frames: frames[:1]), "one-frame", "one frame", ".mp4"),
    file("few frames", "video", video_of(lambda frames: frames[:12]), "few-frames", "12 frames", ".mp4"),
    file("too short", "video", video_of(lambda frames: frames, fps=100), "short", "less than one heartbeat", ".mp4"),
    file("frozen", "video", video_of(_frozen), "frozen", "stands still for 47% of the recording", ".mp4"),
    file("too slow", "video", video_of(lambda frames: frames, fps=2), "slow", "2 frames per second", ".mp4"),
    file("still", "video", video_of(lambda f: np.repeat(f[:1], N_FRAMES, axis=0)), "still", "nothing moves", ".mp4"),
    file("black", "video", video_of(lambda f: np.zeros_like(f)), "no-picture", "black", ".mp4"),
    file("half black", "video", video_of(_black_at_the_end), "dark", "50% of the frames are black", ".mp4"),
    file("two pictures", "video", video_of(_side_by_side), "two-pictures", "side by side", ".mp4"),
    file("white", "video", video_of(lambda f: np.where(f > 60, 255, f).astype(np.uint8)), "white", "saturated", ".mp4"),
    file("in shadow", "video", video_of(_shadowed), "quality", "lies in shadow", ".mp4"),
    file("letters and callipers", "video", video_of(_written_on), "marks", "letters, callipers", ".mp4"),
    file("colour Doppler", "video", _coloured, "colour", "Doppler", ".mp4"),
    file("tiny", "video", video_of(lambda f: f[:, ::4, ::4]), "small", "16 x 16", ".mp4"),
    file(
        "a picture for a video", "video", lambda g, b: write_image(b, liver(2077, 1)[0]), "one-frame", "picture", ".png"
    ),
    file("DICOM cut short", "video", _dicom(0.6), "unreadable", "bad/DICOM-cut-short.dcm", ".dcm"),
    file("DICOM without a picture", "video", _dicom_report, "unreadable", "holds no picture", ".dcm"),
    file("folder without pictures", "video", lambda g, b: b.mkdir(exist_ok=True), "unreadable", "no pictures", ""),
    file("mask of another size", "roi", _mask(255, (32, 32)), "mask", "32 x 32", ".png"),
    file("empty mask", "roi", _mask(0), "mask", "marks nothing", ".png"),
    file("mask of everything", "roi", _mask(255), "mask", "100%", ".png"),
    file("text for a mask", "roi", lambda g, b: b.write_text("no"), "mask", "damaged or cut short", ".png"),
    cell("activity for a stage", "stage", "A2", "table", "write 2"),
]


def spoilt_table(folder: Path, faults: list[Fault]) -> tuple[pd.DataFrame, dict[str, list[int]]]:
    """The clean table with all of the faults, and the lines each of them spoilt."""
    table, lines, row = clean_table(), {}, 0
    for fault in faults:
        rows = list(range(row, row + fault.rows))
        fault.spoil(table, folder, rows)
        lines[fault.name] = [number + 2 for number in rows]
        row += fault.rows
    return table, lines
