"""Results in sentences and in readable tables."""

import numpy as np
import pandas as pd
import pytest

from fibrolib import plots, report
from fibrolib.clinical import compare_pathways
from fibrolib.inference import summarise_models
from fibrolib.report.sentences import _collect_notes

N = 60


STAGES = np.arange(N) % 5


@pytest.fixture(scope="module")
def metrics():
    random = np.random.default_rng(2)
    table = pd.DataFrame({"patient_id": [f"p{number}" for number in range(N)], "y_true": (STAGES >= 2).astype(int)})
    table["split"] = ["train"] * 36 + ["validation"] * 12 + ["test"] * 12
    scored = [table.assign(model=model, y_score=STAGES + random.normal(0, 2, N)) for model in ("cnn3d", "swe")]
    return summarise_models(pd.concat(scored).assign(repeat=0))


@pytest.fixture
def patients():
    random = np.random.default_rng(1)
    table = pd.DataFrame({"stage": STAGES, "sex": np.where(np.arange(N) % 3, "female", "male")})
    table = table.assign(age=random.normal(50, 8, N), swe_kpa=np.exp(random.normal(1.8, 0.2, N)), ast=np.nan)
    table.loc[0, "swe_kpa"] = np.nan
    return table


def test_table_1_counts_and_does_not_test(patients):
    table = report.readable_patients(patients, 2)
    assert list(table.columns) == ["Characteristic", "Level", "Missing", "Overall", "below F2", "≥ F2"]
    counted = table.set_index("Characteristic")
    assert counted.loc["Patients", ["Overall", "below F2", "≥ F2"]].astype(int).tolist() == [60, 24, 36]
    assert int(counted.loc["Stiffness (SWE), kPa, median [Q1,Q3]", "Missing"]) == 1
    age = patients["age"]
    assert counted.loc["Age, years, mean (SD)", "Overall"] == f"{age.mean():.1f} ({age.std():.1f})"
    assert not table["Characteristic"].str.contains("AST").any()


def test_table_1_of_stages_alone():
    table = report.readable_patients(pd.DataFrame({"stage": [0, 1, 1]}), 1, metavir=False)
    assert table["Level"].tolist() == ["", "stage 0", "stage 1"]


def test_metrics_in_words(metrics):
    row = metrics.set_index("model").loc["cnn3d"]
    text = report.describe_model(metrics, "cnn3d", "significant fibrosis (≥ F2)")
    assert f"AUC **{row['auc']:.3f}**" in text
    assert f"{round(row['accuracy'] * 12)} of 12 are classified correctly" in text
    table = report.readable("metrics", metrics)
    assert table.loc["AUC", "3D-CNN"] == plots.with_interval(row["auc"], row["auc_low"], row["auc_high"])
    assert (table.loc["Patients"] == "12").all()


def test_range_and_source_of_a_threshold_are_told(metrics):
    ranged = metrics.assign(threshold_low=0.3, threshold_high=0.714, threshold_source="out-of-fold scores")
    text = report.describe_model(ranged, "cnn3d", "≥ F2")
    assert "operating point taken from out-of-fold scores (score ≥ " in text
    assert "; 95 % of resamples: 0.30 to 0.71)" in text
    assert report.readable("metrics", ranged).loc["Threshold (95 % of resamples)", "3D-CNN"].endswith("(0.30–0.71)")


def test_a_model_that_cannot_be_judged_says_why(metrics):
    broken = metrics.assign(auc=np.nan, note="only one class")
    assert "only one class" in report.describe_model(broken, "swe", "≥ F2")


def test_a_model_without_operating_point_says_why(metrics):
    broken = metrics.assign(threshold=np.nan, note="one class")
    assert "No operating point: one class" in report.describe_model(broken, "swe", "≥ F2")


def test_a_setting_in_words():
    setting = {"learning_rate": 1e-5, "weights": "interpolated", "options": {"slow_frames": 2, "direct": True}}
    expected = "learning rate 0.00001, weights interpolated, slow frames 2, direct True"
    assert plots.setting_label(setting) == expected
    flat = {"learning_rate": 1e-5, "weights": "interpolated", "options.slow_frames": 2, "options.direct": True}
    assert plots.setting_label(flat) == expected
    assert plots.setting_label({}) == ""


def test_notes_are_told_once_and_not_what_stands_beside_them():
    one = pd.DataFrame({"note": ["few patients; no interval", "few patients", None]})
    two = pd.DataFrame({"note": ["", "ties"]})
    assert _collect_notes(one, two) == ["few patients", "no interval", "ties"]
    assert report.describe_notes(two) == "Caveats: ties."
    assert report.describe_notes(pd.DataFrame({"note": ["", None]})) == ""
    assert _collect_notes(one, two, said="Caveats: few patients.") == ["no interval", "ties"]


