"""Tables as people have them: spreadsheets' habits, codings, ids and numbers that a program has changed."""

import unicodedata

import openpyxl
import pandas as pd
import pytest

from fibrolib.checking.entries import table_findings
from fibrolib.cohort import inspect_cohort
from fibrolib.cohort.columns import IDENTIFYING, meant_column
from fibrolib.cohort.parsing import read_text_table

HEADER = ["patient_id", "video", "stage"]
ROWS = [[f"A{n:02d}", f"{n}.mp4", str(n % 5)] for n in range(1, 9)]


def written(path, content: str | bytes):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def csv_text(rows=ROWS, header=HEADER, delimiter=",", end="\n") -> str:
    return "".join(delimiter.join(cells) + end for cells in [header, *rows])


def findings(path) -> dict[str, list]:
    inspection = inspect_cohort(path)
    by_kind: dict[str, list] = {}
    for finding in table_findings(inspection.text, inspection.table):
        by_kind.setdefault(finding.kind, []).append(finding)
    return by_kind


@pytest.mark.parametrize(
    "content",
    [
        "sep=;\n" + csv_text(delimiter=";"),
        '"sep=;"\r\n' + csv_text(delimiter=";", end="\r\n"),
        "sep=,\n" + csv_text(),
        csv_text([[*row, "", ""] for row in ROWS], [*HEADER, "", ""]),
        csv_text([[*row, ""] for row in ROWS]),
        csv_text([["", *row] for row in ROWS], ["", *HEADER]),
        csv_text(delimiter="\t"),
        "\ufeff" + csv_text(header=["\u200bpatient_id", "video\ufeff", " stage\u00a0"]),
        csv_text().encode("utf-16"),
        csv_text().encode("utf-16-le"),
    ],
)
def test_habits_of_spreadsheets(tmp_path, content):
    table = read_text_table(written(tmp_path / "cohort.csv", content))
    assert list(table) == HEADER
    assert table.to_numpy().tolist() == ROWS


def test_commas_in_a_header_with_semicolons(tmp_path):
    header, rows = [*HEADER, "AST, ALT, GGT, AP (U/L)"], [[*row, "1"] for row in ROWS]
    assert list(read_text_table(written(tmp_path / "cohort.csv", csv_text(rows, header, ";")))) == header


def test_cells_beyond_the_header_are_told(tmp_path):
    (problem,) = inspect_cohort(written(tmp_path / "cohort.csv", csv_text([[*ROWS[0], "", "x"]]))).problems
    assert "5 cells, but the header has 3 columns" in problem.message


@pytest.mark.parametrize(
    ("coding", "name", "text"),
    [
        ("gb18030", "GB18030", "超声视频，肝纤维化患者，门诊随访，右肋间切面，图像质量良好"),
        ("cp932", "Shift-JIS", "超音波の動画です。肝臓の右葉を撮影しました。カルテを参照してください"),
        ("cp949", "EUC-KR", "간 초음파 영상입니다 환자의 오른쪽 간엽을 촬영하였습니다"),
        ("big5", "Big5", "肝臟超音波影片，病人於門診追蹤，右肋間切面，影像品質良好"),
        ("cp1251", "Windows-1251", "УЗИ печени, правая доля, снимок хорошего качества"),
        ("cp1252", "Windows-1252", "Übersicht der Leber, Müller, für später, größer als üblich, Schädigung"),
    ],
)
def test_other_codings_are_read_and_said(tmp_path, coding, name, text):
    rows = [[*row, text] for row in ROWS]
    path = written(tmp_path / "cohort.csv", csv_text(rows, [*HEADER, "note"], "\t").encode(coding))
    assert read_text_table(path)["note"].tolist() == [text] * len(rows)
    (finding,) = findings(path)["encoding"]
    assert name in finding.message


def test_excel_files(tmp_path):
    book = openpyxl.Workbook()
    for cells in [HEADER, *[[name, video, int(stage)] for name, video, stage in ROWS]]:
        book.active.append([*cells, None])
    other = book.create_sheet("May")
    other.append([*HEADER, "age"])
    other.append([7.0, "1.mp4", 2, 50.5])
    book.save(tmp_path / "cohort.xlsx")
    assert read_text_table(tmp_path / "cohort.xlsx").to_numpy().tolist() == ROWS
    assert "first of 2 sheets" in findings(tmp_path / "cohort.xlsx")["sheet"][0].message
    (cells,) = read_text_table(tmp_path / "cohort.xlsx#May").to_numpy().tolist()
    assert cells == ["7", "1.mp4", "2", "50.5"]
    (problem,) = inspect_cohort(tmp_path / "cohort.xlsx#June").problems
    assert "no sheet 'June'" in problem.message
    (problem,) = inspect_cohort(written(tmp_path / "broken.xlsx", b"PK\x03\x04 no workbook")).problems
    assert "Excel file cannot be opened" in problem.message


