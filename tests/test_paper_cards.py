"""A model card gives the numbers of its model, and says in words nobody can miss what it was trained on."""

from paper_run import EXAMPLE, edit_results, small_run

from fibrolib.paper import write_cards
from fibrolib.paper.cards import _write_cards
from fibrolib.paper.record import read_record


def test_every_trained_network_has_a_card_with_its_numbers(tmp_path):
    record = read_record(EXAMPLE)
    paths = _write_cards(record, tmp_path)
    assert {path.stem for path in paths} == set(record.run["nets"])
    text = (tmp_path / "cnn3d.md").read_text("utf-8")
    row = record.metrics.set_index("model").loc["cnn3d"]
    assert f"| AUC | {row['auc']:.2f} ({row['auc_low']:.2f}–{row['auc_high']:.2f}) |" in text
    assert f"Threshold {row['threshold']:.3g}, chosen on {row['threshold_source']}" in text
    assert "**VIRTUAL COHORT. This model was trained and tested on SIMULATED PATIENTS" in text.splitlines()[2]
    assert all(f"## {part}" in text for part in ("Data", "Intended use", "Misuse", "Limits", "Licence"))


def test_a_card_of_a_real_cohort_leaves_the_licence_to_the_author(tmp_path):
    run = small_run(tmp_path / "run", plates=False)
    edit_results(run, virtual=False, population=None, caveat="A test of the installation.")
    record = read_record(run)
    groups = record.metrics.query("model == 'cnn3d'").assign(column="sex", level="female")
    groups.to_csv(run / "tables" / "subgroups.csv", index=False)
    (auc,) = groups["auc"]
    _write_cards(record, tmp_path)
    text = (tmp_path / "cnn3d.md").read_text("utf-8")
    assert [path.parent for path in write_cards(run)] == [run / "models"] * 3
    assert (run / "models" / "cnn3d.md").read_text("utf-8") == text
    assert "VIRTUAL" not in text
    assert "Not a medical device" in text
    assert "> **A test of the installation.**" in text
    assert "[AUTHOR: licence" in text
    assert f"- female (n = 17): AUC {auc:.2f}" in text
    assert "not assessed" in (tmp_path / "cnn2d.md").read_text("utf-8")
