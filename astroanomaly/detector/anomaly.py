"""The detector: a model of ordinary images, a stretch, and a calibration."""

from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly.calibration import Calibration
from astroanomaly.data.cutouts import Cutouts
from astroanomaly.detector import files
from astroanomaly.detector.base import Detector
from astroanomaly.detector.files import load_detector
from astroanomaly.detector.image_model import ImageModel
from astroanomaly.detector.table import ScoreTable, measure, require
from astroanomaly.latent.objective import check_weight
from astroanomaly.scores import residual
from astroanomaly.scores.modes import ResidualModes

__all__ = ["AnomalyDetector", "load_detector"]


class AnomalyDetector(Detector):
    """Score cutouts by how far they are from what the model can draw.

    Parameters
    ----------
    model : keras.Model
        Trained model of ordinary images: a GAN (``scoring_generator`` and
        ``features``), or any model with ``reconstruct(images)`` and
        ``features(images)``.
    stretch : Stretch
        The adapted stretch that the model was trained with.
    latent : Encoder, Refine, Mapping or str, optional
        How a GAN finds the z of an image: one of the three searches, or
        ``"mapping"`` for the paper's with its defaults. None for a model that
        reconstructs by itself.
    score : {"peak", "total", "residual", "feature", "mse", "whitened", \
"orthogonal", "wasserstein"}, optional
        The score that ranks and calibrates. "total" is the source paper's, "mse"
        that of the published autoencoders; every score is kept in the table
        ("wasserstein" only where it ranks).
    w : float, optional
        Weight of the feature term in the total score, within [0, 1].
    smoothing : float, optional
        Standard deviation, in pixels, of the Gaussian of the peak score.
    n_modes : int, optional
        How many directions in which the model errs on ordinary objects the
        orthogonal score leaves out.
    views : int, optional
        How many of the eight turned and mirrored views of an image are
        reconstructed; the reconstruction is their mean. More views leave less of
        the search's own error and cost that many times the search. Train with
        ``dataset(..., augment=True)``, so that the model knows turned objects.
    seed : int, optional
        Seed that parts the calibration objects when the residual noise is
        measured on some of them.
    level : float, optional
        Level, in per cent, of :meth:`predict` and :meth:`decision_function`.

    Raises
    ------
    ValueError
        If an argument is outside its range, the stretch is not adapted, or a
        GAN has no way to find z.

    Examples
    --------
    >>> from astroanomaly.models import WGANGP
    >>> from astroanomaly.stretches import Linear
    >>> stretch = Linear(vmin=0, vmax=1)
    >>> detector = AnomalyDetector(WGANGP((32, 32, 1), width=4), stretch, "mapping")
    >>> detector.score_name
    'peak'
    """

    needs_calibration = True

    def __init__(
        self,
        model,
        stretch,
        latent=None,
        score: str = "peak",
        w: float = 0.1,
        smoothing: float = 2.0,
        n_modes: int = 40,
        views: int = 1,
        seed: int = 0,
        level: float = 95,
    ):
        if score not in residual.SCORES:
            raise ValueError(
                f"`score` must be one of {', '.join(residual.SCORES)}. Received: {score}"
            )
        self._images = ImageModel(
            model, stretch, latent, check_weight(w), int(seed), views
        )
        self.score_name, self.w, self.level = score, float(w), level
        self.smoothing, self.seed = float(smoothing), int(seed)
        self.n_modes = ResidualModes(n_modes).n_modes
        self._noise: dict[str, residual.ResidualNoise] = {}
        self._modes: dict[str, ResidualModes] = {}
        self._calibrations: dict[str, Calibration] = {}

    @property
    def encoder(self):
        """The trained encoder, if there is one."""
        return self._images.encoder

    @property
    def latent(self):
        """The latent search in use; None when the model needs none."""
        return self._images.search

    @property
    def method(self) -> str:
        """Name of the latent search in use; "model" when the model needs none."""
        return self._images.method

    @property
    def views(self) -> int:
        """Turned and mirrored views of an image that are reconstructed."""
        return self._images.views

    def use(self, method) -> "AnomalyDetector":
        """Choose another latent method; each keeps its own calibration.

        Parameters
        ----------
        method : {"encoder", "refine", "mapping"} or a search
            The latent method to score with from now on.

        Returns
        -------
        AnomalyDetector
            The detector itself.

        Raises
        ------
        ValueError
            If the name is unknown or the method needs an encoder.
        """
        self._images.use(method)
        return self

    @property
    def calibration(self) -> Calibration | None:
        """The calibration of the method in use, None before :meth:`calibrate`."""
        return self._calibrations.get(self.method)

    @property
    def noise(self) -> residual.ResidualNoise | None:
        """The residual noise of the method in use, None before it is measured."""
        return self._noise.get(self.method)

    def measure_noise(self, cutouts: Cutouts) -> "AnomalyDetector":
        """Measure the noise and the modes of the residuals of ordinary objects.

        The peak and the whitened score divide by the noise, the orthogonal score
        leaves the modes out.

        Parameters
        ----------
        cutouts : Cutouts
            Ordinary objects; the training set will do. At most 2000 are used.

        Returns
        -------
        AnomalyDetector
            The detector itself.

        Notes
        -----
        :meth:`calibrate` does this with a fifth of its objects (which it then
        leaves out of the thresholds) when it has not been done before.
        """
        require(cutouts, 1, "measure the residual noise")
        rng = np.random.default_rng(self.seed)
        if len(cutouts) > 2000:
            cutouts = cutouts[np.sort(rng.permutation(len(cutouts))[:2000])]
        images = self._images.stretched(cutouts)
        drawn = self._images.reconstruct(images)[0]
        noise = residual.ResidualNoise(self.smoothing).fit(images, drawn)
        self._noise[self.method] = noise
        if len(images) >= ResidualModes.LEAST:
            modes = ResidualModes(self.n_modes).fit(noise.weighted(images, drawn))
            self._modes[self.method] = modes
        return self

    def _check_measured(self) -> None:
        if self.noise is None:
            raise ValueError(
                "the detector has not measured its residual noise for the method "
                f"{self.method!r}: call `calibrate` (or `measure_noise`) first."
            )
        if self.score_name == "orthogonal" and self.method not in self._modes:
            raise ValueError(
                'the score "orthogonal" needs at least '
                f"{ResidualModes.LEAST} objects to measure the residual modes on: call "
                "`measure_noise` with more ordinary objects."
            )

    def _measured(self, cutouts: Cutouts) -> Table:
        parts = (self._images, self.noise, self._modes.get(self.method))
        return measure(*parts, cutouts, self.score_name, self.w)

    def calibrate(self, cutouts, levels=(90, 95, 99)) -> "AnomalyDetector":
        """Set thresholds from the scores of ordinary objects.

        Parameters
        ----------
        cutouts : Cutouts or CutoutStream
            Ordinary objects, best ones that the model was not trained on.
        levels : sequence of float, optional
            Levels in per cent; the threshold of a level contains that share of
            the scores.

        Returns
        -------
        AnomalyDetector
            The detector itself.

        Raises
        ------
        ValueError
            If a level is outside (0, 100) or needs more objects than there are.

        Notes
        -----
        If the residual noise was not measured before, a random fifth of the
        objects measures it and the others set the thresholds, so that p-values
        stay valid: no object has a part in the yardstick of its own score.
        """
        require(cutouts, 2, "calibrate")
        n_noise = 0 if self.noise is not None else max(len(cutouts) // 5, 1)
        # Wrong levels are refused here, before anything slow happens.
        Calibration(np.arange(len(cutouts) - n_noise), levels)
        if n_noise:
            cutouts = cutouts.read() if hasattr(cutouts, "read") else cutouts
            order = np.random.default_rng(self.seed).permutation(len(cutouts))
            self.measure_noise(cutouts[np.sort(order[:n_noise])])
            cutouts = cutouts[np.sort(order[n_noise:])]
        rows, _ = self._raw_scores(cutouts)
        self._calibrations[self.method] = Calibration(rows["anomaly_score"], levels)
        return self

    def score(self, cutouts) -> ScoreTable:
        """Score cutouts and rank them.

        Parameters
        ----------
        cutouts : Cutouts or CutoutStream
            What to score; the bands are picked by name.

        Returns
        -------
        ScoreTable
            One row per object, strangest first: every score, the p-value, a
            boolean per level, the flags, and in `meta` how it was made. Objects
            that cannot be read are left out and counted in `meta`.

        Raises
        ------
        ValueError
            Before :meth:`calibrate`, or for other bands or sizes than the
            model was trained on.

        Warns
        -----
        UserWarning
            If these scores and the calibration's differ visibly as a whole.
        """
        self._calibrated()
        rows, n_skipped = self._raw_scores(cutouts)
        return self.finish(rows, n_skipped)

    def _calibrated(self) -> Calibration:
        if self.calibration is None:
            known = ", ".join(self._calibrations) or "none"
            raise ValueError(
                f"the detector is not calibrated for the method {self.method!r} "
                f"(calibrated: {known}): call `calibrate` with ordinary objects first."
            )
        return self.calibration

    def finish(self, rows: Table, n_skipped: int = 0) -> ScoreTable:
        """Calibrate and rank raw scores.

        Parameters
        ----------
        rows : Table
            What :meth:`score_blocks` yields, stacked.
        n_skipped : int, optional
            Objects that could not be read.

        Returns
        -------
        ScoreTable
            As :meth:`score`.
        """
        self._calibrated()
        return self._ranked(rows, n_skipped)

    def explain(self, cutouts: Cutouts) -> dict[str, np.ndarray]:
        """Give what the scores were made from.

        Parameters
        ----------
        cutouts : Cutouts
            Objects to look at.

        Returns
        -------
        dict of ndarray of shape (n, ny, nx, n_bands)
            `original` and `reconstruction`, stretched to [0, 1]; `residual`,
            their difference; `significance`, the smoothed residual in units of
            its noise (once that is measured).
        """
        images = self._images.stretched(cutouts)
        reconstructed = self._images.reconstruct(images)[0]
        parts = {
            "original": images,
            "reconstruction": reconstructed,
            "residual": images - reconstructed,
        }
        if self.noise is not None:
            parts["significance"] = self.noise.significance(images, reconstructed)
        return parts

    def settings(self) -> dict:
        """Tell how scores are made, in plain values that JSON and FITS can hold.

        Returns
        -------
        dict
            Model, stretch, latent method, score, bands, calibration, versions.
        """
        return files.record(self)

    def save(self, path: str | Path) -> None:
        """Write the detector as a folder of .keras and .json files.

        Parameters
        ----------
        path : str or Path
            Folder to make; one that exists is replaced as a whole.
        """
        arguments = {"score": self.score_name, "w": self.w, "level": self.level}
        arguments |= {"smoothing": self.smoothing, "seed": self.seed}
        arguments |= {"views": self.views, "n_modes": self.n_modes}
        measured = (self._noise, self._modes, self._calibrations)
        files.write(path, self._images, arguments, *measured)