def test_a_caveat_of_few_rows_says_of_which():
    pairs = pd.DataFrame(
        {"a": ["cnn3d", "cnn3d", "cnn2d"], "b": ["cnn2d", "swe", "swe"], "note": ["alike; few", "few", "few"]}
    )
    models = pd.DataFrame({"model": ["cnn3d", "cnn2d", "swe"], "note": ["no interval", "", "no interval"]})
    assert _collect_notes(pairs, models) == [
        "3D-CNN − 2D-CNN: alike",
        "3D-CNN, SWE: no interval",
        "few",
    ]
    assert _collect_notes(models.assign(note="alike"), pairs) == ["alike", "few"]
    assert _collect_notes(pairs, models.assign(note="alike")) == ["alike", "few"]


def test_calibration_of_each_diagnostic_in_a_row():
    rows = [
        ("cnn3d", "slope", np.inf, 0.4, np.inf),
        ("cnn3d", "intercept", -0.2, -1.1, 0.7),
        ("raw", None, *[np.nan] * 3),
    ]
    table = pd.DataFrame(rows, columns=["model", "metric", "value", "low", "high"]).assign(n=17)
    told = report.readable("calibration", table)
    assert told["Diagnostic"].tolist() == ["3D-CNN"]
    assert told.loc[0, ["Patients", "Intercept", "Slope"]].tolist() == [17, "−0.20 (−1.10 to 0.70)", "∞ (0.40–∞)"]


def test_numbers_with_their_intervals():
    assert plots.with_interval(0.85, 0.62, 0.95) == "0.85 (0.62–0.95)"
    assert plots.with_interval(-0.001, -0.3, 0.3) == "0.00 (−0.30 to 0.30)"
    assert plots.with_interval(1.0, np.nan, np.nan) == "1.00 (no interval)"
    assert plots.with_interval(np.nan, np.nan, np.nan) == "–"


def test_shares_in_words():
    shares = pd.DataFrame({"relevance": [0.1, 0.3, np.nan], "area": [0.05, 0.05, 0.05]})
    text = report.describe_attribution(shares, "cnn2d")
    assert "20.0% of the relevance" in text
    assert "covers 5.0%" in text
    assert "4.0 times" in text
    assert "1 further map has" in text
    empty = report.describe_attribution(shares.assign(relevance=np.nan), "cnn2d")
    assert "all maps are empty (no positive evidence)" in empty


def test_published_numbers_stand_beside_ours():
    published = pd.DataFrame({"model": ["cnn3d", "cnn2d"], "auc": [0.847, 0.753], "accuracy": [0.7647, np.nan]})
    ours = {"auc": 0.7, "auc_low": 0.5, "auc_high": 0.9, "accuracy": 0.5, "accuracy_low": 0.3, "accuracy_high": 0.7}
    table = report.readable_beside(published, pd.DataFrame([{"model": "cnn3d", **ours}]))
    assert table["Model"].tolist() == ["3D-CNN", "2D-CNN"]
    assert table["AUC, published"].tolist() == ["0.847", "0.753"]
    assert table["AUC, this run"].tolist() == ["0.70 (0.50–0.90)", "–"]
    assert table["Accuracy, published"].tolist() == ["0.765", "not given"]
    assert "F1 (macro), published" not in table


@pytest.mark.parametrize(
    ("auc", "low", "high", "said"),
    [
        (0.85, 0.6, 0.95, "0.85 (95 % CI 0.60–0.95). The interval lies above 0.5: better than chance."),
        (0.6, 0.4, 0.8, "0.60 (95 % CI 0.40–0.80). The interval includes 0.5: not shown to be better than chance."),
        (0.2, 0.1, 0.4, "0.20 (95 % CI 0.10–0.40). The interval lies below 0.5: worse than chance."),
        (1.0, np.nan, np.nan, "1.00, without an interval (few): it is not known whether this is better than chance."),
    ],
)
def test_evidence_against_chance(auc, low, high, said):
    row = {"model": "cnn2d", "n": 17, "auc": auc, "auc_low": low, "auc_high": high, "note": "few"}
    text = report.describe_evidence(pd.DataFrame([row]), "cnn2d")
    assert text == f"2D-CNN, 17 test patients: AUC {said}"


def test_evidence_beside_the_cross_validated_mean():
    metrics = pd.DataFrame([{"model": "cnn2d", "n": 17, "auc": 0.9, "auc_low": 0.7, "auc_high": 0.95, "note": ""}])
    text = report.describe_evidence(metrics, "cnn2d", 0.8)
    assert "The test AUC is 0.10 above the cross-validated mean (0.80); its interval includes that mean." in text
    below = report.describe_evidence(metrics, "cnn2d", 0.96)
    assert "The test AUC is 0.06 below the cross-validated mean (0.96); its interval does not include" in below


