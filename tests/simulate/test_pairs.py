from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gammainc

from astroanomaly.simulate import instruments, pairs, population, profiles, tides

CAMERA = instruments.WFC3_F160W
AXES = np.eye(3)


def galaxy(structure="spiral", mag=21.5):
    """Draw galaxies until one has the structure."""
    for seed in range(100):
        drawn = population.draw_galaxy(np.random.default_rng(seed), mag)
        if drawn.structure == structure:
            return drawn
    raise LookupError(structure)


def disc(**changes):
    """Return a disc without bulge, arms, bar or knots, half light at 0.5"."""
    plain = {"bulge_to_total": 0.0, "bulge_radius": 0.0, "n": 1.0, "n_arms": 0}
    plain |= {"bar": 0.0, "knots": 0.0, "n_knots": 0, "lopsided": 0.0}
    scale = 0.5 / population.half_light_in_scale_lengths()
    plain |= {"half_light_radius": 0.5, "disc_scale": scale}
    return replace(galaxy("clumpy"), **plain | changes)


def pair(seed=1, ratio=0.5, first="spiral", second="clumpy"):
    primary = galaxy(first)
    secondary = galaxy(second, primary.mag - 2.5 * np.log10(ratio))
    return pairs.draw_pair(np.random.default_rng(seed), primary, secondary, ratio)


def tails(drawn, moment):
    """Return the tide on both discs at one moment."""
    times = [drawn.orbit.clock(moment)]
    found = []
    for k, spin in enumerate(drawn.spins):
        rest, moved = tides.displacements(
            drawn.orbit, times, spin, drawn.plane, of_companion=k == 1
        )
        found.append((rest, moved[0]))
    return found


def scene(drawn, moment, axes=AXES):
    return pairs.scene(drawn, moment, tails(drawn, moment), axes)


def spins(n, seed=3):
    vectors = np.random.default_rng(seed).normal(size=(n, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def rest_of(spin):
    """Return the particles of a disc where nothing moves them."""
    r, phi, _ = tides.rings()
    first, second = tides.disc_axes(spin)
    return r[..., None] * (
        np.cos(phi)[..., None] * first + np.sin(phi)[..., None] * second
    )


# --- a galaxy from any side ------------------------------------------------------


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


@pytest.mark.parametrize("n", [0.5, 1.0, 2.5, 4.0])
def test_sersic_profile_has_unit_flux_and_half_within_one(n):
    def ring(r):
        return 2 * np.pi * r * pairs.sersic_brightness(r, n)

    half = quad(ring, 0, 1)[0]
    assert half == pytest.approx(0.5, abs=1e-6)
    assert half + quad(ring, 1, 3000, limit=500)[0] == pytest.approx(1.0, abs=1e-3)


# --- moved light -----------------------------------------------------------------


def test_discs_lend_the_light_of_their_annulus():
    plain = disc()
    spin = np.array([0, 0, 1.0])
    rest = rest_of(spin)
    added, taken = pairs._moved_light(plain, spin, AXES, rest, 0 * rest, 0.5)
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
    added, _ = pairs._moved_light(early, spin, AXES, rest, 0 * rest, 0.5)

    def ring(r):
        return 2 * np.pi * r * pairs.sersic_brightness(r, 2.0)

    expected = pairs.EARLY_RESPONSE * quad(ring, *tides.RADII)[0]
    assert added[1].sum() == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("structure", population.KINDS)
def test_no_tide_leaves_the_galaxy_as_it_was(structure):
    pytest.importorskip("galsim")
    drawn = galaxy(structure)
    spin = spins(1)[0]
    seen = pairs.seen_along(drawn, spin, AXES)
    rest = rest_of(spin)
    moved = pairs._moved_light(seen, spin, AXES, rest, 0 * rest, 0.5)
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
        _, (places, _, _) = pairs._moved_light(seen, spin, axes, rest, 0 * rest, 1.0)
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
    (places, _, _), (offsets, _, _) = pairs._moved_light(
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
    _, (places, taken, sigma) = pairs._moved_light(
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


# --- scenes ----------------------------------------------------------------------


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
