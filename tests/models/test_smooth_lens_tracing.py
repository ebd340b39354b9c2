"""The ray tracer: against lenstronomy and finite differences; the fit on its images."""

import numpy as np
import pytest
import tensorflow as tf

from astroanomaly.models.smooth_lens import ray_tracing
from astroanomaly.models.smooth_lens.ray_tracing import PARAMETERS, RayTracer

SIDE, SCALE, SUPERSAMPLING, FWHM = 44, 0.1, 3, 0.2
PSF = ray_tracing.gaussian_psf(FWHM / SCALE * SUPERSAMPLING)
# Of the published recipe: 14 in the brightest pixel, with its own photons.
SIGNAL_TO_NOISE = 14.0


def lens(**changes):
    values = dict.fromkeys(PARAMETERS, 0.0) | {"theta_E": 1.2, "e1": 0.1, "e2": -0.05}
    values |= {"gamma1": 0.04, "gamma2": 0.02, "source_x": 0.15, "source_y": -0.1}
    values |= {"log_radius": np.log(0.3), "source_e1": 0.1, "source_e2": 0.05}
    values |= {"center_x": 0.03, "center_y": -0.02} | changes
    return np.array([list(values.values())], np.float32)


@pytest.fixture(scope="module")
def tracer():
    return RayTracer(SIDE, SCALE, SUPERSAMPLING, PSF)


def by_lenstronomy(row):
    """Draw by lenstronomy's image model, as many rays in a pixel."""
    pytest.importorskip("lenstronomy")
    from lenstronomy.Data.pixel_grid import PixelGrid
    from lenstronomy.Data.psf import PSF as Kernel
    from lenstronomy.ImSim.image_model import ImageModel
    from lenstronomy.LensModel.lens_model import LensModel
    from lenstronomy.LightModel.light_model import LightModel

    value = dict(zip(PARAMETERS, row.astype(float), strict=True))
    # The tracer's frame has a margin, and lenstronomy's none.
    side, margin = SIDE + 8, slice(4, -4)
    corner = -(side - 1) / 2 * SCALE
    grid = PixelGrid(side, side, np.eye(2) * SCALE, corner, corner)
    # A whole number of pixels wide: 51 rays.
    kernel = Kernel(
        "PIXEL", kernel_point_source=np.pad(PSF, 1), point_source_supersampling_factor=3
    )
    center = {f"center_{k}": value[f"center_{k}"] for k in "xy"}
    deflectors = [
        {k: value[k] for k in ("theta_E", "e1", "e2")} | center,
        {k: value[k] for k in ("gamma1", "gamma2")}
        | {"ra_0": center["center_x"], "dec_0": center["center_y"]},
    ]
    source = {
        # Brightness there is per square arcsec.
        "amp": np.exp(value["log_brightness"]),
        "R_sersic": np.exp(value["log_radius"]),
        "n_sersic": np.exp(value["log_n"]),
        "e1": value["source_e1"],
        "e2": value["source_e2"],
        "center_x": value["source_x"],
        "center_y": value["source_y"],
    }
    model = ImageModel(
        grid,
        kernel,
        lens_model_class=LensModel(["SIE", "SHEAR"]),
        source_model_class=LightModel(["SERSIC_ELLIPSE"]),
        kwargs_numerics={
            "supersampling_factor": 3,
            "supersampling_convolution": True,
            # Of the whole PSF, in pixels; by default 5, the rest in whole pixels.
            "supersampling_kernel_size": 17,
        },
    )
    image = model.image(deflectors, [source], unconvolved=False)
    return image[margin, margin] / SCALE**2 + value["level"]


# lenstronomy calls NumPy in a way that NumPy will give up.
@pytest.mark.filterwarnings("ignore:`axes` should not be:DeprecationWarning")
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"e1": 0.0, "e2": 0.0, "center_x": 0.0, "center_y": 0.0},
        {"e1": 0.3, "e2": 0.2, "log_n": np.log(2.5), "level": 0.1},
        {"log_n": np.log(0.5), "source_e1": -0.3, "log_brightness": 0.7},
    ],
)
def test_images_are_those_of_lenstronomy_to_a_thousandth_of_the_noise(tracer, changes):
    row = lens(**changes)
    image, other = tracer.draw(row).numpy()[0], by_lenstronomy(row[0])
    noise = other.max() / SIGNAL_TO_NOISE
    assert np.abs(image - other).max() < 1e-3 * noise


def test_a_psf_that_is_no_product_of_two_is_the_convolution():
    rng = np.random.default_rng(1)
    psf = rng.random((7, 7))
    tracer = RayTracer(32, supersampling=2, psf=psf, margin=0)
    light = rng.random((64, 64)).astype(np.float32)
    from scipy.signal import convolve2d

    blurred = convolve2d(light, psf / psf.sum(), mode="same")
    expected = blurred.reshape(32, 2, 32, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(tracer.expose(light[None])[0], expected, atol=2e-6)


@pytest.mark.parametrize("k", range(len(PARAMETERS)), ids=PARAMETERS)
def test_derivatives_are_finite_differences(tracer, k):
    # A Gaussian source, since differences stumble over the cusp of others.
    row = lens(log_n=np.log(0.5), log_brightness=0.5)
    step = np.zeros_like(row)
    step[0, k] = 4e-3
    ends = tracer.draw(np.concatenate([row + step, row - step])).numpy()
    expected = (ends[0] - ends[1]) / 8e-3
    image, changes = tracer.jacobian(row)
    np.testing.assert_allclose(image[0], tracer.draw(row)[0], atol=1e-6)
    off = np.abs(changes[0, k] - expected).max() / np.abs(expected).max()
    assert off < 2e-3


def test_a_fit_finds_the_lens_and_reduced_chi_square_of_one(tracer):
    truth = lens(log_brightness=1.0)
    clean = tracer.draw(truth).numpy()
    noise = clean.max() / SIGNAL_TO_NOISE
    images = clean + noise * np.random.default_rng(2).standard_normal((3, SIDE, SIDE))
    start = np.repeat(truth, 3, axis=0)
    start += np.random.default_rng(3).normal(0, 0.03, start.shape).astype(np.float32)
    run = tf.function(ray_tracing.fit, reduce_retracing=True)
    arguments = np.zeros((15, 15), np.float32), np.zeros(15, np.float32), 12
    weights = np.full(images.shape, noise**-2, np.float32)
    found, sums, matrix = run(
        tracer, images.astype(np.float32), weights, start, *arguments
    )
    # 1,936 pixels less 15 parameters; standard deviation sqrt(2 / 1,921) = 0.032.
    np.testing.assert_allclose(sums / (SIDE**2 - 15), 1.0, atol=0.1)
    sigma = np.sqrt(np.diagonal(np.linalg.inv(matrix.numpy()), axis1=1, axis2=2))
    assert np.abs((found - truth) / sigma).max() < 4.5
