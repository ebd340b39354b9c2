"""What is odd about a frame as a whole: its sky, its noise, pixels that repeat."""

from pathlib import Path

import numpy as np

from astroanomaly.features.base import check_images
from astroanomaly.utils.arrays import load_arrays, save_arrays

FILE = "frame.npz"
# The sky of a frame is the normal distribution that has these percentiles of its
# pixels, as in `stretches.sky`: sources hardly touch the faintest third.
_PERCENTILES, _NORMAL = (0.15, 0.30), (-1.0364334, -0.5244005)
# Sources end here before rows and columns are compared, in units of the noise.
_CLIP = 3.0
# A number that hardly differs among ordinary frames is not odd below this: of levels
# and colors in units of the training's noise, of the logarithm of the noise, of shares
# of pixels, of steps in units of the noise of a row.
_LEAST = {"sky level": 1.0, "sky color": 1.0, "sky noise": 0.15, "edge": 1.0}
_LEAST_SHARE = 0.0025
# A frame without any noise is that far off, so that its repeated pixels name it.
_MOST_NOISE = 100.0
# Of frames that were simulated without noise, in units of their brightest pixel.
_NO_NOISE = 1e-3
# From the median to what a sixth of ordinary frames are beyond is one sigma.
_SIGMA = (16, 50, 84)
# Sigma from which a frame is flagged, or as many times what 19 of 20 training frames
# stay below: of 201 real COSMOS frames it flags none, halves trained and tested.
LIMIT, _BEYOND = 10.0, 2.0
# Frames at a time: 256 of 64 x 64 pixels are 4 MB a band.
_BLOCK = 256


