"""A run begins with a check of the cohort; its folder's name tells of no patient."""

import io
import re
from importlib import resources

import pandas as pd
import pytest
from dirty_cohort import FPS, clean_table, write_files
from jinja2 import meta
from rich.console import Console

from fibrolib.checking import check_cohort
from fibrolib.errors import CohortError, FibrolibError
from fibrolib.privacy import register
from fibrolib.report.html import _checked, _environment, _Folder
from fibrolib.report.pipeline import _check
from fibrolib.report.progress import _Progress
from fibrolib.study import Request, Study
from fibrolib.study.own_cohort import _cohort_label, validate_cohort
from fibrolib.video import read_video, write_video

N_PATIENTS = 40


def checked(study):
    return validate_cohort(study.reference, study.cutoff, study.profile, study.folder, lambda results, total: results)


@pytest.fixture(scope="module")
def trap(tmp_path_factory):
    """A cohort with a scanner for the sick and another for the healthy, and two videos copied to other patients."""
    folder = tmp_path_factory.mktemp("trap")
    write_files(folder, N_PATIENTS)
    table = clean_table().head(N_PATIENTS).assign(split=None)
    table["scanner"] = ["Dr Doe's" if stage >= 2 else "B" for stage in table["stage"]]
    for first, second, frames in ((3, 5, slice(2, None)), (10, 20, slice(None))):
        good = read_video(folder / f"videos/P{first:02d}.mp4").frames
        write_video(folder / f"videos/P{second:02d}.mp4", good[frames], FPS)  # coded anew: other bytes
    table.to_csv(folder / "cohort.csv", index=False)
    return folder / "cohort.csv"


@pytest.fixture
def study(trap, tmp_path):
    return Study(Request(cohort=str(trap), profile="smoke", out=str(tmp_path / "run")))


def banner(study) -> str:
    """The report's part about the check, of what is in a run folder."""
    return _environment().get_template("check.html.j2").render(checked=_checked(_Folder(study.folder.path)))


def test_the_leakage_trap_is_caught_by_the_check_and_by_the_banner(trap, study):
    found = check_cohort(trap, clip_frames=9)
    copies = {finding.rows: finding.kind for finding in found.of("warning") if finding.kind.startswith("copy")}
    assert copies == {(5, 7): "copy-across-stages", (12, 22): "copy-across-patients"}
    shortcut = [finding.message for finding in found.of("warning") if finding.kind == "shortcut"]
    assert any("the column 'scanner'" in message and "AUC 1.00" in message for message in shortcut)

    checked(study)
    html = banner(study)
    assert "The results below may be false." in html
    assert "Lines 5, 7: " in html
    assert "Lines 12, 22: " in html
    assert "&#39;scanner&#39; (&#39;…&#39;) alone predicts" in html
    environment = _environment()
    report = environment.loader.get_source(environment, "report.html.j2")[0]
    assert "check.html.j2" in meta.find_referenced_templates(environment.parse(report))


def test_a_run_begins_with_what_is_not_read_and_what_it_will_lack(trap, tmp_path):
    table = pd.read_csv(trap).rename(columns={"ast": "GOT"})
    table["stage"] = [f"F{stage}" for stage in table["stage"]]
    table.to_csv(trap.parent / "own.csv", index=False)
    study = Study(Request(cohort=str(trap.parent / "own.csv"), profile="smoke", out=str(tmp_path / "run")))
    written = io.StringIO()
    console = Console(file=written, width=200)
    _check(study, _Progress(console), console)
    told = written.getvalue()
    assert "  warning  1 column is not read by the study: 'GOT' (is 'ast' meant? Rename it).\n" in told
    assert "  warning  the report will be without FIB-4, which needs" in told
    assert re.search(r"  warning  lines 2, 3, .*: 40 stages were read as numbers: 'F0' as 0, 'F1' as 1", told)
    assert "  warning  lines 5, 7" in told
    _check(study, _Progress(console), console)  # what is kept of the check holds no text of the table
    again = written.getvalue().removeprefix(told)
    assert "  warning  1 column is not read by the study: '…' (is 'ast' meant? Rename it).\n" in again
    assert study.cohort.table["stage"].tolist() == pd.read_csv(trap)["stage"].tolist()


def test_the_run_folder_has_no_name_of_patient_file_or_scanner(study):
    checked(study)
    kept = b"".join(path.read_bytes() for path in study.folder.path.rglob("*") if path.is_file())
    assert b"scanner" in kept
    for text in (b"P03", b"P05", b"videos/", b"Doe"):
        assert text not in kept


def test_what_was_checked_is_not_checked_again_until_a_file_changes(trap, study, monkeypatch):
    def nobody(*_, **__):
        raise AssertionError("checked again")

    first = checked(study)
    with monkeypatch.context() as patched:
        patched.setattr("fibrolib.checking.check.inspect_cohort", nobody)
        pd.testing.assert_frame_equal(checked(study), first)
        frames = read_video(trap.parent / "videos/P01.mp4").frames
        write_video(trap.parent / "videos/P01.mp4", frames[1:], FPS)
        with pytest.raises(AssertionError, match="checked again"):
            checked(study)
        write_video(trap.parent / "videos/P01.mp4", frames, FPS)


def test_all_errors_stop_a_run_at_once_and_are_not_kept(trap, tmp_path):
    table = pd.read_csv(trap, dtype=str)
    table.loc[0, "stage"] = "F2-3"
    table.loc[4, "video"] = "bad/cut.mp4"
    (trap.parent / "bad/cut.mp4").write_bytes((trap.parent / "videos/P04.mp4").read_bytes()[:2000])
    table.to_csv(trap.parent / "spoilt.csv", index=False)
    study = Study(Request(cohort=str(trap.parent / "spoilt.csv"), profile="smoke", out=str(tmp_path / "run")))
    with pytest.raises(FibrolibError) as error:
        checked(study)
    for words in ("nothing was run", "2 errors", "line 2, column 'stage'", "line 6, column 'video': bad/cut.mp4"):
        assert words in str(error.value)
    assert not list(tmp_path.rglob("*.csv"))


