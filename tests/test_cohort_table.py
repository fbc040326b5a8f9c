"""The cohort table: every kind of fault is found, named with its line, and all are told at once."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fibrolib.cohort import inspect_cohort, read_cohort, write_cohort
from fibrolib.diagnostics import FIB4
from fibrolib.errors import CohortError, FibrolibError

STAGES = [0, 1, 2, 3, 4] * 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "videos").mkdir()
    for number in range(len(STAGES)):
        (tmp_path / "videos" / f"v{number}.mp4").write_bytes(b"not opened")
    return tmp_path


def clean() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "patient_id": [f"P{number}" for number in range(len(STAGES))],
            "video": [f"videos/v{number}.mp4" for number in range(len(STAGES))],
            "stage": STAGES,
        }
    ).astype(object)


def save(table: pd.DataFrame, folder: Path, name: str = "cohort.csv") -> Path:
    table.to_csv(folder / name, index=False)
    return folder / name


def problems(path: Path, cutoff: int = 2) -> list[tuple[int | None, str | None, str]]:
    with pytest.raises(CohortError) as caught:
        read_cohort(path, cutoff)
    return [(problem.row, problem.column, problem.message) for problem in caught.value.problems]


def only(path: Path, cutoff: int = 2) -> tuple[int | None, str | None, str]:
    (problem,) = problems(path, cutoff)
    return problem


def test_a_clean_table_is_read(folder):
    cohort = read_cohort(save(clean(), folder))
    assert cohort.name == folder.name
    assert cohort.root == folder
    assert cohort.metavir
    assert not cohort.virtual
    assert cohort.table["stage"].tolist() == STAGES
    assert cohort.table["age"].isna().all()
    assert cohort.table["image"].tolist() == [None] * len(STAGES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"outside": "no"}, "outside must be True or False; it is 'no'"),
        ({"outside": "False"}, "outside must be True or False"),
        ({"outside": None}, "outside must be True or False; it is None"),
        ({"cutoff": "2"}, "the cut-off must be a stage, such as 2, from 0 to 100; it is '2'"),
        ({"cutoff": None}, "the cut-off must be a stage"),
        ({"cutoff": np.nan}, "the cut-off must be a stage"),
        ({"diagnostics": FIB4}, r"diagnostics must be a list of records, such as \[FIB4\] or INDICES; it is Diag"),
        ({"diagnostics": ["fib4"]}, r"diagnostics must be a list of records, .* it is \['fib4'\]"),
    ],
)
def test_options_of_another_kind_are_named(folder, options, message):
    for read in (read_cohort, inspect_cohort):
        with pytest.raises((ValueError, FibrolibError), match=message):
            read(save(clean(), folder), **options)
    given = {"cutoff": np.int64(2), "outside": np.False_, "diagnostics": iter([FIB4])}
    assert len(read_cohort(folder / "cohort.csv", **given).table) == len(STAGES)


def test_a_table_of_another_name_gives_it_to_the_cohort(folder):
    assert read_cohort(save(clean(), folder, "north.csv")).name == "north"


def test_reading_leaves_the_file_as_it_was(folder):
    path = save(clean().assign(age="  61 "), folder)
    before = hashlib.sha256(path.read_bytes()).digest()
    read_cohort(path)
    assert hashlib.sha256(path.read_bytes()).digest() == before


def test_patients_are_gathered_from_their_rows(folder):
    table = clean().assign(age=None, image=None, sex=None)
    table.loc[1, "patient_id"] = "P0"
    table.loc[1, "stage"] = 0
    table.loc[1, "age"] = 61  # on one of the two rows only
    table.loc[0, "image"] = "videos/v3.mp4"
    table.loc[0, "sex"] = "f"
    patients = read_cohort(save(table, folder)).patients()
    first = patients.loc["P0"]
    assert len(patients) == len(STAGES) - 1
    assert patients.index.name == "patient_id"
    assert first["videos"] == (folder / "videos/v0.mp4", folder / "videos/v1.mp4")
    assert first["images"] == (folder / "videos/v3.mp4", None)
    assert first["rois"] == (None, None)
    assert first["age"] == 61.0
    assert first["sex"] == "f"
    assert np.isnan(patients.loc["P2", "age"])
    assert patients["stage"].dtype == np.int64
    assert patients["split"].tolist() == [None] * len(patients)


def test_further_columns_are_kept_as_they_are(folder):
    assert read_cohort(save(clean().assign(site="007"), folder)).table["site"].tolist() == ["007"] * len(STAGES)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_what_spreadsheets_write_is_read(folder, separator, encoding):
    path = folder / "cohort.csv"
    decimal = "," if separator == ";" else "."
    clean().assign(swe_kpa=7.25).to_csv(path, index=False, sep=separator, decimal=decimal, encoding=encoding)
    assert read_cohort(path).table["swe_kpa"].tolist() == [7.25] * len(STAGES)


def test_parquet_and_csv_give_the_same_cohort(folder):
    table = clean().astype({"stage": float}).assign(age=50.5)
    table.to_parquet(folder / "a.parquet")
    from_parquet, from_csv = read_cohort(folder / "a.parquet"), read_cohort(save(table, folder))
    pd.testing.assert_frame_equal(from_parquet.table, from_csv.table)
    assert from_parquet.digest() == from_csv.digest()


def test_what_is_written_is_read_again(folder):
    cohort = read_cohort(save(clean().assign(age=50.1, note="plain"), folder))
    for name in ("again.csv", "again.parquet"):
        write_cohort(cohort.table, folder / name)
        pd.testing.assert_frame_equal(read_cohort(folder / name).table, cohort.table)
    assert not list(folder.glob(".*"))
    with pytest.raises(ValueError, match="stage"):
        write_cohort(cohort.table.drop(columns="stage"), folder / "no.csv")


def test_digest_follows_the_content(folder):
    one, two = (read_cohort(save(clean().assign(age=age), folder)) for age in (50, 51))
    assert one.digest() != two.digest()
    assert one.digest() == read_cohort(save(clean().assign(age="50.0"), folder)).digest()


def test_a_path_through_a_parent_folder_works(folder, monkeypatch):
    save(clean(), folder)
    monkeypatch.chdir(folder / "videos")
    assert read_cohort(Path("../cohort.csv")).root == folder


def test_one_virtual_patient_makes_the_cohort_virtual(folder):
    table = clean()
    assert not read_cohort(save(table, folder)).virtual
    table.loc[0, "patient_id"] = "virtual-001"
    assert read_cohort(save(table, folder)).virtual
    table["patient_id"] = [f"virtual-{number:03d}" for number in range(len(STAGES))]
    assert read_cohort(save(table, folder)).virtual


def test_missing_table(tmp_path):
    with pytest.raises(FibrolibError, match=r"nothing\.csv: there is no such cohort table"):
        read_cohort(tmp_path / "nothing.csv")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("cohort.csv", b"", "the table is empty"),
        ("cohort.csv", b"patient_id,video,stage\n", "no rows"),
        ("cohort.csv", b'patient_id,video,stage\nP1,"a,2\n', "cannot be read from here on"),
        ("cohort.csv", b"patient_id,video,stage\nP1,a.mp4,2,9\n", "4 cells, but the header has 3"),
        ("cohort.csv", b"patient_id,video,stage,stage\nP1,a.mp4,2,2\n", "more than once"),
        ("cohort.parquet", b"no parquet", "cannot be read"),
    ],
)
def test_tables_that_are_none(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    assert words in only(path)[2]


def test_missing_columns_are_named_with_near_misses(folder):
    found = problems(save(clean().rename(columns={"patient_id": "Patient ID", "video": "clip"}), folder))
    assert [(row, column) for row, column, _ in found] == [(1, "patient_id"), (1, "video")]
    assert "Patient ID, clip, stage" in found[0][2]
    assert "Is 'Patient ID' meant?" in found[0][2]
    assert "meant" not in found[1][2]


def test_missing_columns_are_named_with_what_they_are_called_elsewhere(folder):
    table = clean().rename(columns={"patient_id": "患者编号", "stage": "Fibrosegrad"}).assign(Stadium="F2", ELF=9.8)
    assert [(column, message.split(".", 1)[1]) for _, column, message in problems(save(table, folder))] == [
        ("patient_id", " Is '患者编号' meant? Rename it."),
        ("stage", " Is 'Fibrosegrad' or 'Stadium' meant? Rename it."),
    ]


def test_a_column_with_a_meaning_of_its_own_is_no_near_miss(folder):
    found = problems(save(clean().assign(age=50).drop(columns="stage"), folder))
    assert [column for _, column, _ in found] == ["stage"]
    assert "meant" not in found[0][2]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("patient_id", None, "empty"),
        ("video", " ", "empty"),
        ("stage", None, "empty"),
        ("stage", "A2", "write 2 if"),
        ("stage", "Ishak 2", "write 2 if"),
        ("stage", "2 (F3)", "no whole number"),
        ("stage", "stage -1", "write 1 if"),
        ("stage", "F0-F1", "two stages, 0 and 1"),
        ("stage", "F2/3", "two stages, 2 and 3"),
        ("stage", "F2.5", "no whole number"),
        ("stage", "F5", "no whole number"),
        ("stage", "F2A1", "no whole number"),
        ("stage", "≥F2", "no whole number"),
        ("stage", "F3-4", "two stages, 3 and 4"),
        ("stage", "S3/S4", "two stages, 3 and 4"),
        ("stage", "1 to 2", "two stages, 1 and 2"),
        ("stage", "Ⅲ", "write 3"),
        ("stage", "F IV", "no whole number"),
        ("stage", "Cirrhosis", "write 4"),
        ("stage", "2.5", "no whole number"),
        ("stage", "7", "outside 0 to 4"),
        ("stage", "-1", "outside 0 to 4"),
        ("video", "videos/none.mp4", "relative to the table"),
        ("video", "videos\\v1.mp4", "written with / and not \\"),
        ("image", "none.png", "there is no file"),
        ("image", "x" * 5000, "there is no file"),
        ("image", "a\0b", "there is no file"),
        ("roi", "none.npz", "there is no file"),
        ("video", "../v1.mp4", "leaves the folder of the table"),
        ("image", "/etc/hostname", "leaves the folder of the table"),
        ("age", "old", "'old' is no number"),
        ("ast", "0", "not above 0"),
        ("alt", "-3", "not above 0"),
        ("platelets", "inf", "no number"),
        ("swe_kpa", "7,5", "write 7.5"),
        ("platelets", "182,000", "no number"),
        ("ast", "<10", "limit of detection: write 10"),
        ("bmi", "1_0", "no number"),
    ],
)
def test_faults_of_single_cells(folder, column, value, words):
    table = clean()
    if column not in table:
        table[column] = None
    table.loc[4, column] = value
    row, found_column, message = only(save(table, folder))
    assert (row, found_column) == (6, column)
    assert words in message


@pytest.mark.parametrize(
    "spelling",
    [
        "F{}", "S{}", "f {}", "F-{}", "F_{}", "{} (F{})", "F{} ({})", "METAVIR {}", "Metavir F{}", "METAVIR score F{}",
        "Stadium {}", "Fibrosegrad {}", "stade {}", "Stade de fibrose : F{}", "Estadío {}", "fibrosis stage = {}",
        "{}期", "S{}期", "Ｆ{}", "{}.0 [S{}.0]",
    ],
)  # fmt: skip
def test_stages_in_words_that_leave_no_doubt_are_numbers(folder, spelling):
    table = clean().assign(stage=[spelling.format(stage, stage) for stage in STAGES])
    cohort = read_cohort(save(table, folder))
    assert cohort.table["stage"].tolist() == STAGES
    assert cohort.digest() == read_cohort(save(clean(), folder)).digest()


def test_one_stage_of_a_patient_may_be_written_in_two_ways(folder):
    table = clean()
    table.loc[5, ["patient_id", "stage"]] = ["P0", "F0"]
    assert read_cohort(save(table, folder)).patients().loc["P0", "stage"] == 0


def test_an_unknown_part_of_the_split(folder):
    table = clean().assign(split=(["train"] * 15 + ["validation"] * 5 + ["test"] * 5))
    table.loc[3, "split"] = "training"
    assert "write train, validation or test" in only(save(table, folder))[2]


def test_the_missing_file_is_told_in_full(folder):
    table = clean()
    table.loc[0, "video"] = "videos/none.mp4"
    assert str(folder / "videos/none.mp4") in only(save(table, folder))[2]


@pytest.mark.parametrize("column", ["age", "sex", "platelets"])
def test_values_that_belong_to_the_patient_may_not_differ(folder, column):
    table = clean().assign(**{column: 50})
    table.loc[1, ["patient_id", "stage", column]] = ["P0", 0, 51]
    row, found_column, message = only(save(table, folder))
    assert (row, found_column) == (3, column)
    assert "50 (line 2), 51 (line 3)" in message


def test_a_patient_with_two_stages(folder):
    table = clean()
    table.loc[1, "patient_id"] = "P0"
    row, column, message = only(save(table, folder))
    assert (row, column) == (3, "stage")
    assert "patient P0 has more than one stage" in message
    assert "0 (line 2), 1 (line 3)" in message


@pytest.mark.parametrize("spelling", ["videos/v0.mp4", "./videos/v0.mp4", "videos/../videos/v0.mp4"])
def test_the_same_video_twice(folder, spelling):
    table = clean()
    table.loc[4, "video"] = spelling
    row, column, message = only(save(table, folder))
    assert (row, column) == (6, "video")
    assert "already on line 2" in message


def test_a_split_on_some_rows_only(folder):
    table = clean().assign(split="train")
    table.loc[[2, 5], "split"] = None
    row, column, message = only(save(table, folder))
    assert (row, column) == (4, "split")
    assert "no split in 2 of 25 rows (lines 4, 7)" in message


def test_a_patient_on_two_sides_of_the_split(folder):
    table = clean().assign(split=["train"] * 15 + ["validation"] * 5 + ["test"] * 5)
    table.loc[19, ["patient_id", "stage"]] = ["P0", 0]
    row, column, message = only(save(table, folder))
    assert (row, column) == (21, "split")
    assert "two sides of the split" in message
    assert "train (line 2), validation (line 21)" in message


def test_a_split_needs_both_classes_in_all_three_parts(folder):
    table = clean().assign(split=["train"] * 23 + ["test"] * 2)  # the last two are F3 and F4
    found = [message for _, _, message in problems(save(table, folder))]
    assert found == [
        "the part 'validation' holds 0 patients of ≥ F2; it needs at least 1.",
        "the part 'validation' holds 0 patients of not ≥ F2; it needs at least 1.",
        "the part 'test' holds 0 patients of not ≥ F2; it needs at least 1.",
    ]


def test_one_class_only_says_which_cutoff_would_work(folder):
    table = clean()
    table["stage"] = [0] * 12 + [1] * 13
    message = only(save(table, folder), cutoff=2)[2]
    assert "only one class" in message
    assert "a cut-off of 1 would work" in message
    assert read_cohort(folder / "cohort.csv", cutoff=1).metavir is False
    table["stage"] = 3
    assert "no cut-off can work" in only(save(table, folder))[2]


def test_too_few_patients_says_how_many_are_needed(folder):
    table = clean()
    table["stage"] = [0] * 22 + [3] * 3
    assert "3 of 25 patients are stage ≥ 2" in only(save(table, folder))[2]
    assert "At least 8 must be" in only(folder / "cohort.csv")[2]
    assert "At least 8 must be" in problems(save(clean().head(8), folder))[0][2]
    assert "of 3 patients" in problems(save(clean().head(3), folder))[0][2]


def test_everything_is_told_at_once_and_in_order(folder):
    table = clean().assign(age="50", split=None)
    table.loc[0, "stage"] = "F2-3"
    table.loc[1, "video"] = "videos/none.mp4"
    table.loc[2, "patient_id"] = None
    table.loc[3, "age"] = "x"
    table.loc[[7, 8], "patient_id"] = "P6"
    table.loc[7, "age"] = "55"
    table.loc[9, "video"] = "videos/v4.mp4"
    found = [(row, column) for row, column, _ in problems(save(table, folder))]
    assert found == [
        (2, "stage"), (3, "video"), (4, "patient_id"), (5, "age"), (9, "stage"), (9, "age"), (11, "video"),
    ]  # fmt: skip


def test_lines_are_counted_as_a_text_editor_does(folder):
    path = folder / "cohort.csv"
    lines = ["patient_id,video,stage,note"]
    lines += [f'P{number},videos/v{number}.mp4,{stage},"two\nlines"' for number, stage in enumerate(STAGES[:-1])]
    lines += ["", ",,,", "P24,videos/v24.mp4,F9,"]
    path.write_text("\n".join(lines))
    bad_line = path.read_text().split("\n").index("P24,videos/v24.mp4,F9,") + 1
    assert only(path)[0] == bad_line


def test_a_cohort_of_a_thousand_faults_is_still_one_message(folder):
    table = pd.concat([clean().assign(stage="F9")] * 50)
    assert len(problems(save(table, folder))) >= 1000
