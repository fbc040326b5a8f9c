"""Tables as people have them: every spreadsheet, encoding and habit is read rightly, or named with its line."""

import datetime
import unicodedata
import zipfile

import openpyxl
import pandas as pd
import pytest
import test_cohort_table
from test_cohort_table import STAGES, clean, only, problems, save

from fibrolib.cohort import inspect_cohort, read_cohort
from fibrolib.errors import FibrolibError

folder = test_cohort_table.folder
EXPECTED = [(f"P{number}", f"videos/v{number}.mp4", stage) for number, stage in enumerate(STAGES)]


def rows_of(path):
    return list(read_cohort(path).table[["patient_id", "video", "stage"]].itertuples(index=False, name=None))


def notes_of(path):
    return [(note.row, note.message) for note in inspect_cohort(path).text.attrs["notes"]]


def excel(folder, rows, name="cohort.xlsx", **sheets):
    """Write a workbook; further sheets by name."""
    book = openpyxl.Workbook()
    book.active.title = "Sheet1"
    for title, content in {"Sheet1": rows, **sheets}.items():
        sheet = book.active if title == "Sheet1" else book.create_sheet(title)
        for row in content:
            sheet.append(row)
    book.save(folder / name)
    return folder / name


def rows(**further):
    table = clean().assign(**further)
    return [list(table), *(list(row) for row in table.itertuples(index=False))]


# Text files


@pytest.mark.parametrize("mark", ["sep={}\r\n", "SEP={};;\n", '"sep={}"\n', "\ufeffsep={}\n"])
@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
def test_excel_s_line_about_the_separator(folder, mark, separator):
    text = clean().to_csv(index=False, sep=separator)
    (folder / "cohort.csv").write_text(mark.format(separator) + text, "utf-8")
    assert rows_of(folder / "cohort.csv") == EXPECTED
    assert inspect_cohort(folder / "cohort.csv").table.index[0] == 3


def test_semicolons_with_commas_in_the_header(folder):
    table = clean().assign(**{"note, (a, b, c, d), of the nurse, if any": "x"})
    table.to_csv(folder / "cohort.csv", index=False, sep=";")
    assert rows_of(folder / "cohort.csv") == EXPECTED


@pytest.mark.parametrize("header", ["patient_id,video,stage,,,", "patient_id,video,stage"])
def test_empty_columns_and_cells_at_the_end_are_ignored(folder, header):
    lines = [f"{patient},{video},{stage},,," for patient, video, stage in EXPECTED]
    (folder / "cohort.csv").write_text("\r\n".join([header, *lines, ",,,,,", ""]), "utf-8")
    assert rows_of(folder / "cohort.csv") == EXPECTED
    assert not notes_of(folder / "cohort.csv")


def test_empty_columns_in_the_middle_are_ignored(folder):
    table = clean()
    table.insert(1, "", None)
    table.insert(3, " ", None)
    table.to_csv(folder / "cohort.csv", index=False)
    assert rows_of(folder / "cohort.csv") == EXPECTED


def test_several_columns_without_a_name_are_told_apart(folder):
    lines = [f"{patient},{video},{stage},x,y" for patient, video, stage in EXPECTED]
    (folder / "cohort.csv").write_text("\n".join(["patient_id,video,stage,,", *lines]), "utf-8")
    assert list(inspect_cohort(folder / "cohort.csv").text)[3:] == ["column 4", "column 5"]


def test_rows_that_a_program_cut_short_are_filled_and_named(folder):
    lines = [
        f"{patient},{video},{stage}" + ",50" * (place % 2) for place, (patient, video, stage) in enumerate(EXPECTED)
    ]
    (folder / "cohort.csv").write_text("\n".join(["patient_id,video,stage,age", *lines]), "utf-8")
    assert rows_of(folder / "cohort.csv") == EXPECTED
    told = notes_of(folder / "cohort.csv")
    assert [row for row, _ in told] == list(range(2, 27, 2))
    assert "taken as empty" in told[0][1]


def test_a_row_with_a_cell_too_many_is_refused(folder):
    (folder / "cohort.csv").write_text("patient_id,video,stage\nP0,videos/v0.mp4,2,9\n", "utf-8")
    assert "4 cells, but the header has 3" in only(folder / "cohort.csv")[2]


