"""Virtual patients: stage, the carriers through which fibrosis shows, blood values, and how they were scanned.

A *carrier* is the latent number through which a signal shows: clustering of scatterers (`texture`), nodularity of the
surface (`capsule`), log strain of the heartbeat (`motion`). Given the severity of fibrosis, the three are independent
and normal. `docs/virtual-cohort.md` derives the figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isfinite

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp, ndtri

from fibrolib.cohort.columns import VIRTUAL_PREFIX
from fibrolib.inference import auc
from fibrolib.phantom.hospitals import HOSPITALS, Hospital

_Columns = dict[str, NDArray]

CARRIERS = ("texture", "capsule", "motion")  # also the names of their signal strengths
BLOOD = ("ast", "alt", "platelets")
_FIRST = HOSPITALS["first"]
STAGE_MIX = _FIRST.stage_mix
# Scanner by stage of the patients whom `SignalStrengths.shortcut` ties to their stage: one machine per ward.
SHORTCUT_SCANNER = np.array([0, 0, 1, 2, 2])

# Strain = k / E. Tagged MRI: strain .116 (healthy) and .048 (cirrhosis), Chung 2011; with the median stiffness
# of F0 and F4 below, 5.55 and 13.67 kPa, k is .64 and .66 kPa.
_STRAIN_STIFFNESS = 0.65  # peak heartbeat strain times stiffness, kPa

# ln E at F0..F4, derived: stage spread that gives 2D-SWE AUCs of .878 / .932 / .942 (n = 327) around the F0-1 median of
# World J Gastroenterol 2019;25:3256. The other large study (.887 / .912 / .832) would need F4 softer than F3.
_LOG_STIFFNESS = (1.713, 1.813, 2.019, 2.298, 2.615)
# Between patients of one severity; with the measurement error of .12 and the slope within a stage this is the
# lognormal sigma of .25-.27 of the same source.
_LOG_STIFFNESS_SD = 0.21
# How hard the heart pushes, and how the plane lies to it: chosen for a Cohen's d of strain at >= F2 of .95, the middle
# of the assumed band .8-1.1 (assumption, see evidence in docs).
_LOG_COUPLING_SD = 0.378

# Texture: AUC .72 at >= F2, the middle of published scatterer statistics (.64-.81), linear in severity (assumption).
_TEXTURE = tuple(0.361 * stage for stage in range(5))
# Capsule: sensitivity 91 %, specificity 94 % for F4 (BJR 1999;72:29); little on F2 and F3 (assumption: 10 and 30 %).
_CAPSULE = tuple(4.08 * share for share in (0.0, 0.0, 0.1, 0.3, 1.0))


@dataclass(frozen=True)
class SignalStrengths:
    """How strongly each signal of fibrosis shows in a virtual cohort.

    A strength scales the shift of a carrier with stage, not its spread: 0 = unrelated to stage, 1 = published effect,
    more = teaching. Impossible values are a ValueError.
    """

    texture: float = 1.0  # of scatterer clustering and septa
    capsule: float = 1.0  # of surface nodules
    motion: float = 1.0  # of stiffness in the heartbeat's strain: scales all of ln E, its spread included
    shortcut: float = 0.0  # share of patients whose scanner is chosen by their stage (a confounder), 0 to 1
    missing_labs: float = 0.0  # share of blood values missing at random, 0 to below 1
    tied: float = 0.0  # share of patients whose centre and aetiology are chosen by their stage, 0 to 1
    reference_error: float = 0.0  # share of patients whose biopsy says one stage more or less than is true, 0 to 1
    bad_clips: float = 0.0  # share of videos that are of no use (`fibrolib.phantom.render.FAULTS`), 0 to 1

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not (isfinite(value) and value >= 0):
                raise ValueError(f"signal strength {name} must be a finite number of at least 0, not {value!r}")
        for name in ("shortcut", "tied", "reference_error", "bad_clips"):
            if getattr(self, name) > 1:
                raise ValueError(f"signal strength {name} is a share, 0 to 1, not {getattr(self, name)!r}")
        if self.missing_labs >= 1:
            raise ValueError(f"signal strength missing_labs is a share below 1, not {self.missing_labs!r}")

    def carrier_mean(self, name: str, severity: ArrayLike) -> NDArray[np.float64]:
        """Mean of a carrier at a continuous severity; `motion` is ln strain, others are in units of their spread."""
        knots = {"texture": _TEXTURE, "capsule": _CAPSULE, "motion": tuple(-value for value in _LOG_STIFFNESS)}[name]
        effect = np.interp(severity, range(5), knots) - knots[0]
        base = np.log(_STRAIN_STIFFNESS) + knots[0] if name == "motion" else 0.0
        return base + getattr(self, name) * effect

    def carrier_sd(self, name: str) -> float:
        """Spread of a carrier between patients of one severity."""
        return float(np.hypot(self.motion * _LOG_STIFFNESS_SD, _LOG_COUPLING_SD)) if name == "motion" else 1.0

    @staticmethod
    def log_stiffness_mean(severity: ArrayLike) -> NDArray[np.float64]:
        """Mean log stiffness (ln kPa) at a continuous severity, whatever the strengths."""
        return np.interp(severity, range(5), _LOG_STIFFNESS)


def _nodule_height(capsule: float) -> float:
    """Root-mean-square height of surface nodules, mm: about .25 for a smooth liver, 1.2 in cirrhosis (assumption)."""
    return float(2.5 * np.tanh(0.1 * np.exp(0.42 * capsule)))


def _clustering(texture: float) -> tuple[float, float]:
    """Scatterer clustering (standard deviation) and height of septa, both in dB; the scale is an assumption."""
    rise = np.log1p(np.exp(0.9 * texture))
    return float(0.5 + 7.0 * np.tanh(rise / 3)), float(12.0 * np.tanh(rise / 3))


_AETIOLOGIES = ("hepatitis B", "hepatitis C", "MASLD", "alcohol")
_AETIOLOGY_SHARE = (0.55, 0.15, 0.22, 0.08)  # assumption: a clinic where hepatitis B leads

# One stream of random numbers each, so that patient i is the same whatever the cohort's size.
# Append only: a new name in the middle would change every cohort.
_DRAWS = (
    *("stage", "severity", "stiffness", "coupling", "swe_error", "texture", "capsule"),
    *("age", "ast", "alt", "platelets", "sex", "bmi", "aetiology", "fat", "scanner", "shortcut"),
    *("heart_rate", "gain", "depth", "dynamic_range", "breath", "tremor", "fps"),
    *("missing_ast", "missing_alt", "missing_platelets"),
    *("steatosis", "centre", "operator", "video_date", "biopsy_date", "tied", "reference_error"),
)

# Stage-wise ln APRI and ln FIB-4, F0..F4, derived: gaps that give AUCs of .741 / .735 / .727 and .784 / .817 / .845
# (Xiao 2015) around the F0-1 medians of World J Gastroenterol 2019;25:3256, given the spreads below.
_LOG_APRI = np.array([-0.662, -0.562, -0.240, -0.113, 0.008])
_LOG_FIB4 = np.array([0.429, 0.549, 0.798, 0.981, 1.334])
# Assumption: medians of age and platelets by stage; AST and ALT then follow from the two indices.
_LOG_AGE = np.log([45.0, 47.0, 50.0, 53.0, 56.0])
_LOG_PLATELETS = np.log([205.0, 198.0, 180.0, 160.0, 130.0])
_LOG_AST = _LOG_APRI + _LOG_PLATELETS + np.log(40 / 100)  # APRI = AST / 40 / platelets x 100
_LOG_ALT = 2 * (_LOG_AGE + _LOG_AST - _LOG_PLATELETS - _LOG_FIB4)  # FIB-4 = age AST / (platelets sqrt(ALT))
# Assumption: spreads (ln) between patients of one severity; they give ln APRI .48 and ln FIB-4 .43 (published .34-.59).
_SD = {"age": 0.21, "ast": 0.40, "alt": 0.55, "platelets": 0.26}
_AST_ALT_CORRELATION = 0.80  # assumption
_MAX_STRAIN = 0.30  # assumption: beyond this no liver is squeezed; met by one patient in a hundred
_SWE_ERROR = 0.12  # assumption: repeatability of one measurement, ln kPa


def draw_patients(
    n: int, seed: int = 0, strengths: SignalStrengths | None = None, hospital: Hospital = _FIRST
) -> pd.DataFrame:
    """Draw virtual patients, without their pictures.

    Parameters
    ----------
    n, seed : int
        Number of patients, and seed; patient i of a seed is the same whatever `n`.
    strengths : SignalStrengths, optional
        Strength of the signals; the published effects if left out.
    hospital : Hospital
        Who comes, and how they are scanned.

    Returns
    -------
    DataFrame, n rows
        ``patient_id, stage, severity``; ``age`` (years), ``sex``, ``bmi`` (kg/m2), ``aetiology``, ``fat`` (0-1);
        ``ast, alt`` (U/L), ``platelets`` (10^9/L), ``swe_kpa`` (measured), ``stiffness_kpa`` (true); the carriers
        ``texture, capsule`` (standard units) and ``strain`` (peak, heartbeat); how the patient was scanned:
        ``scanner`` (0-3), ``fps, heart_rate`` (1/min), ``gain_db, depth_mm, dynamic_range_db, breath_mm, tremor_mm``;
        and what the files of a hospital say: ``biopsy_stage, steatosis`` (0-3), ``centre, operator, biopsy_date,
        video_date``.
    """
    if n < 1:
        raise ValueError(f"at least one patient is needed, not {n}")
    strengths = strengths or SignalStrengths()
    seed += hospital.first_seed
    uniform = {name: _random_stream(seed, 0, stream).random(n) for stream, name in enumerate(_DRAWS)}
    normal = {name: ndtri(np.clip(values, 1e-9, 1 - 1e-9)) for name, values in uniform.items()}
    stage = np.searchsorted(np.cumsum(hospital.stage_mix)[:-1], uniform["stage"], side="right")
    severity = stage + uniform["severity"] - 0.5
    tied = uniform["tied"] < strengths.tied
    uniform["aetiology"] = np.where(tied, (severity + 0.5) / len(STAGE_MIX), uniform["aetiology"])
    columns = {
        "patient_id": [f"{VIRTUAL_PREFIX}{number:03d}" for number in range(1, n + 1)],
        "stage": stage,
        "severity": severity,
        **_demographics(severity, uniform, normal, hospital),
        **_blood(severity, uniform, normal, strengths),
        **_stiffness_and_carriers(severity, normal, strengths),
        **_scan(stage, uniform, normal, strengths, hospital),
    }
    return pd.DataFrame({**columns, **_files_of_a_hospital(columns, tied, uniform, normal, strengths)})


def _random_stream(seed: int, *key: int) -> Generator:
    """Independent random numbers per key: ``(0, column)`` of the table, ``(1, patient, view)`` of the pictures."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def _stiffness_and_carriers(severity: NDArray, normal: _Columns, strengths: SignalStrengths) -> _Columns:
    """Strain shares its deviate with stiffness."""
    own = _LOG_STIFFNESS_SD * normal["stiffness"]
    strain = strengths.carrier_mean("motion", severity) - strengths.motion * own + _LOG_COUPLING_SD * normal["coupling"]
    log_stiffness = strengths.log_stiffness_mean(severity) + own
    return {
        "swe_kpa": np.exp(log_stiffness + _SWE_ERROR * normal["swe_error"]).round(1),
        "stiffness_kpa": np.exp(log_stiffness),
        "texture": strengths.carrier_mean("texture", severity) + normal["texture"],
        "capsule": strengths.carrier_mean("capsule", severity) + normal["capsule"],
        "strain": np.minimum(np.exp(strain), _MAX_STRAIN),
    }


