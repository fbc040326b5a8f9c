"""What the cells of further columns mean: names in one spelling, aetiology, steatosis, visit, and dates."""

from __future__ import annotations

import contextlib
import datetime
import re
import unicodedata
from collections.abc import Callable, Iterable

import pandas as pd

from fibrolib.cohort.columns import _folded, _unaccented

_AETIOLOGIES = {
    "hepatitis B": "hbv, chb, hep b, chronic hepatitis b, hépatite b, hepatitis b crónica, 乙肝, 乙型肝炎, 慢性乙肝",
    "hepatitis C": "hcv, chc, hep c, chronic hepatitis c, hépatite c, hepatitis c crónica, 丙肝, 丙型肝炎, 慢性丙肝",
    "MASLD": (
        "nafld, nash, mash, mafld, nafl, masl, fatty liver, steatohepatitis, fettleber, nicht alkoholische fettleber, "
        "stéatose, hígado graso, 脂肪肝, 非酒精性脂肪肝, 代谢相关脂肪性肝病"
    ),
    "MetALD": "met ald",
    "alcohol": (
        "ald, ash, ald ash, alcoholic, alcoholic liver disease, alkohol, alkoholisch, alcool, alcoolique, alcohólica, "
        "酒精, 酒精性肝病, 酒精性"
    ),
    "autoimmune hepatitis": "aih, autoimmunhepatitis, hépatite auto immune, hepatitis autoinmune, 自身免疫性肝炎",
    "PBC": "primary biliary cholangitis, primary biliary cirrhosis, primär biliäre cholangitis, 原发性胆汁性胆管炎",
    "PSC": "primary sclerosing cholangitis, primär sklerosierende cholangitis, 原发性硬化性胆管炎",
    "cryptogenic": "unknown, kryptogen, unbekannt, unklar, cryptogénique, criptogénica, 不明, 未知",
}
OTHER = "other"
"""Any other aetiology, and more than one."""

_AETIOLOGY_OF = {_folded(text): name for name, aliases in _AETIOLOGIES.items() for text in (name, *aliases.split(", "))}
_GRADES = ("absent, keine, aucune, 无", "mild, leicht, légère, leve, 轻度", "moderate, mässig, mittel, modérée, 中度")
_GRADES += ("severe, schwer, sévère, grave, 重度",)
_GRADE_OF = {_folded(text): grade for grade, texts in enumerate(_GRADES) for text in texts.split(", ")}
_GRADE = re.compile(r"(?:(?:s|g|grade?|steatosis(?:\s+grade)?|stage)[\s:=_-]*)?([0-3])(?:\.0*)?\s*级?")
_VISIT = re.compile(r"(?:(?:v|t|visit|visite|visita|besuch|time\s?point|访视|第)[\s:=_.-]*)?(\d{1,2})(?:\.0*)?\s*次?")

_YEAR_FIRST = re.compile(r"(\d{4})([-/.]|年)(\d{1,2})(?:\2|月)(\d{1,2})日?(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?")
_DIGITS = re.compile(r"((?:19|20)\d\d)()(\d\d)(\d\d)")
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})")
_WITH_MONTH = re.compile(r"(\d{1,2})[-. ]+([^\W\d_]{3,})[-., ]+(\d{4})|([^\W\d_]{3,})[-. ]+(\d{1,2})[-., ]+(\d{4})")
_YEAR = re.compile(r"((?:19|20)\d\d)(?:[-/.]\d{1,2})?")
_MONTHS = "jan ene янв,feb fev фев,mar mrz мар,apr avr abr апр,may mai май,jun juin июн,jul juil июл,aug aou ago авг,"
_MONTHS += "sep сен,oct okt окт,nov ноя,dec dez dic дек"

_Column = pd.Series
NAMED = ("centre", "scanner", "operator")
"""Columns of names, which may be those of a hospital or of a person."""

DATES = ("biopsy_date", "video_date")


def one_spelling(values: _Column) -> _Column:
    """Names that differ in case, spaces, punctuation and typography only, all as the commonest of them."""
    keys = values.dropna().map(lambda text: re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).casefold()))
    commonest = values.groupby(keys).agg(lambda texts: texts.value_counts().index[0])
    return keys.map(commonest).reindex(values.index).astype(object).where(values.notna(), None)


def aetiology(text: str) -> str:
    """One of a few aetiologies; `OTHER` for all others."""
    return _AETIOLOGY_OF.get(_folded(text), OTHER)


def steatosis(text: str) -> float | None:
    """Grade 0 to 3; None where the text is none."""
    match = _GRADE.fullmatch(_unaccented(text))
    return float(match[1]) if match else _GRADE_OF.get(_folded(text))