def test_invisible_characters_are_no_part_of_a_name(folder):
    table = clean().rename(columns={"stage": "\u200bstage\u00a0", "patient_id": "\ufeffpatient_id"})
    table.loc[3, "\ufeffpatient_id"] = "\u200eP\u200b3\u00a0"
    table.loc[4, "\u200bstage\u00a0"] = "4\u200b"
    table.to_csv(folder / "cohort.csv", index=False, encoding="utf-8-sig")
    assert rows_of(folder / "cohort.csv") == EXPECTED


def test_titles_above_the_header_are_passed_over_and_this_is_said(folder):
    text = "Liver study;;\nas of 2024;;\n;;\n" + clean().to_csv(index=False, sep=";")
    (folder / "cohort.csv").write_text(text, "utf-8")
    assert rows_of(folder / "cohort.csv") == EXPECTED
    assert notes_of(folder / "cohort.csv") == [(1, "the header is on line 4; what stands above it is not read.")]


CHINESE = {"patient_id": "患者编号", "video": "video", "stage": "stage"}


@pytest.mark.parametrize(
    ("encoding", "patient", "column", "name"),
    [
        ("utf-16", "王小明", "年龄", "UTF-16"),
        ("utf-16-le", "Müller", "Größe", "UTF-16"),
        ("utf-16-be", "李四", "年龄", "UTF-16"),
        ("gb18030", "王小明", "年龄", "GB18030"),
        ("gb18030", "张三丰", "remark", "GB18030"),
        ("cp932", "佐藤花子", "生年月日", "Shift-JIS"),
        ("cp932", "ヤマダ タロウ", "remark", "Shift-JIS"),
        ("cp932", "肝臓", "remark", "Shift-JIS"),
        ("cp932", "超音波の動画です。肝臓の右葉を撮影しました", "remark", "Shift-JIS"),
        ("big5", "陳大文", "年齡", "Big5"),
        ("cp949", "김철수", "생년월일", "EUC-KR"),
        ("cp1251", "Иванов Пётр", "Фамилия", "Windows-1251"),
        ("cp1252", "Müller", "Größe", "Windows-1252"),
        ("cp1252", "Jörg Weiß", "remark", "Windows-1252"),
        ("cp1252", "Größe", "remark", "Windows-1252"),
        ("cp1252", "P", "Gerät", "Windows-1252"),
        ("cp1252", "Âgnès Lefèvre", "Âge (ans)", "Windows-1252"),
        ("cp1252", "Muñoz Ibáñez", "Número", "Windows-1252"),
    ],
)
def test_other_encodings_are_recognised_and_said(folder, encoding, patient, column, name):
    table = clean().assign(**{column: "1"})
    table["patient_id"] = [f"{patient}{number}" for number in range(len(STAGES))]
    (folder / "cohort.csv").write_bytes(table.to_csv(index=False).encode(encoding))
    inspection = inspect_cohort(folder / "cohort.csv")
    assert inspection.problems == ()
    assert inspection.table["patient_id"].tolist() == table["patient_id"].tolist()
    assert column in inspection.text
    ((row, message),) = notes_of(folder / "cohort.csv")
    assert row is None
    assert f"it was read as {name}" in message


def test_utf_8_is_no_news(folder):
    table = clean().assign(patient_id=[f"王{number}" for number in range(len(STAGES))])
    assert not notes_of(save(table, folder))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "old Excel file"),
        (b"PK\3\4 no archive", "this Excel file cannot be read"),
        (b"PAR1 no table", "this Parquet file cannot be read"),
        (b"<html><body><table><tr><td>patient_id</td></tr></table></body></html>", "web page"),
        (b"\xff\xfe\x00", "no text in UTF-8"),
    ],
)
@pytest.mark.parametrize("name", ["cohort.csv", "cohort.xls", "cohort.xlsx"])
def test_files_of_other_kinds_are_told_in_words(tmp_path, content, words, name):
    (tmp_path / name).write_bytes(content)
    assert words in only(tmp_path / name)[2]


# Excel


def test_the_first_sheet_of_an_excel_file(folder):
    path = excel(folder, rows(age=50))
    assert rows_of(path) == EXPECTED
    assert read_cohort(path).table["age"].tolist() == [50.0] * len(STAGES)
    assert read_cohort(path).digest() == read_cohort(save(clean().assign(age=50), folder)).digest()


def test_an_excel_file_of_a_version_that_nobody_knows(folder):
    pd.DataFrame({"patient_id": ["P1"]}).to_excel(folder / "cohort.xlsx", index=False)
    content = (folder / "cohort.xlsx").read_bytes()
    place = content.index(b"PK\1\2") + 6  # the version that is needed to unpack it
    (folder / "cohort.xlsx").write_bytes(content[:place] + b"\x54" + content[place + 1 :])
    assert inspect_cohort(folder / "cohort.xlsx").problems


