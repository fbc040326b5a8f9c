"""`fibrolib check`: a clean cohort gives no finding; of a dirty one every fault is named with its line."""

import dataclasses
import json
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dirty_cohort import FAULTS, N_PATIENTS, clean_table, liver, spoilt_table, write_files
from sklearn.metrics import roc_auc_score

from fibrolib.checking import CheckReport, check_cohort
from fibrolib.checking.check import _one_for_many
from fibrolib.checking.entries import _column_findings, _missing_findings, _table_findings, _value_findings
from fibrolib.checking.files import _survey
from fibrolib.checking.identifiers import _identifier_findings
from fibrolib.checking.report import _Finding
from fibrolib.checking.sample import (
    _power_findings,
    _sample_findings,
    _shortcut_findings,
    _shortcut_table,
    _stage_findings,
    _test_sizes,
)
from fibrolib.cohort import NUMBERS
from fibrolib.cohort.columns import OPTIONAL
from fibrolib.errors import FibrolibError
from fibrolib.video import fingerprints, write_video
from fibrolib.video.survey import survey_video

LINES = range(2, N_PATIENTS + 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cohort")
    write_files(path)
    return path


@pytest.fixture(scope="module")
def clean(folder):
    """Report, table and surveys of the clean cohort."""
    clean_table().to_csv(folder / "cohort.csv", index=False)
    report = check_cohort(folder / "cohort.csv")
    return report, report.table, report.surveys


@pytest.fixture(scope="module")
def dirty(folder):
    """All faults, forty to a table: the report each of them is in, and the lines it spoilt."""
    found = {}
    for start in range(0, len(FAULTS), 40):
        table, lines = spoilt_table(folder, FAULTS[start : start + 40])
        table.to_csv(folder / f"dirty-{start}.csv", index=False)
        report = check_cohort(folder / f"dirty-{start}.csv")
        found |= {name: (report, rows) for name, rows in lines.items()}
    return found


def columns(**changed) -> pd.DataFrame:
    """The clean table as it is after reading, with some columns changed."""
    table = clean_table()
    unfilled = dict.fromkeys(name for name in (*OPTIONAL, "elf", "days_from_biopsy") if name not in table)
    table = table.assign(**unfilled).assign(**changed).set_axis(LINES)
    numbers = ["elf", "age", "bmi", "ast", "alt", "platelets", "swe_kpa", "days_from_biopsy"]
    return table.astype(dict.fromkeys(numbers, float)).astype({"stage": int})


def kinds(findings) -> list[tuple[str, str | None]]:
    return [(finding.kind, finding.column) for finding in findings]


def test_a_clean_cohort_gives_no_finding(clean, folder):
    report = clean[0]
    assert report.text() == "\n".join([f"{folder.name}: 0 errors, 0 warnings", *report.summary])
    assert report.status == 0
    assert f"{N_PATIENTS} patients, {N_PATIENTS} videos." in report.summary


def test_there_are_many_faults():
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 60


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_is_found_and_named_with_its_line(dirty, fault):
    report, lines = dirty[fault.name]
    about = [finding for finding in report.findings if set(finding.rows) & set(lines)]
    named = [finding for finding in about if finding.kind == fault.kind and fault.words in finding.message]
    assert named, [str(finding) for finding in about]
    assert all(set(finding.rows) <= set(lines) for finding in named if finding.kind.startswith("copy"))
    assert report.status == 2


def test_nobody_else_is_accused(dirty):
    spoilt = {id(report): set() for report, _ in dirty.values()}
    for report, lines in dirty.values():
        spoilt[id(report)] |= set(lines)
    for report, _ in dirty.values():
        assert {row for finding in report.findings for row in finding.rows} <= spoilt[id(report)]


def test_what_is_kept_in_a_run_folder_holds_no_text_of_the_table(dirty, folder):
    texts = {f"dirty-{start}": pd.read_csv(folder / f"dirty-{start}.csv", dtype=str) for start in (0, 40)}
    for report in {id(report): report for report, _ in dirty.values()}.values():
        table = texts[report.name].set_axis(LINES)
        for finding in report.of("warning"):
            told = table.loc[list(finding.rows), ["patient_id", "video", "image", "roi"]].to_numpy().ravel()
            assert not [text for text in told if isinstance(text, str) and text in finding.anonymous], finding.anonymous
    kept = pd.concat([report.anonymous_table() for report, _ in dirty.values()])
    assert list(kept) == ["severity", "kind", "lines", "column", "finding"]
    assert not kept["finding"][kept["severity"] == "warning"].str.contains("1961").any()


@pytest.mark.parametrize("cutoff", [1, 9])
def test_one_class_only_is_an_error_and_no_crash(folder, cutoff):
    clean_table().assign(stage=3).head(3).to_csv(folder / "one.csv", index=False)
    report = check_cohort(folder / "one.csv", cutoff)
    assert report.status == 2
    assert "only one class" in report.text()


@pytest.mark.parametrize("content", [b"", b"patient_id,video\n", b"\xff\xfe\x00", b"patient_id,video,stage\n"])
def test_a_table_that_is_none_is_one_finding(tmp_path, content):
    (tmp_path / "cohort.csv").write_bytes(content)
    report = check_cohort(tmp_path / "cohort.csv")
    assert (report.status, len(report.findings)) == (2, 1)


def test_no_table_at_all(tmp_path):
    with pytest.raises(FibrolibError, match="no such cohort table"):
        check_cohort(tmp_path / "cohort.csv")


def test_a_class_too_small_for_five_folds(folder):
    table = clean_table().assign(split=None)
    table["stage"] = [3] * 4 + [0] * (N_PATIENTS - 4)
    table.to_csv(folder / "few.csv", index=False)
    assert (
        "4 of 80 patients are stage ≥ 2: too few for training (five folds)" in check_cohort(folder / "few.csv").text()
    )


# Columns as a whole


@pytest.mark.parametrize(
    ("column", "change", "words"),
    [
        ("swe_kpa", lambda kpa: np.sqrt(kpa.astype(float) / 3), "m/s"),
        ("platelets", lambda count: count.astype(float) / 10, "10⁴/µL"),
        ("platelets", lambda count: count.astype(float) * 1000, "per µL"),
        ("ast", lambda activity: activity.astype(float) / 60, "µkat/L"),
        ("swe_kpa", lambda kpa: kpa.astype(float) * 1000, "Pa"),
    ],
)
def test_a_whole_column_in_another_unit_is_one_finding(column, change, words):
    table = columns(**{column: change(clean_table()[column])})
    (finding,) = _value_findings(table)
    assert (finding.kind, finding.column, finding.rows) == ("unit", column, tuple(LINES))
    assert words in finding.message


def test_columns_filled_down_or_copied():
    assert kinds(_value_findings(columns(bmi=25))) == [("constant", "bmi")]
    assert kinds(_value_findings(columns(ast=clean_table()["alt"]))) == [("columns-equal", "alt")]
    assert _value_findings(columns()) == []


def test_missing_values_say_in_whom_and_what_follows():
    table = columns(bmi=None)
    table.loc[[5, 9], "platelets"] = np.nan
    table.loc[7, "age"] = np.nan
    table.loc[8, "image"] = None
    age, platelets, image = _missing_findings(table)
    assert (platelets.rows, platelets.column) == ((5, 9), "platelets")
    assert "2 of 80" in platelets.message
    assert "FIB-4 and APRI" in platelets.message
    assert "FIB-4 will" in age.message
    assert image.rows == (8,)


def test_columns_that_are_not_read_or_should_not_be_there():
    names = ["patient_id", "video", "stage", "ast", "Age", "platelet", "GOT", "date of birth", "Vorname", "CAP", ""]
    *identifying, unused = _column_findings(names)
    assert kinds(identifying) == [("identifying-column", "date of birth"), ("identifying-column", "Vorname")]
    assert unused.message == (
        "5 columns are not read by the study: 'Age' (is 'age' meant? Rename it), 'platelet' (is 'platelets' meant? "
        "Rename it), 'GOT' ('ast' is read instead), 'CAP', one without a name."
    )
    assert unused.anonymous.count("'…'") == 4
    assert "CAP" not in unused.anonymous
    assert _column_findings([*names[:4], "swe_device", "aetiology", "scanner"]) == []


def test_a_column_meant_for_a_required_one_is_told_with_the_error_alone(tmp_path):
    (tmp_path / "cohort.csv").write_text("Patient,video,Stadium,Alter\nA,a.mp4,F2,50\n", "utf-8")
    report = check_cohort(tmp_path / "cohort.csv")
    assert [(f.kind, f.column) for f in report.findings] == [
        ("table", "patient_id"), ("table", "stage"), ("unused-columns", None),
    ]  # fmt: skip
    assert "Is 'Stadium' meant? Rename it." in report.findings[1].message
    assert report.findings[2].message == "1 column is not read by the study: 'Alter' (is 'age' meant? Rename it)."


def test_a_hospital_s_own_names_are_told_with_what_they_cost(folder):
    own = {"age": "Alter", "ast": "GOT", "alt": "GPT (U/l)", "platelets": "Thrombozyten", "sex": "Geschlecht"}
    table = clean_table().rename(columns=own).assign(CAP=250).drop(columns=["roi", "image"])
    table["stage"] = [f"{stage} (F{stage})" if row % 2 else f"S{stage}" for row, stage in enumerate(table["stage"])]
    table.loc[table.index[:2], "stage"] = ["0", "1"]
    table.to_csv(folder / "own.csv", index=False)
    report = check_cohort(folder / "own.csv")
    assert report.status == 1
    results, stages, unused = sorted(report.findings, key=lambda finding: finding.kind)
    assert unused.message == (
        "6 columns are not read by the study: 'Alter' (is 'age' meant? Rename it), 'Geschlecht' (is 'sex' meant? "
        "Rename it), 'GOT' (is 'ast' meant? Rename it), 'GPT (U/l)' (is 'alt' meant? Rename it), 'Thrombozyten' (is "
        "'platelets' meant? Rename it), 'CAP'."
    )
    assert results.message == (
        "the report will be without FIB-4, which needs age, ast, alt and platelets (no patient has age, ast, alt or "
        "platelets); APRI, which needs ast and platelets (no patient has ast or platelets)."
    )
    assert stages.message.startswith("78 stages were read as numbers: '0 (F0)' as 0, '1 (F1)' as 1, '2 (F2)' as 2, ")
    assert stages.rows == tuple(range(4, N_PATIENTS + 2))
    assert any("No video has a mask" in line for line in report.summary)
    assert any("No video has an image" in line for line in report.summary)


def test_values_that_no_patient_has_together_are_results_that_will_be_missing():
    table = columns(swe_kpa=None)
    table.loc[table.index % 2 == 0, "ast"] = np.nan
    table.loc[table.index % 2 == 1, "platelets"] = np.nan
    without, ast, platelets = _missing_findings(table)
    assert without.kind == "results-missing"
    assert "without SWE, which needs swe_kpa (no patient has swe_kpa); FIB-4" in without.message
    assert without.message.endswith("(no patient has all of them).")
    assert "nothing is computed from it" in ast.message
    assert platelets.rows == tuple(table.index[table.index % 2 == 1])


def test_stages_that_nobody_or_hardly_anybody_has():
    table = columns()
    table.loc[table["stage"] == 1, "stage"] = 0
    table.loc[table.index[table["stage"] == 3][2:], "stage"] = 4
    absent, rare = _stage_findings(table)
    assert (absent.kind, rare.kind) == ("stage-absent", "stage-rare")
    assert rare.rows == tuple(table.index[table["stage"] == 3])
    assert _stage_findings(columns()) == []
    assert _stage_findings(columns(stage=[0, 1] * (N_PATIENTS // 2))) == []  # a yes or no, and no METAVIR


def test_a_code_of_a_missing_stage_does_not_end_the_check():
    table = columns()
    table.loc[table.index[:2], "stage"] = 9
    findings, summary = _sample_findings(table, {}, 2, ["swe_kpa"])
    assert any("F2" in line or "stage" in line for line in summary)
    assert all(finding.kind for finding in findings)


@pytest.mark.parametrize("device", [None, "FibroScan"])
def test_cut_offs_of_stiffness_are_named_by_their_device(device):
    _, summary = _sample_findings(columns(swe_kpa=7.0, swe_device=device), {}, 2, ["swe_kpa"])
    (sentence,) = [line for line in summary if "2D-SWE" in line]
    assert ("column swe_device" in sentence) == (device is None)


def test_power_follows_the_size_of_the_test_part():
    assert _test_sizes(columns(), 2) == (24, 16)
    assert _test_sizes(columns(split=None), 2) == (7, 5)  # 0.15 x 80, three fifths of them diseased
    assert _power_findings(24, 16) == []
    # R 4.2, 20,000 samples: wilcox.test is significant in 0.753 with 8 + 8, in 0.776 with 9 + 9, in 0.836 with 10 + 10.
    (finding,) = _power_findings(8, 8)
    assert "0.75 only; 10 + 10" in finding.message
    assert kinds(_power_findings(0, 5)) == [("power", None)]


# Identifiers, rows in another unit


@pytest.mark.parametrize(
    ("identifier", "kind", "words"),
    [
        ("110101199003071000", "mangled-id", "rounded this number to 15 digits"),
        ("1234567890123450", "mangled-id", "rounded this number to 15 digits"),
        ("1.10101E+17", "mangled-id", "changed this number"),
        ("01-Feb", "mangled-id", "turned this identifier into a date"),
        ("Mar-03", "mangled-id", "turned this identifier into a date"),
        ("3. Mrz", "mangled-id", "turned this identifier into a date"),
        ("1月2日", "mangled-id", "turned this identifier into a date"),
        ("2001-02-03 00:00:00", "mangled-id", "turned this identifier into a date"),
        ("NA", "id-like-missing", "the identifier of one patient"),
        ("110101199003071003", "identifying-id", "identity number"),
        ("11010119900307100X", "identifying-id", "identity number"),
        ("900307-1234567", "identifying-id", "identity number"),
        ("123-45-6789", "identifying-id", "identity number"),
        ("RSSMRA85T10A562S", "identifying-id", "identity number"),
        ("王小明", "identifying-id", "person's name"),
        ("欧阳娜", "identifying-id", "person's name"),
        ("佐藤 花子", "identifying-id", "person's name"),
        ("ヤマダタロウ", "identifying-id", "person's name"),
        ("김철수", "identifying-id", "person's name"),
        ("Иванов", "identifying-id", "person's name"),
        ("Иванов И.И.", "identifying-id", "person's name"),
        ("Doe^Jane", "identifying-id", "person's name"),
        ("Doe_Jane", "identifying-id", "person's name"),
        ("Smith, J.", "identifying-id", "person's name"),
        ("J. Smith", "identifying-id", "person's name"),
        ("1,10101E+17", "mangled-id", "changed this number"),
        ("1961/3/7-a", "date-in-id", "date"),
        ("7/3/1961", "date-in-id", "date"),
        ("1961年3月7日", "date-in-id", "date"),
    ],
)
def test_identifiers_that_tell_or_were_changed(identifier, kind, words):
    found = _identifier_findings(pd.DataFrame({"patient_id": ["P1", identifier]}, index=[2, 3], dtype=object))
    assert [finding.rows for finding in found if finding.kind == kind and words in finding.message] == [(3,)]
    assert identifier not in "".join(finding.anonymous for finding in found)


@pytest.mark.parametrize(
    "identifier",
    [
        "P01",
        "0012345",
        "患者3",
        "患者甲",
        "受试者一",
        "환자3",
        "Пациент 3",
        "Site-Mar",
        "123456789012345",
        "F2-13",
        "A_B",
    ],
)
def test_pseudonyms_are_no_news(identifier):
    assert _identifier_findings(pd.DataFrame({"patient_id": [identifier]}, dtype=object)) == []


def test_a_column_of_identity_numbers_is_told_whatever_it_is_called():
    text = pd.DataFrame({"patient_id": ["P1", "P2"], "key": ["110101199003071003", "110101199003071011"]}, dtype=object)
    assert kinds(_identifier_findings(text)) == [("identifying-column", "key")]


@pytest.mark.parametrize(
    "name",
    [
        "姓名", "患者姓名", "身份证号码", "住院号", "门诊号", "联系电话",
        "出生年月", "氏名", "生年月日", "カルテ番号", "성명", "환자명",
        "주민등록번호", "ФИО", "Дата рождения", "СНИЛС", "Full name", "Geburtsdatum",
        "Codice fiscale",
    ],
)  # fmt: skip
def test_identifying_columns_in_other_scripts(name):
    assert kinds(_column_findings(["patient_id", "video", "stage", name])) == [("identifying-column", name)]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [("platelets", 18.2, "182 10⁹/L"), ("swe_kpa", 1.6, "7.68 kPa"), ("swe_kpa", 1.55, "m/s")],
)
def test_one_row_in_another_unit_is_told_by_the_median(column, value, words):
    table = columns(platelets=np.linspace(150, 250, N_PATIENTS), swe_kpa=np.linspace(6, 12, N_PATIENTS))
    table.loc[7, column] = value
    (finding,) = _value_findings(table)
    assert (finding.kind, finding.column, finding.rows) == ("unit", column, (7,))
    assert "far from the column's median" in finding.message
    assert words in finding.message


def test_low_values_beside_some_in_another_unit_may_be_in_it_too():
    findings = _value_findings(columns(swe_kpa=[1.4, 1.9, 2.5, *[7.0, 9.0] * 38, 8.0]))
    assert [finding.rows for finding in findings if finding.kind == "unit"] == [(2,), (3, 4)]
    assert "may be m/s too (1.9 m/s = 10.8 kPa)" in findings[1].message
    assert not _value_findings(columns(swe_kpa=[1.9, 2.5, *[7.0, 9.0] * 39]))


def test_severe_disease_is_no_other_unit():
    table = columns(platelets=np.linspace(150, 250, N_PATIENTS), swe_kpa=np.linspace(6, 12, N_PATIENTS))
    table.loc[7, ["platelets", "swe_kpa", "ast"]] = [38, 60, 900]
    assert _value_findings(table) == []


@pytest.mark.parametrize(
    ("column", "text", "words"),
    [
        ("ast", "1.050", ("1050 U/L with a separator of thousands", "1.05 µkat/L, which is 63 U/L")),
        ("platelets", "1.050", ("1050 10⁹/L with a separator of thousands", "or 1.05 10⁹/L")),
    ],
)
def test_a_thousand_with_a_point_has_two_readings(column, text, words):
    table = columns()
    table.loc[7, column] = float(text)
    texts = clean_table().set_axis(LINES).astype(str)
    texts.loc[7, column] = text
    (finding,) = _value_findings(table, text=texts)
    assert (finding.kind, finding.column, finding.rows) == ("unit", column, (7,))
    assert all(each in finding.message for each in words)
    assert finding.suggestion is None


def test_a_decoder_that_hangs_is_given_up(monkeypatch):
    end = threading.Event()
    monkeypatch.setattr("fibrolib.checking.files.survey_video", lambda path, seconds: end.wait())
    monkeypatch.setattr("fibrolib.checking.files._PATIENCE", 0.01)
    try:
        assert _survey(Path("folder"), "a.mp4").startswith("a.mp4: this file takes longer than 60 s to read")
    finally:
        end.set()


def test_stiffness_of_several_devices_is_told():
    table = columns().assign(swe_device=["FibroScan", "Aixplorer"] * (N_PATIENTS // 2))
    text = clean_table().set_axis(LINES).astype(str).assign(swe_device=table["swe_device"])
    (finding,) = [each for each in _table_findings(text, table) if each.kind == "several-devices"]
    assert "2 devices ('FibroScan', 'Aixplorer')" in finding.message
    assert "Fibro" not in finding.anonymous
    one = table.assign(swe_device="FibroScan")
    assert not {"several-devices", "unused-columns"} & {each.kind for each in _table_findings(text, one)}


def test_what_further_columns_were_read_as_is_a_finding(folder):
    table = clean_table().assign(
        aetiology="MASLD", scanner="Aixplorer", biopsy_date="2021-03-04", video_date="2021-03-05", visit=1
    )
    table.loc[3, "aetiology"], table.loc[5, "aetiology"] = "NASH", "lues"
    table.loc[7, "scanner"] = "AIXPLORER"
    table.loc[9, "video_date"], table.loc[11, "video_date"] = "04/06/2021", "13/06/2021"
    table.loc[13, "video_date"] = "2199-01-01"
    table.loc[15, "biopsy_date"] = "2021"
    table.to_csv(folder / "further.csv", index=False)
    found = {(each.kind, each.column): each for each in check_cohort(folder / "further.csv").findings}
    assert found["spelt-variously", "aetiology"].message == (
        "2 cells were read as: 'NASH' as 'MASLD', 'lues' as 'other'. Correct those that are wrong."
    )
    assert "'AIXPLORER' as 'Aixplorer'" in found["spelt-variously", "scanner"].message
    dates = found["spelt-variously", "video_date"]
    assert "'04/06/2021' as '2021-06-04', '13/06/2021' as '2021-06-13'" in dates.message
    assert "2021" not in dates.anonymous
    future = found["implausible", "video_date"]
    assert (future.rows, "2199" in future.anonymous) == ((15,), False)
    far = found["far-from-biopsy", "days_from_biopsy"]
    assert (far.rows, "3 videos were recorded 90 days or more" in far.message) == ((11, 13, 15), True)
    assert len(found) == 5


UNREADABLE = {
    "video_date": ("03/04/2021", "may be 3 April 2021 or 4 March 2021: write 2021-04-03 or 2021-03-04"),
    "biopsy_date": ("3/4/21", "is no date: write year-month-day"),
    "steatosis": ("30 %", "is no grade of steatosis"),
    "visit": ("baseline", "is no number of a visit"),
    "days_from_biopsy": ("soon", "is no number. Expected days"),
    "elf": ("high", "is no number. Expected a number alone"),
}


def test_cells_of_further_columns_that_cannot_be_read(folder):
    table = clean_table().assign(**dict.fromkeys(UNREADABLE))
    for row, (column, (value, _)) in enumerate(UNREADABLE.items(), start=4):
        table.loc[row, column] = value
    table.to_csv(folder / "unreadable.csv", index=False)
    found = {finding.column: finding for finding in check_cohort(folder / "unreadable.csv").of("error")}
    assert found.keys() == UNREADABLE.keys()
    for line, (column, (_, words)) in enumerate(UNREADABLE.items(), start=6):
        assert found[column].rows == (line,)
        assert words in found[column].message


def test_how_a_table_was_read_is_a_finding(folder):
    table = clean_table().head(12)
    table["note"] = "Größe"
    (folder / "west.csv").write_bytes(table.to_csv(index=False).encode("cp1252"))
    report = check_cohort(folder / "west.csv")
    (finding,) = [each for each in report.findings if each.kind == "table-read"]
    assert "it was read as Windows-1252 (Western European). It says 'Größe'" in finding.message
    assert "Größe" not in finding.anonymous


# Shortcuts


def surveys_with(clean, **attributes):
    """The clean cohort's surveys with one attribute made to depend on the row."""
    _, table, surveys = clean
    ((name, values),) = attributes.items()
    return {
        video: dataclasses.replace(surveys[video], **{name: value})
        for video, value in zip(table["video"], values, strict=True)
    }


@pytest.mark.parametrize(
    ("attribute", "feature"),
    [("fps", "frame rate"), ("width", "image width"), ("height", "image height"), ("brightness", "brightness")],
)
def test_what_the_files_give_away(clean, attribute, feature):
    table = clean[1]
    values = np.where(table["stage"] >= 2, 30, 25) + np.arange(len(table)) % 4  # 30-33 against 25-28
    surveys = surveys_with(clean, **{attribute: values})
    (finding,) = _shortcut_findings(table, surveys, 2, NUMBERS)
    assert finding.message.startswith(f"{feature} alone predicts ≥ F2: AUC 1.00")
    low = surveys_with(clean, **{attribute: -values})
    assert "AUC 1.00" in _shortcut_findings(table, low, 2, NUMBERS)[0].message


def test_the_container_gives_the_stage_away(clean):
    kept = np.where(clean[1]["stage"] >= 2, "dicom", "mp4")
    found = _shortcut_findings(clean[1], surveys_with(clean, container=kept), 2, NUMBERS)
    assert [finding.message.split(" alone")[0] for finding in found] == ["the file type (dicom)", "the file type (mp4)"]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("scanner", lambda sick: np.where(sick, "A", "B")),
        ("site", lambda sick: np.where(sick, 1, 2)),
        ("examined", lambda sick: np.where(sick, "2021-03-04", "2022-05-06")),
    ],
)
def test_further_columns_that_give_the_stage_away(clean, column, values):
    table = clean[1].assign(**{column: values(clean[1]["stage"] >= 2)})
    found = _shortcut_findings(table, clean[2], 2, NUMBERS)
    assert {finding.column for finding in found} == {column}


def test_what_is_missing_can_give_the_stage_away(clean):
    table = clean[1].copy()
    table.loc[table["stage"] >= 2, "swe_kpa"] = np.nan
    (finding,) = _shortcut_findings(table, clean[2], 2, NUMBERS)
    assert finding.message.startswith("whether 'swe_kpa' is empty alone predicts")


def test_areas_are_those_of_scikit_learn(clean):
    _, table, surveys = clean
    found = _shortcut_table(table, surveys, 2, NUMBERS)
    values = [surveys[video].brightness for video in table["video"]]
    expected = roc_auc_score(table["stage"] >= 2, values)
    assert found["brightness"].value == pytest.approx(expected)


def test_clean_cohorts_are_seldom_accused(clean):
    random = np.random.default_rng(0)
    accused = 0
    for _ in range(60):
        values = random.normal(size=len(clean[1]))
        table = clean[1].assign(stage=random.permutation(clean[1]["stage"]), scanner=random.choice(list("AB"), 80))
        accused += bool(_shortcut_findings(table, surveys_with(clean, fps=values), 2, NUMBERS))
    assert accused <= 8  # of 60 at 5 %: more in one case of 250 (binomial)


# What is told


def test_findings_are_ordered_and_counted():
    report = CheckReport("a", (_Finding("error", "x", "no.", (3,), "age"), _Finding("warning", "y", "maybe.")), ("b",))
    assert report.text() == "a: 1 error, 1 warning\nb\n  error: line 3, column 'age': no.\n  warning: maybe."
    told = json.loads(report.json())
    assert (told["status"], told["findings"][0]["rows"], told["findings"][1]["column"]) == (2, [3], None)


def test_many_cells_with_the_same_fault_are_one_finding():
    cells = [
        _Finding("error", "table", f"'{n}.5 kPa' is no number alone: write {n}.5.", (n,), "a") for n in range(2, 8)
    ]
    (one,) = _one_for_many(cells)
    assert one.rows == (2, 3, 4, 5, 6, 7)
    assert one.message == "'2.5 kPa' is no number alone: write 2.5. 5 other cells of this column have the same fault."
    other = _Finding("error", "table", "'3.5 kPa' is no number alone: write 3.5.", (9,), "b")
    assert [*_one_for_many([*cells[1:], other])] == [*cells[1:], other]
    copies = [_Finding("warning", "copy-across-split", f"lines {n} and 9", (n, 9)) for n in range(2, 8)]
    assert [*_one_for_many(copies)] == copies


def test_text_of_the_table_cannot_steer_a_terminal_or_a_page(clean, folder, tmp_path):
    table = clean_table()
    table.loc[0, ["patient_id", "age"]] = ["<script>alert(1)</script>", 7]
    table.loc[1, "sex"] = "\x1b[31mF"
    table.loc[2, "sex"] = "\x1b[31mf"
    table.to_csv(folder / "steering.csv", index=False)
    report = check_cohort(folder / "steering.csv")
    assert "\x1b" not in report.text()
    report.write_page(tmp_path / "check.html")
    page = (tmp_path / "check.html").read_text("utf-8")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert page.count("<img") == 2 * N_PATIENTS
    assert page.count('class="found"') == 2


def test_a_survey_counts_what_decodes(tmp_path):
    write_video(tmp_path / "a.mp4", liver(0, 70), 20)
    survey = survey_video(tmp_path / "a.mp4")
    assert (survey.n_frames, survey.width, survey.height, survey.container) == (70, 64, 64, "mp4")
    assert survey.duration == pytest.approx(3.5)
    prints = fingerprints(survey.small)
    assert prints.shape == (8, 1024)
    assert set(np.unique(prints)) <= {-1, 0, 1}
