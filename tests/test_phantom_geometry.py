"""The polar grid and the plane."""

import numpy as np
import pytest

from fibrolib.phantom.geometry import _plane_from_polar, _polar_from_plane


def test_polar_and_plane_are_inverse():
    r, theta = np.random.default_rng(0).uniform((0, -0.5), (150, 0.5), (50, 2)).T
    back = _polar_from_plane(*_plane_from_polar(r, theta))
    assert back[0] == pytest.approx(r)
    assert back[1] == pytest.approx(theta)
