"""Every number of the paragraphs is the run's; places for an author are marked; citations are known."""

import json
import re
from importlib import resources

import numpy as np
import pandas as pd
import pytest
from paper_run import EXAMPLE, edit_results, run_of_two_stages, small_run

from fibrolib.errors import counted
from fibrolib.paper import text as paper_text
from fibrolib.paper.figures import _PLANS
from fibrolib.paper.record import VIRTUAL, read_record
from fibrolib.paper.tables import _TABLES, _make_tables

TABLES = {name: number for number, name in enumerate(_TABLES, 1)}
FIGURES = {plan.name: number for number, plan in enumerate(_PLANS, 1)}
NAMES = r"\d?D-CNN|FIB-4|3D|F[0-4]|1/16|Lite\d|(?:Table|Figure) \d+|95 %|p > 0.99|below 0.05|\[[@\w; ]+\]"
"""What holds digits and is no number: names, and the level of confidence."""


@pytest.fixture(scope="module")
def methods():
    return paper_text._write_methods(read_record(EXAMPLE))


@pytest.fixture(scope="module")
def results():
    return paper_text._write_results(read_record(EXAMPLE), TABLES, FIGURES)


def numbers_in(value):
    """All numbers of a value out of JSON, and those that stand in its texts."""
    if isinstance(value, dict):
        return {number for each in value.values() for number in numbers_in(each)}
    if isinstance(value, list):
        return {number for each in value for number in numbers_in(each)} | {float(len(value))}
    if isinstance(value, bool) or value is None:
        return set()
    return (
        {float(value)}
        if isinstance(value, int | float)
        else {float(each) for each in re.findall(r"\d+\.?\d*", str(value))}
    )


@pytest.fixture(scope="module")
def known():
    """Every number of results.json, run.json, the tables, and counts of patients in predictions.csv."""
    values = set()
    for name in ("results", "run"):
        values |= numbers_in(json.loads((EXAMPLE / f"{name}.json").read_text("utf-8")))
    for path in (EXAMPLE / "tables").glob("*.csv"):
        table = pd.read_csv(path).select_dtypes("number").to_numpy(float).ravel()
        values |= set(table[np.isfinite(table)])
    values |= numbers_in(pd.read_csv(EXAMPLE / "tables" / "table1.csv", dtype=str)["Overall"].tolist())
    for name in ("cnn2d", "cnn2d_lstm", "cnn3d"):
        layers = pd.read_csv(EXAMPLE / "tables" / f"layers_{name}.csv").query("level == 1")
        values |= {float(layers["weights"].sum()), float(layers["learned"].sum())}
    scored = pd.read_csv(EXAMPLE / "predictions.csv").query("model == 'cnn2d'").drop_duplicates("patient_id")
    values |= {float(scored["y_true"].sum()), *scored.groupby("split")["y_true"].sum().astype(float)}
    return np.array(sorted(values))


@pytest.mark.parametrize("part", ["methods", "results"])
def test_every_number_is_the_run_s(part, known, request):
    text = re.sub(NAMES, "", request.getfixturevalue(part))
    text = re.sub(r"(Python|PyTorch|scikit-learn|SciPy|NumPy|fibrolib|digest) \S+", "", text).replace(",", "")
    text = text.replace("above 0.5", "").replace("included 1 ", "").replace("7 of 7", "7")
    found = re.findall(r"\d+(?:\.\d+)?", text)
    assert len(found) > 20
    for number in found:
        decimals = len(number.partition(".")[2])
        near = np.abs(np.abs(known) - float(number)) <= 0.5 * 10.0**-decimals + 1e-9
        percent = np.abs(100 * np.abs(known) - float(number)) <= 0.5 * 10.0**-decimals + 1e-9
        assert (near | percent).any(), number


def test_the_kind_of_data_is_said_in_both_parts(methods, results):
    assert VIRTUAL in results
    assert "virtual cohort" in methods
    assert "not clinical evidence" in methods


def test_what_the_network_adds_is_that_of_notebook_12(results):
    table = pd.read_csv(EXAMPLE / "tables" / "clinical.csv").query("question == 'added value'")
    (row,) = table.itertuples()
    said = f"Added to FIB-4 and SWE, the 3D-CNN changed the AUC in {row.n} test patients by {row.value:+.2f}, 95 % CI "
    assert said + f"{row.low:+.2f} to {row.high:+.2f} (likelihood".replace("-", "−") in results


@pytest.mark.parametrize(("low", "verdict"), [(-0.04, "shown"), (-0.06, "not shown")])
def test_non_inferiority_is_judged_by_the_lower_limit(tmp_path, low, verdict):
    run = small_run(tmp_path / "run", plates=False)
    answer = {"question": "non-inferiority", "n": 17, "value": 0.08, "ci": [low, 0.38], "p": 0.02, "margin": 0.05}
    edit_results(run, clinical=[answer])
    text = paper_text._write_results(read_record(run), TABLES, {})
    assert f"With a margin of 0.05, the AUC of the 3D-CNN was {verdict} to be non-inferior to that of SWE" in text
    assert f"(difference +0.08, 95 % CI −{-low:.2f} to +0.38, one-sided p = 0.020)" in text


