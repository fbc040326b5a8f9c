"""Copies hold nothing of the patient, in headers or around the picture; what cannot be made safe is refused."""

import io
import json
import os
import struct
import sys
import warnings
import zlib
from fractions import Fraction

import av
import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo
from pydicom.data import get_testdata_file
from pydicom.datadict import DicomDictionary
from pydicom.uid import ExplicitVRBigEndian
from test_video_reading import dicom_dataset
from typer.testing import CliRunner

from fibrolib.cli import app
from fibrolib.deidentify import copies, deidentify
from fibrolib.errors import CohortError, FibrolibError
from fibrolib.privacy import VARIABLE, pseudonym, read_key
from fibrolib.video import find_sector, read_image, read_video

SECRET = "WILHELMINE"
HEIGHT, WIDTH = 240, 320
PICTURE = (slice(60, 220), slice(60, 260))


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "own"))


def screen(count=6):
    """A moving picture, and above it a name in white."""
    frames = np.zeros((count, HEIGHT, WIDTH), np.uint8)
    noise = np.random.default_rng(0).integers(40, 160, (count, 160, 200))
    frames[:, *PICTURE] = noise
    name = Image.new("L", (WIDTH, 40))
    ImageDraw.Draw(name).text((8, 8), f"{SECRET} 17.09.1943", fill=255, font=ImageFont.load_default(16))
    frames[:, :40] = np.asarray(name)
    return frames