def _lognormal(severity: NDArray, knots: NDArray, spread: float, normal: NDArray) -> NDArray:
    return np.exp(np.interp(severity, range(5), knots) + spread * normal)


def _demographics(severity: NDArray, uniform: _Columns, normal: _Columns, hospital: Hospital) -> _Columns:
    aetiology = np.searchsorted(np.cumsum(_AETIOLOGY_SHARE)[:-1], uniform["aetiology"], side="right")
    bmi = hospital.bmi + 3.6 * normal["bmi"]  # assumption, and independent of stage like all nuisances
    return {
        "age": np.clip(_lognormal(severity, _LOG_AGE, _SD["age"], normal["age"]), 18, 88).round().astype(int),
        "sex": np.where(uniform["sex"] < 0.58, "male", "female"),
        "bmi": np.clip(bmi, 16, 42).round(1),
        "aetiology": np.array(_AETIOLOGIES)[aetiology],
        "fat": np.clip(0.35 * uniform["fat"] ** 1.5 + 0.03 * (bmi - 25) + 0.1 * (aetiology == 2), 0, 0.8).round(3),
    }


def _blood(severity: NDArray, uniform: _Columns, normal: _Columns, strengths: SignalStrengths) -> _Columns:
    alt = _AST_ALT_CORRELATION * normal["ast"] + np.sqrt(1 - _AST_ALT_CORRELATION**2) * normal["alt"]
    normal = {**normal, "alt": alt}
    means = {"ast": _LOG_AST, "alt": _LOG_ALT, "platelets": _LOG_PLATELETS}
    values = {name: _lognormal(severity, means[name], _SD[name], normal[name]).round() for name in BLOOD}
    missing = {name: uniform[f"missing_{name}"] < strengths.missing_labs for name in BLOOD}
    return {name: np.where(missing[name], np.nan, values[name]) for name in BLOOD}


