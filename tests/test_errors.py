"""How messages count, and how the errors of a table are told."""

import pickle

import pytest

from fibrolib.errors import CohortError, Problem, counted


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((0, "patient"), "0 patients"),
        ((1, "virtual patient"), "1 virtual patient"),
        ((2, "video"), "2 videos"),
        ((1, "entry", "entries"), "1 entry"),
        ((3, "entry", "entries"), "3 entries"),
    ],
)
def test_one_is_singular(arguments, expected):
    assert counted(*arguments) == expected


def test_a_table_tells_how_many_problems_it_has():
    problem = Problem("is wrong.", 3, "age")
    assert str(CohortError("a.csv", [problem])) == "a.csv: 1 problem\n  - line 3, column 'age': is wrong."
    assert str(CohortError("a.csv", [problem, problem])).startswith("a.csv: 2 problems\n")
    assert str(pickle.loads(pickle.dumps(CohortError("a.csv", [problem])))).startswith("a.csv: 1 problem\n")