def test_an_excel_file_of_any_ending(folder):
    excel(folder, rows()).rename(folder / "cohort.csv")
    assert rows_of(folder / "cohort.csv") == EXPECTED


def test_a_sheet_may_be_named(folder):
    path = excel(folder, [["nothing"]], "north.xlsx", **{"Liver 2024": rows(), "Old": [["x"]]})
    cohort = read_cohort(f"{path}#Liver 2024")
    assert (cohort.name, cohort.root) == ("north Liver 2024", folder)
    assert notes_of(f"{path}#Liver 2024")[0][1].startswith("the sheet 'Liver 2024' was read, and not 'Sheet1', 'Old'.")
    assert "there is no sheet 'None'; there are: Sheet1, Liver 2024, Old." in only(f"{path}#None")[2]
    with pytest.raises(FibrolibError, match="no such cohort table"):
        read_cohort(f"{folder}/none.xlsx#Old")


def test_a_hidden_sheet_is_not_the_first(folder):
    path = excel(folder, [["secret"]], Data=rows())
    book = openpyxl.load_workbook(path)
    book["Sheet1"].sheet_state = "hidden"
    book.active = 1
    book.save(path)
    assert rows_of(path) == EXPECTED


def test_cells_are_read_as_a_spreadsheet_shows_them(folder):
    table = clean().assign(examined=datetime.datetime(2021, 3, 4), weight=70.5)
    table["patient_id"] = list(range(1, 26))
    path = excel(folder, [list(table), *(list(row) for row in table.itertuples(index=False))])
    book = openpyxl.load_workbook(path)
    for (cell,) in book.active["A2:A26"]:
        cell.number_format = "0000"
    book.save(path)
    text = inspect_cohort(path).text
    assert text["patient_id"].tolist() == [f"{number:04d}" for number in range(1, 26)]
    assert set(text["examined"]) == {"2021-03-04"}
    assert set(text["weight"]) == {"70.5"}


def test_merged_cells_hold_their_value_in_each_row(folder):
    content = rows()
    content[2][0] = None
    content[1][2] = content[2][2] = 1
    path = excel(folder, content)
    book = openpyxl.load_workbook(path)
    book.active.merge_cells("A2:A3")
    book.save(path)
    assert read_cohort(path).table["patient_id"].tolist()[:3] == ["P0", "P0", "P2"]
    assert notes_of(path) == [(2, "merged cells are read as if each of them held the value.")]


def test_a_header_of_two_lines_is_read_from_the_second(folder):
    content = rows(age=50, ast=30)
    content.insert(1, [None, None, None, *content[0][3:]])
    content[0][3:] = ["Laboratory", None]
    path = excel(folder, content)
    book = openpyxl.load_workbook(path)
    for column in "ABC":
        book.active.merge_cells(f"{column}1:{column}2")
    book.save(path)
    assert set(read_cohort(path).table["ast"]) == {30}
    assert (1, "the header is on line 2; what stands above it is not read.") in notes_of(path)


def test_rows_that_a_filter_hides_are_named(folder):
    path = excel(folder, rows())
    book = openpyxl.load_workbook(path)
    for row in (3, 900):
        book.active.row_dimensions[row].hidden = True
    book.save(path)
    assert rows_of(path) == EXPECTED
    ((row, message),) = notes_of(path)
    assert row == 3
    assert "hidden" in message


def test_decimal_commas_in_cells_of_text(folder):
    content = rows(swe_kpa="7,5")
    content[2][3], content[3][3] = 7.125, "1.050"
    row, column, message = only(excel(folder, content))
    assert (row, column) == (4, "swe_kpa")
    assert "write 1050" in message
    content[3][3] = 8
    assert read_cohort(excel(folder, content)).table["swe_kpa"].tolist()[:4] == [7.5, 7.125, 8, 7.5]


def test_a_comma_that_may_separate_thousands_is_no_decimal_comma(folder):
    content = rows(ast="40", platelets=180)
    content[2][3] = "1,200"
    assert "write 1200 if ',' separates thousands, 1.2 if it is" in only(excel(folder, content))[2]
    (folder / "cohort.csv").write_text("\n".join("\t".join(map(str, row)) for row in content), "utf-8")
    assert "write 1200 if ',' separates thousands, 1.2 if it is" in only(folder / "cohort.csv")[2]


