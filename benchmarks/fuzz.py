"""Damage files at random and read them: an error that names the file, or frames; never a crash, a hang or much memory.

python benchmarks/fuzz.py [--cases 500] [--seed 0] [--only KIND ...]     # so many cases of each kind

Flipped bits, files cut short, and stretches of something else, at random places. Each kind is read in a process of its
own, which may use 3 GiB of address space in all and ten seconds for a case; a case that ends the process is named by
kind, seed and number, by which it can be made again. Kinds: videos by container, DICOM by transfer syntax and with
windows, palettes and regions, pictures, files of many pictures, a mask, a cohort table. A file that claims enormous
pictures must be refused within the bounds of one file: 1 GiB and 60 seconds.
"""

from __future__ import annotations

import argparse
import copy
import io
import resource
import signal
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pydicom
from PIL import Image
from pydicom.datadict import dictionary_VR
from pydicom.encaps import encapsulate
from pydicom.uid import MPEG4HP41, JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from fibrolib.cohort import inspect_cohort
from fibrolib.errors import FibrolibError
from fibrolib.video import masks_of_frames, survey_video, write_dicom, write_image, write_video

ADDRESS_SPACE = 3 << 30
SECONDS = 10
MOST_FRAMES = 400  # of 12 in the good files
CODECS = {
    "clip.avi": ("mpeg4", "yuv420p"),
    "clip.mpeg": ("mpeg2video", "yuv420p"),
    "clip.mov": ("libx264", "yuv420p"),
    "clip.mkv": ("libx264", "yuv420p"),
    "clip.ts": ("libx264", "yuv420p"),
    "clip.flv": ("flv", "yuv420p"),
    "clip.wmv": ("wmv2", "yuv420p"),
}
DICOM = ("clip.dcm", "window.dcm", "palette.dcm", "colour.dcm", "jpeg.dcm", "jpeg2000.dcm", "rle.dcm", "h264.dcm")
PICTURES = ("still.png", "deep.png", "pages.tif", "pages.webp", "pages.png")
ENORMOUS = ("enormous.png", "enormous.dcm")
KINDS = ("clip.mp4", *CODECS, "clip.gif", *DICOM, *PICTURES, *ENORMOUS, "mask.npz", "cohort.csv")


def good_files(folder: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (12, 48, 64), dtype=np.uint8)
    images = [Image.fromarray(frame) for frame in frames]
    write_video(folder / "clip.mp4", frames, 20)
    write_dicom(folder / "clip.dcm", frames, 20, patient_id="a")
    write_image(folder / "still.png", frames[0])
    images[0].save(folder / "clip.gif", save_all=True, append_images=images[1:])
    for name in ("pages.tif", "pages.webp", "pages.png"):
        images[0].save(folder / name, save_all=True, append_images=images[1:])
    Image.fromarray(frames[0].astype(np.uint16) * 16).save(folder / "deep.png")
    Image.new("1", (12_000, 10_000)).save(folder / "enormous.png")
    dicom_files(folder, frames)
    np.savez_compressed(folder / "mask.npz", capsule=frames > 99)
    for name, (codec, pixels) in CODECS.items():
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.height, stream.width, stream.pix_fmt = *frames.shape[1:], pixels
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
            container.mux(stream.encode())
    videos = [f"clip{n}.mp4" for n in range(20)]  # one each: a film that two patients share is a finding
    for n, name in enumerate(videos):
        write_video(folder / name, np.roll(frames, n, axis=2), 20)
    rows = [{"patient_id": f"P{n}", "video": name, "stage": n % 5, "age": 40 + n} for n, name in enumerate(videos)]
    pd.DataFrame(rows).to_csv(folder / "cohort.csv", index=False)


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
    video = encapsulate([(folder / "clip.mp4").read_bytes()])
    save_changed(plain, folder / "h264.dcm", MPEG4HP41, PixelData=video)
    deep = (frames.astype(np.uint16) * 16).tobytes()
    bits = {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}
    window = {"WindowCenter": 2048, "WindowWidth": 4096, "RescaleSlope": 1, "RescaleIntercept": 0}
    save_changed(plain, folder / "window.dcm", None, PixelData=deep, **bits, **window, PixelSpacing=[0.2, 0.1])
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


def outcome(path: Path) -> str:
    """What came of reading a file; raises where that is not allowed."""
    try:
        if path.suffix == ".csv":
            return "read" if not inspect_cohort(path).problems else "error"
        if path.suffix == ".npz":
            masks_of_frames(path, "capsule", np.arange(12), (48, 64))
            return "read"
        survey = survey_video(path)
    except FibrolibError as error:
        assert path.name in str(error), f"the file is not named: {error}"
        return "error"
    assert 1 <= survey.n_frames <= MOST_FRAMES, f"{survey.n_frames} frames"
    assert np.isfinite([survey.fps, survey.brightness, survey.motion]).all(), "not finite"
    return "read"


def work(kind: str, seed: int, cases: range, folder: Path) -> None:
    """Read damaged files; a line before each case and one after it, so that whoever listens knows where this ends."""
    warnings.simplefilter("ignore")
    content = (folder / kind).read_bytes()
    bad = folder / "bad" / kind
    bad.parent.mkdir(exist_ok=True)
    for video in folder.glob("clip[0-9]*.mp4"):  # what the cohort table names
        (folder / "bad" / video.name).write_bytes(video.read_bytes())
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    for case in cases:
        print("case", case, flush=True)
        bad.write_bytes(damaged(content, np.random.default_rng((seed, KINDS.index(kind), case))))
        signal.alarm(SECONDS)
        print("came", outcome(bad), flush=True)
        signal.alarm(0)
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, flush=True)


def listen(kind: str, seed: int, cases: int, folder: Path) -> tuple[Counter, list[str], int]:
    """Run `work` in processes of its own until all cases are done; what came, the cases that ended one, and MiB."""
    came, faults, peak, begin = Counter(), [], 0, 0
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
            elif word == "peak":
                peak = max(peak, int(value))
        if done.returncode:
            why = f"no end after {SECONDS} s" if done.returncode == -signal.SIGALRM else f"status {done.returncode}"
            reason = (done.stderr.strip().splitlines() or [why])[-1]
            faults.append(f"{kind}, seed {seed}, case {last}: {why}: {reason}")
            begin = last + 1
        else:
            begin = cases
    return came, faults, peak


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
    with tempfile.TemporaryDirectory() as folder:
        good_files(Path(folder))
        for kind in asked.only:
            came, faults, peak = listen(kind, asked.seed, asked.cases, Path(folder))
            every_fault += faults
            print(f"{kind:10}  {asked.cases} cases: {came['error']} errors that name the file, {came['read']} read, "
                  f"{len(faults)} faults; peak {peak} MiB", flush=True)  # fmt: skip
    print("\n".join(every_fault) or "no fault")
    sys.exit(bool(every_fault))


if __name__ == "__main__":
    main()
