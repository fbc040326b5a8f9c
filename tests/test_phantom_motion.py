"""The displacement field: closed forms, and what of the heartbeat reaches the picture."""

from types import SimpleNamespace

import numpy as np
import pytest

from fibrolib.phantom import draw_patients
from fibrolib.phantom.motion import _HEART, _HeartPush, _Motion, _waveform

PUSH = _HeartPush(5.0, 100.0, 0.2, 23.0, 30.0)
PATIENT = SimpleNamespace(fps=25.0, heart_rate=78.0, strain=0.1, breath_mm=3.0, tremor_mm=0.05)


def strain_tensor(push, step=0.5):
    x, y = np.meshgrid(np.arange(-70, 70, step), np.arange(15, 130, step))
    dx, dy = push.displacement(x, y)
    xy, xx = np.gradient(dx, step)
    yy, yx = np.gradient(dy, step)
    return xx, yy, (xy + yx) / 2


@pytest.mark.parametrize("push", [PUSH, _HeartPush(-20.0, 90.0, -0.3, 20.0, 36.0)])
def test_the_push_has_unit_peak_strain_and_loses_no_area(push):
    xx, yy, shear = strain_tensor(push)
    principal = np.hypot((xx - yy) / 2, shear)
    assert principal.max() == pytest.approx(1.0, abs=0.02)
    assert np.abs(xx + yy).max() < 0.02


def test_displacement_and_strain_are_those_of_tagged_mri():
    # Chung 2011, healthy: strain .116, displacement 3.51 +- .79 mm
    dx, dy = PUSH.displacement(*np.meshgrid(np.arange(-70, 70.0), np.arange(15, 130.0)))
    assert 0.116 * np.hypot(dx, dy).max() == pytest.approx(3.51, abs=0.79)


def test_heart_waveform_is_periodic_and_peaks_at_one():
    phase = np.linspace(0, 1, 500, endpoint=False)
    assert _waveform(phase, _HEART) == pytest.approx(_waveform(phase + 3, _HEART))
    assert _waveform(phase, _HEART).max() == pytest.approx(1.0, abs=0.03)
    assert phase[_waveform(phase, _HEART).argmax()] == pytest.approx(0.18, abs=0.02)


def test_heart_rate_is_the_peak_of_the_spectrum():
    motion = _Motion.draw(PATIENT, PUSH, 500, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(motion.heart - motion.heart.mean(), 8192))
    rate = np.fft.rfftfreq(8192, 1 / PATIENT.fps)
    band = (rate > 0.6) & (rate < 2.0)
    assert 60 * rate[band][power[band].argmax()] == pytest.approx(PATIENT.heart_rate, rel=0.05)


def test_only_the_heartbeat_depends_on_strain():
    soft, stiff = (
        _Motion.draw(SimpleNamespace(**{**vars(PATIENT), "strain": strain}), PUSH, 50, np.random.default_rng(1))
        for strain in (0.12, 0.04)
    )
    assert soft.heart == pytest.approx(3 * stiff.heart)
    for name in ("slide", "swing", "press", "tilt", "rise", "pulse"):
        assert np.array_equal(getattr(soft, name), getattr(stiff, name))


def test_veins_follow_the_heart_with_a_delay_and_a_little():
    still = SimpleNamespace(**{**vars(PATIENT), "strain": 1.0, "heart_rate": 75.0})
    for seed in range(5):
        motion = _Motion.draw(still, PUSH, 500, np.random.default_rng(seed))
        assert 0.03 < np.ptp(motion.pulse) < 0.45  # mm, of a radius of about 2.5
        # Filled when the atrium contracts, at .92 of the beat, and later by the delay; the push peaks at .18.
        lags = np.arange(20)
        match = [np.corrcoef(motion.heart[: -lag or None], motion.pulse[lag:])[0, 1] for lag in lags]
        assert lags[np.argmax(match)] / 25 * 75 / 60 == pytest.approx(0.92 - 0.18 + 0.075, abs=0.08)


def test_breathing_also_goes_deep_and_out_of_the_plane():
    deep, none = (
        [
            _Motion.draw(
                SimpleNamespace(**{**vars(PATIENT), "breath_mm": breath}), PUSH, 60, np.random.default_rng(seed)
            )
            for seed in range(20)
        ]
        for breath in (4.0, 0.0)
    )
    assert not any(motion.rise.any() for motion in none)
    assert 0.2 < np.median([np.ptp(motion.rise) for motion in deep]) < 3.0  # mm
    gone = [np.ptp(one.tilt - other.tilt) for one, other in zip(deep, none, strict=True)]
    assert 0.05 < np.median(gone) < 0.8  # radians of decorrelation


def test_everything_but_the_heart_starts_at_rest():
    motion = _Motion.draw(PATIENT, PUSH, 50, np.random.default_rng(2))
    for name in ("swing", "press"):
        assert abs(getattr(motion, name)[0]) < 0.2  # tremor only
    assert motion.rise[0] == 0


def test_strain_of_the_stages_follows_stiffness():
    patients = draw_patients(20_000, seed=4)
    medians = patients.groupby("stage")[["strain", "stiffness_kpa"]].median()
    assert (medians["strain"] * medians["stiffness_kpa"]).to_numpy() == pytest.approx(0.65, rel=0.06)
    # Chung 2011: .116 +- .043 in health, .048 +- .011 in cirrhosis
    assert medians["strain"][0] == pytest.approx(0.116, rel=0.05)
    assert medians["strain"][4] == pytest.approx(0.048, rel=0.05)
