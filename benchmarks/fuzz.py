"""Damage files, headers and tables at random and read them: an error that names the file, or what was written.

python benchmarks/fuzz.py [--cases 500] [--seed 0] [--only KIND ...]     # so many cases of each kind

Files get flipped bits, are cut short, or get stretches of something else, at random places: videos by container, DICOM
by transfer syntax and with all that decides grey levels, pictures, files and folders of many pictures, masks, tables.
The header of ``header.dcm`` gets values that are odd. Tables are written as spreadsheet programs and people write them:
there, what is read must be what was written, or something must be said.

Each kind is read in a process of its own, which may use 3 GiB of address space in all and ten seconds of time for a
case; a case that ends the process is named by kind, seed and number, by which it can be made again. No case may take
more memory than one file may: 1 GiB.
"""

from __future__ import annotations

import argparse
import copy
import io
import json
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import openpyxl
import pandas as pd
import pydicom
from PIL import Image
from pydicom.datadict import dictionary_VR
from pydicom.encaps import encapsulate
from pydicom.uid import MPEG4HP41, JPEG2000Lossless, JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from fibrolib.checking.entries import _table_findings
from fibrolib.cohort import inspect_cohort
from fibrolib.errors import FibrolibError
from fibrolib.video import masks_of_frames, survey_video, write_dicom, write_video

ADDRESS_SPACE = 3 << 30
SECONDS = 10
MEMORY = 1024  # MiB, of one file in check
MOST_FRAMES = 400  # of 12 in the good files
CODECS = {
    "clip.avi": ("mpeg4", "yuv420p"),
    "clip.mpeg": ("mpeg2video", "yuv420p"),
    "clip.mov": ("libx264", "yuv420p"),
    "clip.mkv": ("libx264", "yuv420p"),
    "clip.ts": ("libx264", "yuv420p"),
    "clip.flv": ("flv", "yuv420p"),
    "clip.wmv": ("wmv2", "yuv420p"),
    "clip.3gp": ("h263", "yuv420p"),
    "clip.mts": ("libx264", "yuv420p"),
    "clip.vob": ("mpeg2video", "yuv420p"),
    "clip.webm": ("libvpx-vp9", "yuva420p"),
    "interlaced.mpg": ("mpeg2video", "yuv420p"),
    "cover.mp4": ("libx264", "yuv420p"),
}
DICOM = ("clip.dcm", "window.dcm", "signed.dcm", "table.dcm", "palette.dcm", "colour.dcm", "jpeg.dcm", "lossless.dcm",
         "jpegls.dcm", "jpeg2000.dcm", "rle.dcm", "fragments.dcm", "h264.dcm", "bare", "header.dcm")  # fmt: skip
PICTURES = ("still.png", "deep.png", "float.tif", "alpha.webp", "pages.tif", "pages.webp", "pages.png", "folder")
ENORMOUS = ("enormous.png", "enormous.dcm")
TABLES = ("cohort.csv", "cohort.xlsx", "cohort.parquet")
HABITS = ("encodings", "separators", "spreadsheets", "dates", "thousands", "units")
KINDS = ("clip.mp4", *CODECS, "clip.gif", *DICOM, *PICTURES, *ENORMOUS, "mask.npz", "mask.json", *TABLES, *HABITS)
SIZE = 48, 64  # 3gp knows few sizes: there 96 x 128


def good_files(folder: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (12, *SIZE), dtype=np.uint8)
    write_video(folder / "clip.mp4", frames, 20)
    write_dicom(folder / "clip.dcm", frames, 20, patient_id="a")
    pictures(folder, frames)
    dicom_files(folder, frames)
    np.savez_compressed(folder / "mask.npz", capsule=frames > 99)
    square = {"label": "capsule", "points": [[5, 5], [40, 5], [40, 30]], "shape_type": "polygon"}
    (folder / "mask.json").write_text(json.dumps({"shapes": [square], "imageWidth": 64, "imageHeight": 48}))
    for name, (codec, pixels) in CODECS.items():
        encode(folder / name, codec, pixels, frames.repeat(2, 1).repeat(2, 2) if name == "clip.3gp" else frames)
    for n, name in enumerate(cohort()["video"]):  # one each: a film that two patients share is a finding
        write_video(folder / name, np.roll(frames, n, axis=2), 20)
    cohort().to_csv(folder / "cohort.csv", index=False)
    cohort().to_excel(folder / "cohort.xlsx", index=False)
    cohort().set_index("patient_id").to_parquet(folder / "cohort.parquet")


