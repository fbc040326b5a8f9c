"""The split: exact totals, every stage and every cut-off in proportion, and nothing depends on the order of rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fibrolib.cohort import PARTS, split_patients
from fibrolib.cohort.split import part_sizes


def patients(stages: list[int]) -> pd.DataFrame:
    return pd.DataFrame({"stage": stages}, index=pd.Index([f"P{n:03d}" for n in range(len(stages))], name="patient_id"))


def sizes(split: pd.Series) -> tuple[int, ...]:
    return tuple(int((split == part).sum()) for part in PARTS)


def test_the_study_has_77_16_and_17_patients():
    assert sizes(split_patients(patients([0, 1, 2, 3, 4] * 22), seed=0)) == (77, 16, 17)


@pytest.mark.parametrize(
    ("total", "expected"), [(0, (0, 0, 0)), (1, (1, 0, 0)), (20, (14, 3, 3)), (43, (30, 6, 7)), (110, (77, 16, 17))]
)
def test_part_sizes(total, expected):
    assert part_sizes(total) == expected


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=130), st.integers(0, 2**32 - 1))
def test_every_stage_and_every_cutoff_is_in_proportion(stages, seed):
    table = patients(stages)
    split = split_patients(table, seed)
    assert split.index.equals(table.index)
    assert sizes(split) == part_sizes(len(stages))
    share = np.array(sizes(split)) / len(stages)
    groups = [table["stage"] == stage for stage in range(5)] + [table["stage"] >= cutoff for cutoff in range(1, 5)]
    for group in groups:
        assert np.all(np.abs(np.array(sizes(split[group])) - group.sum() * share) < 1)


def test_classes_of_one_patient_are_split_too():
    assert sizes(split_patients(patients([0] * 12 + [1, 2, 3, 4]), seed=3)) == part_sizes(16)


def test_the_seed_decides_and_the_order_of_rows_does_not():
    table = patients(list(np.random.default_rng(0).integers(0, 5, 60)))
    first = split_patients(table, seed=1)
    shuffled = table.sample(frac=1, random_state=7)
    pd.testing.assert_series_equal(split_patients(shuffled, seed=1).sort_index(), first.sort_index())
    assert not split_patients(table, seed=2).equals(first)


def test_every_patient_can_land_in_every_part():
    table = patients([0, 1, 2, 3, 4] * 4)
    draws = pd.concat([split_patients(table, seed) for seed in range(150)], axis=1)
    share = draws.eq("train").mean(axis=1)
    # 14 of 20 are in training; five standard errors of 150 draws either way
    assert share.between(0.7 - 0.19, 0.7 + 0.19).all()
    assert draws.apply(lambda row: set(row) == set(PARTS), axis=1).all()


def test_a_given_split_is_obeyed():
    table = patients([0, 1, 2, 3]).assign(split=["test", "train", "validation", "train"])
    assert split_patients(table, seed=0).tolist() == ["test", "train", "validation", "train"]


def test_a_split_column_without_entries_is_no_split():
    table = patients([0, 1, 2, 3, 4] * 4).assign(split=None)
    assert sizes(split_patients(table, seed=0)) == (14, 3, 3)


def test_half_a_split_is_refused():
    with pytest.raises(ValueError, match="some patients only"):
        split_patients(patients([0, 1]).assign(split=["train", None]), seed=0)
