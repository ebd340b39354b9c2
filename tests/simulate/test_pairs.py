from dataclasses import replace

import numpy as np
import pytest
from merging import galaxy, pair, scene, spins

from astroanomaly.simulate.cameras import instruments
from astroanomaly.simulate.galaxies import profiles
from astroanomaly.simulate.mergers import pairs

CAMERA = instruments.WFC3_F160W
AXES = np.eye(3)


@pytest.mark.parametrize(
    ("spin", "ratio", "angle"),
    [
        ((0, 0, 1), 1.0, None),  # face-on
        ((0, 0, -1), 1.0, None),
        ((1, 0, 0), 0.2, 0.0),  # edge-on, spin to the right: it stands upright
        ((0, 1, 0), 0.2, 90.0),
        ((0.5**0.5, 0.5**0.5, 0), 0.2, 45.0),  # from upper left to lower right
        ((0, 0.75**0.5, 0.5), 0.28**0.5, 90.0),  # 60 degrees: 0.96 / 4 + 0.04
    ],
)
def test_disc_by_hand(spin, ratio, angle):
    seen = pairs.seen_along(galaxy("spiral"), np.array(spin, float), AXES)
    assert seen.axis_ratio == pytest.approx(ratio)
    if angle is not None:
        assert seen.position_angle == pytest.approx(angle)


def test_early_types_are_as_flat_as_they_were_drawn():
    early = replace(galaxy("smooth"), axis_ratio=0.6)
    side = pairs.seen_along(early, np.array([1.0, 0, 0]), AXES)
    assert side.axis_ratio == pytest.approx(0.6)
    top = pairs.seen_along(early, np.array([0, 0, 1.0]), AXES)
    assert top.axis_ratio == pytest.approx(1.0)


def test_an_oblate_body_of_points_looks_the_same():
    rng = np.random.default_rng(1)
    early = replace(galaxy("smooth"), axis_ratio=0.4)
    for spin in spins(8):
        # A Gaussian of unit width in the plane and 0.4 along the spin, projected.
        covariance = np.eye(3) - (1 - 0.4**2) * np.outer(spin, spin)
        axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        values, vectors = np.linalg.eigh((axes @ covariance @ axes.T)[:2, :2])
        major = vectors[:, 1]
        seen = pairs.seen_along(early, spin, axes)
        assert seen.axis_ratio == pytest.approx(np.sqrt(values[0] / values[1]))
        angle = np.degrees(np.arctan2(-major[0], major[1]))
        assert (seen.position_angle - angle + 90) % 180 == pytest.approx(90, abs=1e-6)