def test_formulas_without_stored_results_are_refused(folder):
    content = rows()
    content[4][2] = "=1+1"
    assert "formulas whose results are not stored in the file (cells C5)" in only(excel(folder, content))[2]


def test_titles_empty_rows_and_columns_of_a_sheet(folder):
    content = [["Liver study"], [], *[[None, *row] for row in rows()]]
    path = excel(folder, content)
    assert rows_of(path) == EXPECTED
    assert inspect_cohort(path).table.index[0] == 4


def test_formats_down_to_the_last_row_of_a_sheet_cost_nothing(folder):
    path = excel(folder, rows())
    book = openpyxl.load_workbook(path)
    book.active.cell(1_048_576, 3).number_format = "0.00"
    book.save(path)
    assert rows_of(path) == EXPECTED


def test_a_sheet_that_is_enormous_when_unpacked_is_refused(folder):
    with zipfile.ZipFile(folder / "cohort.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 250_000_000)
    assert "holds 250 MB of cells" in only(folder / "cohort.xlsx")[2]


def test_an_excel_file_with_names_that_are_no_text_is_refused_in_words(folder):
    with zipfile.ZipFile(folder / "cohort.xlsx", "w") as archive:
        archive.writestr("xl/ü.xml", "")
    content = (folder / "cohort.xlsx").read_bytes()
    (folder / "cohort.xlsx").write_bytes(content.replace("ü".encode(), b"\xda\x20"))
    assert "this Excel file cannot be read" in only(folder / "cohort.xlsx")[2]


@pytest.mark.parametrize("ends", ["\r", "\r\n", "\n"])
def test_line_ends_of_all_systems(folder, ends):
    (folder / "cohort.csv").write_bytes(clean().to_csv(index=False, lineterminator=ends).encode())
    assert rows_of(folder / "cohort.csv") == EXPECTED
    assert inspect_cohort(folder / "cohort.csv").table.index.tolist() == list(range(2, 27))


def test_unicode_text_of_excel(folder):
    (folder / "cohort.txt").write_bytes(clean().to_csv(index=False, sep="\t").encode("utf-16"))
    assert rows_of(folder / "cohort.txt") == EXPECTED


def test_a_file_of_other_content_is_no_table(folder):
    (folder / "cohort.csv").write_bytes(bytes(range(256)) * 40)
    assert len(problems(folder / "cohort.csv")) == 1


def test_faults_have_the_rows_of_the_sheet(folder):
    content = rows(age=50)
    content[6][3] = "old"
    assert only(excel(folder, content))[:2] == (7, "age")


# Parquet


def test_the_index_of_a_parquet_file_may_hold_the_patients(folder):
    table = clean()
    table.set_index("patient_id").to_parquet(folder / "a.parquet")
    table.set_index(["patient_id", "video"]).to_parquet(folder / "b.parquet")
    assert rows_of(folder / "a.parquet") == rows_of(folder / "b.parquet") == EXPECTED


def test_whole_numbers_of_a_parquet_file_have_no_point(folder):
    table = clean().assign(patient_id=[float(number) for number in range(25)], site=[1.0] * 24 + [None])
    table.to_parquet(folder / "a.parquet")
    text = inspect_cohort(folder / "a.parquet").text
    assert text["patient_id"].tolist() == [str(number) for number in range(25)]
    assert text["site"].tolist()[-2:] == ["1", None]


# Cells


def test_na_may_be_a_patient(folder):
    table = clean()
    table.loc[3, "patient_id"] = "NA"
    assert read_cohort(save(table, folder)).table["patient_id"][3] == "NA"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("1,050", ("write 1050 if ','", "1.05 if")),
        ("1.050.000", ("write 1050000",)),
        ("1,050.5", ("write 1050.5",)),
        ("1.050,5", ("write 1050.5",)),
        ("1 050", ("write 1050",)),
        ("1'050", ("write 1050",)),
        ("1\u202f050,5", ("write 1050.5",)),
    ],
)
def test_separators_of_thousands_are_told_and_not_applied(folder, value, words):
    table = clean().assign(ast=42)
    table["ast"] = table["ast"].astype(object)
    table.loc[4, "ast"] = value
    row, column, message = only(save(table, folder))
    assert (row, column) == (6, "ast")
    assert all(each in message for each in words), message


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("swe_kpa", "7.1 kPa", "write 7.1."),
        ("swe_kpa", "1,3 m/s", "write 5.07."),
        ("platelets", "182 x10^9/L", "write 182."),
        ("platelets", "182000/mm³", "write 182."),
        ("platelets", "182 10^3/µl", "write 182."),
        ("ast", "42 U/l", "write 42."),
        ("ast", "0.7 µkat/l", "write 42."),
        ("ast", "42*", "write 42 without '*', if"),
        ("swe_kpa", "07. Jan", "a spreadsheet has turned it into a date"),
        ("swe_kpa", "2024-01-07", "a spreadsheet has turned it into a date"),
        ("stage", "01-Feb", "a date, which a spreadsheet made of it"),
    ],
)
def test_units_and_dates_in_cells_are_told(folder, column, value, words):
    table = clean().assign(ast=42, swe_kpa=7, platelets=180).astype(object)
    table.loc[4, column] = value
    row, found_column, message = only(save(table, folder))
    assert (row, found_column) == (6, column)
    assert words in message


