import numpy as np
import pytest
from scipy import stats

from astroanomaly.simulate import frames
from astroanomaly.simulate.cameras import instruments
from astroanomaly.simulate.galaxies import masses, population, profiles

pytest.importorskip("galsim")
CAMERA = instruments.WFC3_F160W


def primaries(n, probability=None, limits=(20.0, 23.0)):
    """Draw primaries as object after object does."""
    found = []
    for i in range(n):
        rngs = [np.random.default_rng([i, k]) for k in range(2)]
        found.append(frames.draw_primary(*rngs, limits, CAMERA, probability))
    galaxies, redshifts, mass = zip(*found, strict=True)
    return galaxies, np.array(redshifts), np.array(mass)


def row(index=0):
    galaxy = population.draw_galaxy(np.random.default_rng(index), 22.0)
    extra = {"redshift": 1.0, "stellar_mass": 1e10}
    return frames.truth_row(f"x_{index}", index, galaxy) | extra


def test_the_first_galaxy_is_kept_unless_its_mass_counts():
    galaxies, _, mass = primaries(20)
    always, _, same = primaries(20, lambda mass: 1.0)
    assert galaxies == always
    np.testing.assert_array_equal(mass, same)
    assert all(20 <= galaxy.mag <= 23 for galaxy in galaxies)


def test_isolation_shifts_masses_down():
    bright = (19.0, 21.0)
    _, _, free = primaries(600, limits=bright)
    _, _, cut = primaries(600, masses.isolated_probability, bright)
    # "less": the first one's distribution function lies below the second one's.
    assert stats.ks_2samp(free, cut, alternative="less").pvalue < 1e-10
    assert cut.max() < free.max()


def test_a_step_in_probability_is_a_limit():
    _, _, mass = primaries(100, lambda mass: float(mass < 1e10))
    assert mass.max() < 1e10


def test_noise_of_an_exposure():
    galaxy = population.draw_galaxy(np.random.default_rng(1), 22.0)
    rng = np.random.default_rng(2)
    clean, snr = frames.expose([(galaxy, 0, 0)], CAMERA, 32, False, rng)
    np.testing.assert_array_equal(clean, profiles.draw([(galaxy, 0, 0)], CAMERA, 32))
    noisy = [frames.expose([(galaxy, 0, 0)], CAMERA, 32, True, rng) for _ in range(50)]
    scaled = np.array([(image - clean) for image, _ in noisy])
    scaled /= np.sqrt(CAMERA.variance(clean))
    assert scaled.std() == pytest.approx(1, rel=0.03)
    assert {value for _, value in noisy} == {snr}
    # Signal to noise by hand: electrons against the variance of electrons.
    electrons = clean.astype(float) * CAMERA.exposure_time
    variance = electrons + CAMERA.background_electrons
    assert snr == pytest.approx(np.sqrt((electrons**2 / variance).sum()), rel=1e-3)


def test_a_sky_gets_the_model_and_the_random_numbers():
    asked = []

    class Sky:
        def add_to(self, model, instrument, seed):
            asked.append((model, instrument, seed))
            return model.astype(float) + 1.0

    galaxy = population.draw_galaxy(np.random.default_rng(1), 22.0)
    rng = np.random.default_rng(2)
    image, _ = frames.expose([(galaxy, 0, 0)], CAMERA, 32, Sky(), rng)
    [(model, camera, seed)] = asked
    assert camera is CAMERA
    assert seed is rng
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, model + 1.0, rtol=1e-6)


def test_debris_is_exposed_too():
    blobs = np.array([[0.5, 0.0]]), np.array([3.0]), np.array([0.2])
    rng = np.random.default_rng(2)
    image, _ = frames.expose([], CAMERA, 64, False, rng, [blobs])
    assert image.sum() == pytest.approx(3.0, rel=0.03)


def test_batches_are_gathered_in_order():
    images = np.arange(3 * 256, dtype=np.float32).reshape(3, 16, 16)
    batches = [(images[:2], [row(0), row(1)]), (images[2:], [row(2)])]
    cutouts = frames.gather(batches, 3, 16, CAMERA)
    np.testing.assert_array_equal(cutouts.images[..., 0], images)
    assert cutouts.object_ids == ["x_0", "x_1", "x_2"]
    assert cutouts.bands == ("F160W",)
    table = cutouts.table
    assert table["zero_point_F160W"].tolist() == [CAMERA.zero_point] * 3
    units = {"ra": "deg", "separation": "arcsec", "stellar_mass": "solMass"}
    for name, unit in units.items():
        assert table[name].unit == unit
    assert np.isnan(table["separation"]).all()


def test_positions_fill_a_square_degree():
    galaxy = population.draw_galaxy(np.random.default_rng(1), 22.0)
    rows = [frames.truth_row("", i, galaxy) for i in range(400)]
    ra, dec = (np.array([r[name] for r in rows]) for name in ("ra", "dec"))
    assert np.ptp(ra) < 1
    assert np.ptp(dec) < 1
    counts = np.histogram2d(ra - ra.min(), dec - dec.min(), bins=4)[0]
    # 25 expected in each cell; points at random would scatter by five.
    assert np.abs(counts - 25).max() < 10
