"""A DICOM header without the patient: the basic profile of PS3.15, and what that leaves to chance."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Iterator

import pydicom
from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector
from dicomanonymizer.simpledicomanonymizer import anonymize_dataset, initialize_actions_2024b, replace
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import UID

import fibrolib
from fibrolib.privacy import pseudonym
from fibrolib.video.dicom_writing import derived_uid

__all__ = ["clean_header"]

_TABLE = dicom_anonymization_database_selector("dicomfields_2024b")
"""Table E.1-1 of PS3.15, edition 2024b, as the package dicom-anonymizer has it: tags by action."""

# What the profile does not name but can hold free text, a date, or, being bytes, anything at all.
_FREE = {"AE", "AS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT"}
_FREE |= {"OB", "OD", "OF", "OL", "OV", "OW", "UN"}
_PLAIN = {
    "CodeMeaning",
    "CodeValue",
    "CodingSchemeDesignator",
    "CodingSchemeVersion",
    "Manufacturer",
    "ManufacturerModelName",
    "PixelData",
    "SoftwareVersions",
    *(f"{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue", "Alpha")),
}
_DRAWN = {0x5000, 0x6000}  # curves and overlays: drawn on the picture, text among them

_Action = Callable[[Dataset, tuple[int, int]], None]


def clean_header(dataset: Dataset, key: bytes, patient: str = "") -> Counter[str]:
    """Take out of a header all that may tell who the patient is, in nested sequences too.

    The basic application level confidentiality profile (PS3.15 annex E, table E.1-1, edition 2024b): X is removed, Z
    made empty, D replaced by a dummy, U by another unique identifier that is the same for the same key. Private
    attributes go. Beyond the profile, which keeps what it does not name: further free text, dates, bytes, overlays and
    curves go too, and unique identifiers that the standard does not define are replaced.

    Parameters
    ----------
    dataset : pydicom.Dataset
        The header; changed in place.
    key : bytes
        From `fibrolib.privacy.read_key`.
    patient : str
        Pseudonym of the patient; of the Patient ID where it is left out.

    Returns
    -------
    Counter of str
        How often which attribute was removed or replaced, by keyword.
    """
    known_as = str(dataset.get("PatientID") or "").strip()
    before = Counter(_values(dataset))
    _clean(dataset, _actions(key), key)
    dataset.PatientID = dataset.PatientName = patient or (pseudonym(key, "p", known_as) if known_as else "")
    lost = before - Counter(_values(dataset))
    dataset.PatientIdentityRemoved = "YES"
    dataset.LongitudinalTemporalInformationModified = "REMOVED"
    dataset.DeidentificationMethod = [
        "Basic Application Confidentiality Profile, PS3.15 2024b",
        f"fibrolib {fibrolib.__version__}: outside of ultrasound picture blanked",
    ]
    dataset.DeidentificationMethodCodeSequence = [_code("113100", "Basic Application Confidentiality Profile")]
    counts: Counter[str] = Counter()
    for (name, _), times in lost.items():
        counts[name] += times
    return counts


def _actions(key: bytes) -> dict[tuple, _Action]:
    """What to do with each attribute that the profile names."""

    def another_uid(dataset: Dataset, tag: tuple[int, int]) -> None:
        if tag in dataset:
            _replace_uids(dataset[tag], key)

    table = {action: [tag for tag in _TABLE[action] if len(tag) == 2] for action in _TABLE}
    actions: dict[tuple, _Action] = dict(initialize_actions_2024b())
    # The package leaves dates standing as dummies where they may be removed, and draws other identifiers each time.
    actions |= dict.fromkeys(table["X_TAGS"] + table["X_Z_U_STAR_TAGS"], _remove)
    actions |= dict.fromkeys(table["Z_TAGS"] + table["X_Z_TAGS"], _empty)
    actions |= dict.fromkeys(table["D_TAGS"] + table["Z_D_TAGS"] + table["X_D_TAGS"] + table["X_Z_D_TAGS"], _dummy)
    return actions | dict.fromkeys(table["U_TAGS"], another_uid)


def _clean(dataset: Dataset, actions: dict[tuple, _Action], key: bytes) -> None:
    anonymize_dataset(dataset, base_rules_gen=lambda: dict(actions))
    for element in list(dataset):
        named = (element.tag.group, element.tag.element) in actions
        if element.VR == "SQ":
            for item in element.value:
                _clean(item, actions, key)
        elif element.tag.group & 0xFF00 in _DRAWN or (
            not named and element.VR in _FREE and element.keyword not in _PLAIN
        ):
            del dataset[element.tag]
        elif element.VR == "UI" and not named:
            _replace_uids(element, key)


def _remove(dataset: Dataset, tag: tuple[int, int]) -> None:
    if tag in dataset:
        del dataset[tag]


def _empty(dataset: Dataset, tag: tuple[int, int]) -> None:
    if tag in dataset:
        dataset[tag].value = [] if dataset[tag].VR == "SQ" else None


def _dummy(dataset: Dataset, tag: tuple[int, int]) -> None:
    try:
        replace(dataset, tag)
    except NotImplementedError:  # the package has no dummy for bytes of this kind
        _remove(dataset, tag)


def _replace_uids(element: pydicom.DataElement, key: bytes) -> None:
    """Put others in the place of unique identifiers, but for those of the standard: kinds of objects, codings."""
    old = element.value if isinstance(element.value, MultiValue) else [element.value]
    new = [uid if not uid or UID(uid).type else _uid(key, uid) for uid in old]
    element.value = new if len(new) > 1 else new[0]


def _uid(key: bytes, uid: str) -> str:
    return derived_uid(hmac.new(key, f"uid\0{uid}".encode(), hashlib.sha256).digest())


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def _values(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """Keyword and value of all attributes that are not empty, also of those in sequences; pixels left out."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _values(item)
        elif element.keyword != "PixelData" and not element.is_empty:
            name = "private attributes" if element.tag.is_private else element.keyword or str(element.tag)
            yield name, hashlib.sha256(repr(element.value).encode()).hexdigest()  # short, whatever the value
