"""Noise: sky, read-out and source, white or correlated as drizzling leaves it."""

from functools import lru_cache

import numpy as np
from astropy.stats import sigma_clipped_stats
from scipy.ndimage import uniform_filter

from astroanomaly.simulate.cameras.instruments import Instrument
from astroanomaly.utils.optional import require


@lru_cache(maxsize=32)
def noise_power(instrument: Instrument, shape: tuple[int, int]) -> np.ndarray:
    """Return the power spectrum of an instrument's noise, with mean one.

    `instrument`: the camera. ``correlation="drizzle"`` gives ``|sinc(r f_x) sinc(f_x)
    sinc(r f_y) sinc(f_y)|^2`` with r the side of the drop in output pixels: noise of
    detector pixels spread over drops and gathered by output pixels (Fruchter & Hook
    2002, PASP 114, 144). ``"cosmos"`` is the transform of GalSim's measured correlation
    function; `shape`: rows and columns of the image, pixels. Returns (ny, nx): power at
    the frequencies of ``numpy.fft.fft2``. Its mean is one: noise of unit variance.

    >>> from astroanomaly.simulate.cameras import instruments, noise
    >>> float(noise.noise_power(instruments.WFC3_F160W, (64, 64)).mean().round(6))
    1.0
    """
    if instrument.correlation == "cosmos":
        galsim = require("galsim")
        noise = galsim.getCOSMOSNoise(rng=galsim.BaseDeviate(1))
        ny, nx = shape
        # One pixel of COSMOS, 0.03", is one pixel here.
        image = galsim.ImageD(nx, ny, scale=0.03)
        noise.drawImage(image, scale=0.03)
        power = np.maximum(np.fft.fft2(np.fft.ifftshift(image.array)).real, 0)
    elif instrument.correlation == "drizzle":
        r = instrument.drop_scale * instrument.native_pixel_scale
        r = r / instrument.pixel_scale
        # Sampling in pixels folds higher frequencies back; beyond 20 aliases the
        # sinc functions have nothing left.
        aliases = np.arange(-20, 21)
        grids = [np.fft.fftfreq(length)[:, None] + aliases for length in shape]
        axes = [((np.sinc(r * k) * np.sinc(k)) ** 2).sum(axis=1) for k in grids]
        power = np.outer(*axes)
    else:
        power = np.ones(shape)
    power = power / power.mean()
    power.flags.writeable = False
    return power


def correlated_noise(
    variance_map: np.ndarray,
    power_spectrum: np.ndarray,
    seed: int | np.random.SeedSequence | np.random.Generator,
) -> np.ndarray:
    """Draw noise of a given variance whose spectrum has a given shape.

    A white Gaussian field is filtered by ``sqrt(P / mean(P))`` and multiplied by the
    root of the variance: on a uniform map its power spectrum is that of the sky, and
    bright pixels are noisier, as METHODS section 1 asks of the comparison of
    simulations with a survey.

    `variance_map` (ny, nx): variance of each pixel, squared image units, such as
    ``instrument.variance(model)``. NaN pixels stay NaN; `power_spectrum` (ny, nx):
    power at the frequencies of ``numpy.fft.fft2``, any scale: from `noise_power`, or
    `mean_power` of sky patches. Returns (ny, nx): float64 noise of mean zero, image
    units.

    >>> import numpy as np
    >>> from astroanomaly.simulate.cameras.noise import correlated_noise
    >>> correlated_noise(np.ones((8, 8)), np.ones((8, 8)), seed=1).shape
    (8, 8)
    """
    variance = np.asarray(variance_map, dtype=float)
    power = _check_power("variance_map", variance, power_spectrum)
    if (variance < 0).any():
        raise ValueError(
            "`variance_map` must not be negative. "
            f"Received: a minimum of {np.nanmin(variance)}."
        )
    white = np.random.default_rng(seed).standard_normal(variance.shape)
    return _correlate(white, power) * np.sqrt(variance)


def _check_power(name, image, power_spectrum):
    """Return a power spectrum that is one, and of the shape of an image."""
    power = np.asarray(power_spectrum, dtype=float)
    if image.ndim != 2 or image.shape != power.shape:
        raise ValueError(
            f"`{name}` and `power_spectrum` must be images of one shape. "
            f"Received: {image.shape} and {power.shape}."
        )
    if not np.isfinite(power).all() or power.min() < 0 or power.max() == 0:
        raise ValueError(
            "`power_spectrum` must be finite, not negative and not all zero. "
            f"Received: values from {power.min()} to {power.max()}."
        )
    return power


def _correlate(white, power):
    """Filter white noise by the root of a spectrum, which keeps its variance."""
    amplitude = np.sqrt(power / power.mean())
    return np.fft.ifft2(np.fft.fft2(white) * amplitude).real


