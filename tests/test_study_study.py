"""Opening a study."""

from fibrolib.study import open_study


def test_opening_a_study_and_its_banner_simulate_nothing(tmp_path):
    study = open_study(profile="smoke", out=str(tmp_path / "run"))
    assert "Virtual cohort" in study.banner
    assert not list(tmp_path.rglob("*"))
