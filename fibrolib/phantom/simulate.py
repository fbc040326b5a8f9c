"""Write a virtual cohort to disk in the format of any cohort, and the truth of its videos beside it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import delayed, effective_n_jobs
from numpy.typing import NDArray

from fibrolib.atomic import replacing, write_atomically
from fibrolib.cohort import write_cohort
from fibrolib.errors import FibrolibError
from fibrolib.phantom.anatomy import LABELS
from fibrolib.phantom.hospitals import HOSPITALS, Hospital
from fibrolib.phantom.imaging import BANNER, SCANNERS
from fibrolib.phantom.patients import BLOOD, SignalStrengths, draw_patients
from fibrolib.phantom.render import Rendering, clip_fault, render_clip, render_image
from fibrolib.progress import track
from fibrolib.system import give_back_memory
from fibrolib.video import open_arrays, write_dicom, write_image, write_video
from fibrolib.workers import in_parallel, on_cluster, workers_end_here

_VERSION = 2  # raised whenever the same seed gives other pictures
_WORTH_A_PROCESS = 12  # patients: starting a process takes as long as simulating three
_IMAGE = "image_"  # stands before the names of the still image's masks
_COLUMNS = ["patient_id", "video", "image", "stage", "age", "sex", "bmi", "aetiology", "steatosis", *BLOOD, "swe_kpa"]
_COLUMNS += ["centre", "scanner", "operator", "visit", "biopsy_date", "video_date", "roi"]


def simulate_cohort(
    out: str | Path,
    *,
    patients: int = 110,
    videos: int = 1,
    seed: int = 0,
    strengths: SignalStrengths | None = None,
    hospital: Hospital = HOSPITALS["first"],
    frames: int | None = None,
    fps: float | None = None,
    images: bool = True,
    truth: bool = True,
    dicom: bool = False,
    n_jobs: int = 2,
) -> Path:
    """Simulate a cohort and write it to a folder; return its table, ``cohort.csv`` (one row per video).

    Parameters
    ----------
    out : str or Path
        Folder; made if missing. Only videos whose files are not there yet are simulated, so a cohort can be enlarged.
        FibrolibError if it holds a cohort of other parameters or of another version. Beside the table stand
        ``videos/, images/, truth/`` (with the latent quantities of the patients) and ``cohort.json``.
        The table's ``stage`` is that of the biopsy; ``truth/patients.csv`` has the true one.
    patients, videos : int
        Number of patients, and of videos per patient, each of another view.
    seed : int
        Patient i of a seed has the same bytes whatever the numbers and `n_jobs` (joblib workers).
    strengths : SignalStrengths, optional
        Default: the published effects.
    hospital : Hospital
        Who comes, and how they are scanned (`find_hospital`).
    frames, fps : int, float, optional
        Of every video; by default two heartbeats of the patient, at the rate of the patient's scanner.
    images, truth : bool
        Also a still image of each patient; also the masks and the displacement of every video, a fifth of the work.
    dicom : bool
        Write videos and images as DICOM, without loss; else as MP4 and PNG.
    """
    if videos < 1:
        raise ValueError(f"at least one video per patient is needed, not {videos}")
    out, strengths = Path(out), strengths or SignalStrengths()
    table = draw_patients(patients, seed, strengths, hospital)
    if fps is not None:
        table = table.assign(fps=float(fps))
    options = {name: value for name, value in (("frames", frames), ("fps", fps)) if value is not None}
    options |= {name: False for name, wanted in (("images", images), ("truth", truth)) if not wanted}
    options |= {"form": "dicom"} if dicom else {}
    options |= {} if hospital == HOSPITALS["first"] else {"hospital": asdict(hospital)}
    _claim(out, {"version": _VERSION, "seed": seed, "dials": asdict(strengths), **options})
    takes, files_of = range(1, videos + 1), partial(_files, images=images, truth=truth, dicom=dicom)
    first = seed + hospital.first_seed
    missing = {}  # by number of the patient: files of each take that is not there yet
    for number, patient in enumerate(table["patient_id"]):
        files = {take: files_of(patient, take) for take in takes}
        complete = [take for take in takes if all((out / name).exists() for name in files[take].values())]
        if len(complete) < videos:
            missing[number] = {take: files[take] for take in takes if take not in complete}
    if missing:  # starting workers to find that nothing is to do would take seconds
        rows = list(table.itertuples(index=False))
        options = {"frames": frames, "bad_clips": strengths.bad_clips}
        jobs = [delayed(_write_patient)(out, rows[i], (first, i), files, **options) for i, files in missing.items()]
        if not on_cluster():
            n_jobs = min(effective_n_jobs(n_jobs), max(1, len(jobs) // _WORTH_A_PROCESS))
        with workers_end_here(n_jobs):
            finished = patients - len(jobs)
            results = in_parallel(jobs, n_jobs)
            list(track(results, "Simulating virtual patients", patients, "patients", kept=out, before=finished))
        give_back_memory()
    files = pd.DataFrame([files_of(patient, take) for patient in table["patient_id"] for take in takes])
    if strengths.bad_clips:
        faults = [clip_fault((first, i), take, strengths.bad_clips) for i in range(patients) for take in takes]
        _write_truth_table(out / "truth" / "clips.csv", files[["video"]].assign(fault=faults))
    _write_truth_table(out / "truth" / "patients.csv", table)
    return _write_table(out / "cohort.csv", table, files)


def _write_truth_table(path: Path, table: pd.DataFrame) -> None:
    text = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    write_atomically(path, lambda file: file.write_text(text, "utf-8", newline="\n"))


def _write_table(path: Path, patients: pd.DataFrame, files: pd.DataFrame) -> Path:
    """The cohort table: what a hospital knows of the patients, a row for each of their files."""
    rows = patients.loc[patients.index.repeat(len(files) // len(patients))].reset_index(drop=True).join(files)
    rows = rows.assign(stage=rows["biopsy_stage"], scanner=[SCANNERS[i].name for i in rows["scanner"]], visit=1)
    blood = dict.fromkeys(BLOOD, "Int64")  # whole numbers, also where some are missing
    write_cohort(rows.reindex(columns=_COLUMNS).astype(blood), path)
    return path


def _claim(out: Path, settings: dict) -> None:
    """Make the folder, or refuse one that holds another cohort."""
    for name in ("videos", "images", "truth"):
        (out / name).mkdir(parents=True, exist_ok=True)
    card, settings = out / "cohort.json", json.loads(json.dumps(settings))  # as they are read back
    before = json.loads(card.read_text(encoding="utf-8")) if card.exists() else settings
    if {**before, "dials": asdict(SignalStrengths()) | before["dials"]} != settings:  # dials may be younger than a card
        raise FibrolibError(
            f"{out}: holds a virtual cohort of another seed, form or version, of other signal strengths "
            f"or other pictures (see {card.name} there). Choose another folder, or delete this one."
        )
    write_atomically(card, lambda file: file.write_text(json.dumps(settings, indent=2) + "\n", "utf-8"))


def _files(name: str, take: int, images: bool, truth: bool, dicom: bool) -> dict[str, str]:
    """Paths of a video, its truth and the patient's image, as the table gives them."""
    view = name if take == 1 else f"{name}-{take}"
    video, image = (".dcm", ".dcm") if dicom else (".mp4", ".png")
    still = {"image": f"images/{name}{image}"} if images else {}
    regions = {"roi": f"truth/{view}.npz"} if truth else {}
    return {"video": f"videos/{view}{video}", **still, **regions}


