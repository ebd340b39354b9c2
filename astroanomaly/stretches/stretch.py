"""Stretches: Keras layers that bring pixel values to [0, 1] and back.

The curves are those of :mod:`astropy.visualization` (Lupton et al. 1999, AJ 118,
1406 for asinh); what is added here is a range learned from training data only,
kept per band and by name, an inverse, and the count of clipped pixels.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.stretches.sky import image_sky, sky_noise
from astroanomaly.utils.files import atomic_path
from astroanomaly.utils.keras_files import load_object
from astroanomaly.utils.notebook import facts

if TYPE_CHECKING:
    import tensorflow as tf
    from numpy.typing import ArrayLike

# Part of registered names: a saved stretch is found again by it.
_PACKAGE = "astroanomaly"
# Images that percentiles and the sky's noise are taken from, at most: 4096 of 64 x 64
# pixels hold 17 million values a band, whose percentiles no more images move.
SAMPLE = 4096
# A pixel so many times as far from the sky as the brightest of an ordinary image is no
# source but a fault of the file: a star that saturates a camera reaches some 1e4 times.
ABSURD = 1e5


def per_band(values) -> tuple[float, ...] | None:
    """Return one number or several as a tuple of floats; None as None."""
    if values is None:
        return None
    return tuple(float(v) for v in np.atleast_1d(np.asarray(values, np.float64)))


def pixels_of(images) -> np.ndarray:
    """Return the pixels of cutouts or of an array."""
    pixels = images.images if isinstance(images, Cutouts) else np.asarray(images)
    if pixels.ndim != 4 or len(pixels) == 0:
        raise ValueError(
            "`images` must have shape (n, ny, nx, n_bands) with n >= 1. "
            f"Received: shape {pixels.shape}"
        )
    return pixels


def robust_ends(pixels: np.ndarray) -> tuple[float, float]:
    """Return the least and the largest of one band's pixels without absurd ones.

    Parameters
    ----------
    pixels : ndarray of shape (n, ny, nx)
        Pixel values; NaN and infinite ones are left out.

    Returns
    -------
    tuple of float
        The extremes of all pixels, unless some are `ABSURD` times as far from the
        median as the extremes of half of the images (of fewer than three images: as
        the 0.1st or the 99.9th percentile): then those of the rest, with a warning.

    Raises
    ------
    ValueError
        If no pixel is finite.

    Examples
    --------
    >>> robust_ends(np.arange(27.0).reshape(3, 3, 3))
    (0.0, 26.0)
    """
    sample = pixels[:: -(-len(pixels) // SAMPLE)]
    finite = sample[np.isfinite(sample)].astype(np.float64)
    if finite.size == 0:
        raise ValueError("`pixels` must hold a finite value. Received: none.")
    # These pass over NaN, and make no copy of a memory map.
    lows, highs = (f.reduce(pixels, axis=(1, 2)) for f in (np.fmin, np.fmax))
    middle = np.median(finite)
    if len(pixels) > 2:
        low, high = np.nanmedian(lows.astype(float)), np.nanmedian(highs.astype(float))
    else:
        low, high = np.percentile(finite, (0.1, 99.9))
    # Where half of the images are constant there is nothing to compare with.
    reach = ABSURD * max(high - middle, middle - low) or np.inf
    ordinary = (lows >= middle - reach) & (highs <= middle + reach)
    values = pixels[~ordinary].astype(np.float64)
    near = np.abs(values - middle) <= reach
    low = min(lows[ordinary].min(initial=np.inf), values[near].min(initial=np.inf))
    high = max(highs[ordinary].max(initial=-np.inf), values[near].max(initial=-np.inf))
    far = np.isfinite(values) & ~near
    if far.any():
        worst = values[far][np.argmax(np.abs(values[far] - middle))]
        warnings.warn(
            f"{far.sum()} pixel(s) of {far.any(axis=(1, 2)).sum()} training image(s), "
            f"of up to {worst:g}, lie far beyond all others. They do not set the range "
            f"of the stretch, {low:g} to {high:g}, and are clipped and flagged.",
            UserWarning,
            stacklevel=3,
        )
    return float(low), float(high)


class Stretch(keras.layers.Layer):
    """Base of the stretches: a range per band, then a curve on [0, 1].

    ``y = curve((x - vmin) / (vmax - vmin))`` with the fraction clipped to [0, 1].

    Parameters
    ----------
    vmin, vmax : float or sequence of float, optional
        Range of the pixel values, one number or one per band, in the image's own
        unit. :meth:`adapt` learns it from training images.
    percentiles : tuple of float, optional
        The percentiles of the training pixels that become `vmin` and `vmax`.
    per_image : bool, optional
        Take the range of every image and band by itself instead. This erases
        the flux and cannot be inverted; a lens finder wants it, a detector of
        outliers seldom does.
    sigmas : tuple of float, optional
        With `per_image`, the range in standard deviations of the image's own sky
        about its level, for example (-5, 1000), in place of its minimum and maximum:
        a bright star then takes nothing of the range from the object beside it.
    bands : sequence of str, optional
        Names of the bands; :meth:`adapt` takes them from the cutouts.
    **kwargs
        Passed to :class:`keras.layers.Layer`.

    Raises
    ------
    ValueError
        If the range is empty, the percentiles are not rising within 0 to 100, or
        `sigmas` are not rising or come without `per_image`.

    Notes
    -----
    NaN pixels stay NaN: fill them when reading. The sky's level and noise in an image
    are those of the normal distribution that has the 15th and 30th percentiles of its
    pixels, as in :func:`sky_noise`.

    Examples
    --------
    >>> stretch = Linear(vmin=0, vmax=2)
    >>> isinstance(stretch, Stretch), float(stretch(np.ones((1, 1, 1, 1)))[0, 0, 0, 0])
    (True, 0.5)
    """

    def __init__(
        self,
        vmin: float | Sequence[float] | None = None,
        vmax: float | Sequence[float] | None = None,
        percentiles: tuple[float, float] = (0.0, 100.0),
        per_image: bool = False,
        sigmas: tuple[float, float] | None = None,
        bands: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # Of all training pixels of a band; 0 and 100 are its extremes.
        low, high = percentiles
        if not 0 <= low < high <= 100:
            raise ValueError(
                "`percentiles` must be two rising numbers within 0 to 100. "
                f"Received: {percentiles}"
            )
        self.vmin, self.vmax = per_band(vmin), per_band(vmax)
        self.percentiles = (float(low), float(high))
        self.per_image = bool(per_image)
        self.sigmas = per_band(sigmas)
        if self.sigmas is not None and not (
            self.per_image and len(self.sigmas) == 2 and self.sigmas[0] < self.sigmas[1]
        ):
            raise ValueError(
                "`sigmas` must be two rising numbers, and `per_image` True. "
                f"Received: sigmas={sigmas}, per_image={self.per_image}"
            )
        self.bands = None if bands is None else tuple(str(b) for b in bands)
        self._check_range()

    def _check_range(self) -> None:
        if self.vmin is None or self.vmax is None:
            return
        if len(self.vmin) != len(self.vmax) or not np.all(
            np.asarray(self.vmax) > np.asarray(self.vmin)
        ):
            raise ValueError(
                "`vmax` must be above `vmin` in every band. "
                f"Received: vmin={self.vmin}, vmax={self.vmax}"
            )

    @property
    def adapted(self) -> bool:
        """Whether the stretch knows its range."""
        return self.per_image or self.vmin is not None

    def adapt(self, images: Cutouts | np.ndarray) -> Stretch:
        """Learn the range (and the bands' names) from training images.

        Parameters
        ----------
        images : Cutouts or ndarray of shape (n, ny, nx, n_bands)
            Training images, in the unit that later images will have.

        Returns
        -------
        Stretch
            The layer itself.

        Raises
        ------
        ValueError
            If there is no image, or a band holds no finite or only one value.

        Warns
        -----
        UserWarning
            If pixels lie beyond all others, 1e5 times as far from the median as the
            extremes of half of the images: they do not set the range, and the stretch
            clips them.
        """
        pixels = pixels_of(images)
        if isinstance(images, Cutouts):
            self.bands = images.bands
        # Evenly spaced images stand for very many; the extremes come from all.
        sample = pixels[:: -(-len(pixels) // SAMPLE)]
        if not self.per_image:
            # The extremes are of all images, not of the sample: a star must not be
            # missed.
            ranges = []
            for b in range(pixels.shape[-1]):
                finite = sample[..., b][np.isfinite(sample[..., b])]
                if finite.size == 0 or finite.min() == finite.max():
                    raise ValueError(
                        "`images` must hold different finite values in every band; "
                        f"band {b} holds "
                        f"{f'only {finite[0]}' if finite.size else 'none'}."
                    )
                ends = dict(zip((0.0, 100.0), robust_ends(pixels[..., b]), strict=True))
                ranges.append(
                    [
                        ends[q] if q in ends else np.percentile(finite, q)
                        for q in self.percentiles
                    ]
                )
            self.vmin, self.vmax = (
                per_band(ends) for ends in zip(*ranges, strict=True)
            )
            self._check_range()
        self._adapt_curve(sample)
        return self

    def _adapt_curve(self, pixels: np.ndarray) -> None:
        """Learn the curve's own parameter; most curves have none to learn."""

    def _require_range(self) -> None:
        if not self.adapted:
            raise ValueError(
                f"the stretch {type(self).__name__} has no range yet: call "
                "`adapt` with training images, or pass `vmin` and `vmax`."
            )

    def _ends(self, images) -> tuple:
        """Return the lower and the upper end of the range."""
        # The sky's range first: it is asked for with `per_image` as well.
        if self.sigmas:
            level, noise = image_sky(images)
            low, high = self.sigmas
            return level + low * noise, level + high * noise
        if self.per_image:
            return tuple(
                extreme(images, axis=(1, 2), keepdims=True)
                for extreme in (ops.min, ops.max)
            )
        return np.asarray(self.vmin), np.asarray(self.vmax)

    def _range(self, images) -> tuple:
        """Return the lower end of the range and its span, float32."""
        low, high = self._ends(images)
        if self.per_image:
            # An image of one value becomes 0 everywhere, not NaN.
            return low, ops.maximum(high - low, 1e-30)
        return low.astype("float32"), (high - low).astype("float32")

    def call(self, images: tf.Tensor | np.ndarray) -> tf.Tensor:
        """Stretch images of shape (n, ny, nx, n_bands) to [0, 1]."""
        self._require_range()
        images = ops.convert_to_tensor(images, "float32")
        low, span = self._range(images)
        return self._curve(ops.clip((images - low) / span, 0.0, 1.0))

    def invert(self, stretched: ArrayLike) -> tf.Tensor:
        """Bring stretched images back to pixel values.

        Parameters
        ----------
        stretched : array of shape (n, ny, nx, n_bands)
            Values in [0, 1].

        Returns
        -------
        tensor of shape (n, ny, nx, n_bands)
            Pixel values in the training images' unit; pixels that were clipped
            come back as `vmin` or `vmax`.

        Raises
        ------
        ValueError
            With ``per_image=True``, whose ranges are not kept.
        """
        self._require_range()
        if self.per_image:
            raise ValueError(
                "a stretch with `per_image=True` cannot be inverted: the range of "
                "each image is not kept."
            )
        low, span = self._range(None)
        stretched = ops.convert_to_tensor(stretched, "float32")
        return self._inverse(stretched) * span + low

    def count_clipped(self, images: Cutouts | np.ndarray) -> np.ndarray:
        """Count the pixels of each image that the stretch clips.

        Parameters
        ----------
        images : Cutouts or ndarray of shape (n, ny, nx, n_bands)
            Pixel values.

        Returns
        -------
        ndarray of shape (n,)
            Pixels below or above the range, over all bands; zero where it is that of
            each image's own minimum and maximum.
        """
        self._require_range()
        pixels = pixels_of(images).astype(np.float32, copy=False)
        if self.per_image and not self.sigmas:
            return np.zeros(len(pixels), int)
        low, high = (np.asarray(end, np.float32) for end in self._ends(pixels))
        return ((pixels < low) | (pixels > high)).sum(axis=(1, 2, 3))

    def _repr_html_(self) -> str:
        """Return the kind and the range, for a notebook."""
        ends = None
        if self.vmin is not None and self.vmax is not None:
            names = self.bands or [f"band {k}" for k in range(len(self.vmin))]
            ends = ", ".join(
                f"{name} {low:.4g} to {high:.4g}"
                for name, low, high in zip(names, self.vmin, self.vmax, strict=True)
            )
        each = "of each image" if self.per_image else "not learned yet: call adapt"
        return facts(
            f"{type(self).__name__} stretch to [0, 1]",
            [("range", ends or each), ("a", getattr(self, "a", None))],
        )

    def get_config(self) -> dict:
        """Return the settings, the learned range among them."""
        return {
            **super().get_config(),
            "vmin": self.vmin,
            "vmax": self.vmax,
            "percentiles": self.percentiles,
            "per_image": self.per_image,
            "sigmas": self.sigmas,
            "bands": self.bands,
        }

    def save(self, path: str | Path) -> None:
        """Write the stretch as JSON, whole or not at all."""
        config = keras.saving.serialize_keras_object(self)
        with atomic_path(path) as partial:
            partial.write_text(json.dumps(config, indent=1))


def load(path: str | Path) -> Stretch:
    """Read a stretch that :meth:`Stretch.save` wrote.

    Parameters
    ----------
    path : str or Path
        A .json file.

    Returns
    -------
    Stretch
        The layer, with its range.

    Raises
    ------
    ValueError
        If the file is broken or describes something else.

    Examples
    --------
    >>> Sqrt(vmin=0, vmax=2).save("stretch.json")
    >>> load("stretch.json").get_config()["vmax"]
    (2.0,)
    """
    found = load_object(path)
    if not isinstance(found, Stretch):
        raise ValueError(
            f"{path} must describe a stretch. Received: {type(found).__name__}"
        )
    return found


@keras.saving.register_keras_serializable(_PACKAGE)
class Linear(Stretch):
    """Linear stretch: ``y = x``, as astropy's LinearStretch.

    Parameters
    ----------
    **kwargs
        See :class:`Stretch`.

    Examples
    --------
    >>> stretch = Linear(vmin=0, vmax=10)
    >>> float(stretch(np.full((1, 2, 2, 1), 5.0))[0, 0, 0, 0])
    0.5
    """

    def _curve(self, x):
        return x

    def _inverse(self, y):
        return y


@keras.saving.register_keras_serializable(_PACKAGE)
class Sqrt(Stretch):
    """Square-root stretch: ``y = sqrt(x)``, as astropy's SqrtStretch.

    Parameters
    ----------
    **kwargs
        See :class:`Stretch`.

    Examples
    --------
    >>> stretch = Sqrt(vmin=0, vmax=4)
    >>> float(stretch(np.ones((1, 2, 2, 1)))[0, 0, 0, 0])
    0.5
    """

    def _curve(self, x):
        return ops.sqrt(x)

    def _inverse(self, y):
        return ops.square(y)


@keras.saving.register_keras_serializable(_PACKAGE)
class Log(Stretch):
    """Logarithmic stretch: ``y = log(a x + 1) / log(a + 1)``, as LogStretch.

    Parameters
    ----------
    a : float, optional
        Steepness, above 0.
    **kwargs
        See :class:`Stretch`.

    Raises
    ------
    ValueError
        If `a` is not above 0.

    Examples
    --------
    >>> stretch = Log(a=99, vmin=0, vmax=1)
    >>> round(float(stretch(np.full((1, 2, 2, 1), 1 / 11))[0, 0, 0, 0]), 6)
    0.5
    """

    def __init__(self, a: float = 1000.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not a > 0:
            raise ValueError(f"`a` must be above 0. Received: {a}")
        self.a = float(a)

    def _curve(self, x):
        # log1p and expm1 keep float32 accurate to 1e-6 near zero.
        return ops.log1p(self.a * x) / np.float32(np.log1p(self.a))

    def _inverse(self, y):
        return ops.expm1(y * np.float32(np.log1p(self.a))) / self.a

    def get_config(self) -> dict:
        """Return the settings."""
        return {**super().get_config(), "a": self.a}


@keras.saving.register_keras_serializable(_PACKAGE)
class Asinh(Stretch):
    """Inverse hyperbolic sine: ``y = asinh(x / a) / asinh(1 / a)``, as AsinhStretch.

    Parameters
    ----------
    a : float or sequence of float, optional
        Where the curve turns from linear to logarithmic, as a fraction of the
        range, within (0, 1]; one number or one per band. By default
        :meth:`adapt`, or with `sigmas` the stretch itself, puts it at `softening`
        times the noise of the sky.
    softening : float, optional
        Sky standard deviations at which such a curve turns.
    **kwargs
        See :class:`Stretch`.

    Raises
    ------
    ValueError
        If `a` is outside (0, 1], or `softening` is not above 0.

    Notes
    -----
    The sky's noise is what :func:`sky_noise` measures on the training pixels.

    Examples
    --------
    >>> stretch = Asinh(a=0.1, vmin=0, vmax=1)
    >>> round(float(stretch(np.full((1, 2, 2, 1), 0.1))[0, 0, 0, 0]), 4)
    0.294
    """

    def __init__(
        self,
        a: float | Sequence[float] | None = None,
        softening: float = 2.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.a = per_band(a)
        self.softening = float(softening)
        if self.a is not None and not all(0 < value <= 1 for value in self.a):
            raise ValueError(f"`a` must be within (0, 1]. Received: {a}")
        if not self.softening > 0:
            raise ValueError(f"`softening` must be above 0. Received: {softening}")
        if self.a is None and self.sigmas:
            low, high = self.sigmas
            self.a = (min(self.softening / (high - low), 1.0),)
        elif self.a is None and (self.per_image or self.vmin is not None):
            self.a = (0.1,)

    def _adapt_curve(self, pixels):
        if self.per_image:
            return
        noise = [sky_noise(pixels[..., b]) for b in range(pixels.shape[-1])]
        span = np.subtract(self.vmax, self.vmin)
        self.a = per_band(np.clip(self.softening * np.array(noise) / span, 1e-6, 1.0))

    def _curve(self, x):
        a = np.asarray(self.a)
        scale = np.arcsinh(1 / a).astype("float32")
        return ops.arcsinh(x / a.astype("float32")) / scale

    def _inverse(self, y):
        a = np.asarray(self.a)
        scale = np.arcsinh(1 / a).astype("float32")
        return ops.sinh(y * scale) * a.astype("float32")

    def get_config(self) -> dict:
        """Return the settings, the learned softening among them."""
        return {**super().get_config(), "a": self.a, "softening": self.softening}
