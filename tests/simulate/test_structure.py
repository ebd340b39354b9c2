import numpy as np
import pytest

from astroanomaly.simulate.galaxies.structure import EXTENT, GRID, disc_image


def radius():
    x = ((np.arange(GRID) + 0.5) / GRID * 2 - 1) * EXTENT
    return np.hypot(*np.meshgrid(x, x))


def test_smooth_disc_is_exponential():
    image = disc_image(np.random.default_rng(1))
    r = radius()
    assert image.sum() == pytest.approx(1.0)
    inside = (r > 0.5) & (r < 4.5)
    slope = np.polyfit(r[inside], np.log(image[inside]), 1)[0]
    assert slope == pytest.approx(-1.0, abs=1e-6)
    # Enclosed flux 1 - (1 + r) exp(-r), over that of the whole.
    enclosed = image[r < 2].sum()
    expected = (1 - 3 * np.exp(-2)) / (1 - 6.5 * np.exp(-5.5))
    assert enclosed == pytest.approx(expected, rel=0.01)


def test_arms_keep_the_radial_profile_and_have_their_symmetry():
    smooth = disc_image(np.random.default_rng(1))
    arms = disc_image(np.random.default_rng(1), n_arms=2, contrast=0.8, pitch=25.0)
    r = radius()
    for low in (1.0, 2.0, 3.0):
        ring = (r > low) & (r < low + 0.5)
        assert arms[ring].sum() == pytest.approx(smooth[ring].sum(), rel=0.02)
        assert arms[ring].std() > 1.5 * smooth[ring].std()
    # Two arms look the same after half a turn.
    np.testing.assert_allclose(arms, arms[::-1, ::-1], rtol=1e-6)


def test_arms_follow_a_logarithmic_spiral():
    image = disc_image(np.random.default_rng(2), n_arms=2, contrast=0.9, pitch=30.0)
    x = ((np.arange(GRID) + 0.5) / GRID * 2 - 1) * EXTENT
    xx, yy = np.meshgrid(x, x)
    r, phi = np.hypot(xx, yy), np.arctan2(yy, xx)
    phases = []
    for mean in (1.5, 3.0):
        ring = np.abs(r - mean) < 0.15
        flat = image[ring] * np.exp(r[ring])
        phases.append(np.angle((flat * np.exp(2j * phi[ring])).sum()) / 2)
    turn = (phases[1] - phases[0]) % np.pi
    assert turn == pytest.approx(np.log(2) / np.tan(np.pi / 6) % np.pi, abs=0.03)


def test_bar_and_knots_take_their_share():
    kwargs = {"bar": 0.2, "knots": 0.3, "n_knots": 12}
    image = disc_image(np.random.default_rng(3), **kwargs)
    assert image.sum() == pytest.approx(1.0)
    assert image.min() >= 0
    smooth = disc_image(np.random.default_rng(3))
    assert image.min() == pytest.approx(0.5 * smooth.min(), rel=0.01, abs=1e-12)
    assert image[radius() > 3.8].sum() == pytest.approx(
        0.5 * smooth[radius() > 3.8].sum(), rel=0.05
    )