def poisson_noise(
    signal: np.ndarray,
    instrument: Instrument,
    power_spectrum: np.ndarray,
    seed: int | np.random.SeedSequence | np.random.Generator,
) -> np.ndarray:
    """Draw the photon noise of sources, correlated as the sky is.

    Counts k are Poisson deviates of the electrons ``E = gain s t``. The white field
    ``(k - E) / sqrt(E)`` is filtered by ``sqrt(P / mean(P))`` and multiplied by the
    standard deviation of a drizzled pixel, ``sqrt(E) / (gain t R)`` with R of
    `Instrument.noise_reduction`: on a uniform source its power spectrum is that of the
    sky (Margalef-Bentabol et al. 2020, MNRAS 496, 2346). Its variance is the source's
    share of `Instrument.variance`.

    `signal` (ny, nx): noiseless sources, image units. Negative values count as 0; NaN
    pixels stay NaN; `power_spectrum` (ny, nx): power at the frequencies of
    ``numpy.fft.fft2``, any scale: from `noise_power`, `mean_power` or a `sky.Sky`.
    Returns (ny, nx): float64 noise of mean zero, image units.

    >>> import numpy as np
    >>> from astroanomaly.simulate.cameras import instruments, noise
    >>> camera = instruments.WFC3_F160W
    >>> power = noise.noise_power(camera, (8, 8))
    >>> noise.poisson_noise(np.ones((8, 8)), camera, power, seed=1).shape
    (8, 8)
    """
    signal = np.asarray(signal, dtype=float)
    power = _check_power("signal", signal, power_spectrum)
    total = instrument.gain * instrument.exposure_time
    electrons = np.maximum(signal, 0.0) * total
    counts = np.random.default_rng(seed).poisson(np.nan_to_num(electrons))
    root = np.sqrt(electrons)
    # An empty pixel has no noise to standardize; nor has one of NaN.
    white = np.divide(counts - electrons, root, np.zeros_like(root), where=root > 0)
    return _correlate(white, power) * root / (total * instrument.noise_reduction)


def mean_power(patches: np.ndarray) -> np.ndarray:
    """Return the mean power spectrum of sky patches, their means removed.

    `patches` (n, ny, nx): patches of sky, image units, without NaN. Returns (ny, nx):
    mean of ``|fft2|^2 / (ny nx)``: its mean is the variance of a pixel.

    >>> import numpy as np
    >>> from astroanomaly.simulate.cameras.noise import mean_power
    >>> mean_power(np.zeros((2, 4, 4))).sum() == 0
    np.True_
    """
    patches = np.asarray(patches, dtype=float)
    if patches.ndim != 3 or not np.isfinite(patches).all():
        raise ValueError(
            "`patches` must be a stack (n, ny, nx) of finite pixels. "
            f"Received: shape {patches.shape}, "
            f"{np.count_nonzero(~np.isfinite(patches))} pixels not finite."
        )
    patches = patches - patches.mean(axis=(1, 2), keepdims=True)
    power = np.abs(np.fft.fft2(patches)) ** 2
    return power.mean(axis=0) / (patches.shape[1] * patches.shape[2])


def sky_patches(
    mosaic: np.ndarray,
    size: int,
    n: int,
    seed: int,
    *,
    n_sigma: float = 3.0,
    tolerance: float = 0.01,
    max_tries: int = 200,
) -> np.ndarray:
    """Cut source-free patches from a mosaic.

    Means over 5x5 pixels mark sources: those further than 1.5 `n_sigma` from the
    sigma-clipped median of such means, in units of their own clipped scatter. A patch
    is source-free if at most a fraction `tolerance` of it is marked.

    `mosaic` (ny, nx): image, any unit. Patches with NaN are left out; `size`: side of a
    patch, pixels; `tolerance`: fraction of pixels that may be contaminated. Returns (n,
    size, size): float32 patches, the median sky subtracted.

    >>> import numpy as np
    >>> from astroanomaly.simulate.cameras.noise import sky_patches
    >>> mosaic = np.random.default_rng(1).normal(size=(200, 200))
    >>> sky_patches(mosaic, 32, 4, seed=1).shape
    (4, 32, 32)
    """
    mosaic = np.asarray(mosaic, dtype=float)
    if mosaic.ndim != 2 or min(mosaic.shape) < size:
        raise ValueError(
            f"`mosaic` must be an image of at least `size` pixels a side. "
            f"Received: shape {mosaic.shape} and size={size}."
        )
    bad = ~np.isfinite(mosaic)
    _, median, _ = sigma_clipped_stats(mosaic, mask=bad, sigma=n_sigma)
    # Means of 5x5 pixels: faint sources stand out of the noise of one pixel.
    smooth = uniform_filter(np.where(bad, median, mosaic), 5)
    _, centre, scatter = sigma_clipped_stats(smooth, mask=bad, sigma=n_sigma)
    source = np.abs(smooth - centre) > 1.5 * n_sigma * scatter
    # One NaN outweighs any tolerance: no patch keeps one.
    source = source + bad * mosaic.size
    # Sums over any patch come from four corners of the cumulative sum.
    total = np.pad(source.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    rng = np.random.default_rng(seed)
    ny, nx = mosaic.shape
    y = rng.integers(0, ny - size + 1, n * max_tries)
    x = rng.integers(0, nx - size + 1, n * max_tries)
    count = (
        total[y + size, x + size]
        - total[y, x + size]
        - total[y + size, x]
        + total[y, x]
    )
    good = np.flatnonzero(count <= tolerance * size**2)[:n]
    if len(good) < n:
        raise ValueError(
            f"`mosaic` must hold {n} source-free patches of {size} pixels. "
            f"Received: {len(good)} found in {n * max_tries} tries."
        )
    patches = [mosaic[y[k] : y[k] + size, x[k] : x[k] + size] for k in good]
    return (np.stack(patches) - median).astype(np.float32)