def cohort() -> pd.DataFrame:
    n = np.arange(20)
    table = {"patient_id": [f"P{i:02d}" for i in n], "video": [f"clip{i}.mp4" for i in n], "stage": n % 5}
    return pd.DataFrame({**table, "age": 40 + n, "ast": 31.5 + 10 * n, "platelets": 250 - 5 * n, "swe_kpa": 5.25 + n})


def pictures(folder: Path, frames: np.ndarray) -> None:
    first, *others = images = [Image.fromarray(frame) for frame in frames]
    first.save(folder / "still.png")
    for name in ("clip.gif", "pages.tif", "pages.webp", "pages.png"):
        first.save(folder / name, save_all=True, append_images=others)
    Image.fromarray(frames[0].astype(np.uint16) * 16).save(folder / "deep.png")
    Image.fromarray(frames[0].astype(np.float32) / 255).save(folder / "float.tif")
    Image.fromarray(np.stack([*frames[:3], np.uint8(255) * (frames[3] > 99)], axis=-1)).save(folder / "alpha.webp")
    Image.new("1", (12_000, 10_000)).save(folder / "enormous.png")
    (folder / "folder").mkdir()
    for number, image in enumerate(images):
        image.save(folder / "folder" / f"{number}.png")


def encode(path: Path, codec: str, pixels: str, frames: np.ndarray) -> None:
    options = {"flags": "+ildct+ilme"} if path.stem == "interlaced" else {}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:], pixels
        if path.stem == "cover":
            cover = container.add_stream("mjpeg", rate=25)
            cover.height, cover.width, cover.pix_fmt = *frames.shape[1:], "yuvj420p"
            cover.disposition = av.stream.Disposition.attached_pic
            container.mux(cover.encode(av.VideoFrame.from_ndarray(frames[0], format="gray")))
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        container.mux(stream.encode())


