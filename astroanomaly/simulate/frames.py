"""From a scene to a noisy frame and its row of truth."""

import numpy as np
from astropy.table import Table

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.simulate.cameras.noise import correlated_noise, noise_power
from astroanomaly.simulate.galaxies import masses, population, profiles


def draw_batch(draw, recipe, start, stop):
    """Return the frames and rows of truth that `draw` makes of a span of numbers."""
    # Numbers of its own for each: a batch's limits change no object.
    pairs = [draw(recipe, i) for i in range(start, stop)]
    return np.stack([image for image, _ in pairs]), [row for _, row in pairs]


def draw_primary(rng, mass_rng, limits, camera, probability=None):
    """Draw a galaxy with redshift and mass, until one is kept.

    `limits`: bright and faint limit, AB mag. `redshift, stellar_mass`: from
    `masses.draw_mass`.
    """
    while True:
        mag = population.draw_magnitude(rng, limits)
        galaxy = population.draw_galaxy(rng, mag)
        redshift, mass = masses.draw_mass(
            mass_rng,
            mag,
            galaxy.half_light_radius,
            galaxy.structure,
            camera.wavelength,
        )
        if probability is None or mass_rng.uniform() < probability(mass):
            return galaxy, redshift, mass


def expose(scene, camera, size, noise, rng, debris=()):
    """Draw a scene and add noise.

    `size`: side of the frame, pixels. `image` (size, size): float32, image units.
    `snr`: ``sqrt(sum(model^2 / V))`` over the frame, V the variance of photons and
    read-out before drizzling smoothed it.
    """
    model = profiles.draw(scene, camera, size, debris)
    snr = signal_to_noise(model, camera.variance(model), camera)
    return add_noise(model, camera, noise, rng), snr


def signal_to_noise(signal, variance, camera):
    """Return ``sqrt(sum(signal^2 / V))`` over a frame.

    `signal` (size, size): noiseless light, image units; `variance` (size, size): of one
    pixel of the final image.
    """
    photons = variance * camera.noise_reduction**2
    return float(np.sqrt((signal.astype(float) ** 2 / photons).sum()))


def add_noise(model, camera, noise, rng):
    """Add the camera's noise, or a sky's, to a noiseless frame.

    `model` (size, size): noiseless light, image units. Returns (size, size): float32,
    image units.
    """
    if noise is False:
        return model.astype(np.float32)
    if noise is not True:
        return noise.add_to(model, camera, rng).astype(np.float32)
    power = noise_power(camera, model.shape)
    variance = camera.variance(model)
    return (model + correlated_noise(variance, power, rng)).astype(np.float32)


def place(index):
    """Return the columns of a made-up place on the sky, one for each number."""
    # Multiples of the plastic number's powers fill one square degree evenly.
    return {
        "ra": 149.6 + (index * 0.7548776662466927) % 1.0,
        "dec": 1.7 + (index * 0.5698402909980532) % 1.0,
    }


def truth_row(object_id, index, galaxy):
    """Return the row of an isolated galaxy."""
    return {
        "object_id": object_id,
        "file": "",
        **place(index),
        "is_anomaly": False,
        "flux_ratio": 0.0,
        "separation": np.nan,
        "companion_angle": np.nan,
        "mag": galaxy.mag,
        "half_light_radius": galaxy.half_light_radius,
        "n": galaxy.n,
        "bulge_to_total": galaxy.bulge_to_total,
        "axis_ratio": galaxy.axis_ratio,
        "position_angle": galaxy.position_angle,
        "structure": galaxy.structure,
        "n_arms": galaxy.n_arms,
        "has_bar": galaxy.bar > 0,
        "snr": np.nan,
    }


def gather(batches, n, size, camera):
    """Gather batches of frames and of rows of truth.

    `batches`: of shape (k, size, size), and k rows; `n`, `size`: number of frames in
    all, and their side, pixels.
    """
    images = np.empty((n, size, size, 1), dtype=np.float32)
    rows = []
    for stamps, truth in batches:
        images[len(rows) : len(rows) + len(truth), :, :, 0] = stamps
        rows += truth
    table = Table(rows=rows, names=list(rows[0]))
    table[f"unit_{camera.band}"] = camera.unit
    table[f"zero_point_{camera.band}"] = camera.zero_point
    for name in ("ra", "dec", "position_angle", "companion_angle"):
        table[name].unit = "deg"
    for name in ("separation", "half_light_radius"):
        table[name].unit = "arcsec"
    table["stellar_mass"].unit = "solMass"
    return Cutouts(images, table, bands=(camera.band,), pixel_scale=camera.pixel_scale)