class FrameCheck:
    """Compare frames as a whole with those of the training.

    Of every band: the level and the noise of the sky; the share of pixels at the
    largest value (saturated), at the smallest one (blank) and of those whose value
    another pixel has too (constant or repeated); the largest step between two
    neighboring rows or columns (edges and stripes). Of every band but the first: how
    much brighter its sky is than the first band's (the color). Each is taken in sigma
    from the training's median; the score is the largest of them.

    Attributes
    ----------
    names : list of str
        What each number is, with its band's position where there are several.
    limit : float
        Score from which a frame is flagged: 10, or twice what 95 per cent of the
        training frames stay below, where that is more.

    Examples
    --------
    >>> frames = np.random.default_rng(1).normal(size=(50, 32, 32, 1))
    >>> check = FrameCheck().fit(frames)
    >>> frames[3, 16:] = 7.0
    >>> scores, worst = check.score(frames)
    >>> worst[scores > check.limit].tolist()
    ['repeated pixels']
    """

    _learned = {"center": 1, "low": 1, "high": 1, "noise": 1, "limit": 0}

    def measure(self, images: np.ndarray) -> tuple[np.ndarray, list[str]]:
        """Measure frames.

        Parameters
        ----------
        images : ndarray of shape (n, ny, nx, n_bands)
            Linear pixels.

        Returns
        -------
        ndarray of shape (n, d)
            Numbers of each frame; NaN where a pixel is NaN.
        list of str
            What each of them is.
        """
        images = check_images(images)
        n_bands, parts = images.shape[3], []
        for start in range(0, max(len(images), 1), _BLOCK):
            part = images[start : start + _BLOCK]
            planes = np.ascontiguousarray(np.moveaxis(part, -1, 1), np.float32)
            ordered = np.sort(planes.reshape(len(part), n_bands, -1), axis=-1)
            last = ordered.shape[-1] - 1
            dark, light = (
                ordered[..., round(p * last)].astype(float) for p in _PERCENTILES
            )
            noise = (light - dark) / (_NORMAL[1] - _NORMAL[0])
            level = light - _NORMAL[1] * noise
            shares = [
                (ordered == ordered[..., end, None]).mean(axis=-1) for end in (-1, 0)
            ]
            shares.append((np.diff(ordered, axis=-1) == 0).mean(axis=-1))
            # A frame without noise is compared with its own brightest pixel.
            reach = np.where(noise > 0, noise, np.abs(ordered[..., -1] - level))
            reach = np.maximum(reach, np.finfo(np.float32).tiny)
            ends = (level + sign * _CLIP * reach for sign in (-1, 1))
            low, high = (end[..., None, None].astype(np.float32) for end in ends)
            clipped = np.clip(planes, low, high)
            steps = [
                np.abs(np.diff(clipped.mean(axis=axis), axis=-1)).max(axis=-1)
                * np.sqrt(clipped.shape[axis])
                / reach
                for axis in (2, 3)
            ]
            logs = np.log(np.maximum(noise, np.finfo(np.float32).tiny))
            found = [level, logs, *shares, np.maximum(*steps)]
            found.append(level[:, 1:] - level[:, :1])
            parts.append(np.concatenate(found, axis=1))
        kinds = ("sky level", "sky noise", "saturated pixels", "blank pixels")
        kinds = (*kinds, "repeated pixels", "edge")
        names = [f"{kind}:{b}" for kind in kinds for b in range(n_bands)]
        names += [f"sky color:{b}" for b in range(1, n_bands)]
        return np.concatenate(parts), names

    def fit(self, images: np.ndarray) -> "FrameCheck":
        """Learn what ordinary frames are like.

        Parameters
        ----------
        images : ndarray of shape (n, ny, nx, n_bands)
            Linear pixels of training images; artefacts among them do no harm while
            they are fewer than a sixth.

        Returns
        -------
        FrameCheck
            Itself.

        Raises
        ------
        ValueError
            If no frame has finite pixels alone.
        """
        found, names = self.measure(images)
        usable = np.isfinite(found).all(axis=1)
        if not usable.any():
            raise ValueError(
                "`images` must hold a frame with finite pixels alone. "
                f"Received: none of {len(found)}."
            )
        low, self.center, high = np.percentile(found[usable], _SIGMA, axis=0)
        logs = [name.startswith("sky noise") for name in names]
        noise = np.exp(self.center[logs])
        peak = np.median(np.abs(images[usable]).max(axis=(1, 2)), axis=0)
        self.noise = np.maximum(noise, _NO_NOISE * peak)
        self.noise[self.noise == 0] = 1.0
        least = []
        for name in names:
            kind, _, band = name.partition(":")
            in_noise = kind in ("sky level", "sky color")
            unit = self.noise[int(band)] if in_noise else 1.0
            least.append(_LEAST.get(kind, _LEAST_SHARE) * unit)
        self.low = np.maximum(self.center - low, least)
        self.high = np.maximum(high - self.center, least)
        self.limit = np.array(0.0)
        usual = np.percentile(self.score(images)[0][usable], 95)
        self.limit = np.array(max(LIMIT, _BEYOND * usual))
        return self

    def score(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Score frames.

        Parameters
        ----------
        images : ndarray of shape (n, ny, nx, n_bands)
            Linear pixels, of the bands of the training in its order.

        Returns
        -------
        ndarray of shape (n,)
            The largest number of sigma; NaN where a pixel is NaN.
        ndarray of shape (n,)
            What it is: "sky level", "sky color of band 2", ...; "" for NaN.
        """
        found, names = self.measure(images)
        off = found - self.center
        sigma = np.where(off < 0, -off / self.low, off / self.high)
        logs = [name.startswith("sky noise") for name in names]
        sigma[:, logs] = np.minimum(sigma[:, logs], _MOST_NOISE)
        scores = sigma.max(axis=1, initial=0.0)
        several = len(self.noise) > 1
        words = np.array(
            [
                f"{kind} of band {int(band) + 1}" if several else kind
                for kind, _, band in (name.partition(":") for name in names)
            ]
        )
        worst = words[np.argmax(np.nan_to_num(sigma), axis=1)]
        return scores, np.where(np.isnan(scores), "", worst)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what it has learned."""
        return {name: getattr(self, name) for name in self._learned}

    def save(self, folder: str | Path) -> None:
        """Write it into a folder."""
        save_arrays(Path(folder) / FILE, self.arrays())

    @classmethod
    def load(cls, folder: str | Path, n_bands: int) -> "FrameCheck":
        """Read the check of a detector with so many bands."""
        check = cls()
        path = Path(folder) / FILE
        for name, array in load_arrays(path, cls._learned).items():
            setattr(check, name, array)
        d = 7 * n_bands - 1
        widths = {len(check.center), len(check.low), len(check.high)}
        sigma = np.minimum(check.low, check.high) if widths == {d} else np.zeros(1)
        if len(check.noise) != n_bands or not (sigma > 0).all():
            raise ValueError(
                f"{path} must hold {d} positive numbers for {n_bands} bands. "
                f"Received: {sorted(widths)} for {len(check.noise)}."
            )
        return check
