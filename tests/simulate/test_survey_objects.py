import numpy as np
import pytest

from astroanomaly.simulate.lenses import cosmology
from astroanomaly.simulate.survey import objects


def rngs(n):
    return [np.random.default_rng([7, i]) for i in range(n)]


def test_einstein_radius_is_the_reverse_of_the_dispersion():
    radius = objects.einstein_radius(250.0, 0.5, 1.5)
    assert cosmology.velocity_dispersion(radius, 0.5, 1.5) == pytest.approx(250)
    # 4 pi (250 / 299792)^2 rad = 1.803" times D_ls / D_s.
    _, source, lag = cosmology.distances(0.5, 1.5)
    assert radius == pytest.approx(1.8025 * lag / source, rel=1e-3)


def test_ellipticals_follow_the_relations():
    drawn = [objects.draw_elliptical(rng) for rng in rngs(300)]
    mags = np.array([one.galaxy.mag for one in drawn])
    z = np.array([one.z for one in drawn])
    assert z.min() >= 0.2
    assert z.max() <= 1.2
    assert np.percentile(mags, 5) > 17
    assert np.percentile(mags, 95) < 24
    assert {one.galaxy.structure for one in drawn} == {"smooth"}
    # At one redshift, L ~ sigma^4: 10 mag per decade of the dispersion.
    few = [objects.draw_elliptical(rng, (0.5, 0.5)) for rng in rngs(300)]
    speeds = np.log10([one.dispersion for one in few])
    slope = np.polyfit(speeds, [one.galaxy.mag for one in few], 1)[0]
    assert slope == pytest.approx(-10, abs=1)
    # At 220 km/s: M = -22.2 - 0.4, 42.26 mag away, K by the table.
    middle = np.polyval(
        np.polyfit(speeds, [one.galaxy.mag for one in few], 1), np.log10(220)
    )
    k = np.interp(np.log(0.715 / 1.5), np.log([0.475, 0.62]), [0.8, 0])
    expected = -22.6 + 42.26 + k - 2.5 * np.log10(1.5)
    assert middle == pytest.approx(expected, abs=0.1)


def test_systems_stay_within_their_limits():
    for rng in rngs(60):
        system = objects.draw_system(rng)
        deflector, source = system.deflector, system.source
        assert 0.6 <= deflector.theta_E <= 3
        assert system.z_source >= deflector.z + 0.4
        assert np.hypot(source.x, source.y) <= 1.15 * deflector.theta_E
        assert 21.5 <= system.source_mag <= 24.5
        pair = (deflector.z, system.z_source)
        speed = cosmology.velocity_dispersion(deflector.theta_E, *pair)
        assert speed == pytest.approx(system.elliptical.dispersion)
        assert np.hypot(deflector.gamma1, deflector.gamma2) <= 0.12


def test_mass_lies_along_the_light():
    galaxy = objects.draw_system(rngs(1)[0]).elliptical
    # A position angle of 90 degrees points left, along x: e1 > 0.
    for angle, e1, e2 in ((90.0, 1, 0), (0.0, -1, 0), (45.0, 0, -1), (135.0, 0, 1)):
        turned = objects.replace(galaxy.galaxy, axis_ratio=0.6, position_angle=angle)
        one = objects.replace(galaxy, galaxy=turned)
        mass = objects.draw_mass(np.random.default_rng(1), one, 1.0)
        size = np.hypot(mass.e1, mass.e2)
        assert (mass.e1 / size, mass.e2 / size) == pytest.approx((e1, e2), abs=1e-9)
        assert size == pytest.approx(0.25, abs=0.09)


def test_offsets_are_even_over_an_annulus():
    rng = np.random.default_rng(1)
    places = np.array([objects.draw_offset(rng, (0.5, 1.0), 2.0) for _ in range(4000)])
    radius = np.hypot(*places.T)
    assert radius.min() >= 1
    assert radius.max() <= 2
    # Half of the area lies within sqrt((1 + 4) / 2).
    assert np.mean(radius < np.sqrt(2.5)) == pytest.approx(0.5, abs=0.03)
    np.testing.assert_allclose(places.mean(axis=0), 0, atol=0.1)


def test_the_fields_density():
    found = [objects.draw_field(rng, 10.0) for rng in rngs(200)]
    assert np.mean([len(field) for field in found]) == pytest.approx(
        objects.FIELD_DENSITY * 400, rel=0.1
    )
    x = np.array([one[1] for field in found for one in field])
    assert np.abs(x).max() <= 10
    assert np.std(x) == pytest.approx(10 / np.sqrt(3), rel=0.06)


def test_aligned_galaxies_are_where_images_are():
    turned = []
    for rng in rngs(80):
        system = objects.draw_system(rng)
        for galaxy, x, y, z, color in objects.draw_aligned(rng, system):
            ratio = np.hypot(x, y) / system.deflector.theta_E
            assert 0.7 <= ratio <= 1.8
            assert galaxy.axis_ratio <= 0.45
            assert (z, color) == (system.z_source, "young")
            # North through east, from y towards -x, against the ring's direction.
            ring = np.degrees(np.arctan2(y, x)) + 90
            turned.append((galaxy.position_angle + 90 - ring) % 180)
    away = np.minimum(turned, 180 - np.array(turned))
    # Half lie along the ring to 12 degrees, half anyhow.
    assert np.mean(away < 24) == pytest.approx(0.5 * 0.95 + 0.5 * 24 / 90, abs=0.1)


def test_a_group_is_old_and_near():
    elliptical = objects.draw_elliptical(np.random.default_rng(1))
    for rng in rngs(20):
        for galaxy, x, y, z, _ in objects.draw_group(rng, elliptical):
            assert 0.3 <= galaxy.mag - elliptical.galaxy.mag <= 3.5
            assert galaxy.structure == "smooth"
            assert 0.6 <= np.hypot(x, y) <= 7
            assert z == elliptical.z


def test_a_rings_light():
    ring = objects.Ring(1.5, 0.15, 0.6, 0.5, ((2, 0.3, 0.0),))
    axis = (np.arange(120) - 59.5) * 0.05
    x, y = np.meshgrid(axis, axis)
    light = ring.light(x, y)
    assert light.sum() == pytest.approx(1)
    along = x * np.cos(0.5) + y * np.sin(0.5)
    across = (y * np.cos(0.5) - x * np.sin(0.5)) / 0.6
    # width^2 / radius further out, as area grows with the radius.
    found = np.average(np.hypot(along, across), weights=light)
    assert found == pytest.approx(1.5 + 0.15**2 / 1.5, abs=0.01)
    assert ring.reach == pytest.approx(2.1)


def test_spirals_and_rings_are_as_large_as_lenses():
    spirals = [objects.draw_spiral(rng)[0] for rng in rngs(50)]
    assert {one.structure for one in spirals} == {"spiral"}
    assert 0.7 < np.median([one.half_light_radius for one in spirals]) < 1.8
    rings = [objects.draw_ring(rng, 20.0, 0.4) for rng in rngs(50)]
    assert all(0.7 <= ring.radius <= 2.6 for _, ring in rings)
    mags = {round(bulge.mag, 6) for bulge, _ in rings}
    assert mags == {round(20 - 2.5 * np.log10(0.6), 6)}