def visit(text: str) -> float | None:
    """Number of a visit, such as 2 for ``V2``; None where the text is none."""
    match = _VISIT.fullmatch(_unaccented(text))
    return float(match[1]) if match else None


def possible_dates(text: str, day_first: bool | None = None) -> list[str]:
    """Dates that a text may mean, as 2021-03-04 or, where it tells no day, 2021; none where it is no date.

    Of 03/04/2021 there are two, unless `day_first` tells in what order the column is written.
    """
    if match := _YEAR_FIRST.fullmatch(text) or _DIGITS.fullmatch(text):
        return _existing([(match[1], match[3], match[4])])
    if match := _WITH_MONTH.fullmatch(text):
        day, name, year = match.groups()[:3] if match[1] else (match[5], match[4], match[6])
        return _existing([(year, month, day) for month in _months(name)])
    if match := _YEAR_LAST.fullmatch(text):
        first, sign, second, year = match.groups()
        by_day, by_month = _existing([(year, second, first)]), _existing([(year, first, second)])
        if sign == "." or day_first is not None:  # 04.03. is the fourth of March wherever points are written
            return by_day if sign == "." or day_first else by_month
        return list(dict.fromkeys(by_day + by_month))
    match = _YEAR.fullmatch(text)
    return [match[1]] if match else []


def _existing(days: Iterable[tuple[object, object, object]]) -> list[str]:
    found = []
    for year, month, day in days:
        with contextlib.suppress(ValueError):
            found.append(datetime.date(int(year), int(month), int(day)).isoformat())
    return found


def _months(name: str) -> list[int]:
    name = _unaccented(name)
    return [month for month, starts in enumerate(_MONTHS.split(","), 1) if name.startswith(tuple(starts.split()))]


def day_first(values: _Column) -> bool | None:
    """In which order the days and months of a column are written, where some cells tell it, and none denies it."""
    slashed = values.dropna()[lambda cells: cells.str.fullmatch(r"\d{1,2}([-/])\d{1,2}\1\d{4}").astype(bool)]
    found = {order for order in (True, False) if any(not possible_dates(cell, not order) for cell in slashed)}
    return found.pop() if len(found) == 1 else None


def _dates(values: _Column) -> _Column:
    order = day_first(values)

    def read(cell: str) -> str | None:
        found = possible_dates(cell, order)
        return found[0] if len(found) == 1 else None

    return values.map(read, na_action="ignore")


def _each(read: Callable[[str], object], kind: type) -> Callable[[_Column], _Column]:
    return lambda values: values.map(read, na_action="ignore").astype(kind)


READERS: dict[str, Callable[[_Column], _Column]] = {
    **dict.fromkeys(NAMED, one_spelling),
    "aetiology": _each(aetiology, object),
    "steatosis": _each(steatosis, float),
    "visit": _each(visit, float),
    **dict.fromkeys(DATES, _dates),
}
"""What makes values of a column of texts; cells that are refused become None or NaN."""


def days_from_biopsy(biopsy: _Column, video: _Column) -> _Column:
    """Days from the biopsy to the video, negative where it came first; NaN where a date is not known to the day."""
    both = [pd.to_datetime(dates, format="%Y-%m-%d", errors="coerce") for dates in (video, biopsy)]
    return ((both[0] - both[1]).dt.total_seconds() / 86400).astype(float)


def coarsened(table: pd.DataFrame) -> pd.DataFrame:
    """A typed table whose dates are years, and whose names of centres, scanners and operators are numbers."""
    table = table.copy()
    for column in DATES:
        table[column] = table[column].str[:4]
    for column in NAMED:
        names = sorted(table[column].dropna().unique())
        numbers = {name: f"{column} {number}" for number, name in enumerate(names, 1)}
        table[column] = table[column].map(numbers).astype(object).where(table[column].notna(), None)
    return table


def explain(column: str, value: str) -> str:
    """What is wrong with a cell that its reader refuses, and what to write."""
    match column:
        case "steatosis":
            return (
                f"'{value}' is no grade of steatosis: write 0, 1, 2 or 3 (S0 below 5 % of hepatocytes, S1 to 33 %, S2 "
                "to 66 %, S3 above). A percentage or a CAP can be named in the profile as a covariate."
            )
        case "visit":
            return f"'{value}' is no number of a visit: write 0 to 99."
    dates = possible_dates(value)
    if len(dates) > 1:
        days = [datetime.date.fromisoformat(date) for date in dates]
        spoken = " or ".join(f"{day.day} {day:%B %Y}" for day in days)
        return f"'{value}' may be {spoken}: write {' or '.join(dates)}."
    return f"'{value}' is no date: write year-month-day, such as 2021-03-04, or the year alone."
