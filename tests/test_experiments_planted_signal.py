"""The net of a scenario, and the count of its maps."""

import pytest
from conftest import make_patients

from fibrolib.errors import FibrolibError
from fibrolib.experiments.planted_signal import REGIONS, _SaliencyConfig, _Scenario
from fibrolib.learning import NetClassifier


def scenario_of(patients, **options):
    net = NetClassifier("motion_resnet3d", {"width": 4}, cutoff=1, n_stages=3, clip_length=8, epochs=1, n_threads=1)
    return _Scenario("capsule", "cnn3d", patients, net.set_params(**options), lambda patient, region: patient.clips[0])


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    return scenario_of(make_patients(tmp_path_factory.mktemp("scenario"), 18))


def test_every_third_patient_is_held_out_and_the_diseased_of_them_are_explained(scenario):
    assert scenario.held_out["stage"].tolist() == [0, 0, 1, 1, 2, 2]
    assert scenario.explained["stage"].tolist() == [1, 1, 2, 2]
    assert not set(scenario.held_out.index) & set(scenario.train.index)
    assert len(scenario.train) == 12


def test_maps_are_counted_on_every_region(scenario):
    configs = [_SaliencyConfig("gradcam"), _SaliencyConfig("layercam", "fine"), _SaliencyConfig("occlusion", "pixels")]
    table = scenario.scores(configs)
    assert len(table) == len(configs) * len(REGIONS) * 4
    assert 0 <= scenario.area <= 1
    assert (table["auc"] == scenario.area).all()
    assert table["attainable"].between(table["area"], 1).all()
    patient = scenario.explained.index[2]
    cam = scenario.maps(configs[1])[patient]
    rows = table[(table["method"] == "layercam") & (table["patient_id"] == patient)]
    assert rows["relevance"].tolist() == [cam.mask_scores().relevance] * 2
    assert cam.layer == "pathway.blocks.0"  # six places for 24 pixels; the net's own layer has three
    # A map as fine as the picture can mark the region alone.
    assert (table.loc[table["layer"] == "pixels", "attainable"] == 1).all()


def test_some_patients_can_be_asked_for(scenario):
    patient = scenario.explained.index[1]
    assert list(scenario.maps(_SaliencyConfig("gradcam"), [patient])) == [patient]


def test_a_scenario_of_healthy_patients_is_a_sentence(scenario):
    healthy = scenario.train[scenario.train["stage"] == 0]
    with pytest.raises(FibrolibError, match="None of 1 virtual patient held out"):
        scenario_of(healthy)