def _scan(
    stage: NDArray, uniform: _Columns, normal: _Columns, strengths: SignalStrengths, hospital: Hospital
) -> _Columns:
    """How the patient was scanned: nuisances, independent of stage except for `shortcut`. All assumptions."""
    tied = uniform["shortcut"] < strengths.shortcut
    scanner = (3 * uniform["scanner"]).astype(int) if hospital.scanner is None else hospital.scanner
    rates = np.array(hospital.frame_rates)
    return {
        "scanner": np.where(tied, SHORTCUT_SCANNER[stage], scanner),
        "fps": rates[(len(rates) * uniform["fps"]).astype(int)],
        "heart_rate": np.clip(72 + 11 * normal["heart_rate"], 52, 105).round(1),
        "gain_db": (hospital.gain_db + 2.5 * np.clip(normal["gain"], -2.2, 2.2)).round(2),
        "depth_mm": (hospital.depth_mm + 128 + 34 * uniform["depth"]).round(),
        "dynamic_range_db": (54 + 12 * uniform["dynamic_range"]).round(1),
        # Half of the patients hold their breath within 1 mm, the others breathe on, up to 4 mm at the surface.
        "breath_mm": (4.0 * uniform["breath"] ** 2).round(2),
        "tremor_mm": (0.02 + 0.10 * uniform["tremor"] ** 2).round(3),
    }