@pytest.mark.parametrize("ratio", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("kinds", [("spiral", "clumpy"), ("smooth", "smooth")])
def test_light_is_conserved(ratio, kinds):
    drawn = pair(2, ratio, *kinds)
    for moment in (-0.8, -0.1, 0.0, 0.001, 0.3, 1.0):
        seen = scene(drawn, moment)
        total = sum(
            10 ** (-0.4 * (g.mag - drawn.primary.mag)) for g, _, _ in seen.bodies
        )
        total += sum(share.sum() for _, share, _ in seen.moved)
        assert total == pytest.approx(1 + ratio, rel=0.01)


def test_three_sides_show_one_place_in_space():
    drawn = pair(3)
    for moment in (-0.6, 0.2):
        views = [
            scene(drawn, moment, np.roll(np.eye(3), -k, axis=0)).companion
            for k in range(3)
        ]
        np.testing.assert_allclose(
            [views[k][1] for k in range(3)], [views[(k + 1) % 3][0] for k in range(3)]
        )


def test_the_companion_is_on_its_orbit_then_its_nucleus_sinks():
    drawn = pair(4)
    radius = drawn.primary.half_light_radius
    before = scene(drawn, -0.5)
    place = drawn.orbit.position(drawn.orbit.clock(-0.5)) @ drawn.plane
    np.testing.assert_allclose(before.companion, radius * place[:2])
    np.testing.assert_allclose(before.bodies[1][1:], before.companion)
    assert before.bodies[0][1:] == (0.0, 0.0)
    early, late = (scene(drawn, t).companion for t in (0.1, 0.1 + drawn.fading))
    np.testing.assert_allclose(late, early / np.e)
    np.testing.assert_allclose(
        early, radius * drawn.nucleus[:2] * np.exp(-0.1 / drawn.fading)
    )


def test_galaxies_before_the_merger_are_those_that_were_drawn():
    drawn = pair(5)
    bodies = scene(drawn, -0.7).bodies
    for (seen, _, _), own in zip(bodies, (drawn.primary, drawn.secondary), strict=True):
        same = {"axis_ratio": own.axis_ratio, "position_angle": own.position_angle}
        assert replace(seen, **same) == own


def test_remnants_grow_bulges_and_early_types_stay():
    drawn = pair(6, 1.0)
    fractions = [scene(drawn, t).bodies[0][0].bulge_to_total for t in (-0.5, 0.1, 1.0)]
    assert fractions == sorted(fractions)
    assert fractions[2] > fractions[0] + 0.1
    early = pair(6, 1.0, "smooth")
    assert scene(early, 0.5).bodies[0][0].bulge_to_total == 1
    # The less a secondary weighs, the less it changes.
    minor = scene(pair(6, 0.1), 1.0).bodies[0][0].bulge_to_total
    assert fractions[0] < minor < fractions[2]


@pytest.mark.parametrize("moment", [-0.3, -0.02, 0.05, 0.9])
def test_images_have_no_holes(moment):
    pytest.importorskip("galsim")
    for seed in range(3):
        drawn = pair(seed, 0.7)
        seen = scene(drawn, moment)
        flux = CAMERA.flux(drawn.primary.mag)
        debris = [(xy, flux * share, sigma) for xy, share, sigma in seen.moved]
        image = profiles.draw(seen.bodies, CAMERA, 64, debris)
        assert image.min() > -0.01 * image.max()


def test_pairs_are_drawn_from_unit_vectors():
    drawn = pair(8, 0.3)
    assert drawn.flux_ratio == drawn.orbit.mass_ratio == 0.3
    np.testing.assert_allclose(np.linalg.norm(drawn.spins, axis=1), 1)
    np.testing.assert_allclose(drawn.plane @ drawn.plane.T, np.eye(2), atol=1e-12)
    again = pair(8, 0.3)
    np.testing.assert_array_equal(drawn.nucleus, again.nucleus)
    assert drawn.fading == again.fading > 0


def test_spins_point_everywhere():
    rng = np.random.default_rng(1)
    own = galaxy()
    found = np.array([pairs.draw_pair(rng, own, own, 1.0).spins[0] for _ in range(150)])
    # The mean cosine of isotropic directions is 0 +- 0.047, of its square 1/3.
    assert np.abs(found.mean(axis=0)).max() < 0.17
    np.testing.assert_allclose((found**2).mean(axis=0), 1 / 3, atol=0.1)


def test_dwarfs_lie_in_the_tails_of_discs_and_fade():
    two = pair()
    rest = np.zeros((20, 64, 3))
    rest[..., 0] = np.linspace(1.0, 3.0, 20 * 64).reshape(20, 64)
    tails = 2 * [(rest, np.zeros_like(rest))]
    discs = [replace(g, bulge_to_total=0.1) for g in (two.primary, two.secondary)]
    wet = replace(two, primary=discs[0], secondary=discs[1])
    early, late = (pairs.tidal_dwarfs(wet, tails, AXES, t) for t in (0.2, 0.6))
    assert len(early) == 4
    faded = np.exp(-0.5 * 0.4)
    for (one, x, y), (other, *_), drawn in zip(
        early, late, two.dwarfs.reshape(-1, 2), strict=True
    ):
        flux = 10 ** (-0.4 * (one.mag - wet.primary.mag))
        assert flux == pytest.approx(drawn[1] * np.exp(-0.1))
        assert 10 ** (-0.4 * (other.mag - one.mag)) == pytest.approx(faded)
        # Ranks of 0.9 and above, on a line of points from 1 to 3 half-light radii.
        assert x >= (2.79 * wet.primary.half_light_radius)
        assert y == 0
    dry = [replace(g, bulge_to_total=1.0) for g in discs]
    dry = replace(two, primary=dry[0], secondary=dry[1])
    assert pairs.tidal_dwarfs(dry, tails, AXES, 0.2) == []
