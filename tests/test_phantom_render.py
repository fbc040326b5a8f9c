"""One patient's pictures: what moves in them is what the truth says moves."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fibrolib.phantom import draw_patients, render_clip, render_view
from fibrolib.phantom.anatomy import _Anatomy
from fibrolib.phantom.imaging import FACE_RADIUS, HALF_ANGLE, _PolarGrid
from fibrolib.phantom.motion import _Motion
from fibrolib.phantom.render import FAULTS, _clip_length, _Origins, _Tissue, clip_fault

GRID = _PolarGrid(140.0)


def patient(**changes):
    table = draw_patients(3, seed=0)
    still = {"texture": 0.0, "capsule": 0.0, "bmi": 25.0, "scanner": 0, "depth_mm": 140.0, "dynamic_range_db": 60.0}
    still |= {"breath_mm": 0.0, "tremor_mm": 0.0, "fat": 0.0, "gain_db": 0.0, "fps": 25.0, "heart_rate": 75.0}
    return next(table.assign(**{**still, **changes}).head(1).itertuples(index=False))


@pytest.fixture(scope="module")
def beating():
    return render_view(patient(strain=0.15), 48, np.random.default_rng(5))


def test_shapes_fit_together(beating):
    frames, height, width = beating.frames.shape
    assert beating.frames.dtype == np.uint8
    assert (height % 2, width % 2) == (0, 0)
    for mask in beating.masks.values():
        assert mask.shape == beating.frames.shape
        assert mask.dtype == bool
    assert beating.displacement.shape == (frames, *beating.nodes.shape[1:], 2)


def test_masks_say_where_things_are(beating):
    liver, vessels, capsule = (beating.masks[name] for name in ("liver", "vessels", "capsule"))
    assert 0.15 < liver.mean() < 0.6
    assert not (vessels & ~liver).any()
    assert (capsule & liver).any(axis=(1, 2)).all()


def test_regions_look_as_they_should():
    views = [render_view(patient(), 1, np.random.default_rng(seed)) for seed in range(10)]
    grey = np.concatenate([view.frames for view in views]).astype(float)
    masks = {name: np.concatenate([view.masks[name] for view in views]) for name in views[0].masks}
    tissue = masks["liver"] & ~masks["vessels"] & ~masks["capsule"]
    assert grey[masks["capsule"]].mean() > 1.1 * grey[tissue].mean()
    for name, share in (("vessels", 0.55), ("gallbladder", 0.35), ("kidney", 0.95)):
        assert masks[name].any(), f"none of these views shows {name}"
        assert grey[masks[name]].mean() < share * grey[tissue].mean(), name
    assert not (masks["liver"] & (masks["gallbladder"] | masks["kidney"])).any()


def test_nothing_but_the_carriers_knows_the_stage():
    well, ill = (
        render_view(patient(stage=stage, severity=float(stage), stiffness_kpa=5.0 + stage), 3, np.random.default_rng(1))
        for stage in (0, 4)
    )
    assert np.array_equal(well.frames, ill.frames)


def test_pictures_and_masks_are_those_of_the_first_cohorts():
    """Recorded before faults of clips were added: the same seed still gives the same pictures."""
    clip = render_clip(next(draw_patients(1, 3).itertuples(index=False)), (3, 0), frames=3)
    assert [frame.mean() for frame in clip.frames] == pytest.approx([32.42631, 32.47154, 32.31690], abs=1e-3)
    row = [94, 103, 126, 136, 134, 123, 106, 77, 85, 88, 93, 113, 114, 98, 77, 62, 68, 87, 105, 117]
    assert np.abs(clip.frames[1, 120, 140:160].astype(int) - row).max() <= 1
    pixels = {"liver": 53650, "vessels": 2366, "capsule": 1969, "gallbladder": 6785, "kidney": 0}
    assert {name: mask.sum() for name, mask in clip.masks.items()} == pytest.approx(pixels, abs=5)
    assert np.nanmean(np.abs(clip.displacement)) == pytest.approx(0.74376, abs=1e-4)


@pytest.fixture(scope="module")
def faulty():
    """Eight frames of one view, as they should be and with each fault."""
    return {
        fault: render_view(patient(strain=0.15), 8, np.random.default_rng(5), fault=fault) for fault in ("", *FAULTS)
    }


def test_a_frozen_clip_repeats_its_first_frame(faulty):
    assert (faulty["frozen"].frames == faulty[""].frames[0]).all()
    assert (faulty["frozen"].masks["liver"] == faulty[""].masks["liver"][0]).all()


def test_a_sweep_ends_in_another_view_with_its_masks(faulty):
    first, last = faulty["sweep"].frames[[0, -1]].astype(float)
    inside = faulty["sweep"].masks["liver"].all(axis=0)
    assert np.corrcoef(first[inside], last[inside])[0, 1] < 0.3
    assert np.mean(faulty["sweep"].masks["vessels"][0] != faulty["sweep"].masks["vessels"][-1]) > 0.01


@pytest.mark.parametrize(("fault", "share"), [("shadow", 0.5), ("no contact", 0.75)])
def test_covers_hide_the_liver(faulty, fault, share):
    liver = faulty[""].masks["liver"][0]
    lost = faulty[fault].frames[0][liver] < 0.5 * np.median(faulty[""].frames[0][liver])
    assert lost.mean() > share
    assert np.array_equal(faulty[fault].masks["liver"], faulty[""].masks["liver"])


def test_a_share_of_the_clips_has_a_fault():
    faults = [clip_fault((1, number), 1, 0.4) for number in range(2000)]
    assert np.mean([fault != "" for fault in faults]) == pytest.approx(0.4, abs=0.04)
    assert set(faults) == {"", *FAULTS}
    assert {clip_fault((1, number), 1, 0.0) for number in range(100)} == {""}
    # A larger share takes the same clips and more.
    assert all(clip_fault((1, number), 1, 0.6) == fault for number, fault in enumerate(faults) if fault)


def track(before, after, reach=9):
    """Shift of a patch by normalised cross-correlation, to a fraction of a pixel."""
    size = before.shape[0]
    best = np.full((2 * reach + 1, 2 * reach + 1), -1.0)
    for down in range(2 * reach + 1):
        for right in range(2 * reach + 1):
            other = after[down : down + size, right : right + size]
            best[down, right] = np.corrcoef(before.ravel(), other.ravel())[0, 1]
    row, column = np.unravel_index(best[1:-1, 1:-1].argmax(), (2 * reach - 1, 2 * reach - 1))
    around = best[row : row + 3, column : column + 3]

    def peak(line):
        return 0.5 * (line[0] - line[2]) / (line[0] - 2 * line[1] + line[2])

    return np.array([row + 1 + peak(around[:, 1]) - reach, column + 1 + peak(around[1]) - reach])


def test_speckle_tracking_finds_the_true_displacement():
    size, reach = 24, 9
    clip = render_view(patient(strain=0.03, breath_mm=3.5, heart_rate=60.0), 30, np.random.default_rng(9))
    smooth = gaussian_filter(clip.frames.astype(float), (0, 0.7, 0.7))
    change = (clip.displacement - clip.displacement[:1])[..., ::-1] / clip.scale
    size_of = np.array([np.nanmedian(np.hypot(*np.moveaxis(frame, -1, 0))) for frame in change])
    late = int(np.abs(size_of - 4).argmin())  # well within the search window
    tracked, true = [], []
    for row, column in zip(*np.nonzero(np.isfinite(change[late, ..., 0])), strict=True):
        top, left = clip.nodes[:, row, column] - size // 2
        inside = clip.masks["liver"][0, top : top + size, left : left + size]
        if inside.size == size**2 and inside.all():
            patch = smooth[late, top - reach : top + size + reach, left - reach : left + size + reach]
            tracked.append(track(smooth[0, top : top + size, left : left + size], patch))
            true.append(change[late, row, column])
    tracked, true = np.array(tracked), np.array(true)
    assert len(tracked) > 50
    assert np.median(np.linalg.norm(true, axis=1)) > 2  # pixels: there is something to be tracked
    assert np.median(np.linalg.norm(tracked - true, axis=1) / np.linalg.norm(true, axis=1)) < 0.10
    assert np.sum(tracked * true) / np.sum(true**2) == pytest.approx(1.0, abs=0.10)


def largest_strain(clip, displacement):
    """Largest principal strain between any two frames, by differences over 11 mm."""
    moved = displacement - displacement[:1]
    step = (clip.nodes[0, 1, 0] - clip.nodes[0, 0, 0]) * clip.scale
    shear = (np.gradient(moved[..., 1], step, axis=2) + np.gradient(moved[..., 0], step, axis=1)) / 2
    stretch = (np.gradient(moved[..., 1], step, axis=1) - np.gradient(moved[..., 0], step, axis=2)) / 2
    deep = clip.masks["liver"][0][tuple(clip.nodes)] & ~clip.masks["capsule"].any(axis=0)[tuple(clip.nodes)]
    deep[:12] = False  # where the liver slides along the wall is no strain
    strain = np.hypot(stretch, shear)[:, deep]
    return np.nanmax(strain)


def test_strain_in_the_picture_is_the_patients():
    none, weak, strong = (
        render_view(patient(strain=strain), 30, np.random.default_rng(5)) for strain in (0.0, 0.05, 0.15)
    )
    # Hand, veins and breathing strain the tissue in all three alike: they are taken off.
    weak, strong = (largest_strain(clip, clip.displacement - none.displacement) for clip in (weak, strong))
    assert largest_strain(none, none.displacement) < 0.35 * strong
    assert strong / weak == pytest.approx(3.0, rel=0.05)
    assert 0.7 < strong / 0.15 < 1.05  # differences over 11 mm blunt the peak


def test_masks_move_with_the_tissue(beating):
    vertical = beating.displacement[..., 1] - beating.displacement[:1, ..., 1]
    late = int(np.nanargmax(np.nanmax(np.abs(vertical), axis=(1, 2))))
    _, row, column = np.unravel_index(np.nanargmax(np.abs(vertical[late])), (1, *vertical[late].shape))
    # The lower edge of the liver, the diaphragm, in the column that moves most.
    at = beating.nodes[1, row, column]
    edges = [np.nonzero(beating.masks["liver"][frame, :, at])[0].max() for frame in (0, late)]
    assert edges[1] - edges[0] == pytest.approx(vertical[late, row, column] / beating.scale, abs=1.6)


def test_the_heart_rate_is_seen_in_the_picture():
    heart_rate, fps = 75.0, 25.0
    clip = render_view(patient(strain=0.12), 150, np.random.default_rng(6))
    vertical = np.std(clip.displacement[..., 1], axis=0)
    row, column = np.unravel_index(np.nanargmax(vertical), vertical.shape)
    top, left = clip.nodes[:, row, column] - 16
    patch = clip.frames[:, top : top + 28, left : left + 32].astype(float)
    rest = np.median(patch, axis=0)
    unlike = np.array([1 - np.corrcoef(frame.ravel(), rest.ravel())[0, 1] for frame in patch])
    power = np.abs(np.fft.rfft((unlike - unlike.mean()) * np.hanning(len(unlike)), 4096))
    rate = 60 * np.fft.rfftfreq(4096, 1 / fps)
    band = (rate > 40) & (rate < 110)
    assert rate[band][power[band].argmax()] == pytest.approx(heart_rate, rel=0.08)


def test_breathing_slides_the_liver_along_the_wall():
    deep, none = (
        render_view(patient(strain=0.0, breath_mm=breath), 40, np.random.default_rng(8)) for breath in (6.0, 0.0)
    )
    moved = np.abs(deep.displacement - none.displacement).max(axis=0)[..., 0]
    inside = deep.masks["liver"].all(axis=0)[tuple(deep.nodes)]
    x, y = (deep.nodes[1] - 150) * deep.scale, (deep.nodes[0] - 34) * deep.scale
    radius = np.hypot(x, y + FACE_RADIUS * np.cos(HALF_ANGLE))
    wall = np.isfinite(moved) & (radius < FACE_RADIUS + 8)
    assert np.nanmax(moved[wall]) < 1e-6
    assert np.nanmin(moved[inside]) > 0.5


def test_two_heartbeats_fit_in_a_clip():
    slow, fast = patient(heart_rate=52.0, fps=28.0), patient(heart_rate=100.0, fps=20.0)
    assert _clip_length(slow) / 28 >= 2 * 60 / 52
    assert _clip_length(fast) == 48


def test_the_screen_says_what_it_is(beating):
    outside = ~np.isfinite(beating.displacement[0, ..., 0])
    assert outside.any()
    top = beating.frames[:, :14]
    assert (top.max(axis=0) == top.min(axis=0)).all()  # words stand still
    assert top.max() > 200


TYPICAL = SimpleNamespace(
    bmi=25.0, fat=0.1, texture=0.0, capsule=0.0, fps=25.0, heart_rate=75.0, strain=0.12, breath_mm=4.0, tremor_mm=0.1
)


@pytest.fixture(scope="module", params=[0, 1, 2])
def view(request):
    rng = np.random.default_rng(request.param)
    anatomy = _Anatomy.draw(TYPICAL, GRID, rng)
    return anatomy, _Motion.draw(TYPICAL, anatomy.push, 40, rng)


def test_origins_undo_the_movement(view):
    anatomy, motion = view
    rng = np.random.default_rng(9)
    r, theta = rng.uniform(45, 130, 4000).astype("f4"), rng.uniform(-0.4, 0.4, 4000).astype("f4")
    away = np.abs(GRID.nearest(anatomy.vessels.hepatic, r, theta)) > 3  # in a vein the field changes within a sample
    tissue = _Tissue(anatomy, motion, r, theta, np.ones(r.size, bool))
    for frame in (0, 12, 39):
        index = _Origins(anatomy, motion, *tissue.at(frame)).at(frame)
        row, column = np.unravel_index(index, GRID.shape)
        at_row, at_column = GRID.index(r, theta)
        assert np.abs(row - at_row)[away].max() < 1.1
        assert np.abs(column - at_column)[away].max() < 1.1


def test_the_wall_does_not_follow_breath_or_heart(view):
    anatomy, motion = view
    theta = np.linspace(-HALF_ANGLE, HALF_ANGLE, 50)
    tissue = _Tissue(anatomy, motion, np.full(50, 8.0), theta, np.zeros(50, bool))
    for frame in (5, 30):
        r, turned = tissue.at(frame)
        assert turned - theta == pytest.approx(motion.swing[frame])
        assert r - 8.0 == pytest.approx(motion.press[frame] * 8 / 25)


def test_breathing_lifts_the_depth_and_leaves_the_surface(view):
    anatomy, motion = view
    theta = np.zeros(2)
    r = anatomy.surface.smooth_depth(0.0) + np.array([0.1, 70.0])
    rising, flat = (
        _Tissue(anatomy, part, r, theta, np.ones(2, bool)).at(30)[0]
        for part in (
            motion,
            SimpleNamespace(**{**vars(motion), "rise": 0 * motion.rise, "heart_field": motion.heart_field}),
        )
    )
    assert (rising - flat)[0] == pytest.approx(0, abs=0.01 * abs(motion.rise[30]))
    assert (rising - flat)[1] == pytest.approx(motion.rise[30], rel=0.15)
