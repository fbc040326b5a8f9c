"""Table 1: the patients, on either side of the cut-off."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from pandas.errors import Pandas4Warning
from tableone import TableOne

from fibrolib.cohort.columns import NUMBERS
from fibrolib.plots.patients import LABS
from fibrolib.stages import cutoff_name, stage_name

__all__ = ["readable_patients"]

_SYMMETRIC = ("age", "bmi")
"""Given as mean and standard deviation; the others, which are skewed, as median and quartiles."""


def readable_patients(patients: pd.DataFrame, cutoff: int, *, metavir: bool = True) -> pd.DataFrame:
    """Table 1: stage, sex and numbers of all patients and on either side of the cut-off.

    Parameters
    ----------
    patients : DataFrame
        One row per patient: ``stage``, and what is known of ``sex`` and of the columns of `LABS`.
    cutoff : int
        Lowest stage that counts as diseased.
    metavir : bool
        Whether stages are METAVIR.

    Returns
    -------
    DataFrame
        Text: ``Characteristic, Level, Missing, Overall``, then one column for each side. No p-values: the groups are
        made by the stage, so that they differ is no finding.
    """
    numbers = [column for column in LABS if column in patients and patients[column].notna().any()]
    sex = ["sex"] if "sex" in patients and patients["sex"].notna().any() else []
    titles = {column: f"{LABS[column]}, {NUMBERS[column]}" for column in numbers} | {"stage": "Stage", "sex": "Sex"}
    sides = (f"below {stage_name(cutoff, metavir)}", cutoff_name(cutoff, metavir))
    data = patients[["stage", *sex, *numbers]].assign(
        **{column: patients[column].fillna("not known") for column in sex},
        stage=patients["stage"].map(lambda stage: stage_name(stage, metavir)),
        side=np.where(patients["stage"] >= cutoff, sides[1], sides[0]),
    )
    with warnings.catch_warnings():
        # tableone 0.9 sets a row in a way that pandas will not allow in its next version.
        warnings.simplefilter("ignore", Pandas4Warning)
        table = TableOne(
            data,
            columns=["stage", *sex, *numbers],
            categorical=["stage", *sex],
            nonnormal=[column for column in numbers if column not in _SYMMETRIC],
            groupby="side",
            order={"side": list(sides)},
            rename=titles,
        ).tableone
    table.columns = table.columns.get_level_values(-1)
    table = table.reset_index(names=["Characteristic", "Level"])
    table["Characteristic"] = (
        table["Characteristic"].replace("n", "Patients").mask(table["Characteristic"].duplicated(), "")
    )
    return table
