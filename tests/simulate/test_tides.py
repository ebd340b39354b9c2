import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from astroanomaly.simulate.mergers import tides

SPIN = np.array([0.6, 0.0, 0.8])
PLANE = np.array([[1.0, 0.0, 0.0], [0.0, 0.28, 0.96]])


def orbit(ratio=0.5, seed=1):
    return tides.draw_orbit(np.random.default_rng(seed), ratio)


def resting(place, ratio, last=1.0):
    """Make an orbit of a companion that stays where it is."""
    times = np.linspace(0, last, 50)
    path = np.tile(np.asarray(place, dtype=float), (50, 1))
    return tides.Orbit(times, path, np.zeros_like(path), ratio, 0.0, last)


def length(vectors):
    return np.linalg.norm(vectors, axis=-1)


# --- halos ---------------------------------------------------------------------


@pytest.mark.parametrize("r", [0.1, 1.0, 7.0])
def test_halo_pulls_with_the_mass_that_it_encloses(r):
    mass, scale = 0.4, 1.7

    def shell(s):
        # Hernquist 1990, eq. 2.
        return 4 * np.pi * s**2 * mass * scale / (2 * np.pi * s * (s + scale) ** 3)

    direction = np.array([2.0, -1.0, 2.0]) / 3
    found = tides.halo_acceleration(r * direction, mass, scale)
    enclosed = quad(shell, 0, r)[0]
    np.testing.assert_allclose(found, -enclosed / r**2 * direction, rtol=1e-6)


def test_small_halos_are_small_and_equal_ones_equal():
    sizes = [tides.companion_scale(q) for q in (0.01, 0.1, 1.0)]
    assert sizes == sorted(sizes)
    assert sizes[-1] == tides.HALO


def test_in_place_pull_equals_the_public_one():
    offset = np.random.default_rng(1).normal(size=(3, 5, 7))
    expected = tides.halo_acceleration(offset.T, 0.3, 1.9).T
    out, square = np.empty_like(offset), np.empty_like(offset)
    tides._pull(offset.copy(), 0.3, 1.9, square, out)
    np.testing.assert_allclose(out, expected, rtol=1e-4)
    tides._pull(offset, 0.3, 1.9, square, offset)
    np.testing.assert_array_equal(offset, out)


# --- orbits --------------------------------------------------------------------


def test_without_friction_energy_and_angular_momentum_are_kept():
    _, path, speeds = tides.integrate_orbit((8.0, 0.0), (-0.1, 0.2), 1.5, 0.0)
    energy = 0.5 * length(speeds) ** 2 - 1.5 / (length(path) + tides.HALO)
    spin = path[:, 0] * speeds[:, 1] - path[:, 1] * speeds[:, 0]
    assert np.ptp(energy) < 2e-3 * abs(energy[0])
    np.testing.assert_allclose(spin, 8.0 * 0.2, rtol=1e-9)
    # The orbit does turn: the test is not of a companion that stays away.
    assert length(path).min() < 6


def test_without_friction_time_may_run_backward():
    _, path, speeds = tides.integrate_orbit((8.0, 0.0), (-0.1, 0.15), 1.5, 0.0)
    _, back, _ = tides.integrate_orbit(path[800], -speeds[800], 1.5, 0.0)
    np.testing.assert_allclose(back[:801], path[800::-1], atol=1e-9)


def test_circular_orbit_has_its_period():
    r, mass = 5.0, 1.3
    speed = np.sqrt(mass * r) / (r + tides.HALO)
    times, path, _ = tides.integrate_orbit((r, 0.0), (0.0, speed), mass, 0.0)
    np.testing.assert_allclose(length(path), r, rtol=1e-3)
    turns = np.unwrap(np.arctan2(path[:, 1], path[:, 0]))
    np.testing.assert_allclose(turns[-1] / times[-1], speed / r, rtol=1e-3)


def test_friction_is_that_of_the_equation_of_motion():
    drag, mass = 0.08, 1.4

    def motion(_, state):
        x, v = state[:2], state[2:]
        r = np.hypot(*x)
        pull = -mass * x / (r * (r + tides.HALO) ** 2)
        return np.concatenate([v, pull - drag * 2.5 / (1 + r) * v])

    start = (8.0, 0.0), (-0.15, 0.15)
    times, path, _ = tides.integrate_orbit(*start, mass, drag)
    until = times[times < 20]
    found = solve_ivp(motion, (0, 20), np.ravel(start), t_eval=until, rtol=1e-9)
    np.testing.assert_allclose(path[: len(until)], found.y[:2].T, atol=5e-3)


@pytest.mark.parametrize("ratio", [0.001, 0.03, 0.1, 0.4, 1.0])
def test_every_orbit_shrinks_and_coalesces(ratio):
    for seed in range(30):
        drawn = orbit(ratio, seed)
        distance = length(drawn.positions)
        assert distance[0] == tides.START
        later = drawn.times >= drawn.merger
        assert distance[later].max() < tides.COALESCED
        assert 0 < drawn.start < drawn.merger < drawn.times[-1]
        energy = 0.5 * length(drawn.velocities) ** 2
        energy -= (1 + ratio) / (distance + tides.HALO)
        assert (np.diff(energy[~later]) < 1e-3).all()
        # As much time after as between start and merger is followed.
        assert drawn.times[-1] >= drawn.clock(1.0) - 1e-9