def dicom_files(folder: Path, frames: np.ndarray) -> None:
    """DICOM by transfer syntax, and with all that decides grey levels and geometry."""
    region = (0, 48, 0, 64)
    write_dicom(folder / "h264.dcm", frames, 20, patient_id="a", region=region, mm_per_pixel=0.2)
    plain = pydicom.dcmread(folder / "h264.dcm")
    kinds = {"jpeg.dcm": ("JPEG", JPEGBaseline8Bit), "jpeg2000.dcm": ("JPEG2000", JPEG2000Lossless)}
    for name, (form, syntax) in kinds.items():
        buffers = [io.BytesIO() for _ in frames]
        for buffer, frame in zip(buffers, frames, strict=True):
            Image.fromarray(frame).save(buffer, form)
        save_changed(plain, folder / name, syntax, PixelData=encapsulate([buffer.getvalue() for buffer in buffers]))
    for name, codec, pixels, syntax in (
        ("lossless.dcm", "ljpeg", "yuvj444p", JPEGLosslessSV1),
        ("jpegls.dcm", "jpegls", "gray", JPEGLSLossless),
    ):
        coded = [b"".join(map(bytes, one_picture(codec, pixels, frame))) for frame in frames]
        save_changed(plain, folder / name, syntax, PixelData=encapsulate(coded))
    stills = [buffer.getvalue() for buffer in buffers]  # of JPEG 2000, three fragments each
    save_changed(
        plain, folder / "fragments.dcm", JPEG2000Lossless, PixelData=encapsulate(stills, fragments_per_frame=3)
    )
    video = encapsulate([(folder / "clip.mp4").read_bytes()])
    save_changed(plain, folder / "h264.dcm", MPEG4HP41, PixelData=video)
    deep = (frames.astype(np.uint16) * 16).tobytes()
    bits = {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}
    window = {"WindowCenter": 2048, "WindowWidth": 4096, "RescaleSlope": 1, "RescaleIntercept": 0}
    save_changed(plain, folder / "window.dcm", None, PixelData=deep, **bits, **window, PixelSpacing=[0.2, 0.1])
    signed = (frames.astype(np.int16) * 16 - 2048).tobytes()
    save_changed(plain, folder / "signed.dcm", None, PixelData=signed, **bits, PixelRepresentation=1)
    levels = pydicom.Dataset()
    levels.add_new("LUTDescriptor", "US", [4096, 0, 8])
    levels.add_new("LUTData", "OW", (np.arange(4096, dtype=np.uint16) // 16).tobytes())
    save_changed(plain, folder / "table.dcm", None, PixelData=deep, **bits, VOILUTSequence=[levels])
    (folder / "bare").write_bytes((folder / "clip.dcm").read_bytes()[132:])  # no preamble, no suffix
    (folder / "header.dcm").write_bytes((folder / "clip.dcm").read_bytes())
    colour = np.repeat(frames[..., None], 3, axis=-1).tobytes()
    save_changed(plain, folder / "colour.dcm", None, PixelData=colour, SamplesPerPixel=3, PlanarConfiguration=0,
                 PhotometricInterpretation="RGB", FrameTimeVector=[0] + [50] * 11)  # fmt: skip
    table = {}
    for name in ("Red", "Green", "Blue"):
        table[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        table[f"{name}PaletteColorLookupTableData"] = (np.arange(256, dtype=np.uint16) * 257).tobytes()
    save_changed(plain, folder / "palette.dcm", None, PhotometricInterpretation="PALETTE COLOR", **table)
    save_changed(plain, folder / "enormous.dcm", None, Rows=60_000, Columns=60_000)
    coded = plain.copy()
    coded.compress(RLELossless, generate_instance_uid=False)
    coded.save_as(folder / "rle.dcm")


def one_picture(codec: str, pixels: str, frame: np.ndarray) -> list[av.Packet]:
    encoder = av.CodecContext.create(codec, "w")
    encoder.height, encoder.width, encoder.pix_fmt, encoder.time_base = *frame.shape, pixels, Fraction(1, 25)
    return [
        *encoder.encode(av.VideoFrame.from_ndarray(frame, format="gray").reformat(format=pixels)),
        *encoder.encode(),
    ]


def save_changed(plain: pydicom.Dataset, path: Path, syntax: str | None, **changed) -> None:
    dataset = copy.deepcopy(plain)
    for name, value in changed.items():
        dataset.add_new(name, "US" if name.endswith("Descriptor") else dictionary_VR(name).split(" or ")[-1], value)
    if syntax:
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)


def damaged(content: bytes, random: np.random.Generator) -> bytes:
    way, place = random.integers(3), int(random.integers(len(content)))
    if way == 0:
        return content[:place]
    changed = bytearray(content)
    if way == 1:
        for flip in random.integers(8 * len(content), size=random.integers(1, 40)):
            changed[flip // 8] ^= 1 << (flip % 8)
        return bytes(changed)
    other = random.bytes(int(random.integers(1, 200)))
    return bytes(changed[:place]) + other + bytes(changed[place + len(other) :])


ODD = {
    "NumberOfFrames": (None, 0, 1, 6, 13, 2**31 - 1),
    "Rows": (None, 0, 47, 64, 65535),
    "Columns": (None, 0, 48, 63, 65535),
    "BitsStored": (None, 0, 1, 7, 12, 16),
    "BitsAllocated": (None, 0, 1, 7, 12, 16, 32),
    "HighBit": (None, 0, 15, 31),
    "SamplesPerPixel": (None, 0, 2, 3, 4),
    "PixelRepresentation": (None, 1, 7),
    "PhotometricInterpretation": (None, "RGB", "YBR_FULL_422", "PALETTE COLOR", "MONOCHROME1", "x"),
    "PlanarConfiguration": (0, 1, 9),
    "FrameTime": (None, 0, -5, 1e9, 125),
    "FrameTimeVector": ([], [0], [40] * 5, [0] * 12, [1e-9] * 12),
    "CineRate": (0, 65535, 8),
    "WindowCenter": (0, 1e9, [128, 90]),
    "WindowWidth": (0, -1, 1, 256),
    "RescaleSlope": (0, -1, 1e9),
    "RescaleIntercept": (1e9, -1024),
    "PixelAspectRatio": ([0, 0], [1, 1000], [3, 2]),
    "PixelSpacing": ([0, 0], [1e-9, 1e9], [0.2, 0.1]),
    "PatientName": ("a" * 9000, "\0"),
}


def odd_header(content: bytes, random: np.random.Generator, path: Path) -> None:
    dataset = pydicom.dcmread(io.BytesIO(content))
    for name in random.choice(list(ODD), random.integers(1, 5), replace=False):
        value = ODD[name][random.integers(len(ODD[name]))]
        if value is None:
            dataset.pop(name, None)
        else:
            dataset.add_new(name, dictionary_VR(name), value)
    dataset.save_as(path)


SCRIPTS = {
    "utf-8": "äß患",
    "utf-8-sig": "äß患",
    "utf-16": "äß患",
    "gb18030": "患者甲病例对照组别",
    "big5": "患者甲病例對照組別",
    "cp932": "かな患者被験者",
    "cp949": "환자대상가나다라",
    "cp1251": "Пациент",
    "cp1252": "Müßéñ",
}


def habit(kind: str, random: np.random.Generator, folder: Path) -> tuple[Path, dict[str, list]]:
    """A table as people write it, and what is right of it: texts or numbers by column."""
    table = cohort()
    choose = lambda options: options[random.integers(len(options))]  # noqa: E731
    path, encoding, separator, line = folder / "habit.csv", "utf-8", ",", "\n"
    if kind == "encodings":
        encoding = choose(list(SCRIPTS))
        letters = list(SCRIPTS[encoding])
        table["patient_id"] = ["".join(random.choice(letters, 4)) + str(n) for n in range(20)]
    elif kind == "dates":
        made = choose(["{}-Feb", "{}. Mär", "2021-03-{:02d} 00:00:00", "{:02d}.03.2021", "3月{}日", "1.{:02d}E+17"])
        table["patient_id"] = [made.format(n + 1) for n in range(20)]
        table.to_csv(path, index=False)
        return path, {"patient_id": cohort()["patient_id"].tolist()}
    right = {name: table[name].tolist() for name in ("patient_id", "stage", "ast", "platelets")}
    if kind == "separators":
        separator, line = choose(",;\t|"), choose(["\n", "\r\n", "\r"])
        table["patient_id"] = [choose(["", " ", "\ufeff", "\u200b", "\u00a0"]) + name for name in table["patient_id"]]
    elif kind == "thousands":
        digits = choose([0, 1, 3])
        right["ast"] = np.round(random.uniform(20, 5000, 20), digits).tolist()
        other = choose([",.", ".,", " .", "'.", " ,", "\u202f,"])
        table["ast"] = [f"{value:,.{digits}f}".translate({44: other[0], 46: other[1]}) for value in right["ast"]]
        separator = choose(",;\t")
    elif kind == "units":
        column, factor = choose([("platelets", 0.1), ("platelets", 1000), ("ast", 1 / 60), ("swe_kpa", 1 / 3)])
        table[column] = table[column].astype(float)
        table.loc[random.integers(20), column] *= factor
    if kind == "spreadsheets":
        return sheet(table, random, folder / "habit.xlsx"), {}  # cells hold other texts than the table
    text = table.to_csv(index=False, sep=separator, lineterminator=line)
    if kind == "separators":
        rows = text.split(line)
        empty = separator * int(random.integers(4))
        text = line.join(row + empty if row else row for row in rows)
        before = choose(["", f"sep={separator}{line}", f"Cohort of 2021{line}", line * 2])
        text = before + text + choose(["", empty + line, "\x1a"])
    path.write_bytes(text.encode(encoding))
    return path, right


def sheet(table: pd.DataFrame, random: np.random.Generator, path: Path) -> Path:
    """An Excel file with cells of many kinds."""
    book = openpyxl.Workbook()
    page = book.active
    for row in [list(table), *table.astype(object).to_numpy().tolist()]:
        page.append(row)
    for _ in range(random.integers(1, 6)):
        cell = page.cell(int(random.integers(1, 24)), int(random.integers(1, 10)))
        odd = (None, "", "=1+1", True, 1e300, datetime(2021, 3, 4), "#N/A", "a\nb", "x" * 3000, -0.0)
        cell.value = odd[random.integers(len(odd))]
    if random.random() < 0.3:
        page.merge_cells(start_row=2, end_row=int(random.integers(3, 9)), start_column=3, end_column=3)
    if random.random() < 0.3:
        book.create_sheet("other", int(random.integers(2)))
    if random.random() < 0.3:
        page.insert_rows(1, int(random.integers(1, 4)))
    book.save(path)
    return path


def table_outcome(path: Path, right: dict[str, list] | None = None) -> str:
    found = inspect_cohort(path)
    said = [*found.problems, *found.text.attrs.get("notes", ())]
    findings = {finding.column for finding in _table_findings(found.text, found.table)}
    for name, values in (right or {}).items():
        same = found.table[name].tolist() == values
        assert same or said or name in findings, f"{name} is read as something else, in silence"
    return "error" if found.problems else "read"


def outcome(path: Path) -> str:
    """What came of reading a file; raises where that is not allowed."""
    try:
        if path.name in TABLES:
            return table_outcome(path)
        if path.stem == "mask":
            masks_of_frames(path, "capsule", np.arange(12), SIZE)
            return "read"
        survey = survey_video(path)
    except FibrolibError as error:
        assert path.name in str(error), f"the file is not named: {error}"
        assert not re.search(r"object of type|has no attribute|Alias|NoneType|not subscriptable", str(error)), error
        return "error"
    assert 1 <= survey.n_frames <= MOST_FRAMES, f"{survey.n_frames} frames"
    assert np.isfinite([survey.fps, survey.brightness, survey.motion]).all(), "not finite"
    return "read"


def one_case(kind: str, random: np.random.Generator, folder: Path) -> str:
    bad = folder / "bad" / kind
    if kind in HABITS:
        path, right = habit(kind, random, bad.parent)
        return table_outcome(path, right)
    if kind == "folder":
        shutil.copytree(folder / kind, bad, dirs_exist_ok=True)
        name = f"{random.integers(12)}.png"
        (bad / name).write_bytes(damaged((folder / kind / name).read_bytes(), random))
    elif kind == "header.dcm":
        odd_header((folder / kind).read_bytes(), random, bad)
    else:
        bad.write_bytes(damaged((folder / kind).read_bytes(), random))
    return outcome(bad)


def work(kind: str, seed: int, cases: range, folder: Path) -> None:
    """Read damaged files; a line before each case and one after it, so that whoever listens knows where this ends."""
    warnings.simplefilter("ignore")
    (folder / "bad").mkdir(exist_ok=True)
    for video in folder.glob("clip[0-9]*.mp4"):  # what the cohort table names
        (folder / "bad" / video.name).write_bytes(video.read_bytes())
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    for case in cases:
        print("case", case, flush=True)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        start = time.process_time()
        print("came", one_case(kind, np.random.default_rng((seed, KINDS.index(kind), case)), folder), flush=True)
        print("took", time.process_time() - start, flush=True)
    peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())  # ru_maxrss counts the parent as well
    print("peak", int(peak[1]) // 1024, flush=True)


def listen(kind: str, seed: int, cases: int, folder: Path) -> tuple[Counter, list[str], float, int]:
    """Run `work` in processes of its own until all cases are done; what came, faults, most seconds, most MiB."""
    came, faults, longest, peak, begin = Counter(), [], 0.0, 0, 0
    while begin < cases:
        command = [sys.executable, __file__, "--work", kind, str(seed), str(begin), str(cases), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        last = begin
        for line in done.stdout.splitlines():
            word, _, value = line.partition(" ")
            if word == "case":
                last = int(value)
            elif word == "came":
                came[value] += 1
            elif word == "took":
                longest = max(longest, float(value))
            elif word == "peak":
                peak = max(peak, int(value))
        if done.returncode:
            why = f"no end after {SECONDS} s" if done.returncode == -signal.SIGPROF else f"status {done.returncode}"
            reason = (done.stderr.strip().splitlines() or [why])[-1]
            faults.append(f"{kind}, seed {seed}, case {last}: {why}: {reason}")
            begin = last + 1
        else:
            begin = cases
    faults += [f"{kind}: {peak} MiB, more than {MEMORY}"] if peak > MEMORY else []
    return came, faults, longest, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--work", nargs=5, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        kind, seed, begin, end, folder = asked.work
        return work(kind, int(seed), range(int(begin), int(end)), Path(folder))
    every_fault = []
    print("kind             cases  errors    read  faults  most s  most MiB")
    with tempfile.TemporaryDirectory() as folder:
        good_files(Path(folder))
        for kind in asked.only:
            came, faults, longest, peak = listen(kind, asked.seed, asked.cases, Path(folder))
            every_fault += faults
            counts = f"{asked.cases:6} {came['error']:7} {came['read']:7} {len(faults):7}"
            print(f"{kind:15} {counts} {longest:7.2f} {peak:9}", *faults[:3], sep="\n    ", flush=True)
    print("\n".join(every_fault) or "no fault")
    sys.exit(bool(every_fault))


if __name__ == "__main__":
    main()
