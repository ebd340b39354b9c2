"""Distance of generated from real images, in statistics that astronomers know.

No network is needed, unlike for the Frechet inception distance (Heusel et al. 2017,
arXiv:1706.08500), whose features come from photographs.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from astropy.stats import mad_std
from astropy.table import Table
from numpy.typing import ArrayLike
from scipy.stats import ks_2samp, wasserstein_distance

from astroanomaly.data.cutouts import Cutouts

__all__ = ["pixel_histogram", "power_spectrum", "sample_distance", "summary_statistics"]

# Images of each kind for a distance: below 20 a bootstrap interval means little.
FEWEST = 20
# Pixels a side: an eighth of it, the width of the border, is then one pixel.
_SMALLEST = 8
# Flux over its noise below which shape has no meaning, the usual 5 sigma.
_SIGNIFICANT = 5.0
# Edges of the pixel histogram: the distance is then within 1 per cent of the exact one.
_EDGES = 256
# Of the strongest ring: below it float32 images hold nothing but rounding.
_NO_POWER = 1e-12


def summary_statistics(images: ArrayLike) -> dict[str, np.ndarray]:
    """Measure each image in each band.

    Objects are taken to be at the center. The sky is the median of a border of an
    eighth of the side.

    * flux: sum of all pixels, sky included.
    * peak: brightest pixel.
    * concentration: flux above the sky within an eighth of the side from the center,
      over that within half of it. Not ``5 log10(r80 / r20)``: a lens is faint inside
      its ring and r20 of a small galaxy is about a pixel, while a ratio of fluxes in
      fixed apertures varies smoothly for both.
    * half_light_radius: radius, in pixels, that holds half the flux above the sky
      within half a side (from the curve of growth; a second moment would be dominated
      by the noise far out).
    * noise: robust standard deviation of the border, from the median absolute
      deviation.

    Parameters
    ----------
    images : array_like of shape (n, ny, nx, n_bands) or (n, ny, nx)
        Images of any unit, stretched or not, without NaN; or Cutouts. At least 8
        pixels a side.

    Returns
    -------
    dict of str to ndarray of shape (n, n_bands)
        The statistics above. Concentration and half_light_radius are NaN where the
        flux within half a side is below 5 times its noise: they have no meaning for
        an empty image.

    Raises
    ------
    ValueError
        If the shape is another one or a pixel is not finite.

    Examples
    --------
    >>> found = summary_statistics(np.full((2, 16, 16, 1), 0.5))
    >>> found["flux"].ravel().tolist(), found["noise"].ravel().tolist()
    ([128.0, 128.0], [0.0, 0.0])
    """
    images = _checked(images, "images")
    n, ny, nx, n_bands = images.shape
    side, width = min(ny, nx), min(ny, nx) // 8
    border = np.ones((ny, nx), bool)
    border[width:-width, width:-width] = False
    # The median is not moved by light of the object that reaches the border.
    sky = np.median(images[:, border], axis=1)
    noise = mad_std(images[:, border], axis=1)
    radius = np.hypot(*(np.indices((ny, nx)).T - np.array([ny - 1, nx - 1]) / 2).T)
    radius = radius.ravel()
    # A pixel at the edge of an aperture counts in part, about as much as lies inside.
    inner, outer = (np.clip(side / k - radius + 0.5, 0.0, 1.0) for k in (8, 2))
    above = (images - sky[:, None, None]).reshape(n, ny * nx, n_bands)
    total = np.einsum("npb,p->nb", above, outer)
    sure = total > _SIGNIFICANT * noise * np.sqrt((outer**2).sum())
    total = np.where(sure, total, np.nan)
    order = np.argsort(radius, kind="stable")
    # The curve of growth, pixel by pixel outward.
    order = order[outer[order] > 0]
    growth = np.cumsum(above[:, order] * outer[order, None], axis=1)
    reached = (growth >= total[:, None] / 2).argmax(axis=1)
    return {
        "flux": images.sum(axis=(1, 2)),
        "peak": images.max(axis=(1, 2)),
        "concentration": np.einsum("npb,p->nb", above, inner) / total,
        "half_light_radius": np.where(np.isnan(total), np.nan, radius[order][reached]),
        "noise": noise,
    }


def power_spectrum(images: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the power of each image, averaged over rings of equal wavenumber.

    The power of a Fourier mode is ``|fft2(image - mean)|^2 / (ny nx)``, so that white
    noise of standard deviation s has the power s^2 in every ring, and a wave of
    amplitude A shares ``A^2 ny nx / 2`` among the modes of its ring. Images are not
    tapered: light at an edge leaks along the axes, in both real and generated images.

    Parameters
    ----------
    images : array_like of shape (n, ny, nx, n_bands) or (n, ny, nx)
        Images of any unit without NaN, or Cutouts. At least 8 pixels a side.

    Returns
    -------
    wavenumber : ndarray of shape (n_rings,)
        Cycles per pixel, from one cycle a side to 0.5 (Nyquist) in steps of one
        cycle a side. The corners beyond it are left out.
    power : ndarray of shape (n, n_rings, n_bands)
        Mean power of the modes within half a step of each wavenumber, squared image
        unit.

    Raises
    ------
    ValueError
        If the shape is another one or a pixel is not finite.

    Examples
    --------
    >>> wave = np.cos(2 * np.pi * np.arange(16) / 4) * np.ones((1, 16, 1))
    >>> wavenumber, power = power_spectrum(wave)
    >>> float(wavenumber[power[0, :, 0].argmax()])
    0.25
    """
    images = _checked(images, "images")
    n, ny, nx, n_bands = images.shape
    side = min(ny, nx)
    # Wavenumber of each mode in cycles per pixel.
    k = np.hypot(np.fft.fftfreq(ny)[:, None], np.fft.fftfreq(nx))
    rings = np.arange(1, side // 2 + 1)
    # Rings one cycle a side wide; the corners beyond Nyquist belong to none.
    belongs = np.rint(k * side).ravel() == rings[:, None]
    mean = belongs / belongs.sum(axis=1, keepdims=True)
    power = np.empty((n, len(rings), n_bands))
    # One image at a time: transforms of all need several times their memory.
    for row, image in zip(power, images, strict=True):
        modes = np.fft.fft2(image - image.mean(axis=(0, 1)), axes=(0, 1))
        row[:] = mean @ np.abs(modes.reshape(ny * nx, n_bands)) ** 2 / (ny * nx)
    return rings / side, power


def pixel_histogram(images: ArrayLike, edges: ArrayLike) -> np.ndarray:
    """Return the fraction of each image's pixels in each bin.

    Parameters
    ----------
    images : array_like of shape (n, ny, nx, n_bands) or (n, ny, nx)
        Images of any unit without NaN, or Cutouts. At least 8 pixels a side.
    edges : array_like of shape (n_bins + 1,)
        Rising edges. A bin holds its lower edge, the last one its upper edge too.

    Returns
    -------
    ndarray of shape (n, n_bins, n_bands)
        Fractions of all pixels of the image in that band; pixels beyond the edges
        are in no bin.

    Raises
    ------
    ValueError
        If the shape is another one, a pixel is not finite or the edges do not rise.

    Examples
    --------
    >>> pixel_histogram(np.full((1, 8, 8), 0.5), (0, 0.25, 1)).ravel().tolist()
    [0.0, 1.0]
    """
    images = _checked(images, "images")
    edges = np.asarray(edges, np.float64)
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise ValueError(
            f"`edges` must be two or more rising numbers. Received: {edges.tolist()}."
        )
    n, n_bands, n_bins = len(images), images.shape[3], len(edges) - 1
    bins = np.searchsorted(edges, images, side="right") - 1
    # As numpy.histogram: the last bin holds its upper edge.
    bins[images == edges[-1]] = n_bins - 1
    # One bincount for all images, bands and bins, in place of a loop over images.
    row = np.arange(n)[:, None, None, None] * n_bands + np.arange(n_bands)
    inside = (bins >= 0) & (bins < n_bins)
    cells = (row * n_bins + bins)[inside]
    counts = np.bincount(cells, minlength=n * n_bands * n_bins)
    counts = counts.reshape(n, n_bands, n_bins)
    return np.swapaxes(counts, 1, 2) / (images.shape[1] * images.shape[2])


def sample_distance(
    real: ArrayLike,
    generated: ArrayLike,
    bands: Sequence[str] | None = None,
    seed: int = 0,
    n_bootstrap: int = 500,
    n_splits: int = 20,
) -> Table:
    """Measure how far generated images are from real ones in each statistic.

    At a distance equal to its floor, this statistic cannot distinguish generated from
    real images.

    For the numbers of `summary_statistics`, and for the values of all pixels, the
    distance is the first Wasserstein distance of the two distributions in units of
    the real set's standard deviation: a shift by one standard deviation is 1. For the
    power spectrum it is the root mean square over rings of
    ``log10(mean power generated / mean power real)``, in dex.

    Parameters
    ----------
    real, generated : array_like of shape (n, ny, nx, n_bands) or (n, ny, nx)
        Images on one scale without NaN, or Cutouts; at least 20 of each. Stretched
        images, as a generator makes them, are compared as they are.
    bands : sequence of str, optional
        Names of the bands; those of `real` if it is Cutouts, else image, or band_0,
        band_1 and so on.
    seed : int
        Seed of all resampling.
    n_bootstrap : int
        Resamplings of the images for the interval, and relabelings for the p-value; 0
        leaves both NaN.
    n_splits : int
        Random halvings of the real set that the floor is the mean of.

    Returns
    -------
    Table
        One row for each band and statistic: statistic (flux, peak, concentration,
        half_light_radius, noise, power_spectrum, pixel_histogram), band, distance;
        low and high, its 95 per cent interval over images: high is the 97.5 per cent
        quantile of the resampled distances, low is as far below the distance, at
        least 0 (resampling adds distance, so that their lower quantile is too high);
        floor, what perfect samples would show: the distance between one half of the
        real images and the other, of that as many as were generated; p_value, the
        fraction of random relabelings as real or generated that are as far apart,
        which uses all images; ks, the Kolmogorov-Smirnov statistic (NaN for the last
        two statistics); unit, std or dex; n_real and n_generated, the images that
        have the statistic. A row is NaN where these are fewer than 20 or the real
        images do not vary.

    Raises
    ------
    ValueError
        If the shapes differ, a pixel is not finite, there are fewer than 20 images,
        the names of the bands are too many or too few, or a number of repeats is too
        small.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> sets = [rng.normal(size=(40, 16, 16)) for _ in range(2)]
    >>> table = sample_distance(*sets, n_bootstrap=50)
    >>> bool(table["p_value"][0] > 0.05), str(table["unit"][0])
    (True, 'std')
    """
    if bands is None:
        bands = getattr(real, "bands", None)
    if n_bootstrap < 0 or n_splits < 1:
        raise ValueError(
            "`n_bootstrap` must be at least 0 and `n_splits` at least 1. "
            f"Received: {n_bootstrap} and {n_splits}."
        )
    real, generated = _checked(real, "real"), _checked(generated, "generated")
    if real.shape[1:] != generated.shape[1:]:
        raise ValueError(
            "`generated` must have the shape of the `real` images, "
            f"{real.shape[1:]}. Received: {generated.shape[1:]}."
        )
    if min(len(real), len(generated)) < FEWEST:
        raise ValueError(
            f"`real` and `generated` must hold at least {FEWEST} images each. "
            f"Received: {len(real)} and {len(generated)}."
        )
    n_real, rows = len(real), []
    # Cutouts checks the names of the bands and supplies default ones.
    names = Cutouts(real[:1], bands=bands).bands
    both = np.concatenate([real, generated])
    for k, name in enumerate(names):
        for statistic, unit, sets, between, ks in _measures(both[..., k], n_real):
            found = compare(between, *sets, n_bootstrap, n_splits, seed)
            sizes = (len(rows_of) for rows_of in sets)
            rows.append((statistic, name, *found, ks, unit, *sizes))
    columns = "statistic band distance low high floor p_value ks unit n_real".split()
    return Table(rows=rows, names=[*columns, "n_generated"], meta={"seed": seed})


def _measures(images: np.ndarray, n_real: int) -> Iterator[tuple]:
    """Yield statistic, unit, rows of both sets, distance of two sets of rows, KS.

    The rows are those of the images that have the statistic; the distance is None
    where it has no unit.
    """
    for name, values in summary_statistics(images).items():
        values = values[:, 0]
        known = np.flatnonzero(np.isfinite(values))
        sets = known[known < n_real], known[known >= n_real]
        between, ks = None, np.nan
        if min(map(len, sets)) >= FEWEST and np.ptp(values[sets[0]]) > 0:
            between = _wasserstein(values, values[sets[0]].std())
            ks = ks_2samp(*(values[rows] for rows in sets)).statistic
        yield name, "std", sets, between, ks
    sets = np.split(np.arange(len(images)), [n_real])
    power = power_spectrum(images)[1][..., 0]
    least = _NO_POWER * power[:n_real].mean(axis=0).max()
    between = _spectral(power, least) if least > 0 else None
    yield "power_spectrum", "dex", sets, between, np.nan
    deviation = images[:n_real].std()
    between = _pixels(images, deviation) if deviation > 0 else None
    yield "pixel_histogram", "std", sets, between, np.nan


def _wasserstein(values: np.ndarray, deviation: float) -> Callable:
    def between(one, two):
        return wasserstein_distance(values[one], values[two]) / deviation

    return between


def _spectral(power: np.ndarray, least: float) -> Callable:
    def between(*sets):
        means = (np.maximum(power[rows].mean(axis=0), least) for rows in sets)
        one, two = map(np.log10, means)
        return np.sqrt(np.mean((one - two) ** 2))

    return between


def _pixels(images: np.ndarray, deviation: float) -> Callable:
    # Narrow bins where pixels are many, and no wide ones where they are few.
    even = np.linspace(images.min(), images.max(), _EDGES)
    edges = np.unique([*even, *np.quantile(images, np.linspace(0, 1, _EDGES))])
    below = np.cumsum(pixel_histogram(images, edges)[..., 0], axis=1)

    def between(one, two):
        # The Wasserstein distance is the area between the cumulative distributions.
        gap = np.abs(below[one].mean(axis=0) - below[two].mean(axis=0))
        return np.trapezoid([0.0, *gap], edges) / deviation

    return between


class SetDistance(NamedTuple):
    """What `compare` returns; all NaN where there is no distance."""

    distance: float
    low: float
    high: float
    floor: float
    p_value: float


def compare(
    between: Callable | None,
    real: np.ndarray,
    generated: np.ndarray,
    n_bootstrap: int,
    n_splits: int,
    seed: int,
) -> SetDistance:
    """Return the distance of two sets of rows with interval, floor and p-value.

    `between` returns the distance of any two arrays of rows. See `sample_distance` for
    the rest; interval and p-value are NaN where `n_bootstrap` is 0, everything where
    `between` is None or a set has fewer than 20 members.
    """
    # Without a unit, or too few images: no distance.
    if between is None or min(len(real), len(generated)) < FEWEST:
        return SetDistance(*[np.nan] * 5)
    rng = np.random.default_rng(seed)
    distance = between(real, generated)
    # The second half as large as the generated set, as far as there are images.
    half = len(real) // 2
    ends = half, half + min(half, len(generated))
    splits = (np.split(rng.permutation(real), ends)[:2] for _ in range(n_splits))
    floor = np.mean([between(*split) for split in splits])
    if not n_bootstrap:
        return SetDistance(distance, np.nan, np.nan, floor, np.nan)
    drawn = [
        between(*(rng.choice(rows, len(rows)) for rows in (real, generated)))
        for _ in range(n_bootstrap)
    ]
    # Resampling adds distance, so its lower quantile is no lower end of an interval:
    # near 0 that interval would never hold the truth. The upper one is reflected.
    high = np.quantile(drawn, 0.975)
    low = max(0.0, 2 * distance - high)
    everything = np.concatenate([real, generated])
    mixed = [
        between(*np.split(rng.permutation(everything), [len(real)]))
        for _ in range(n_bootstrap)
    ]
    # Counts the distance itself: Davison & Hinkley (1997), equation 4.11.
    beyond = np.sum(np.array(mixed) >= distance * (1 - 1e-12))
    return SetDistance(distance, low, high, floor, (1 + beyond) / (1 + n_bootstrap))


def _checked(images: ArrayLike, name: str) -> np.ndarray:
    images = np.asarray(getattr(images, "images", images), np.float64)
    images = images[..., None] if images.ndim == 3 else images
    if images.ndim != 4 or 0 in images.shape or min(images.shape[1:3]) < _SMALLEST:
        raise ValueError(
            f"`{name}` must have shape (n, ny, nx, n_bands) or (n, ny, nx) with at "
            f"least {_SMALLEST} pixels a side. Received: {images.shape}."
        )
    if strange := int((~np.isfinite(images)).sum()):
        raise ValueError(
            f"`{name}` must hold finite pixels only. Received: {strange} NaN or "
            "infinite ones."
        )
    return images