def test_a_real_cohort_leaves_marked_places_for_the_author(tmp_path, methods):
    run = small_run(tmp_path / "run", plates=False)
    edit_results(run, virtual=False, population=None, attribution={}, staging=None)
    record = read_record(run)
    text = paper_text._write_methods(record)
    assert text.count("[AUTHOR: ") >= 4
    assert "[AUTHOR: " not in methods
    assert "virtual" not in text
    results = paper_text._write_results(record, TABLES, {})
    assert "[AUTHOR: this run has no figure 'roc']" in results
    assert "Staging" not in results
    assert "simulated" not in results


@pytest.mark.parametrize("kind", ["Table", "Figure"])
def test_tables_and_figures_are_referred_to_in_their_order(results, kind):
    numbers = list(dict.fromkeys(int(number) for number in re.findall(rf"{kind} (\d+)", results)))
    assert numbers == list(range(1, len(TABLES if kind == "Table" else FIGURES) + 1))


@pytest.fixture
def two_stages(tmp_path):
    return read_record(run_of_two_stages(tmp_path / "run"))


def test_of_two_stages_and_videos_alone_nothing_else_is_said(two_stages):
    methods = paper_text._write_methods(two_stages)
    tables = {table.name: table.number for table in _make_tables(two_stages)}
    assert not {"staging", "staging_comparisons", "auc_by_cutoff", "subgroups"} & set(tables)
    figures = {name: number for name, number in FIGURES.items() if name not in ("confusion", "subgroups", "pathway")}
    text = methods + paper_text._write_results(two_stages, tables, figures)
    words = "virtual|simulat|liver|fibrosis|METAVIR|stiffness|elastography|laboratory|every cut-off|Groups"
    assert re.findall(f"{words}|this run has no", text) == []
    assert "[AUTHOR: age and sex, which the cohort table lacks.]" in text
    assert "stage ≥ 1 [AUTHOR: what the stages of the cohort table mean]" in methods
    assert "divided at random, stratified by stage, into" in methods
    two_stages.run["own_split"] = True
    assert "as the cohort table says [AUTHOR: how that was decided]" in paper_text._write_methods(two_stages)


def test_networks_are_described_as_they_were_made(two_stages):
    first, second, third = re.findall(r"^The .*CNN.*$", paper_text._write_methods(two_stages), re.MULTILINE)
    assert "read at 1/16 and 1/32 of the resolution and followed by the mean of its feature maps" in first
    assert "weights. Its initial weights came from ImageNet. Only a linear probe" in first
    assert "through an LSTM [@hochreiter1997] and, averaged over time, past it into an embedding" in second
    assert "that of the pretrained layers" in second
    assert "Its initial weights were random." in third
    assert "pretrained layers" not in third
    assert re.search(r"weights, all of which were trained", third)
    assert re.search(r"weights, of which [\d,]+ were trained", second)


def test_settings_and_missing_results_are_told(tmp_path):
    run = small_run(tmp_path / "run", plates=False)
    record = read_record(run)
    predictions = record.predictions
    test = predictions.index[(predictions["model"] == "swe") & (predictions["split"] == "test")]
    predictions.drop(index=test[:2]).to_csv(run / "predictions.csv", index=False)
    assert "Results were missing in some test patients: 2 of SWE." in paper_text._write_results(
        read_record(run), TABLES, FIGURES
    )
    record.run["profile"]["models"][1]["arguments"]["architecture"] = "mine"
    with pytest.raises(ValueError, match="mine"):
        paper_text._write_methods(record)


def test_differences_are_named_where_there_are_any(tmp_path):
    run = small_run(tmp_path / "run", plates=False)
    found = json.loads((run / "results.json").read_text("utf-8"))
    pair = found["comparisons"][0] | {"difference": 0.2, "ci": [0.1, 0.3], "p": 0.0001, "p_holm": 0.0004}
    joint = found["joint"] | {"p": 0.01}
    edit_results(run, comparisons=[pair, *found["comparisons"][1:]], joint=joint)
    text = paper_text._write_results(read_record(run), TABLES, FIGURES)
    assert "differed (joint test" in text
    assert "3D-CNN and 2D-CNN + LSTM (difference +0.20, 95 % CI +0.10 to +0.30, corrected p < 0.001)" in text


def test_citations_are_known_and_numbered_in_order(methods):
    keys = paper_text._cited_keys(methods)
    bibliography = paper_text._write_bibliography(methods)
    assert re.findall(r"^@\w+\{(\w+),", bibliography, re.MULTILINE) == keys
    text = paper_text._number_citations("A [@holm1979]. B [@wilson1927; @holm1979].")
    assert text.startswith("A [1]. B [2, 1].")
    assert "1. Holm S. A simple sequentially rejective multiple test procedure. Scandinavian Journal" in text
    assert "1979;6:65–70." in text


def test_every_reference_is_cited_somewhere():
    files = [path for path in resources.files("fibrolib.paper").iterdir() if path.name.endswith((".j2", ".py"))]
    sources = "".join(path.read_text("utf-8") for path in files)
    assert set(paper_text._references()) == set(re.findall(r"@(\w+\d{4})", sources))


def test_areas_without_an_interval_say_so():
    assert paper_text._describe_area({"auc": 0.9, "auc_ci": [None, None]}) == "0.90 (no interval)"
    assert counted(1, "frame") == "1 frame"