def test_ids_in_the_index_of_a_parquet_file(tmp_path):
    pd.DataFrame(ROWS, columns=HEADER).set_index("patient_id").to_parquet(tmp_path / "cohort.parquet")
    assert sorted(read_text_table(tmp_path / "cohort.parquet")) == sorted(HEADER)


@pytest.mark.parametrize(
    ("kind", "ids"),
    [
        ("mangled-id", ["110101199003071000", "1.10101E+17", "1,10101E+17", "2-Jan", "03. Mrz 21", "#NAME?"]),
        ("identity-number", ["110101199003071001", "11010119900307100X", "900307-1234567", "123-45-6789"]),
        ("identifying-id", ["王小明", "欧阳娜", "山田太郎", "やまだ たろう", "김철수", "Иванов Иван", "Meier, Anna"]),
    ],
)  # fmt: skip
def test_ids_that_tell_or_were_changed(tmp_path, kind, ids):
    rows = [[f'"{name}"', f"{n}.mp4", str(n % 5)] for n, name in enumerate(ids)]
    (finding,) = findings(written(tmp_path / "cohort.csv", csv_text(rows)))[kind]
    assert finding.rows == tuple(range(2, len(ids) + 2))


@pytest.mark.parametrize("ids", [["A1", "P-003", "sub-01", "virtual-001", "liver_12", "患者12", "20210000"]])
def test_ids_that_tell_nothing(tmp_path, ids):
    rows = [[name, f"{n}.mp4", str(n % 5)] for n, name in enumerate(ids)]
    kinds = findings(written(tmp_path / "cohort.csv", csv_text(rows)))
    assert not {"mangled-id", "identity-number", "identifying-id"} & set(kinds)


@pytest.mark.parametrize(
    "name", ["姓名", "身份证号", "住院号", "手机号", "氏名", "生年月日", "이름", "주민등록번호", "ФИО", "Дата рождения"]
)
def test_columns_that_tell_who_a_patient_is(name):
    assert meant_column(name) == IDENTIFYING


@pytest.mark.parametrize(("text", "delimiter"), [("1.050", ";"), ("1,050", ";"), ("1,050", ","), ("1.050", ",")])
def test_thousands_are_offered_in_both_readings(tmp_path, text, delimiter):
    rows = [[*row, str(40 + n)] for n, row in enumerate(ROWS)]
    rows[0][-1] = f'"{text}"'
    path = written(tmp_path / "cohort.csv", csv_text(rows, [*HEADER, "ast"], delimiter))
    inspection = inspect_cohort(path)
    (problem,) = (problem for problem in inspection.problems if problem.column == "ast")
    assert "can mean 1.05 or 1050 U/L" in problem.message
    assert inspection.table["ast"].isna().sum() == 1
    assert "unit" not in findings(path)


def test_three_decimals_are_no_thousands(tmp_path):
    rows = [[*row, "182.000", f"7.{n}25"] for n, row in enumerate(ROWS)]
    path = written(tmp_path / "cohort.csv", csv_text(rows, [*HEADER, "platelets", "swe_kpa"]))
    inspection = inspect_cohort(path)
    assert not [problem for problem in inspection.problems if problem.column in ("platelets", "swe_kpa")]
    assert inspection.table["platelets"].eq(182).all()


def test_one_row_in_another_unit(tmp_path):
    rows = [[*row, str(180 + n), str(7 + n)] for n, row in enumerate(ROWS)]
    rows[2][-2:], rows[3][-1] = ["18.2", "9"], "1.6"
    platelets, stiffness = findings(
        written(tmp_path / "cohort.csv", csv_text(rows, [*HEADER, "platelets", "swe_kpa"]))
    )["unit"]
    assert platelets.rows == (4,)
    assert "median" in platelets.message
    assert stiffness.rows == (5,)


def test_a_file_of_nearly_the_same_name_is_named(tmp_path):
    (tmp_path / "Videos").mkdir()
    (tmp_path / "Videos" / unicodedata.normalize("NFD", "Müller.MP4")).write_bytes(b"x")
    rows = [["A1", unicodedata.normalize("NFC", "videos/müller.mp4"), "1"]]
    messages = [
        problem.message for problem in inspect_cohort(written(tmp_path / "cohort.csv", csv_text(rows))).problems
    ]
    assert any("Is 'Videos/" in message and "upper and lower case" in message for message in messages)
