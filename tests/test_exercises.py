"""The exercises: right answers are accepted, typical mistakes get their own hint, numbers are those of the text."""

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "notebooks" / "exercises"
EXERCISES = sorted(FOLDER.glob("E*.ipynb"))
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
QUESTIONS = [
    pytest.param(path, name, question, id=f"{path.stem}-{name}")
    for path in EXERCISES
    for name, question in json.loads(path.with_suffix(".json").read_text("utf-8")).items()
]
every_question = pytest.mark.parametrize(("path", "name", "question"), QUESTIONS)


@cache
def after_running(path):
    """All that a notebook has defined once its cells have run, in this process."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    names, here = {}, Path.cwd()
    os.chdir(path.parent)
    try:
        for number, cell in enumerate(cells):
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), f"{path.name}, cell {number}", "exec"), names)
    finally:
        os.chdir(here)
    return names


def reply(question, given):
    """Whether an answer is accepted, and what is said to it, by the rules of jupyterquiz.

    Its multiple_choice.js takes the answer that was clicked; its numeric.js the first range, lower end included, that
    holds the number, else the default.
    """
    answers = question["answers"]
    if question["type"] == "multiple_choice":
        (chosen,) = [answer for answer in answers if answer["answer"] == given]
    else:
        ranges = [answer for answer in answers if "range" in answer]
        (default,) = [answer | {"correct": False} for answer in answers if answer["type"] == "default"]
        chosen = next((each for each in ranges if each["range"][0] <= given < each["range"][1]), default)
    return chosen["correct"], chosen["feedback"]


def answers(question):
    """What may be picked, or a number from the middle of every range that is known: the right ones, the wrong ones."""
    known = [each for each in question["answers"] if each.get("type") != "default"]
    texts = [(each["correct"], each["answer"] if "answer" in each else sum(each["range"]) / 2) for each in known]
    return [text for correct, text in texts if correct], [text for correct, text in texts if not correct]


@every_question
def test_the_right_answer_is_accepted(path, name, question):
    (right,), _ = answers(question)
    accepted, said = reply(question, right)
    assert accepted
    assert said.startswith("Right")


@every_question
def test_three_typical_mistakes_get_a_hint_each(path, name, question):
    _, wrong = answers(question)
    replies = [reply(question, each) for each in wrong]
    assert len(wrong) >= 3
    assert not any(accepted for accepted, _ in replies)
    hints = [said for _, said in replies]
    assert len(set(hints)) == len(hints)
    assert all(len(hint) > 20 and "Right" not in hint for hint in hints)


@every_question
def test_a_mistake_gets_its_hint_also_when_it_is_rounded_as_the_question_asks(path, name, question):
    if "two decimals" in question["question"]:
        _, wrong = answers(question)
        assert [reply(question, round(each, 2)) for each in wrong] == [reply(question, each) for each in wrong]


@pytest.mark.parametrize(("path", "name", "question"), [case for case in QUESTIONS if "computed" in case.values[2]])
def test_the_number_that_the_notebook_computes_is_accepted(path, name, question):
    value = float(after_running(path)[question["computed"]])
    decimals = 2 if "two decimals" in question["question"] else 0
    assert reply(question, round(value, decimals))[0], value
    accepted, said = reply(question, 123456.0)  # no mistake that anybody foresaw
    assert not accepted
    assert said == question["answers"][-1]["feedback"]


@pytest.mark.parametrize("path", EXERCISES, ids=lambda path: path.stem)
def test_every_question_is_asked_once_and_before_its_answer(path):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    asked = re.findall(r'display_quiz\(\[questions\["(\w+)"\]\]\)', "\n".join(code))
    questions = json.loads(path.with_suffix(".json").read_text("utf-8"))
    assert asked == list(questions)
    for name, question in questions.items():
        if "computed" in question:
            at = next(number for number, cell in enumerate(code) if f'questions["{name}"]' in cell)
            assert not re.search(rf"^{question['computed']}\b.* = ", "\n".join(code[:at]), re.MULTILINE), name


def test_the_sources_of_the_questions_are_known_to_the_quiz():
    assert {case.values[2]["type"] for case in QUESTIONS} == {"multiple_choice", "numeric"}


def test_the_roc_explorer_counts_patients():
    roc = after_running(FOLDER / "E1_read_a_roc.ipynb")["roc"]
    # Sensitivity 7/10 and specificity 6/7 (counted by hand in the table), 10 % of 1,000 patients.
    assert re.findall(r"<td>(\d+)</td>", roc.caption) == ["70", "129", "30", "771"]
    roc.controls["prevalence"].value = 0.5
    assert re.findall(r"<td>(\d+)</td>", roc.caption) == ["350", "71", "150", "429"]
    roc.controls["threshold"].value = 0.0
    assert re.findall(r"<td>(\d+)</td>", roc.caption) == ["500", "500", "0", "0"]
    assert "Of the positive 50%" in roc.caption


def test_the_split_explorer_names_another_winner():
    names = after_running(FOLDER / "E2_split_by_patient.ipynb")
    luck, redrawn, winners = names["luck"], names["redrawn"], set()
    for draw in range(10):
        luck.controls["draw"].value = draw
        areas = redrawn[redrawn["redraw"] == draw].set_index("model")["auc"]
        assert f": {areas.idxmax()} {areas.max():.2f}" in luck.caption
        winners.add(areas.idxmax())
    assert len(winners) > 1


def test_the_sample_size_explorer_rises_with_the_number_of_patients():
    explorer = after_running(FOLDER / "E3_is_it_significant.ipynb")["explorer"]
    powers, widths = [], []
    for patients in (17, 164, 1000):
        explorer.controls["patients"].value = patients
        power, low, high = re.search(r"Power (\d+)%.*: ([\d.]+) to ([\d.]+)\.$", explorer.caption).groups()
        powers.append(int(power))
        widths.append(float(high) - float(low))
    assert powers[0] < 20
    assert powers[1] == pytest.approx(80, abs=3)  # comparison_sample_size(0.85, 0.75): 82 in each class
    assert powers[2] > 99
    assert widths[0] > 0.3 > widths[1] > widths[2]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_they_run_from_nothing(path):
    assert after_running(path)


@pytest.mark.slow
def test_one_runs_in_a_kernel():
    """Its explorer and its questions stand for those of the others."""
    options = ["--nbval-lax", "-p", "no:cacheprovider", "-p", "no:xdist", "--nbval-cell-timeout=300", "-q"]
    command = [sys.executable, "-m", "pytest", *options, "-c", os.devnull, "E1_read_a_roc.ipynb"]
    result = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-3000:]


# What the text of the gallery says, over five seeds: reported, true.
SAID = {
    "frames split in place of patients": (1.00, 0.57),
    "threshold chosen on the test patients": (0.86, 0.77),
    "early stopping on the test patients": (0.85, 0.79),
    "the scanner knows the stage": (0.94, 0.62),
    "copied patients": (0.95, 0.82),
    "the best of twenty seeds": (0.99, 0.86),
    "metrics averaged over folds, then tested": (0.52, 0.04),
    "resubstituted AUC": (0.99, 0.79),
}


@pytest.fixture(scope="module")
def gallery():
    return after_running(FOLDER / "how_to_fool_yourself.ipynb")["confessed"]


def test_every_habit_flatters_with_every_seed(gallery):
    assert set(gallery["habit"]) == set(SAID)
    assert (gallery.groupby("habit")["seed"].nunique() == 5).all()
    assert (gallery["reported"] - gallery["true"] >= gallery["at_least"]).all()
    assert (gallery["at_least"] > 0).all()


@pytest.mark.parametrize("habit", SAID)
def test_numbers_are_those_of_the_text(gallery, habit):
    rows = gallery[gallery["habit"] == habit]
    assert (rows["reported"].mean(), rows["true"].mean()) == pytest.approx(SAID[habit], abs=0.02)


def test_the_tests_that_the_gallery_names_are_there():
    text = (FOLDER / "how_to_fool_yourself.ipynb").read_text("utf-8")
    tests = FOLDER.parents[1] / "tests"
    assert all((tests / name).exists() for name in re.findall(r"`tests/(\w+\.py)`", text))
    code = "".join(path.read_text("utf-8") for path in tests.glob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", text)
    assert len(named) >= 2
    assert all(f"def {name}(" in code for name in named)


def test_the_findings_that_the_gallery_names_can_be_found():
    text = (FOLDER / "how_to_fool_yourself.ipynb").read_text("utf-8")
    findings = set(re.findall(r"`((?:copy|patient|same|shortcut)[a-z-]*)`", text))
    source = "".join(path.read_text("utf-8") for path in (FOLDER.parents[1] / "fibrolib" / "checking").glob("*.py"))
    assert len(findings) >= 6
    assert all(f'"{kind}"' in source for kind in findings)


def test_the_plans_name_sections_that_exist_in_rising_minutes():
    text = (FOLDER.parents[1] / "docs" / "teaching.md").read_text("utf-8")
    for plan in re.split(r"^## ", text, flags=re.MULTILINE)[1:4]:
        rows = re.findall(r"^\| (\d+) \| \[\w+\]\(\.\./(notebooks/\S+)\) · ([^|]+) \|", plan, re.MULTILINE)
        minutes = [int(minute) for minute, _, _ in rows]
        assert len(rows) >= 7
        assert minutes == sorted(set(minutes))
        for _, notebook, section in rows:
            cells = json.loads((FOLDER.parents[1] / notebook).read_text("utf-8"))["cells"]
            prose = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
            assert f"## {section}\n" in prose + "\n", (notebook, section)