# Lower bounds of grades S1 to S3 on the scale of `fat`. Assumption: chosen for shares of .31 / .33 / .26 / .10.
_STEATOSIS = (0.08, 0.22, 0.37)
_FIRST_DAY = np.datetime64("2022-01-01")


def _files_of_a_hospital(
    patient: _Columns, tied: NDArray, uniform: _Columns, normal: _Columns, strengths: SignalStrengths
) -> _Columns:
    """What biopsy and examination are noted as: independent of stage but for two dials. All assumptions.

    In the first hospital each of two centres has a scanner of its own, and they share another.
    """
    stage, scanner = patient["stage"], patient["scanner"]
    second = np.where(tied, stage >= 2, (scanner == 2) | ((scanner == 1) & (uniform["centre"] < 0.4)))
    centre = np.where(scanner == 3, 2, second)
    operator = 1 + 2 * centre + (uniform["operator"] < 0.5)
    video = _FIRST_DAY + (730 * uniform["video_date"]).astype("timedelta64[D]")
    biopsy = video + (31 * uniform["biopsy_date"]).astype("timedelta64[D]")
    # A wrong stage is the next one, up or down; there is none below F0 and none above F4.
    up = (stage == 0) | ((stage < len(STAGE_MIX) - 1) & (uniform["reference_error"] < strengths.reference_error / 2))
    wrong = uniform["reference_error"] < strengths.reference_error
    return {
        "biopsy_stage": stage + wrong * np.where(up, 1, -1),
        "steatosis": np.searchsorted(_STEATOSIS, patient["fat"] + 0.03 * normal["steatosis"], side="right"),
        "centre": np.array(["centre A", "centre B", "centre C"])[centre],
        "operator": [f"operator {number}" for number in operator],
        "biopsy_date": biopsy.astype(str),
        "video_date": video.astype(str),
    }


# Clustering of scatterers (dB), height of surface nodules (mm), peak strain of the heartbeat.
QUANTITIES = ("clustering", "nodules", "strain")
# Assumption: evenly over all that the carriers reach in F0 to F4, and a little further.
_RANGES = (-2.5, 4.0), (-2.5, 6.5), np.log((0.02, 0.30))  # of texture, capsule, log strain


def physical_quantities(patients: pd.DataFrame) -> NDArray[np.float64]:
    """What could be measured in pictures of `draw_patients`' patients: natural logarithms of `QUANTITIES`, (n, 3)."""
    spread = [_clustering(texture)[0] for texture in patients["texture"]]
    height = [_nodule_height(capsule) for capsule in patients["capsule"]]
    return np.log(np.column_stack([spread, height, patients["strain"]]))