def test_normalised_time_is_what_it_is_said_to_be():
    for seed in range(10):
        drawn = orbit(0.3, seed)
        step = 1.2 * tides.STEP * length(drawn.velocities).max()
        place = drawn.position(drawn.clock(-1.0))
        assert length(place) == pytest.approx(tides.DISTANT, abs=step)
        place = drawn.position(drawn.clock(0.0))
        assert length(place) == pytest.approx(tides.COALESCED, abs=step)
        between = (drawn.times > drawn.start) & (drawn.times < drawn.merger)
        assert length(drawn.positions[between]).max() < tides.DISTANT
        middle = 0.5 * (drawn.start + drawn.merger)
        assert drawn.clock(-0.5) == pytest.approx(middle)


def test_positions_between_steps_and_after_the_end():
    drawn = orbit()
    np.testing.assert_allclose(drawn.position(drawn.times[7]), drawn.positions[7])
    halfway = drawn.position(0.5 * (drawn.times[7] + drawn.times[8]))
    np.testing.assert_allclose(halfway, drawn.positions[7:9].mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(drawn.position(1e6), drawn.positions[-1])


def test_velocities_are_the_derivatives_of_the_positions():
    drawn = orbit(0.4, 3)
    slope = np.gradient(drawn.positions, drawn.times, axis=0)
    seam = np.searchsorted(drawn.times, drawn.merger)
    off = length(slope - drawn.velocities)
    off[seam - 2 : seam + 2] = 0
    assert off[2:-2].max() < 0.03
    assert np.median(off) < 1e-3


def test_same_seed_same_orbit():
    np.testing.assert_array_equal(orbit(0.3, 5).positions, orbit(0.3, 5).positions)
    assert (orbit(0.3, 5).positions[5] != orbit(0.3, 6).positions[5]).any()


@pytest.mark.parametrize("ratio", [0.0, -0.2, 1.5, np.nan])
def test_impossible_mass_ratios_are_refused(ratio):
    message = rf"`mass_ratio` must lie in \(0, 1\]\. Received: mass_ratio={ratio}\."
    with pytest.raises(ValueError, match=message):
        tides.draw_orbit(np.random.default_rng(1), ratio)


# --- discs ---------------------------------------------------------------------


def test_rings_cover_their_annulus():
    r, phi, area = tides.rings()
    assert r.shape == phi.shape == area.shape == (tides.N_RADII, tides.N_ANGLES)
    inner, outer = tides.RADII
    assert area.sum() == pytest.approx(np.pi * (outer**2 - inner**2))
    # An integral of r^2 over the annulus, by the midpoints of the rings.
    expected = np.pi / 2 * (outer**4 - inner**4)
    assert (r**2 * area).sum() == pytest.approx(expected, rel=2e-3)
    np.testing.assert_allclose(np.diff(phi, axis=1), 2 * np.pi / tides.N_ANGLES)


@pytest.mark.parametrize(
    "spin", [(0, 0, 1), (1, 0, 0), (0.6, 0, 0.8), (-0.48, 0.6, 0.64)]
)
def test_disc_axes_are_right_handed(spin):
    first, second = tides.disc_axes(np.array(spin, dtype=float))
    assert first @ second == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(np.cross(first, second), spin, atol=1e-12)


@pytest.mark.parametrize("last", [3.0, 31.7, 60.0])
def test_without_a_perturber_the_disc_stays(last):
    alone = resting((6.0, 0.0), 1e-9, last)
    rest, moved = tides.displacements(alone, [last], SPIN, PLANE)
    r, _, _ = tides.rings()
    np.testing.assert_allclose(length(rest), r)
    np.testing.assert_allclose(rest @ SPIN, 0, atol=1e-12)
    np.testing.assert_allclose(length(rest + moved[0]), r, rtol=3e-3)
    assert length(moved).max() < 0.03


def test_the_companions_disc_is_as_much_smaller_as_its_halo():
    ratio = 0.2
    rest, _ = tides.displacements(
        resting((6.0, 0.0), ratio), [0.5], SPIN, PLANE, of_companion=True
    )
    size = tides.companion_scale(ratio) / tides.HALO
    np.testing.assert_allclose(length(rest), size * tides.rings()[0])


@pytest.mark.parametrize("of_companion", [False, True])
def test_at_first_the_tide_moves_particles_by_its_acceleration(of_companion):
    # x = a t^2 / 2 with the pull on the particle less that on its galaxy's centre.
    last, ratio = 0.4, 0.5
    still = resting((4.0, 0.0), ratio, last)
    rest, moved = tides.displacements(
        still, [last], SPIN, PLANE, of_companion=of_companion
    )
    place = np.array([-4.0 if of_companion else 4.0, 0.0, 0.0])
    mass, scale = (1.0, tides.HALO) if of_companion else (ratio, None)
    scale = scale or tides.companion_scale(ratio)
    to_place = length(rest - place)[..., None]
    pull = -mass * (rest - place) / (to_place * (to_place + scale) ** 2)
    pull -= mass * place / (4.0 * (4.0 + scale) ** 2)
    expected = 0.5 * last**2 * pull
    error = length(moved[0] - expected)
    assert error.max() < 0.12 * length(expected).max()
    assert np.median(error / length(expected)) < 0.08


@pytest.mark.parametrize("of_companion", [False, True])
def test_particles_follow_newton(of_companion):
    """Compare with SciPy's integrator of the restricted three-body problem."""
    ratio = 0.4
    drawn = orbit(ratio, 2)
    last = drawn.clock(-0.4)
    rest, moved = tides.displacements(
        drawn, [last], SPIN, PLANE, of_companion=of_companion
    )
    size = tides.companion_scale(ratio) / tides.HALO if of_companion else 1.0
    halos = [(1.0, tides.HALO), (ratio, tides.companion_scale(ratio))]
    own, other = halos[::-1] if of_companion else halos
    sign = -1 if of_companion else 1
    chosen = [(2, 5), (10, 40), (19, 12), (15, 60)]
    first, second = tides.disc_axes(SPIN)
    errors = []
    for ring, k in chosen:
        r = tides.rings()[0][ring, k] * size
        speed = np.sqrt(own[0] * r) / (r + own[1])
        phase = tides.rings()[1][ring, k] - speed / r * last
        x = r * (np.cos(phase) * first + np.sin(phase) * second)
        v = speed * (np.cos(phase) * second - np.sin(phase) * first)

        def motion(t, state):
            place = sign * drawn.position(t) @ PLANE
            force = tides.halo_acceleration(state[:3], *own)
            force = force + tides.halo_acceleration(state[:3] - place, *other)
            force = force - tides.halo_acceleration(-place, *other)
            return np.concatenate([state[3:], force])

        found = solve_ivp(motion, (0, last), np.concatenate([x, v]), rtol=1e-6)
        here = rest[ring, k] + moved[0, ring, k]
        errors.append(length(found.y[:3, -1] - here) / size)
    assert max(errors) < 0.05
    assert np.median(errors) < 0.02


def test_shorter_steps_change_little(monkeypatch):
    drawn = [(orbit(q, seed), q) for seed, q in enumerate((0.1, 0.3, 0.6, 1.0))]

    def everywhere():
        found = []
        for path, q in drawn:
            times = [path.clock(-0.4), path.clock(0.6)]
            for companion in (False, True):
                size = tides.companion_scale(q) / tides.HALO if companion else 1.0
                _, moved = tides.displacements(
                    path, times, SPIN, PLANE, of_companion=companion
                )
                found.append(moved / size)
        return np.array(found)

    usual = everywhere()
    monkeypatch.setattr(tides, "PARTICLE_STEP", tides.PARTICLE_STEP / 8)
    error = length(usual - everywhere())
    assert np.median(error) < 0.005
    # A few particles meet a halo's cusp, and chance decides where they go.
    assert np.quantile(error, 0.95) < 0.05


def test_a_moment_does_not_depend_on_the_others():
    drawn = orbit(0.5, 4)
    times = [drawn.clock(t) for t in (-0.6, -0.2, 0.5)]
    _, together = tides.displacements(drawn, times, SPIN, PLANE)
    for k, last in enumerate(times):
        _, alone = tides.displacements(drawn, [last], SPIN, PLANE)
        assert np.median(length(alone[0] - together[k])) < 0.01


def test_equal_galaxies_answer_each_other_mirrored():
    drawn = orbit(1.0, 7)
    last = [drawn.clock(-0.3)]
    _, one = tides.displacements(drawn, last, SPIN, PLANE)
    _, other = tides.displacements(drawn, last, SPIN, PLANE, of_companion=True)
    # Seen from the companion the primary is where the companion is, turned by half.
    opposite = np.roll(one[0], tides.N_ANGLES // 2, axis=1)
    error = length(other[0] + opposite)
    assert np.quantile(error, 0.95) < 1e-3


def test_a_disc_in_the_orbits_plane_stays_in_it():
    drawn = orbit(0.5, 3)
    plane = np.eye(3)[:2]
    _, moved = tides.displacements(drawn, [drawn.clock(-0.2)], np.eye(3)[2], plane)
    assert length(moved).max() > 0.3
    assert np.abs(moved[..., 2]).max() < 1e-6


def test_discs_that_turn_with_the_orbit_answer_more():
    # Toomre & Toomre 1972: tails come from direct passages, not from retrograde ones.
    plane, axis = np.eye(3)[:2], np.eye(3)[2]
    reach = {1: [], -1: []}
    for seed in range(8):
        drawn = orbit(0.6, seed)
        for sense, found in reach.items():
            rest, moved = tides.displacements(
                drawn, [drawn.clock(-0.1)], sense * axis, plane
            )
            found.append(np.quantile(length(rest + moved[0]), 0.95))
    assert np.median(reach[1]) > 1.15 * np.median(reach[-1])