def test_evidence_where_there_is_no_area():
    row = {"model": "cnn2d", "n": 3, "auc": np.nan, "auc_low": np.nan, "auc_high": np.nan, "note": "one class only"}
    text = report.describe_evidence(pd.DataFrame([row]), "cnn2d")
    assert text == "2D-CNN cannot be evaluated in the test patients (one class only)."


def test_choice_by_the_folds_in_which_it_leads():
    folds = {"auc_fold1": [0.9, 0.7], "auc_fold2": [0.66, 0.7], "auc_fold3": [np.nan, 0.7]}
    search = pd.DataFrame({**folds, "auc_mean": [0.78, 0.70]})
    assert report.describe_choice(search) == (
        "Cross-validation: mean AUC 0.78, folds from 0.66 to 0.90. Of 2 settings, the chosen one has a higher AUC "
        "than the next best in 1 of 2 folds (mean difference 0.08)."
    )
    assert "Only one setting was tried" in report.describe_choice(search.iloc[1:])


def test_a_cautious_choice_is_called_so():
    """The chosen setting stands first; within one standard error, it need not have the highest mean."""
    search = pd.DataFrame({"auc_fold1": [0.7, 0.9], "auc_fold2": [0.72, 0.66], "auc_mean": [0.71, 0.78]})
    assert report.describe_choice(search) == (
        "Cross-validation: mean AUC 0.71, folds from 0.70 to 0.72. Another of 2 settings has a higher mean (0.78), by "
        "less than one standard error; the more cautious setting was chosen."
    )


def test_training_by_the_epoch_kept():
    curves = {"epoch": [1, 1, 2, 3], "train_loss": [0.9, 0.8, 0.5, 0.3], "valid_loss": [0.1, 0.7, 0.6, 0.65]}
    histories = pd.DataFrame(curves).assign(fold=pd.array([1, None, None, None], dtype="Int64"))
    assert report.describe_training(histories) == (
        "Training: of 3 epochs, the weights of epoch 2 are kept, with a validation loss of 0.60 and a training loss of "
        "0.50. Epochs kept in the folds: 1."
    )
    assert report.describe_training(histories.iloc[:0]) == (
        "Training: none; the chosen setting is the linear probe alone."
    )
    alone = report.describe_training(histories.drop(columns="valid_loss"))
    assert alone == "Training: all 3 epochs were used; no validation loss was computed."


def pairs(p_holm, note="", test="DeLong, paired"):
    n = len(p_holm)
    rows = {"a": ["cnn3d"] * n, "b": ["swe", "fib4", "apri"][:n], "n": 17, "difference": 0.1, "ci_low": -0.1}
    p = np.where(np.isnan(p_holm), np.nan, 0.001)
    return pd.DataFrame(rows).assign(ci_high=0.3, p=p, p_holm=p_holm, test=test, note=note)


def test_only_corrected_p_values_count():
    text = report.describe_comparisons(pairs([0.06, 0.5, np.nan]))
    assert "**2 pairs** were tested (DeLong, paired; 17 patients)" in text
    assert "**none** has p < 0.05 (smallest corrected p: 0.060)" in text
    assert "typically 0.40 wide" in text
    assert "**1** has p < 0.05: 3D-CNN above SWE" in report.describe_comparisons(pairs([0.01, 0.5]))
    behind = pairs([0.01]).assign(difference=-0.1)
    assert "p < 0.05: SWE above 3D-CNN" in report.describe_comparisons(behind)
    assert "No pair" in report.describe_comparisons(pairs([np.nan]))
    alike = pairs([1.0, 1.0]).assign(ci_low=np.nan, ci_high=np.nan)
    assert "typically" not in report.describe_comparisons(alike)
    assert "few patients" in report.describe_comparisons(pairs([0.2, 0.3], note="few patients"))
    some = pairs([0.2, 0.3], note=["few patients; ties", "few patients"]).assign(n=[14, 17])
    assert "14 to 17 patients" in report.describe_comparisons(some)
    assert report.describe_comparisons(some).endswith("Caveats: few patients.")


def test_one_training_is_said_to_be_one():
    said = "these nets (one training each)"
    assert said in report.describe_comparisons(pairs([0.06, 0.5]))
    assert said not in report.describe_comparisons(pairs([0.06, 0.5]).assign(a="swe", b=["fib4", "apri"]))