def _write_patient(
    out: Path,
    patient: object,
    seed: tuple[int, int],
    files: dict[int, dict[str, str]],
    frames: int | None,
    bad_clips: float,
) -> None:
    """Write some videos of one patient, and the image with the first."""
    for take, names in files.items():
        paths = {kind: out / name for kind, name in names.items()}
        truth = "roi" in paths
        clip = render_clip(patient, seed, take, frames, truth=truth, fault=clip_fault(seed, take, bad_clips))
        still = render_image(patient, seed, truth=truth) if "image" in paths and take == 1 else None
        _write_pictures(paths["video"], clip, patient.patient_id)
        if still is not None:
            _write_pictures(paths["image"], still, patient.patient_id)
        if truth:
            _write_truth(paths["roi"], clip, still)


def _write_pictures(path: Path, rendering: Rendering, patient_id: str) -> None:
    if path.suffix == ".dcm":
        place = {"region": rendering.fan, "mm_per_pixel": rendering.scale}
        write_dicom(path, rendering.frames, rendering.fps, patient_id=patient_id, comment=BANNER, **place)
    elif path.suffix == ".png":
        write_image(path, rendering.frames[0])
    else:
        write_video(path, rendering.frames, rendering.fps, comment=f"{BANNER} {path.stem}")


@dataclass(frozen=True)
class _Truth:
    """Truth of a video (see `Rendering`) and masks of the still image, empty for a patient's further videos."""

    masks: dict[str, NDArray[np.bool_]]
    image_masks: dict[str, NDArray[np.bool_]]
    displacement: NDArray[np.float32]
    nodes: NDArray[np.intp]
    mm_per_pixel: float


def _write_truth(path: Path, clip: Rendering, still: Rendering | None = None) -> None:
    """Write the truth of a video, and of the patient's still image, as ``.npz``; whole or not at all."""
    images = {} if still is None else {_IMAGE + name: mask[0] for name, mask in still.masks.items()}
    with replacing(path) as unfinished:
        np.savez_compressed(
            unfinished,
            **clip.masks,
            **images,
            displacement=clip.displacement,
            displacement_rows=clip.nodes[0],
            displacement_columns=clip.nodes[1],
            mm_per_pixel=clip.scale,
        )


def read_truth(path: str | Path) -> _Truth:
    """Read a file that the column ``roi`` of a virtual cohort's table names; FibrolibError for any other."""
    path = Path(path)
    if not path.is_file():
        raise FibrolibError(
            f"{path}: no such file. The column 'roi' of a virtual cohort's table names its truth files."
        )
    with open_arrays(path, "the truth of a virtual video", "Expected a file that simulate_cohort wrote.") as arrays:
        return _Truth(
            masks={name: arrays[name] for name in LABELS},
            image_masks={name: arrays[_IMAGE + name] for name in LABELS if _IMAGE + name in arrays},
            displacement=arrays["displacement"],
            nodes=np.stack([arrays["displacement_rows"], arrays["displacement_columns"]]),
            mm_per_pixel=float(arrays["mm_per_pixel"]),
        )
