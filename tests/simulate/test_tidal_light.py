from dataclasses import replace

import numpy as np
import pytest
from merging import disc, galaxy, pair, rest_of, scene, spins
from scipy.integrate import quad
from scipy.special import gammainc

from astroanomaly.simulate.cameras import instruments
from astroanomaly.simulate.galaxies import population, profiles
from astroanomaly.simulate.mergers import pairs, tidal_light, tides

CAMERA = instruments.WFC3_F160W
AXES = np.eye(3)


@pytest.mark.parametrize("n", [0.5, 1.0, 2.5, 4.0])
def test_sersic_profile_has_unit_flux_and_half_within_one(n):
    def ring(r):
        return 2 * np.pi * r * tidal_light.sersic_brightness(r, n)

    half = quad(ring, 0, 1)[0]
    assert half == pytest.approx(0.5, abs=1e-6)
    assert half + quad(ring, 1, 3000, limit=500)[0] == pytest.approx(1.0, abs=1e-3)


def test_discs_lend_the_light_of_their_annulus():
    plain = disc()
    spin = np.array([0, 0, 1.0])
    rest = rest_of(spin)
    added, taken = tidal_light.moved_light(plain, spin, AXES, rest, 0 * rest, 0.5)
    inner, outer = (r * population.half_light_in_scale_lengths() for r in tides.RADII)
    # Light within r scale lengths: P(2, r); it fades out between five and six.
    whole = gammainc(2.0, 5.5)
    expected = (gammainc(2.0, outer) - gammainc(2.0, inner)) / whole
    assert added[1].sum() == pytest.approx(expected, rel=0.02)
    np.testing.assert_array_equal(added[1], -taken[1])


def test_early_types_lend_a_share_of_their_annulus():
    early = replace(galaxy("smooth"), n=2.0)
    spin = np.array([0, 0, 1.0])
    rest = rest_of(spin)
    added, _ = tidal_light.moved_light(early, spin, AXES, rest, 0 * rest, 0.5)

    def ring(r):
        return 2 * np.pi * r * tidal_light.sersic_brightness(r, 2.0)

    expected = tidal_light.EARLY_RESPONSE * quad(ring, *tides.RADII)[0]
    assert added[1].sum() == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("structure", population.KINDS)
def test_no_tide_leaves_the_galaxy_as_it_was(structure):
    pytest.importorskip("galsim")
    drawn = galaxy(structure)
    spin = spins(1)[0]
    seen = pairs.seen_along(drawn, spin, AXES)
    rest = rest_of(spin)
    moved = tidal_light.moved_light(seen, spin, AXES, rest, 0 * rest, 0.5)
    alone = profiles.draw([(seen, 0, 0)], CAMERA, 48)
    # Blobs widen with the gap to their neighbors, which stands wider further out.
    debris = [(xy, CAMERA.flux(seen.mag) * f, s) for xy, f, s in moved]
    both = profiles.draw([(seen, 0, 0)], CAMERA, 48, debris)
    np.testing.assert_allclose(both, alone, atol=0.01 * alone.max())


@pytest.mark.parametrize("of_companion", [False, True])
def test_particles_lie_where_the_disc_seen_along_an_axis_does(of_companion):
    size = 0.6 if of_companion else 1.0
    plain = disc()
    rng = np.random.default_rng(5)
    for spin in spins(6):
        axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        seen = pairs.seen_along(plain, spin, axes)
        rest = size * rest_of(spin)
        _, (places, _, _) = tidal_light.moved_light(
            seen, spin, axes, rest, 0 * rest, 1.0
        )
        # A thin disc's points in space, projected; thickness stretches across.
        projected = 0.5 / size * (rest.reshape(-1, 3) @ axes[:2].T)
        angle = np.radians(seen.position_angle + 90)
        major = np.array([np.cos(angle), np.sin(angle)])
        minor = np.array([-np.sin(angle), np.cos(angle)])
        np.testing.assert_allclose(places @ major, projected @ major, atol=1e-9)
        stretch = seen.axis_ratio / abs(axes[2] @ spin)
        np.testing.assert_allclose(
            places @ minor, stretch * (projected @ minor), atol=1e-9
        )


def test_displacements_are_projected():
    plain, spin = disc(), np.array([0.6, 0, 0.8])
    seen = pairs.seen_along(plain, spin, AXES)
    rest = rest_of(spin)
    shift = np.broadcast_to([0.3, -0.2, 5.0], rest.shape)
    (places, _, _), (offsets, _, _) = tidal_light.moved_light(
        seen, spin, AXES, rest, shift, 0.4
    )
    np.testing.assert_allclose(places - offsets, np.tile([0.12, -0.08], (1280, 1)))


@pytest.mark.parametrize("seed", range(4))
def test_blobs_have_the_arms_of_the_disc(seed):
    pytest.importorskip("galsim")
    shape = {"n_arms": 2, "contrast": 0.9, "pitch": 25.0, "lopsided": 0.6}
    arms = disc(structure_seed=seed + 1, **shape)
    spin = spins(4, seed=8)[seed]
    spin = spin + np.sign(spin[2]) * np.array([0, 0, 1.0])  # Not edge-on.
    spin /= np.linalg.norm(spin)
    seen = pairs.seen_along(arms, spin, AXES)
    rest = rest_of(spin)
    _, (places, taken, sigma) = tidal_light.moved_light(
        seen, spin, AXES, rest, 0 * rest, 0.5
    )
    image = profiles.draw([(seen, 0, 0)], CAMERA, 64)
    flux = CAMERA.flux(seen.mag)
    blobs = profiles.draw([], CAMERA, 64, [(places, -flux * taken, sigma)])
    y, x = (np.indices((64, 64)) - 31.5) * CAMERA.pixel_scale
    angle = np.radians(seen.position_angle + 90)
    along = x * np.cos(angle) + y * np.sin(angle)
    aside = (y * np.cos(angle) - x * np.sin(angle)) / seen.axis_ratio
    inside = (np.hypot(along, aside) > 0.5) & (np.hypot(along, aside) < 1.1)
    # The same light where the blobs are, and much less so in a mirror.
    off = (blobs - image)[inside].std() / image[inside].std()
    mirror = (blobs[:, ::-1] - image)[inside].std() / image[inside].std()
    assert off < 0.3
    assert mirror > 1.5 * off


@pytest.mark.parametrize("moment", [-1.0, -0.5, -0.05, 0.0])
def test_before_the_merger_moved_light_adds_nothing(moment):
    for seed, kinds in enumerate([("spiral", "clumpy"), ("smooth", "spiral")]):
        seen = scene(pair(seed, 0.4, *kinds), moment)
        shares = [share.sum() for _, share, _ in seen.moved]
        assert max(shares) > 0.05
        assert sum(shares) == pytest.approx(0, abs=1e-12)
