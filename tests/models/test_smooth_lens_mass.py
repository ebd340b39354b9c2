"""Uneven mass: what it changes, and the evidence for it, against other formulas."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from astroanomaly.models.smooth_lens import mass
from astroanomaly.models.smooth_lens.ray_tracing import (
    PARAMETERS,
    RayTracer,
    gaussian_psf,
)

SIDE = 32
VALUES = dict.fromkeys(PARAMETERS, 0.0) | {
    "theta_E": 8.0,
    "e1": 0.1,
    "gamma1": 0.04,
    "source_x": 0.5,
    "source_y": -0.3,
    "log_radius": np.log(2.0),
    "level": 0.1,
}
LENS = np.array([list(VALUES.values())], np.float32)


@pytest.fixture(scope="module")
def tracer():
    return RayTracer(SIDE, 1.0, 1, gaussian_psf(1.7), 4, compiled=False)


def test_a_mass_changes_what_lenstronomy_finds_that_it_changes():
    pytest.importorskip("lenstronomy")
    from lenstronomy.LensModel.Profiles.shear import Shear
    from lenstronomy.LensModel.Profiles.sie import SIE
    from lenstronomy.LightModel.Profiles.sersic import SersicElliptic

    tracer = RayTracer(SIDE, 1.0, 1, None, 0, compiled=False)
    x, y = np.meshgrid(*[tracer.axis.astype(float)] * 2)
    alpha = np.add(
        SIE().derivatives(x, y, 8.0, 0.1, 0.0), Shear().derivatives(x, y, 0.04, 0.0)
    )
    # A place on the ring, and how a softened point mass deflects.
    k = int(np.argmin(np.abs(np.hypot(*mass.places().T) - 1)))
    away = np.stack([x, y]) - 8.0 * mass.places()[k][:, None, None]
    pull = away / (np.sum(away**2, axis=0) + (8.0 * mass.SOFTENING) ** 2)

    def light(size):
        bx, by = np.stack([x, y]) - alpha - size * pull
        return SersicElliptic().function(bx, by, 1.0, 2.0, 1.0, 0.0, 0.0, 0.5, -0.3)

    expected = (light(1e-3) - light(-1e-3)) / 2e-3
    # Masses are in squares of the ring's radius of 8.
    found = mass.changes(tracer, LENS)[k].numpy() / 64
    assert np.abs(found - expected).max() < 2e-3 * np.abs(expected).max()


@pytest.mark.parametrize("prior", [0, 1])
def test_evidence_is_that_of_two_gaussian_laws_of_the_pixels(tracer, prior):
    rng = np.random.default_rng(1)
    drawn = tracer.draw(LENS)[0].numpy()
    noise, spread = 0.05, 2e-3
    image = drawn + noise * rng.standard_normal(drawn.shape)
    # Of a law so wide that it says as little as none.
    scatter = np.full(15, 0.05 if prior == 0 else 3.0)
    mean = LENS[0] + (0.01 if prior == 0 else 0.0)
    weights = np.full(drawn.shape, noise**-2, np.float32)
    found = mass.evidence(
        tracer,
        image.astype(np.float32),
        drawn,
        weights,
        LENS,
        np.diag(scatter**-2.0).astype(np.float32),
        mean.astype(np.float32),
        spread,
    ).numpy()[prior]
    lit = (drawn - 0.1) ** 2 > 0.1 * noise**2
    slopes = tracer.jacobian(LENS)[1][0].numpy()[:, lit].astype(float).T
    masses = mass.changes(tracer, LENS).numpy()[:, lit].astype(float).T * spread
    smooth = noise**2 * np.eye(lit.sum()) + (slopes * scatter**2) @ slopes.T
    center = slopes @ (mean - LENS[0])
    left = (image - drawn)[lit] - center
    laws = (smooth + masses @ masses.T, smooth)
    one, other = (multivariate_normal(cov=law).logpdf(left) for law in laws)
    assert found == pytest.approx(one - other, abs=0.03, rel=2e-3)


def test_evidence_rises_with_a_mass_on_the_ring_and_not_with_noise(tracer):
    rng = np.random.default_rng(2)
    drawn = tracer.draw(LENS)[0].numpy()
    noise = drawn.max() / 50
    k = int(np.argmin(np.abs(np.hypot(*mass.places().T) - 1)))
    # One per cent of the lens's mass, of either sign.
    change = 0.01 * mass.changes(tracer, LENS)[k].numpy()
    weights = np.full(drawn.shape, noise**-2, np.float32)
    precision = np.diag(np.full(15, 1e4)).astype(np.float32)
    found = [
        mass.evidence(
            *(tracer, (drawn + extra + part).astype(np.float32), drawn, weights),
            *(LENS, precision, LENS[0], 1e-3),
        ).numpy()[0]
        for part in noise * rng.standard_normal((8, SIDE, SIDE))
        for extra in (0.0, change, -change)
    ]
    smooth, more, less = np.reshape(found, (8, 3)).T
    assert smooth.max() < min(more.min(), less.min())
    assert smooth.mean() < 0
