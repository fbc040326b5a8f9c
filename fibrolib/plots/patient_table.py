"""Table 1: the patients, on either side of the cut-off."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd
from pandas.errors import Pandas4Warning
from tableone import TableOne

from fibrolib.cohort.columns import NUMBERS
from fibrolib.diagnostics import ColumnSpec
from fibrolib.stages import cutoff_name, stage_name

__all__ = ["readable_patients"]


def readable_patients(
    patients: pd.DataFrame, cutoff: int, *, numbers: Mapping[str, ColumnSpec] = NUMBERS, metavir: bool = True
) -> pd.DataFrame:
    """Table 1: stage, sex and numbers of all patients and on either side of the cut-off.

    Parameters
    ----------
    patients : DataFrame
        One row per patient: ``stage``, and what is known of ``sex`` and of the columns of `numbers`.
    cutoff : int
        Lowest stage that counts as diseased.
    numbers : mapping of str to ColumnSpec
        `Cohort.numbers`.
    metavir : bool
        Whether stages are METAVIR.

    Returns
    -------
    DataFrame
        Text: ``Characteristic, Level, Missing, Overall``, then one column for each side. No p-values: the groups are
        made by the stage, so that they differ is no finding.
    """
    known = {name: spec for name, spec in numbers.items() if name in patients and patients[name].notna().any()}
    sex = ["sex"] if "sex" in patients and patients["sex"].notna().any() else []
    titles = {name: f"{spec.label or name}, {spec.unit}" for name, spec in known.items()}
    sides = (f"below {stage_name(cutoff, metavir)}", cutoff_name(cutoff, metavir))
    data = patients[["stage", *sex, *known]].assign(
        **{column: patients[column].fillna("not known") for column in sex},
        stage=patients["stage"].map(lambda stage: stage_name(stage, metavir)),
        side=np.where(patients["stage"] >= cutoff, sides[1], sides[0]),
    )
    with warnings.catch_warnings():
        # tableone 0.9 sets a row in a way that pandas will not allow in its next version.
        warnings.simplefilter("ignore", Pandas4Warning)
        table = TableOne(
            data,
            columns=["stage", *sex, *known],
            categorical=["stage", *sex],
            nonnormal=[name for name, spec in known.items() if spec.distribution != "normal"],
            groupby="side",
            order={"side": list(sides)},
            rename=titles | {"stage": "Stage", "sex": "Sex"},
        ).tableone
    table.columns = table.columns.get_level_values(-1)
    table = table.reset_index(names=["Characteristic", "Level"])
    table["Characteristic"] = (
        table["Characteristic"].replace("n", "Patients").mask(table["Characteristic"].duplicated(), "")
    )
    return table
