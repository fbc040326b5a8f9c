"""Checklists point at what is there, answer every item, and are shorter for simulated patients."""

import json
import re
from dataclasses import replace

import pandas as pd
import pytest
from docx import Document
from paper_run import EXAMPLE, edit_results, run_of_two_stages, small_run

from fibrolib.paper import checklist, figures, tables, write_cards
from fibrolib.paper.record import read_record
from fibrolib.paper.text import _write_methods, _write_results
from fibrolib.report.notebooks import _notebook_sources

NUMBERS = {"tripod_ai": 52, "stard_ai": 49, "claim_2024": 44}
"""Items: TRIPOD+AI has 27 with 52 parts; STARD 2015 has 30 with 34 parts, and 15 for AI are ours; CLAIM has 44."""


@pytest.fixture(scope="module")
def record():
    return read_record(EXAMPLE)


def manuscript_of(record):
    numbers = {
        "tables": {table.name: table.number for table in tables._make_tables(record)},
        "figures": {plan.name: number for number, plan in enumerate(figures._PLANS, start=1)},
    }
    text = _write_methods(record) + _write_results(record, **numbers)
    headings = frozenset(re.findall(r"^### (.+)$", text, re.MULTILINE))
    return checklist.Manuscript(headings, **numbers, folder=record.folder)


@pytest.fixture(scope="module")
def manuscript(record):
    return manuscript_of(record)


def test_every_place_that_an_item_points_at_is_there(manuscript):
    places = {place for answer in checklist._answers().values() for place in answer.get("where", [])}
    assert len(places) > 20
    assert [place for place in sorted(places) if checklist._find_place(place, manuscript) is None] == []
    notebooks = {path.stem for path in _notebook_sources()}
    assert {place.removeprefix("notebook: ") for place in places if place.startswith("notebook: ")} <= notebooks


@pytest.mark.parametrize(
    "place", ["table: absent", "figure: absent", "methods: Absent", "notebook: 99", "file: no.csv", "?"]
)
def test_a_place_that_is_not_there_is_found_out(place, manuscript):
    assert checklist._find_place(place, manuscript) is None


def test_every_item_has_an_answer_and_every_answer_an_item():
    answers = checklist._answers()
    used = [each for name in checklist.CHECKLISTS for each in checklist._items(name)["answer"]]
    assert set(used) <= set(answers)
    assert set(answers) - set(used) <= {"data_used", "dates", "comparison"}
    for name, answer in answers.items():
        assert len({"says", "author", "never"} & set(answer)) == 1, name
        assert "says" not in answer or answer["where"], name


@pytest.mark.parametrize("name", list(checklist.CHECKLISTS))
def test_items_are_complete_and_numbered_once(name, record, manuscript):
    filled = checklist._fill_checklist(name, record, manuscript)
    assert filled["Item"].is_unique
    assert len(filled) == NUMBERS[name]
    assert filled["Answer"].str.len().min() > 10
    answered = filled[filled["Status"] == checklist.ANSWERED]
    assert answered["Where"].ne("").all()
    assert not filled["Answer"].str.contains("{", regex=False).any()


def test_a_real_cohort_leaves_more_to_the_author(tmp_path, record, manuscript):
    run = small_run(tmp_path / "run", plates=False)
    edit_results(run, virtual=False)
    real = read_record(run)
    virtual, own = (
        checklist._fill_checklist("claim_2024", each, manuscript)["Status"].value_counts() for each in (record, real)
    )
    assert own[checklist.NEEDS_AUTHOR] > virtual[checklist.NEEDS_AUTHOR]
    assert checklist.NOT_APPLICABLE not in own


def test_an_answer_without_its_place_needs_the_author(record, manuscript):
    empty = checklist.Manuscript(frozenset(), {}, {}, manuscript.folder / "absent")
    filled = checklist._fill_checklist("stard_ai", record, empty)
    assert checklist.ANSWERED not in set(filled["Status"])


def test_page_word_and_csv_hold_the_same_items(tmp_path, record, manuscript):
    said = checklist._write_checklists(record, manuscript, tmp_path)
    assert said.startswith(f"{sum(NUMBERS.values())} items of 3 checklists")
    page = (tmp_path / "checklists.html").read_text("utf-8")
    assert record.warning in page
    document = Document(tmp_path / "checklists.docx")
    for table, name in zip(document.tables, checklist.CHECKLISTS, strict=True):
        rows = pd.read_csv(tmp_path / f"{name}.csv", dtype=str)
        assert [row.cells[0].text for row in table.rows[1:]] == rows["Item"].tolist()
        assert all(f"<td>{item}</td>" in page for item in rows["Item"])


def test_text_card_and_checklist_say_in_the_same_words_how_settings_were_chosen(tmp_path, manuscript):
    run = small_run(tmp_path / "run", plates=False)
    content = json.loads((run / "run.json").read_text("utf-8"))
    content["profile"]["n_repeats"] = 3
    (run / "run.json").write_text(json.dumps(content), "utf-8")
    record = read_record(run)
    card, *_ = write_cards(run)
    answers = checklist._fill_checklist("claim_2024", record, manuscript)["Answer"]
    for text in (_write_methods(record), card.read_text("utf-8"), " ".join(answers)):
        assert "5-fold cross-validation, repeated 3 times" in text


def test_patients_who_were_classified_wrongly_are_counted(record, manuscript):
    filled = checklist._fill_checklist("stard_ai", record, manuscript).set_index("Item")
    answer, counts = filled.loc["AI 10", "Answer"], record.index_tests.set_index("model").loc[record.best["model"]]
    assert filled.loc["AI 10", "Status"] == checklist.ANSWERED
    pairs = [tuple(map(int, pair)) for pair in re.findall(r"(\d+) of (\d+)", answer)]
    assert sum(wrong for wrong, _ in pairs) == counts["fp"] + counts["fn"]
    assert sum(size for _, size in pairs) == 17


def test_groups_that_were_not_compared_need_the_author(tmp_path, manuscript):
    run = small_run(tmp_path / "run", plates=False)
    for name in ("interactions", "centres"):
        (run / "tables" / f"{name}.csv").unlink()
    without = replace(manuscript, folder=run, figures={"flow": 1})
    edit_results(run, virtual=False)
    filled = checklist._fill_checklist("tripod_ai", read_record(run), without).set_index("Item")
    assert filled.loc["12d", "Status"] == checklist.NEEDS_AUTHOR
    assert "no column that forms any" in filled.loc["12d", "Answer"]


def test_of_two_stages_and_videos_alone_nothing_else_is_answered(tmp_path, manuscript):
    two_stages = read_record(run_of_two_stages(tmp_path / "run"))
    filled = checklist._fill_checklist("tripod_ai", two_stages, manuscript).set_index("Item")
    assert filled.loc["15", "Answer"].startswith("A probability of stage ≥ 1;")
    assert filled.loc["20b", "Status"] == checklist.NEEDS_AUTHOR
    assert filled.loc["20b", "Answer"] == (
        "Stage, overall and by condition [AUTHOR: age and sex, which the cohort table lacks]; the number with the "
        "condition in each part."
    )
    assert "non-inferiority" not in filled.loc["10", "Answer"]
    claim = checklist._fill_checklist("claim_2024", two_stages, manuscript).set_index("Item")
    assert "pathway" not in claim.loc["41", "Answer"]
    assert "compared with 4 other tests" in claim.loc["6", "Answer"]
