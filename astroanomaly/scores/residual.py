"""Anomaly scores: what the reconstruction leaves over, measured in several ways.

Each score of an image depends on that image alone, and higher means stranger.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

if TYPE_CHECKING:
    from astroanomaly.scores.modes import ResidualModes

# Rings of the residual noise, in units of half the image's side.
RING_EDGES = (0.125, 0.25, 0.375, 0.5, 0.625, 0.8125)
SCORES = (
    "peak",
    "total",
    "residual",
    "feature",
    "mse",
    "whitened",
    "orthogonal",
    "wasserstein",
    "evidence",
)
# Which of them are computed: all, or what the score that ranks is made of.
WHICH = ("all", "ranking")


def check_which(scores: str) -> None:
    """Raise unless `scores` is one of `WHICH`."""
    if scores not in WHICH:
        raise ValueError(
            f"`scores` (--scores) must be {' or '.join(WHICH)}. Received: {scores}"
        )


def residual_score(images: np.ndarray, reconstructions: np.ndarray) -> np.ndarray:
    """Sum the absolute residual over pixels and bands.

    Parameters
    ----------
    images, reconstructions : ndarray of shape (n, ny, nx, n_bands)
        Stretched images and the closest generated ones.

    Returns
    -------
    ndarray of shape (n,)
        ``sum |x - G(z)|`` (Margalef-Bentabol et al. 2020, equation 7), float64;
        NaN where an image holds one.

    Examples
    --------
    >>> residual_score(np.ones((1, 2, 2, 1)), np.zeros((1, 2, 2, 1)))
    array([4.])
    """
    return np.abs(images - reconstructions).sum(axis=(1, 2, 3), dtype=np.float64)


def feature_score(features: np.ndarray, reconstructed: np.ndarray) -> np.ndarray:
    """Sum the absolute difference of the critic's features.

    Parameters
    ----------
    features, reconstructed : ndarray of shape (n, d)
        Features of the images and of the closest generated ones.

    Returns
    -------
    ndarray of shape (n,)
        ``sum |f(x) - f(G(z))|`` (Margalef-Bentabol et al. 2020, equation 8).

    Examples
    --------
    >>> feature_score(np.array([[1.0, 2.0]]), np.array([[0.0, 4.0]]))
    array([3.])
    """
    return np.abs(features - reconstructed).sum(axis=1, dtype=np.float64)


def total_score(residual: np.ndarray, feature: np.ndarray, w: float) -> np.ndarray:
    """Weigh both terms of the source paper's anomaly score.

    Parameters
    ----------
    residual, feature : ndarray of shape (n,)
        The two terms.
    w : float
        Weight of the feature term, within [0, 1].

    Returns
    -------
    ndarray of shape (n,)
        ``(1 - w) * residual + w * feature`` (equation 6).

    Examples
    --------
    >>> total_score(np.array([10.0]), np.array([20.0]), 0.1)
    array([11.])
    """
    return (1 - w) * residual + w * feature


def mse_score(images: np.ndarray, reconstructions: np.ndarray) -> np.ndarray:
    """Average the squared residual over pixels and bands.

    Parameters
    ----------
    images, reconstructions : ndarray of shape (n, ny, nx, n_bands)
        Stretched images and their reconstructions.

    Returns
    -------
    ndarray of shape (n,)
        ``mean (x - G(z))^2`` (Alexander et al. 2020, arXiv:2008.12731), float64; NaN
        where an image holds one.

    Examples
    --------
    >>> mse_score(np.full((1, 2, 2, 1), 3.0), np.ones((1, 2, 2, 1)))
    array([4.])
    """
    # Squares of small differences keep their digits in float64.
    residual = np.asarray(images, np.float64) - reconstructions
    return (residual**2).mean(axis=(1, 2, 3))


def wasserstein_score(images: np.ndarray, reconstructions: np.ndarray) -> np.ndarray:
    """Compare the distributions of pixel values, wherever the pixels lie.

    Parameters
    ----------
    images, reconstructions : ndarray of shape (n, ny, nx, n_bands)
        Stretched images and their reconstructions.

    Returns
    -------
    ndarray of shape (n,)
        The 1-D Wasserstein distance between an image's pixel values and those of
        its reconstruction: with equally many, the mean difference of the sorted
        values, which Alexander et al. 2020 (arXiv:2008.12731) report beside the
        squared error. float64; NaN where an image holds one.

    Examples
    --------
    >>> wasserstein_score(np.array([[[[0.0], [1.0]]]]), np.array([[[[3.0], [0.0]]]]))
    array([1.])
    """
    # Equally many values on both sides: sorted, they are matched one to one.
    ranked = [np.sort(np.reshape(v, (len(v), -1))) for v in (images, reconstructions)]
    return np.abs(ranked[0] - ranked[1]).mean(axis=1, dtype=np.float64)


class ResidualNoise:
    """How large the smoothed residual of an ordinary object is, pixel by pixel.

    Sky noise sets it where the image is faint; photon noise and structure that
    no model foresees (arms, knots) set it where the object is bright, and more
    so in its outskirts. The root mean square of the smoothed residual of
    ordinary objects is measured band by band in rings around the image's centre
    and, within each, in bins of the smoothed reconstruction's brightness;
    between the bins it is interpolated.

    Parameters
    ----------
    smoothing : float, optional
        Standard deviation in pixels of the Gaussian that smooths residuals:
        about the size of a faint source, so that its maximum is a matched
        filter's.
    n_bins : int, optional
        Bins of brightness in each ring, of equal counts of pixels.
    curves : list, optional
        What was measured before: per band, per ring, a dict with lists
        `brightness` and `noise`, as :meth:`get_config` gives it.

    Raises
    ------
    ValueError
        If `smoothing` or `n_bins` is not positive.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> sky = rng.normal(0, 0.1, (50, 32, 32, 1))
    >>> noise = ResidualNoise(2.0).fit(sky, np.zeros_like(sky))
    >>> bool(noise.peak(sky, np.zeros_like(sky)).max() < 7)
    True
    """

    def __init__(
        self, smoothing: float = 2.0, n_bins: int = 12, curves: list | None = None
    ) -> None:
        if not smoothing > 0:
            raise ValueError(f"`smoothing` must be above 0. Received: {smoothing}")
        if n_bins < 1:
            raise ValueError(f"`n_bins` must be at least 1. Received: {n_bins}")
        self.smoothing, self.n_bins = float(smoothing), int(n_bins)
        self.curves = curves

    @property
    def fitted(self) -> bool:
        """Whether the noise is measured."""
        return self.curves is not None

    def _smooth(self, images: np.ndarray) -> np.ndarray:
        # Zero beyond the edge: mirrored, a source there would count twice. At three
        # sigma the Gaussian has fallen to a hundredth.
        sigma = (0, self.smoothing, self.smoothing, 0)
        images = np.asarray(images, np.float32)
        return gaussian_filter(images, sigma, mode="constant", truncate=3.0)

    def fit(self, images: np.ndarray, reconstructions: np.ndarray) -> ResidualNoise:
        """Measure the noise on ordinary objects.

        Parameters
        ----------
        images, reconstructions : ndarray of shape (n, ny, nx, n_bands)
            Stretched images and the closest generated ones.

        Returns
        -------
        ResidualNoise
            Itself, with one curve per band and ring.

        Raises
        ------
        ValueError
            If there is no image.
        """
        if len(images) == 0:
            raise ValueError("`images` must hold at least one image. Received: none")
        residual = self._smooth(images - reconstructions)
        level = self._smooth(reconstructions)
        self.curves = [
            [
                self._curve(level[:, ring, b].ravel(), residual[:, ring, b].ravel())
                for ring in _rings(level.shape[1:3])
            ]
            for b in range(level.shape[-1])
        ]
        return self

    def _curve(self, level: np.ndarray, residual: np.ndarray) -> dict:
        # Equal counts, and finer bins for the brightest pixels: they are few, and
        # their residuals are the largest.
        fractions = np.concatenate(
            [np.linspace(0.0, 1.0, self.n_bins + 1), [0.99, 0.995, 0.999]]
        )
        edges = np.unique(np.quantile(level, np.sort(fractions)))
        # Without the outer edges every value falls into one of the bins.
        index = np.digitize(level, edges[1:-1])
        n_bins = max(len(edges) - 1, 1)
        count = np.bincount(index, minlength=n_bins)
        filled = count > 0
        power, centre = (
            np.bincount(index, values.astype(np.float64), n_bins)[filled]
            / count[filled]
            for values in (residual.astype(np.float64) ** 2, level)
        )
        # Pixels that never vary would make any residual infinite; the second bound is
        # for residuals that are zero everywhere.
        floor = max(np.sqrt(power.max()) * 1e-3, 1e-12)
        return {
            "brightness": centre.tolist(),
            "noise": np.maximum(np.sqrt(power), floor).tolist(),
        }

    def significance(
        self, images: np.ndarray, reconstructions: np.ndarray
    ) -> np.ndarray:
        """Divide the smoothed residual by its noise.

        Parameters
        ----------
        images, reconstructions : ndarray of shape (n, ny, nx, n_bands)
            Stretched images and the closest generated ones.

        Returns
        -------
        ndarray of shape (n, ny, nx, n_bands)
            Standard deviations; positive where the image is the brighter one.

        Raises
        ------
        ValueError
            If the noise is not measured yet, or on another number of bands.
        """
        return self._significance(images, reconstructions)[0]

    def weighted(self, images: np.ndarray, reconstructions: np.ndarray) -> np.ndarray:
        """Weigh the significance by the light that the model draws.

        What bends or tears an object changes its light in proportion to it, and
        empty sky shows nothing of it but noise.

        Parameters
        ----------
        images, reconstructions : ndarray of shape (n, ny, nx, n_bands)
            Stretched images and the closest generated ones.

        Returns
        -------
        ndarray of shape (n, ny, nx, n_bands)
            The significance times ``sqrt(B - B0)``, B the smoothed reconstruction and
            B0 the brightness of the faintest pixels that the noise was measured on;
            0 where B is below it.

        Raises
        ------
        ValueError
            As :meth:`significance`.
        """
        significance, weight = self._significance(images, reconstructions)
        return significance * weight

    def _smoothed(self, images, reconstructions):
        """Return the smoothed residual and the smoothed reconstruction."""
        if self.curves is None:
            raise ValueError(
                "the residual noise is not measured yet: call `fit` with ordinary "
                "images and their reconstructions."
            )
        if len(self.curves) != images.shape[-1]:
            raise ValueError(
                f"`images` must have {len(self.curves)} band(s), as those that the "
                f"noise was measured on. Received: shape {images.shape}"
            )
        return self._smooth(images - reconstructions), self._smooth(reconstructions)

    def _significance(self, images, reconstructions):
        """Return the significance and the weight of each pixel."""
        residual, level = self._smoothed(images, reconstructions)
        rings = _rings(level.shape[1:3])
        for b, curves in enumerate(self.curves):
            for ring, curve in zip(rings, curves, strict=True):
                residual[:, ring, b] /= np.interp(
                    level[:, ring, b], curve["brightness"], curve["noise"]
                )
        # Below the faintest bin that was measured there is sky, and no light to weigh.
        floor = np.array(
            [min(c["brightness"][0] for c in curves) for curves in self.curves],
            np.float32,
        )
        return residual, np.sqrt(np.maximum(level - floor, 0))

    def _peak(self, images, reconstructions):
        """Return the largest significance; the noise is sought only where it may be."""
        residual, level = self._smoothed(images, reconstructions)
        n, shape = len(residual), residual.shape[1:]
        residual, level = residual.reshape(n, -1), level.reshape(n, -1)
        curves = [curve for band in zip(*self.curves, strict=True) for curve in band]
        rings = np.argmax(_rings(shape[:2]), axis=0)[..., None]
        # Of each pixel and band, its curve.
        own = (rings * shape[2] + np.arange(shape[2])).ravel()
        ends = [
            residual / np.array([end(c["noise"]) for c in curves], np.float32)[own]
            for end in (min, max)
        ]

        def exact(image, pixel):
            noise, which = np.empty(len(pixel)), own[pixel]
            for k, curve in enumerate(curves):
                here = which == k
                noise[here] = np.interp(
                    level[image[here], pixel[here]],
                    curve["brightness"],
                    curve["noise"],
                )
            # As precise as a whole map of it, which is float32.
            return (residual[image, pixel] / noise).astype(np.float32)

        most = np.maximum(*ends)
        found = exact(np.arange(n), most.argmax(axis=1))
        # No pixel that stays below this is the largest; a bit less for rounding.
        least = np.maximum(found, np.minimum(*ends).max(axis=1))
        image, pixel = np.nonzero(most >= (least - 1e-5 * np.abs(least))[:, None])
        np.maximum.at(found, image, exact(image, pixel))
        return found.astype(np.float64)

    def peak(self, images: np.ndarray, reconstructions: np.ndarray) -> np.ndarray:
        """Take the largest excess of light, in units of its noise.

        The maximum over the smoothed residual where the image is the brighter
        one: a matched filter for a source that the model does not know. Light
        that is missing counts in the residual score.

        Parameters
        ----------
        images, reconstructions : ndarray of shape (n, ny, nx, n_bands)
            Stretched images and the closest generated ones.

        Returns
        -------
        ndarray of shape (n,)
            Largest significance over pixels and bands; NaN where an image
            holds one.
        """
        name = "peak_score"
        return self.scores(images, reconstructions, names=(name,))[name]

    def whitened(self, images: np.ndarray, reconstructions: np.ndarray) -> np.ndarray:
        """Average the squared significance over pixels and bands.

        A squared error in which each place counts by what is usual there, so that
        neither the brightest pixels nor the model's own weak spots rule it. Both
        signs count: light that is missing as well as light too much.

        Parameters
        ----------
        images, reconstructions : ndarray of shape (n, ny, nx, n_bands)
            Stretched images and the closest generated ones.

        Returns
        -------
        ndarray of shape (n,)
            About 1 for ordinary images; NaN where an image holds one.
        """
        name = "whitened_score"
        return self.scores(images, reconstructions, names=(name,))[name]

    def scores(
        self,
        images: np.ndarray,
        reconstructions: np.ndarray,
        modes: ResidualModes | None = None,
        names: Sequence[str] = ("peak_score", "whitened_score", "orthogonal_score"),
    ) -> dict[str, np.ndarray]:
        """Compute the scores that the noise is needed for, from one significance.

        Parameters
        ----------
        images, reconstructions : ndarray of shape (n, ny, nx, n_bands)
            Stretched images and the closest generated ones.
        modes : ResidualModes, optional
            Modes of the weighted residuals of ordinary objects.
        names : sequence of str, optional
            Which of them; others cost nothing.

        Returns
        -------
        dict of str to ndarray of shape (n,)
            `peak_score`, `whitened_score` and, with modes, `orthogonal_score`;
            float64.
        """
        known = ["peak_score", "whitened_score"]
        known += ["orthogonal_score"] * (modes is not None)
        names = [name for name in known if name in names]
        if len(images) == 0 or not names:
            return {name: np.zeros(len(images)) for name in names}
        if names == ["peak_score"]:
            return {"peak_score": self._peak(images, reconstructions)}
        significance, weight = self._significance(images, reconstructions)
        found = {}
        if "peak_score" in names:
            found["peak_score"] = significance.max(axis=(1, 2, 3)).astype(np.float64)
        if "whitened_score" in names:
            # In float32, sums of thousands of squares would lose digits that rank.
            squared = np.square(significance, dtype=np.float64)
            found["whitened_score"] = squared.mean(axis=(1, 2, 3))
        if modes is not None and "orthogonal_score" in names:
            found["orthogonal_score"] = modes.score(significance * weight)
        return found

    def get_config(self) -> dict:
        """Return settings and curves."""
        return {
            "smoothing": self.smoothing,
            "n_bins": self.n_bins,
            "curves": self.curves,
        }


def _rings(shape: tuple[int, int]) -> list[np.ndarray]:
    """Give the masks of the rings around the centre of an image."""
    y, x = np.indices(shape)
    half = max(shape) / 2
    radius = np.hypot(y - (shape[0] - 1) / 2, x - (shape[1] - 1) / 2) / half
    ring = np.digitize(radius, RING_EDGES)
    return [ring == i for i in range(len(RING_EDGES) + 1)]