def draw_unstaged_patients(n: int, seed: int) -> pd.DataFrame:
    """Virtual patients without a stage, whose clustering, nodules and strain are drawn evenly and independently.

    A net that learns to measure on them learns nothing about stages. Columns are those of `draw_patients` but stage,
    severity, stiffness and blood values. Keep the seed apart from those of cohorts.
    """
    patients = draw_patients(n, seed).drop(
        columns=["stage", "biopsy_stage", "severity", "stiffness_kpa", "swe_kpa", *BLOOD]
    )
    texture, capsule, strain = (_random_stream(seed, 2, i).uniform(*limits, n) for i, limits in enumerate(_RANGES))
    return patients.assign(texture=texture, capsule=capsule, strain=np.exp(strain))


STILL = ("texture", "capsule")  # what a still image carries: the ceiling of a 2D net
MOVING = ("texture", "capsule", "motion")  # what a video carries: the ceiling of a 3D net

_NODES = 16  # severities per stage at which the likelihood is averaged
_N_SCANNERS = SHORTCUT_SCANNER.max() + 1
_CHUNK = 20_000  # patients at a time, which bounds the memory


def oracle_score(
    patients: pd.DataFrame, cutoff: int = 2, signals: Sequence[str] = STILL, strengths: SignalStrengths | None = None
) -> NDArray[np.float64]:
    """Log likelihood ratio of stage >= `cutoff` against below, from the latent carriers, of shape (n,).

    By Neyman and Pearson no other score of these carriers has a higher ROC curve at any point.

    Parameters
    ----------
    patients : DataFrame, n rows
        Columns ``texture, capsule, strain, scanner`` of `draw_patients`, or of a cohort's ``truth/patients.csv``.
    cutoff : int
        Lowest stage that counts as diseased, 1 to 4; others are a ValueError.
    signals : sequence of str
        Of ``texture, capsule, motion, shortcut`` (the scanner); others are a ValueError.
    strengths : SignalStrengths, optional
        Those that the patients were drawn with; default: published effects.
    """
    strengths = strengths or SignalStrengths()
    unknown = set(signals) - {*CARRIERS, "shortcut"}
    if unknown:
        raise ValueError(f"no such signals: {sorted(unknown)}; there are {[*CARRIERS, 'shortcut']}")
    if cutoff not in range(1, len(STAGE_MIX)):
        raise ValueError(f"cutoff must be 1 to {len(STAGE_MIX) - 1}, not {cutoff!r}")
    chunks = range(0, len(patients), _CHUNK)
    score = np.concatenate([_score(patients.iloc[at : at + _CHUNK], cutoff, signals, strengths) for at in chunks])
    # Where the signals say nothing all patients are alike: the last bits of the sums must not rank them.
    return score.round(9)


def oracle_auc(
    strengths: SignalStrengths | None = None, cutoff: int = 2, signals: Sequence[str] = STILL, *, n: int = 100_000
) -> float:
    """AUC of `oracle_score` on `n` newly drawn patients: the ceiling of 2D nets (`STILL`) and of 3D nets (`MOVING`)."""
    patients = draw_patients(n, 0, strengths)
    return auc(patients["stage"] >= cutoff, oracle_score(patients, cutoff, signals, strengths))


def _score(
    patients: pd.DataFrame, cutoff: int, signals: Sequence[str], strengths: SignalStrengths
) -> NDArray[np.float64]:
    stage = np.repeat(np.arange(len(STAGE_MIX)), _NODES)
    severity = stage + (np.tile(np.arange(_NODES), len(STAGE_MIX)) + 0.5) / _NODES - 0.5
    likelihood = np.repeat(np.log(STAGE_MIX), _NODES) - np.log(_NODES) + np.zeros((len(patients), 1))
    for name in signals:
        if name == "shortcut":
            tied = patients["scanner"].to_numpy()[:, None] == SHORTCUT_SCANNER[stage]
            probability = strengths.shortcut * tied + (1 - strengths.shortcut) / _N_SCANNERS
            likelihood = likelihood + np.log(np.maximum(probability, 1e-12))
            continue
        value = np.log(patients["strain"]) if name == "motion" else patients[name]
        distance = (value.to_numpy()[:, None] - strengths.carrier_mean(name, severity)) / strengths.carrier_sd(name)
        likelihood = likelihood - 0.5 * distance**2
    diseased = stage >= cutoff
    return logsumexp(likelihood[:, diseased], axis=1) - logsumexp(likelihood[:, ~diseased], axis=1)