def test_every_row_names_its_test_its_patients_and_its_correction():
    table = report.readable_comparisons(pairs([0.0004, np.nan]).assign(ci_low=[-0.1, np.nan]))
    assert table["Difference in AUC (95 % CI)"].tolist() == ["+0.10 (−0.10 to +0.30)", "+0.10 (no interval)"]
    assert table["p (Holm, 1 test)"].tolist() == ["< 0.001", "–"]
    assert table["Test"].tolist() == ["DeLong, paired"] * 2
    assert table["Patients"].tolist() == [17, 17]
    told = report.readable_comparisons(pairs([0.2], note="2 by the first alone"), of="accuracy", notes=True)
    assert told.loc[0, ["Note"]].item() == "2 by the first alone"
    assert "Difference in accuracy (95 % CI)" in told


def test_the_same_pairs_by_two_tests_stand_side_by_side():
    table = report.readable_tests(pairs([0.2, 0.3]), pairs([0.1, np.nan], test="exchange, paired"))
    assert table["Comparison"].tolist() == ["3D-CNN − SWE", "3D-CNN − FIB-4"]
    assert table["DeLong, paired: p (Holm, 2 tests)"].tolist() == ["0.200", "0.300"]
    assert table["exchange, paired: p (Holm, 1 test)"].tolist() == ["0.100", "–"]


def test_where_two_tests_disagree_it_is_said():
    found = pairs([0.006, 0.5])
    text = report.describe_comparisons(found, pairs([1.0, 0.4], test="exchange, paired"))
    assert (
        "**The conclusion depends on the test** (DeLong, paired; exchange, paired) for 3D-CNN and SWE (p 0.006; > 0.99)"
        in text
    )
    text = report.describe_comparisons(found, pairs([0.01, 0.4], test="exchange, paired"))
    assert "A second test (exchange, paired) agrees for every pair." in text


def test_the_joint_test_in_a_sentence():
    row = {"models": 6, "n": 17, "statistic": 8.25, "df": 5, "df_error": 11.0, "p": 0.4, "test": "DeLong, joint (F)"}
    text = report.describe_joint(pd.DataFrame([row | {"note": "only 8 patients"}]))
    assert "all 6 AUCs are equal (DeLong, joint (F); 17 patients scored by all)" in text
    assert "F = 8.25 on 5.0 and 11.0 degrees of freedom, **p = 0.400**" in text
    assert text.endswith("; only 8 patients.")
    refused = report.describe_joint(pd.DataFrame([row | {"p": np.nan, "note": "one class"}]))
    assert "cannot be tested" in refused
    assert "one class" in refused


def test_clinical_results_in_a_row_each():
    rows = [("added value", "gain of AUC", 0.04, -0.15, 0.29, 0.016, 17)]
    rows += [("pathway", "change of biopsies per 1,000 by the video", -24.6, -42.2, 0.0, np.nan, 94)]
    table = pd.DataFrame(rows, columns=["question", "measure", "value", "low", "high", "p", "n"])
    shown = report.readable("clinical", table)
    assert shown["Question"].tolist() == ["Added value", "Pathway"]
    assert shown["Value (95 % CI)"].tolist() == ["0.04 (−0.15 to 0.29)", "−25 (−42 to +0)"]
    assert shown["p"].tolist() == ["0.016", "–"]


def test_interactions_and_centres_are_rounded():
    tests = {
        "column": ["sex"],
        "levels": [2],
        "n": [94],
        "statistic": [2.2736],
        "df": [1],
        "p": [0.13159],
        "note": [""],
    }
    shown = report.readable("interactions", pd.DataFrame(tests).assign(p_holm=np.nan))
    assert shown.iloc[0].tolist() == ["sex", 2, 94, "2.27", "0.132", "–", ""]
    values = {"auc": 0.82943, "sensitivity": 0.69231, "intercept": -0.75413}
    values |= {
        f"{name}_{end}": value + step for name, value in values.items() for end, step in (("low", -1), ("high", 1))
    }
    row = {"level": "A", "n": 49, "n_positive": 26, "threshold": 0.74866, "note": "", **values}
    shown = report.readable("centres", pd.DataFrame([row])).loc[0]
    assert shown["AUC (95 % CI)"] == plots.with_interval(0.82943, -0.17057, 1.82943)
    assert shown["Threshold"] == "0.75"


def test_pathways_in_whole_patients():
    zones = pd.DataFrame({"fib4": ["low"] * 5 + ["high"] * 15})
    table = compare_pathways({"biopsy of all": zones[[]], "FIB-4": zones}, np.arange(20) % 4 == 0)
    shown = report.readable("pathways", table)
    assert shown["Biopsies"].tolist()[0] == "1000 (1000 to 1000)"
    assert shown["Biopsies, change by this step"].tolist()[0] == "–"
    assert shown["Biopsies, change by this step"].tolist()[1].startswith("−250 (")
    assert shown["Share of the condition missed"].tolist()[1].startswith("0.40 (")