def colour(frames):
    return np.stack([frames, frames // 2, frames // 4], axis=-1)


def identified(frames, **tags):
    dataset = dicom_dataset(frames, **{"Modality": "US", "FrameTime": "50", **tags})
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = f"Quast^{SECRET}", f"{SECRET}-7", "19430917"
    dataset.StudyDate, dataset.InstitutionName = "20240229", f"{SECRET} hospital"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3.4", "1.2.3.5"
    return dataset


def write(dataset, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def one(source, out, **options):
    report, _ = deidentify(source, out, say=lambda text: None, **options)
    (result,) = report.results
    return result, out / result.file


# Headers


def value_for(vr):
    """Something of each kind that can hold text, a date or anything at all, with a mark to look for."""
    texts = dict.fromkeys(("AE", "LO", "LT", "PN", "SH", "ST", "UC", "UT", "UR"), SECRET)
    dates = {"AS": "081Y", "DA": "19430917", "DT": "19430917101112", "TM": "101112.1943"}
    return (texts | dates | {"UN": SECRET.encode(), "OB": SECRET.encode(), "UI": "1.2.840.19430917"}).get(vr)


def everything():
    """A picture with every attribute of the standard that can hold such a value, and with each also in sequences."""
    dataset, nested = identified(screen(2)), pydicom.Dataset()
    for tag, (vr, _, _, retired, keyword) in DicomDictionary.items():
        kind, group = vr.split(" or ")[0], tag >> 16
        if value_for(kind) is None or retired or group in (0x0000, 0x0002, 0x0004, 0x7FE0, 0xFFFC) or not keyword:
            continue
        nested.add_new(tag, kind, value_for(kind))
        if keyword not in ("SOPClassUID",):
            dataset.add_new(tag, kind, value_for(kind))
    dataset.SpecificCharacterSet = "ISO_IR 192"
    block = nested.private_block(0x0009, "MAKER", create=True)
    block.add_new(1, "LO", SECRET)
    for name in ("ViewCodeSequence", "SourceImageSequence", "PerformedProtocolCodeSequence", "AnatomicRegionSequence"):
        setattr(dataset, name, [nested])
    dataset.add_new(0x60003000, "OB", SECRET.encode())
    dataset.add_new(0x60000022, "LO", SECRET)
    dataset.private_block(0x0011, "MAKER", create=True).add_new(2, "UN", SECRET.encode())
    return dataset


KEPT_TEXT = {
    "CodeMeaning",
    "CodeValue",
    "CodingSchemeDesignator",
    "CodingSchemeVersion",
    "Manufacturer",
    "ManufacturerModelName",
    "SoftwareVersions",
}


def elements(dataset):
    for element in dataset:
        yield element
        if element.VR == "SQ":
            for item in element.value:
                yield from elements(item)


def test_no_attribute_of_the_standard_lets_the_patient_through(tmp_path):
    source = everything()
    for element in list(elements(source)):
        if element.keyword in KEPT_TEXT:
            element.value = "plain"
    result, copy = one(write(source, tmp_path / "in" / "a.dcm"), tmp_path / "out")
    content = copy.read_bytes()
    for word in (SECRET, "19430917", "101112", "081Y", "20240229", "Quast", "MAKER"):
        assert word.encode() not in content, word
    clean = pydicom.dcmread(copy)
    assert not [element for element in elements(clean) if element.tag.is_private]
    assert not [element for element in elements(clean) if element.tag.group >> 8 == 0x60]
    assert {element.value for element in elements(clean) if element.VR in ("DA", "DT")} <= {
        "",
        None,
        "00010101",
        "00010101010101.000000+0000",
    }
    assert result.removed["InstitutionName"] == 5  # one of the picture, one in each sequence
    assert result.removed["private attributes"] == 10  # each with the attribute that names its maker


def test_what_the_profile_keeps_and_says(tmp_path):
    region = pydicom.Dataset()
    region.RegionSpatialFormat, region.RegionDataType = 1, 1
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 50, 50
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 269, 229
    source = identified(screen(), Manufacturer="ORION", BurnedInAnnotation="NO", SequenceOfUltrasoundRegions=[region])
    _, copy = one(write(source, tmp_path / "in" / "a.dcm"), tmp_path / "out")
    clean = pydicom.dcmread(copy)
    assert (clean.FrameTime, clean.NumberOfFrames, clean.Manufacturer) == (50, 6, "ORION")
    assert clean.SequenceOfUltrasoundRegions[0] == region
    assert clean.PatientIdentityRemoved == "YES"
    assert clean.DeidentificationMethodCodeSequence[0].CodeValue == "113100"  # PS3.16 CID 7050
    assert all(len(text) <= 64 for text in clean.DeidentificationMethod)
    assert "BurnedInAnnotation" not in clean  # the picture itself may hold text: nobody has looked
    assert clean.ImageType[0] == "DERIVED"
    assert clean.file_meta.MediaStorageSOPInstanceUID == clean.SOPInstanceUID != source.SOPInstanceUID
    assert copy.read_bytes()[:128] == b"\0" * 128


def test_one_patient_one_study_one_pseudonym(tmp_path):
    for name in ("a", "b"):
        write(identified(screen(2), SeriesNumber=name == "a"), tmp_path / "in" / f"{name}.dcm")
    report, _ = deidentify(tmp_path / "in", tmp_path / "out")
    first, second = (pydicom.dcmread(tmp_path / "out" / result.file) for result in report.results)
    assert first.PatientID == second.PatientID == pseudonym(read_key(), "p", f"{SECRET}-7")
    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert first.StudyInstanceUID not in ("1.2.3.4", first.SeriesInstanceUID)
    assert pydicom.uid.UID(first.StudyInstanceUID).is_valid


# Pixels


def written_as(form):
    frames = screen()
    if form == "grey":
        return identified(frames), frames
    if form == "16 bits, signed":
        deep = frames.astype(np.int16) * 100 - 12_000
        return identified(deep, PixelRepresentation=1), deep
    if form == "inverted":
        return identified(255 - frames, PhotometricInterpretation="MONOCHROME1"), 255 - frames
    if form == "big endian":
        dataset = identified((frames.astype(np.uint16) * 100).byteswap())
        dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        return dataset, frames.astype(np.uint16) * 100
    if form == "palette":
        dataset = identified(frames, PhotometricInterpretation="PALETTE COLOR")
        for name, factor in (("Red", 256), ("Green", 128), ("Blue", 64)):
            setattr(dataset, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
            table = (np.arange(256) * factor).astype("<u2").tobytes()
            setattr(dataset, f"{name}PaletteColorLookupTableData", table)
        return dataset, colour(frames)
    return identified(colour(frames)), colour(frames)


@pytest.mark.parametrize("form", ["grey", "16 bits, signed", "inverted", "big endian", "palette", "colour"])
def test_inside_as_it_was_and_outside_black(tmp_path, form):
    dataset, stored = written_as(form)
    result, copy = one(write(dataset, tmp_path / "in" / "a.dcm"), tmp_path / "out")
    clean = pydicom.dcmread(copy)
    outside, pixels = np.ones((HEIGHT, WIDTH), bool), clean.pixel_array
    # The outline is exact to a pixel or two, and its corners are a little rounded.
    outside[tuple(slice(side.start - 2, side.stop + 2) for side in PICTURE)] = False
    top, left = (slice(side.start + 5, side.stop - 5) for side in PICTURE)
    np.testing.assert_array_equal(pixels[:, top, left], stored[:, top, left])
    black = {"16 bits, signed": -(2**15), "inverted": 255}.get(form, 0)
    assert (pixels[:, outside] == black).all()
    assert clean.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
    assert result.kept == pytest.approx(1 - outside.mean(), abs=0.02)
    read = read_video(copy).frames
    assert not read[:, :40].any()
    assert read[:, *PICTURE].any()


def test_decoders_of_pictures_and_films_in_dicom(tmp_path):
    """pydicom's ultrasound of 30 frames, JPEG and YBR, with words on the screen."""
    path = get_testdata_file("examples_ybr_color.dcm", download=False)
    result, copy = one(path, tmp_path / "out")
    before, after = read_video(path), read_video(copy)
    sector = find_sector(before.frames, before.region)
    np.testing.assert_array_equal(after.frames, before.frames * sector.mask)
    assert pydicom.dcmread(copy).LossyImageCompression == "01"
    assert after.fps == before.fps
    assert result.kept < 0.5


@pytest.mark.parametrize(
    ("dataset", "reason"),
    [
        (lambda: identified(np.zeros((3, 60, 80), np.uint8)), "no ultrasound picture"),
        (lambda: identified(np.repeat(screen(1)[:, :40], 3, axis=0)), "no ultrasound picture"),  # text alone
        (lambda: identified(screen()[:, *PICTURE]), "--whole"),
        (lambda: identified(screen(), Modality="CT"), "no ultrasound, by its modality"),
    ],
)
def test_what_cannot_be_made_safe_is_refused(tmp_path, dataset, reason):
    said = []
    source = write(dataset(), tmp_path / "in" / "Quast.dcm")
    report, _ = deidentify(source, tmp_path / "out", say=said.append)
    (result,) = report.results
    assert (report.status, result.outcome) == (2, "refused")
    assert reason in result.reason
    assert str(source) in said[0]
    assert "Quast" not in report.text() + report.json()
    assert not list((tmp_path / "out").rglob("*.dcm"))


def test_a_picture_that_fills_the_frame_is_written_on_request(tmp_path):
    source = write(identified(screen()[:, *PICTURE]), tmp_path / "in" / "a.dcm")
    report, _ = deidentify(source, tmp_path / "out", whole=True)
    assert report.status == 1
    assert report.results[0].look == ("the picture fills the frame: nothing was blanked",)
    assert report.results[0].file in report.text().split("Look at every picture")[1]


# Videos and images


def tagged_video(path, rate=20):
    """A colour video with metadata, sound and a chapter."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        container.metadata.update({"title": SECRET, "creation_time": "1943-09-17T10:11:12", "comment": SECRET})
        stream = container.add_stream("libx264", rate=rate, options={"crf": "1"})
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv444p"
        stream.metadata["handler_name"] = SECRET
        sound = container.add_stream("aac", rate=8000)
        chapter = {"id": 1, "start": 0, "end": 100, "time_base": Fraction(1, 1000), "metadata": {"title": SECRET}}
        container.set_chapters([chapter])
        for frame in colour(screen()):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.rate = 8000
        container.mux(sound.encode(silence))
        container.mux(stream.encode())
        container.mux(sound.encode())
    return path


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
def test_a_video_keeps_its_picture_and_times_alone(tmp_path, ending):
    source = tagged_video(tmp_path / "in" / f"{SECRET}{ending}")
    assert SECRET.encode() in source.read_bytes()
    result, copy = one(source, tmp_path / "out")
    content = copy.read_bytes()
    for word in (SECRET, "1943", SECRET.lower()):
        assert word.encode() not in content
    with av.open(str(copy)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        assert not container.chapters()
        assert not set(container.metadata) & {"title", "comment", "creation_time"}
        assert "creation_time" not in container.streams.video[0].metadata
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert {"title", "audio stream", "chapter"} <= {name.lower() for name in result.removed}
    before, after = read_video(source), read_video(copy)
    np.testing.assert_allclose(after.times, before.times, atol=1e-3)
    assert np.abs(after.frames[:, *PICTURE].astype(int) - before.frames[:, *PICTURE]).mean() < 6
    assert np.stack(shown)[:, :40].max() < 8
    red, green, blue = np.stack(shown)[:, *PICTURE].reshape(-1, 3).mean(axis=0)
    assert red > 1.5 * green > 2 * blue  # colour is kept


def test_an_image_keeps_its_picture_alone(tmp_path):
    (tmp_path / "in").mkdir()
    picture, info = Image.fromarray(colour(screen(1))[0]), PngInfo()
    info.add_text("Patient", SECRET)
    picture.save(tmp_path / "in" / "a.png", pnginfo=info)
    exif = Image.Exif()
    exif[0x010E], exif[0x0132] = SECRET, "1943:09:17 10:11:12"
    picture.save(tmp_path / "in" / "b.jpg", exif=exif, comment=SECRET, quality=95)
    report, _ = deidentify(tmp_path / "in", tmp_path / "out")
    assert report.status == 0
    assert report.removed["EXIF"] == (1, 2)
    assert "Patient" in report.removed
    for result in report.results:
        content = (tmp_path / "out" / result.file).read_bytes()
        assert set(chunks(content)) == {b"IHDR", b"IDAT", b"IEND"}
        with Image.open(io.BytesIO(content)) as clean:
            assert clean.mode == "RGB"
        assert not read_image(tmp_path / "out" / result.file)[:40].any()


def chunks(png):
    """Kinds of the chunks of a PNG file (ISO/IEC 15948, 5.3)."""
    place = 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        yield png[place + 4 : place + 8]
        body = png[place + 4 : place + 8 + length]
        assert zlib.crc32(body) == struct.unpack(">I", png[place + 8 + length : place + 12 + length])[0]
        place += 12 + length


# Folders and tables


def test_names_of_files_and_folders_are_hidden(tmp_path):
    write(identified(screen(2)), tmp_path / "in" / "Quast 1943" / "Wilhelmine.dcm")
    write(identified(screen(2)), tmp_path / "in" / "Quast 1943" / "second.dcm")
    (tmp_path / "in" / "Quast letter.txt").write_text(SECRET)
    report, names = deidentify(tmp_path / "in", tmp_path / "out")
    assert report.status == 1
    written = [path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.dcm")]
    assert len({name.split("/")[0] for name in written}) == 1
    for path in (tmp_path / "out").rglob("*"):
        assert not {"Quast", "1943", "Wilhelmine", "letter"} & set(path.name.replace(".", " ").split())
        assert path.is_dir() or (SECRET.encode() not in path.read_bytes() and b"Quast" not in path.read_bytes())
    listed = pd.read_csv(names).set_index("old")["new"]
    assert sorted(listed[listed.str.endswith(".dcm")]) == sorted(written)
    assert listed.index.str.contains("letter").sum() == 1
    assert names.stat().st_mode & 0o077 == 0
    told = json.loads((tmp_path / "out" / "deidentified.json").read_text())
    assert told["removed"]["PatientName"] == {"files": 2, "times": 2}
    assert (tmp_path / "out" / "look.html").read_text().count("<img") == 2


def test_a_cohort_keeps_its_table(tmp_path):
    source = tmp_path / "in"
    for number in range(2):
        write(identified(screen()), source / f"{SECRET}{number}.dcm")
    write(identified(np.zeros((3, 60, 80), np.uint8)), source / "dark.dcm")
    Image.fromarray(screen(1)[0]).save(source / "still.png")
    np.savez(
        source / "roi.npz", capsule=np.ones((6, HEIGHT, WIDTH), bool), patient=np.frombuffer(SECRET.encode(), "u1")
    )
    rows = [
        {"patient_id": SECRET, "video": f"{SECRET}0.dcm", "stage": 2, "age": 81, "name": SECRET, "roi": "roi.npz",
         "operator": SECRET, "biopsy_date": "2019-09-17", "video_date": "2019-10-01"},
        {"patient_id": SECRET, "video": f"{SECRET}1.dcm", "stage": 2, "age": 81, "image": "still.png"},
        {"patient_id": "B", "video": "dark.dcm", "stage": 0},
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(source / "cohort.csv", index=False)
    report, _ = deidentify(source / "cohort.csv", tmp_path / "out", say=lambda text: None)
    assert report.status == 2
    table = pd.read_csv(tmp_path / "out" / "cohort.csv", dtype=str)
    assert list(table["patient_id"]) == [pseudonym(read_key(), "p", SECRET)] * 2
    assert list(table["stage"]) == ["2", "2"]
    assert "name" not in table
    assert table.loc[0, ["operator", "biopsy_date", "video_date", "days_from_biopsy"]].tolist() == [
        "operator 1", "2019", "2019", "14.0",
    ]  # fmt: skip
    for column in ("video", "image", "roi"):
        assert all((tmp_path / "out" / name).is_file() for name in table[column].dropna())
    clean = pydicom.dcmread(tmp_path / "out" / table["video"][0])
    assert clean.PatientID == table["patient_id"][0]
    with np.load(tmp_path / "out" / table["roi"][0]) as arrays:
        assert arrays.files == ["capsule"]
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes()


def test_a_folder_of_frames_becomes_a_video(tmp_path):
    folder = tmp_path / "in" / f"{SECRET} frames"
    folder.mkdir(parents=True)
    for number, frame in enumerate(screen(12)):
        Image.fromarray(frame).save(folder / f"{SECRET}_{number}.png")
    (folder / "fps.txt").write_text("10")
    pd.DataFrame([{"patient_id": "A", "video": folder.name, "stage": 2}]).to_csv(
        tmp_path / "in" / "cohort.csv", index=False
    )
    report, _ = deidentify(tmp_path / "in" / "cohort.csv", tmp_path / "out")
    video = read_video(tmp_path / "out" / report.results[0].file)
    assert (len(video.frames), video.fps) == (12, 10)


def test_damage_is_named_and_leaves_nothing(tmp_path):
    path = write(identified(screen()), tmp_path / "in" / "Quast.dcm")
    path.write_bytes(path.read_bytes()[:-100_000])
    (tmp_path / "in" / "broken.mp4").write_bytes(b"no video")
    said = []
    report, _ = deidentify(tmp_path / "in", tmp_path / "out", say=said.append)
    assert report.status == 2
    assert [result.reason for result in report.results] == ["it cannot be read"] * 2
    assert {name for name in ("Quast.dcm", "broken.mp4") if any(name in text for text in said)} == {
        "Quast.dcm",
        "broken.mp4",
    }
    assert {path.name for path in (tmp_path / "out").rglob("*")} == {
        "deidentified.txt",
        "deidentified.json",
        "look.html",
    }


def test_flipped_bits_in_a_header_are_refused_or_cleaned(tmp_path):
    whole = write(everything(), tmp_path / "whole.dcm").read_bytes()
    header = len(whole) - screen(2).size
    for seed in range(25):
        random, content = np.random.default_rng(seed), bytearray(whole)
        for place in random.integers(132, header, random.choice([1, 3, 10])):
            content[place] ^= 1 << random.integers(8)
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{seed}.dcm").write_bytes(content)
    with warnings.catch_warnings(action="ignore"):  # pydicom says what it thinks of such files
        report, _ = deidentify(tmp_path / "in", tmp_path / "out", say=lambda text: None)
    assert len(report.results) == 25
    assert report.of("written")
    for result in report.of("written"):
        assert pydicom.dcmread(tmp_path / "out" / result.file).PatientIdentityRemoved == "YES"


@pytest.mark.parametrize("out", ["in", "in/out", "."])
def test_copies_do_not_lie_among_the_files(tmp_path, out):
    write(identified(screen(2)), tmp_path / "in" / "a.dcm")
    with pytest.raises(FibrolibError, match="Choose a folder elsewhere"):
        deidentify(tmp_path / "in", tmp_path / out)
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["a.dcm"]


def test_what_is_not_there(tmp_path):
    with pytest.raises(FibrolibError, match="no such file or folder"):
        deidentify(tmp_path / "none", tmp_path / "out")
    pd.DataFrame([{"patient_id": "A", "video": "none.dcm", "stage": 2}]).to_csv(tmp_path / "cohort.csv", index=False)
    with pytest.raises(CohortError, match=r"line 2, column 'video'.*none\.dcm"):
        deidentify(tmp_path / "cohort.csv", tmp_path / "out")


def test_the_command(tmp_path):
    write(identified(screen(2)), tmp_path / "in" / "a.dcm")
    found = CliRunner().invoke(app, ["deidentify", str(tmp_path / "in"), str(tmp_path / "out")])
    assert found.exit_code == 0, found.output
    assert "written: 1, refused: 0, left out: 0" in found.output
    assert "PatientName: 1; 1" in found.output
    assert SECRET not in found.output


# Whatever happens, the list of names is there and the other files are done


def names_file(folder):
    (path,) = (folder / "own" / "deidentified").glob("*.csv")
    return path.read_bytes()


def test_one_file_that_fails_does_not_cost_the_others(own, tmp_path, monkeypatch):
    source = tmp_path / "source"
    for name in ("a.mp4", "b.mp4"):
        tagged_video(source / name)
    said, write = [], copies._write_copy

    def fail_at_first(kind, path, *given):
        assert names_file(tmp_path)  # the list of names is written before the copies
        if path.name == "a.mp4":
            raise RuntimeError("Alias 'uint0' was removed")
        return write(kind, path, *given)

    monkeypatch.setattr(sys.modules["fibrolib.deidentify.deidentify"], "_write_copy", fail_at_first)
    report, names = deidentify(source, tmp_path / "out", say=said.append)
    assert [result.outcome for result in report.results].count("written") == 1
    assert "the copy cannot be made" in said[0]
    assert "a.mp4" in names.read_text("utf-8")


def test_names_that_are_not_utf8(own, tmp_path):
    source = tmp_path / "source"
    tagged_video(source / "a.mp4")
    (source / "a.mp4").rename(source / os.fsdecode(b"M\xfcller.mp4"))
    report, names = deidentify(source, tmp_path / "out")
    assert report.of("written")
    assert b"M\xfcller" in names.read_bytes()


def test_a_copy_has_all_frames_of_a_dicom_file_whatever_its_header_says(own, tmp_path):
    frames = screen()
    dataset = dicom_dataset(frames, FrameTime=40, NumberOfFrames=1, Modality="US")
    (tmp_path / "source").mkdir()
    dataset.save_as(tmp_path / "source" / "a.dcm", enforce_file_format=True)
    deidentify(tmp_path / "source", tmp_path / "out")
    (copy,) = (tmp_path / "out").glob("*.dcm")
    assert len(read_video(copy).frames) == len(frames)


def test_a_copy_of_a_film_that_was_cut_short_is_not_taken_for_whole(own, tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=20)
        stream.height, stream.width, stream.pix_fmt = *screen().shape[1:], "yuv420p"
        for frame in screen(60):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        container.mux(stream.encode())
    content = (tmp_path / "a.mkv").read_bytes()
    (tmp_path / "a.mkv").write_bytes(content[: len(content) // 2])
    report, _ = deidentify(tmp_path / "a.mkv", tmp_path / "out")
    assert any("cut short" in sentence for sentence in report.results[0].look)
    assert report.status == 1


def test_a_file_of_many_pages_keeps_them_all(own, tmp_path):
    pictures = [Image.fromarray(frame) for frame in screen()]
    (tmp_path / "source").mkdir()
    pictures[0].save(tmp_path / "source" / "a.tif", save_all=True, append_images=pictures[1:])
    deidentify(tmp_path / "source", tmp_path / "out")
    (copy,) = (tmp_path / "out").glob("*.mp4")
    assert len(read_video(copy).frames) == len(pictures)


def test_the_list_of_a_disc_is_left_out(own, tmp_path):
    (tmp_path / "source").mkdir()
    dataset = dicom_dataset(screen(), Modality="US")
    dataset.save_as(tmp_path / "source" / "IM0001", enforce_file_format=True)
    for name in ("Rows", "Columns", "PixelData"):
        delattr(dataset, name)
    dataset.save_as(tmp_path / "source" / "DICOMDIR", enforce_file_format=True)
    report, _ = deidentify(tmp_path / "source", tmp_path / "out")
    assert sorted(result.outcome for result in report.results) == ["left out", "written"]