def test_a_thousand_beside_decimal_commas_may_be_two_numbers(folder):
    table = clean().assign(swe_kpa="7,1", platelets="182", ast="40")
    table.loc[0, ["ast", "platelets"]] = ["1.050", "182.000"]
    table.to_csv(folder / "cohort.csv", sep=";", index=False)
    ast, platelets = problems(folder / "cohort.csv")
    assert (ast[:2], platelets[:2]) == ((2, "ast"), (2, "platelets"))
    assert "write 1050 if '.' separates thousands, 1.05 if" in ast[2]
    assert "write 182000 if '.' separates thousands, 182 if" in platelets[2]


def test_three_decimals_after_a_comma_are_decimals_where_other_cells_have_one(folder):
    table = clean().assign(swe_kpa="7,125", bmi="25,5")
    table.to_csv(folder / "cohort.csv", sep=";", index=False)
    assert set(read_cohort(folder / "cohort.csv").table["swe_kpa"]) == {7.125}


@pytest.mark.parametrize("end", [b"\x1a", b"\0" * 50])
def test_what_old_programs_end_a_file_with(folder, end):
    (folder / "cohort.csv").write_bytes(clean().to_csv(index=False).encode() + end)
    assert rows_of(folder / "cohort.csv") == EXPECTED


def test_rows_quoted_as_a_whole(folder):
    lines = clean().to_csv(index=False).splitlines()
    (folder / "cohort.csv").write_text("\n".join(f'"{line}"' for line in lines), "utf-8")
    assert rows_of(folder / "cohort.csv") == EXPECTED


def test_three_decimals_are_no_thousands_where_points_are_decimal(folder):
    table = clean().assign(swe_kpa="7.125")
    for separator in ",;":
        table.to_csv(folder / "cohort.csv", sep=separator, index=False)
        assert set(read_cohort(folder / "cohort.csv").table["swe_kpa"]) == {7.125}


@pytest.mark.parametrize(
    ("there", "written", "words"),
    [
        ("videos/Liver.MP4", "videos/liver.mp4", "There is 'videos/Liver.MP4': is it meant?"),
        ("Videos2/a.mp4", "videos2/a.mp4", "There is 'Videos2/a.mp4'"),
        ("videos/fall-5.mp4", "videos/fall-5", "There is 'videos/fall-5.mp4'"),
        ("videos/fall-5.mp4", "videos/Fall-5.AVI", "There is 'videos/fall-5.mp4'"),
        (unicodedata.normalize("NFD", "videos/Löwe.mp4"), "videos/Löwe.mp4", "another Unicode form"),
        ("videos/Löwe.mp4", unicodedata.normalize("NFD", "videos/Löwe.mp4"), "another Unicode form"),
    ],
)
def test_a_file_of_nearly_the_same_name_is_named(folder, there, written, words):
    (folder / there).parent.mkdir(exist_ok=True)
    (folder / there).write_bytes(b"not opened")
    table = clean()
    table.loc[4, "video"] = written
    row, column, message = only(save(table, folder))
    assert (row, column) == (6, "video")
    assert words in message


def test_without_a_near_name_nothing_is_guessed(folder):
    table = clean()
    table.loc[4, "video"] = "videos/other.mp4"
    assert "There is" not in only(save(table, folder))[2]


def test_a_table_of_text_only_is_none_the_wiser(folder):
    pd.DataFrame({"patient_id": ["P1"]}).to_csv(folder / "cohort.csv", index=False)
    assert [column for _, column, _ in problems(folder / "cohort.csv")] == ["video", "stage"]