def test_a_clean_check_is_one_quiet_sentence_and_no_check_is_none(study):
    assert banner(study).strip() == ""
    study.folder.save_table("check", pd.DataFrame(columns=["severity", "kind", "lines", "column", "finding"]))
    assert "found no problems" in banner(study)
    assert "may be false" not in banner(study)


def test_text_in_a_warning_is_escaped(study):
    row = {"severity": "warning", "kind": "power", "lines": "", "column": "<b>", "finding": "<script>alert(1)</script>"}
    study.folder.save_table("check", pd.DataFrame([row]))
    html = banner(study)
    assert "<script>" not in html
    assert "<code>&lt;b&gt;</code>" in html


def test_files_outside_the_table_s_folder_are_opened_only_when_asked_for(trap, tmp_path):
    table = pd.read_csv(trap)
    for column in ("video", "image", "roi"):
        table[column] = [f"../{trap.parent.name}/{name}" for name in table[column]]
    (trap.parent.parent / "elsewhere").mkdir()
    path = trap.parent.parent / "elsewhere" / "cohort.csv"
    table.to_csv(path, index=False)
    asked = Study(Request(cohort=register(path, outside=True), profile="smoke", out=str(tmp_path / "run")))
    assert checked(asked)["kind"].isin(["shortcut"]).any()
    first = asked.cohort.patients()["videos"].iloc[0][0]
    assert first.read_bytes() == (trap.parent / "videos/P00.mp4").read_bytes()
    refused = Study(Request(cohort=str(path), profile="smoke", out=str(tmp_path / "other")))
    with pytest.raises(FibrolibError, match="leaves the folder"):
        checked(refused)
    with pytest.raises(CohortError, match="leaves the folder"):
        _ = refused.cohort


def write_table(path, ids=("a1", "a2", "a3")):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"patient_id": name, "video": f"{name}.mp4", "stage": 0} for name in ids]
    pd.DataFrame(rows, columns=["patient_id", "video", "stage"]).to_csv(path, index=False)
    return path


def run_folder(**asked):
    return Study(Request(**asked)).folder.path


def test_the_name_tells_what_is_asked_for():
    assert run_folder().name == "virtual-quick-cutoff2-seed0"
    assert run_folder(profile="smoke", cutoff=3, seed=7).name == "virtual-smoke-cutoff3-seed7"
    assert run_folder().parent.name == "reports"


def test_an_own_folder_is_called_after_the_cohort(tmp_path):
    name = run_folder(cohort=str(write_table(tmp_path / "my" / "cohort.csv"))).name
    assert name.startswith("my-")
    assert name.endswith("-quick-cutoff2-seed0")
    name = run_folder(cohort=str(write_table(tmp_path / "my" / "hepatitis.csv"))).name
    assert name.startswith("hepatitis-")


def test_requests_that_differ_never_meet(tmp_path):
    smoke = (resources.files("fibrolib.study") / "profiles" / "smoke.toml").read_text()
    profiles = []
    for folder, text in (("a", smoke), ("b", smoke.replace("size = 48", "size = 32"))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "smoke.toml").write_text(text)
        profiles.append(str(tmp_path / folder / "smoke.toml"))
    tables = [str(write_table(tmp_path / place / "my" / "cohort.csv")) for place in ("a", "b")]
    references = [register(tables[0], pseudonymous=True), register(tables[0], outside=True)]
    folders = [
        run_folder(cohort=cohort, profile=profile, cutoff=cutoff, seed=seed)
        for cohort in ("", *tables, *references)
        for profile in ("smoke", *profiles)
        for cutoff in (1, 2)
        for seed in (0, 1)
    ]
    assert len(set(folders)) == len(folders) == 60


@pytest.mark.parametrize(
    "place",
    [
        "doe_jane/cohort.csv",
        "Doe/cohort.csv",
        "DOE^JANE/cohort.csv",
        "liver Quast/cohort.csv",
        "liver/1957-03-21.csv",
        "liver/21.3.57.csv",
        "liver/4711081.csv",
        "王芳/cohort.csv",
        "liver/a2-second.csv",
    ],
)
def test_a_name_that_could_tell_who_somebody_is_is_not_used(tmp_path, place):
    table = write_table(tmp_path / place, ids=("a2-second", "b1", "b2"))
    assert _cohort_label(table) == ""
    name = run_folder(cohort=str(table)).name
    assert name == f"{register(table)}-quick-cutoff2-seed0"


@pytest.mark.parametrize(
    ("place", "label"),
    [
        ("my/cohort.csv", "my"),
        ("lung-video/cohort.csv", "lung-video"),
        ("x/Liver cohort 2.csv", "liver-cohort-2"),
        ("liver study/cohort.csv", "liver-study"),
        ("munich_2024/cohort.csv", "munich-2024"),
        ("x/HBV cohort.csv", "hbv-cohort"),
    ],
)
def test_plain_names_stay(tmp_path, place, label):
    assert _cohort_label(write_table(tmp_path / place)) == label


def test_the_folder_of_one_patient_may_be_called_after_her(tmp_path):
    assert _cohort_label(write_table(tmp_path / "meier" / "cohort.csv", ids=("x1",))) == ""
    assert _cohort_label(write_table(tmp_path / "empty" / "cohort.csv", ids=())) == ""


def test_this_users_name_is_somebodys(tmp_path, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "quast")
    assert _cohort_label(write_table(tmp_path / "quast" / "cohort.csv")) == ""
