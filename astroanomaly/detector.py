"""The detector: a model of ordinary images, a stretch, and a calibration."""

import json
from pathlib import Path

import keras
import numpy as np
from astropy.table import Table

from astroanomaly import __version__, latent, scoring, stretches
from astroanomaly._files import atomic_dir
from astroanomaly._versions import versions
from astroanomaly.calibration import Calibration, warn_if_shifted
from astroanomaly.data.cutouts import FLAG_CLIPPED, FLAG_NOT_CONVERGED, Cutouts
from astroanomaly.latent.objective import CHUNK, check_weight, padded_chunks

FORMAT = 1
BLOCK = 512
METHODS = {"encoder": latent.Encoder, "refine": latent.Refine, "mapping": latent.Mapping}


class ScoreTable(Table):
    """A score table that remembers, in memory only, the detector that made it."""

    detector = None


class AnomalyDetector:
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
    score : {"peak", "total", "residual", "feature"}, optional
        The score that ranks and calibrates. "total" is the source paper's;
        every score is kept in the table.
    w : float, optional
        Weight of the feature term in the total score, within [0, 1].
    smoothing : float, optional
        Standard deviation, in pixels, of the Gaussian of the peak score.
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
    >>> stretch = stretches.Linear(vmin=0, vmax=1)
    >>> detector = AnomalyDetector(WGANGP((32, 32, 1), width=4), stretch, "mapping")
    >>> detector.score_name
    'peak'
    """

    def __init__(
        self,
        model,
        stretch,
        latent=None,
        score: str = "peak",
        w: float = 0.1,
        smoothing: float = 2.0,
        seed: int = 0,
        level: float = 95,
    ):
        if score not in scoring.SCORES:
            raise ValueError(
                f"`score` must be one of {', '.join(scoring.SCORES)}. Received: {score}"
            )
        if not stretch.adapted:
            raise ValueError(
                "`stretch` must be adapted to the training images first: call "
                "`stretch.adapt(train)`."
            )
        self.model, self.stretch = model, stretch
        self.score_name, self.w = score, check_weight(w)
        self.smoothing, self.seed, self.level = float(smoothing), int(seed), level
        self.bands = stretch.bands
        self._noise: dict[str, scoring.ResidualNoise] = {}
        self._calibrations: dict[str, Calibration] = {}
        self.encoder = getattr(latent, "encoder", None)
        if isinstance(latent, METHODS["encoder"]):
            self.encoder = latent
        self.latent = self._latent(latent)
        if self.latent is None and not hasattr(model, "reconstruct"):
            raise ValueError(
                f"`latent` must say how {type(model).__name__} finds the latent "
                'vector of an image: an Encoder, a Refine, a Mapping or "mapping". '
                "Received: None"
            )

    # --- how images are reconstructed -------------------------------------

    def _latent(self, method):
        if not isinstance(method, str):
            return method
        if method not in METHODS:
            raise ValueError(
                f"`latent` must be one of {', '.join(METHODS)}. Received: {method}"
            )
        if method == "mapping":
            return METHODS[method](self.model, w=self.w, seed=self.seed)
        if self.encoder is None:
            raise ValueError(
                f"the method {method!r} needs a trained Encoder; this detector has none."
            )
        if method == "encoder":
            return self.encoder
        return METHODS[method](self.encoder, w=self.w)

    @property
    def method(self) -> str:
        """Name of the latent method in use; "model" when the model needs none."""
        return "model" if self.latent is None else self.latent.name_in_tables

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
        self.latent = self._latent(method)
        return self

    @property
    def calibration(self) -> Calibration | None:
        """The calibration of the method in use, None before :meth:`calibrate`."""
        return self._calibrations.get(self.method)

    @property
    def noise(self) -> scoring.ResidualNoise | None:
        """The residual noise of the method in use, None before it is measured."""
        return self._noise.get(self.method)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape (ny, nx, n_bands) of the images that the model takes."""
        return tuple(self.model.image_shape)

    @property
    def levels(self) -> tuple:
        """Levels of the calibration in per cent; empty before it."""
        return () if self.calibration is None else self.calibration.levels

    def _stretched(self, cutouts: Cutouts) -> np.ndarray:
        if self.bands is not None and cutouts.bands != tuple(self.bands):
            cutouts = cutouts.select_bands(self.bands)
        if cutouts.image_shape != self.image_shape:
            raise ValueError(
                f"`cutouts` must have images of shape {self.image_shape}, as the "
                f"model was trained on. Received: {cutouts.image_shape}; read them "
                f"with size={self.image_shape[0]}."
            )
        chunks = [
            np.asarray(self.stretch(chunk))[:n]
            for chunk, n in padded_chunks(cutouts.images)
        ]
        return np.concatenate(chunks) if chunks else cutouts.images

    def _predict(self, function, inputs: np.ndarray) -> np.ndarray:
        parts = [np.asarray(function(c))[:n] for c, n in padded_chunks(inputs)]
        return np.concatenate(parts)

    def _reconstruct(self, images: np.ndarray):
        """Give reconstructions, z (or None) and convergence of stretched images."""
        if self.latent is None:
            reconstructed = self._predict(self.model.reconstruct, images)
            return reconstructed, None, np.ones(len(images), bool)
        z, converged = self.latent.search(images)
        generator = self.model.scoring_generator
        return self._predict(generator.predict_on_batch, z), z, converged

    def _features(self, images: np.ndarray) -> np.ndarray:
        return self._predict(self._feature_function, images)

    @property
    def _feature_function(self):
        # One traced function per detector: eager calls cost several times more.
        if not hasattr(self, "_traced_features"):
            import tensorflow as tf

            self._traced_features = tf.function(self.model.features)
        return self._traced_features

    # --- scores --------------------------------------------------------------

    def measure_noise(self, cutouts: Cutouts) -> "AnomalyDetector":
        """Measure the residual noise that the peak score divides by.

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
        _require(cutouts, 1, "measure the residual noise")
        rng = np.random.default_rng(self.seed)
        if len(cutouts) > 2000:
            cutouts = cutouts[np.sort(rng.permutation(len(cutouts))[:2000])]
        images = self._stretched(cutouts)
        noise = scoring.ResidualNoise(self.smoothing)
        self._noise[self.method] = noise.fit(images, self._reconstruct(images)[0])
        return self

    def _score_block(self, cutouts: Cutouts) -> Table:
        images = self._stretched(cutouts)
        reconstructed, z, converged = self._reconstruct(images)
        residual = scoring.residual_score(images, reconstructed)
        feature = scoring.feature_score(
            self._features(images), self._features(reconstructed)
        )
        values = {
            "residual_score": residual,
            "feature_score": feature,
            "total_score": scoring.total_score(residual, feature, self.w),
            "peak_score": self.noise.peak(images, reconstructed),
            "latent_norm": np.full(len(images), np.nan)
            if z is None
            else np.linalg.norm(z.astype(np.float64), axis=1),
        }
        return self._rows(cutouts, values, converged)

    def _rows(self, cutouts, values, converged) -> Table:
        flag = np.array(cutouts.table["flag"], np.int32)
        flag |= FLAG_CLIPPED * (self.stretch.count_clipped(cutouts) > 0)
        flag |= FLAG_NOT_CONVERGED * ~converged
        rows = Table(cutouts.table["object_id", "file", "ra", "dec"])
        rows["anomaly_score"] = values[f"{self.score_name}_score"]
        for name, column in values.items():
            rows[name] = column
        rows["flag"] = flag
        return rows

    def score_blocks(self, cutouts, block: int = BLOCK, start: int = 0):
        """Score cutouts block by block, for surveys larger than memory.

        Parameters
        ----------
        cutouts : Cutouts or CutoutStream
            What to score.
        block : int, optional
            Objects per block.
        start : int, optional
            Object to start at (a stream only).

        Yields
        ------
        rows : Table
            Scores of one block in its own order, not yet calibrated.
        skipped : Table
            What of this block could not be read.
        """
        if self.noise is None:
            raise ValueError(
                "the detector has not measured its residual noise for the method "
                f"{self.method!r}: call `calibrate` (or `measure_noise`) first."
            )
        blocks = (
            cutouts.chunks(block, start=start) if start else cutouts.chunks(block)
        )
        for part in blocks:
            if len(part):
                yield self._score_block(part), part.skipped
            else:
                yield None, part.skipped

    def _raw_scores(self, cutouts) -> tuple[Table, int]:
        from astropy.table import vstack

        parts, n_skipped = [], 0
        for rows, skipped in self.score_blocks(cutouts):
            n_skipped += len(skipped)
            if rows is not None:
                parts.append(rows)
        if not parts:
            raise ValueError("`cutouts` must hold at least one image. Received: none")
        return vstack(parts, metadata_conflicts="silent"), n_skipped

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
        _require(cutouts, 2, "calibrate")
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
        self._require_calibration()
        rows, n_skipped = self._raw_scores(cutouts)
        return self.finish(rows, n_skipped)

    def _require_calibration(self) -> None:
        if self.calibration is None:
            known = ", ".join(self._calibrations) or "none"
            raise ValueError(
                f"the detector is not calibrated for the method {self.method!r} "
                f"(calibrated: {known}): call `calibrate` with ordinary objects first."
            )

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
        self._require_calibration()
        scores = np.asarray(rows["anomaly_score"])
        warn_if_shifted(self.calibration.scores, scores)
        table = ScoreTable(rows)
        flag = table["flag"].copy()
        table.remove_column("flag")
        table["p_value"] = self.calibration.p_values(scores)
        for level in self.calibration.levels:
            table[f"is_anomaly_{level:g}"] = self.calibration.is_anomaly(scores, level)
        table["flag"] = flag
        order = np.lexsort((table["object_id"], -scores))
        table = table[order]
        table.meta = {**self.settings(), "n_skipped": int(n_skipped)}
        table.detector = self
        return table

    def score_samples(self, cutouts) -> np.ndarray:
        """Score in scikit-learn's sense: the lower, the stranger.

        Parameters
        ----------
        cutouts : Cutouts
            What to score.

        Returns
        -------
        ndarray of shape (n,)
            Minus the anomaly score, in the cutouts' order.
        """
        return -np.asarray(self._raw_scores(cutouts)[0]["anomaly_score"])

    def decision_function(self, cutouts) -> np.ndarray:
        """Tell how far inside the threshold each cutout lies.

        Parameters
        ----------
        cutouts : Cutouts
            What to score.

        Returns
        -------
        ndarray of shape (n,)
            Threshold of the detector's `level` minus the anomaly score;
            negative for outliers.
        """
        self._require_calibration()
        thresholds = self.calibration.thresholds
        if self.level not in thresholds:
            raise ValueError(
                f"`level` must be one of the calibrated levels {list(thresholds)}. "
                f"Received: {self.level}"
            )
        return self.score_samples(cutouts) + thresholds[self.level]

    def predict(self, cutouts) -> np.ndarray:
        """Tell outliers from ordinary objects.

        Parameters
        ----------
        cutouts : Cutouts
            What to score.

        Returns
        -------
        ndarray of shape (n,)
            -1 for outliers, +1 for ordinary objects, at the detector's `level`.
        """
        return np.where(self.decision_function(cutouts) < 0, -1, 1)

    # --- what it saw --------------------------------------------------------

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
        images = self._stretched(cutouts)
        reconstructed = self._reconstruct(images)[0]
        parts = {
            "original": images,
            "reconstruction": reconstructed,
            "residual": images - reconstructed,
        }
        if self.noise is not None:
            parts["significance"] = self.noise.significance(images, reconstructed)
        return parts

    def features(self, cutouts: Cutouts) -> np.ndarray:
        """Compute the model's features, such as the critic's last convolution.

        Parameters
        ----------
        cutouts : Cutouts
            Objects to look at.

        Returns
        -------
        ndarray of shape (n, d)
            Features in the cutouts' order.
        """
        return self._features(self._stretched(cutouts))

    def settings(self) -> dict:
        """Tell how scores are made, in plain values that JSON and FITS can hold.

        Returns
        -------
        dict
            Model, stretch, latent method, score, bands, calibration, versions.
        """
        calibration = self.calibration
        search = None if self.latent is None else self.latent.get_config()
        return {
            "model": type(self.model).__name__,
            "model_config": _plain(self.model.get_config()),
            "stretch": type(self.stretch).__name__,
            "stretch_config": _plain(self.stretch.get_config()),
            "latent": self.method,
            "latent_config": _plain(search),
            "score": self.score_name,
            "w": self.w,
            "smoothing": self.smoothing,
            "bands": list(self.bands or ()),
            "n_calibration": 0 if calibration is None else len(calibration),
            "levels": [float(level) for level in self.levels],
            "thresholds": {}
            if calibration is None
            else {f"{k:g}": float(v) for k, v in calibration.thresholds.items()},
            "seed": self.seed,
            "versions": versions(),
        }

    # --- files -------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the detector as a folder of .keras and .json files.

        Parameters
        ----------
        path : str or Path
            Folder to make; one that exists is replaced as a whole.
        """
        state = {
            "format": FORMAT,
            "astroanomaly": __version__,
            "score": self.score_name,
            "w": self.w,
            "smoothing": self.smoothing,
            "seed": self.seed,
            "level": self.level,
            "method": self.method,
            "searches": self._search_configs(),
            "noise": {k: v.get_config() for k, v in self._noise.items()},
            "calibrations": {k: v.to_dict() for k, v in self._calibrations.items()},
        }
        with atomic_dir(path) as folder:
            self.model.save(folder / "model.keras")
            if self.encoder is not None:
                self.encoder.save(folder / "encoder.keras")
            self.stretch.save(folder / "stretch.json")
            (folder / "detector.json").write_text(json.dumps(state, indent=1))

    def _search_configs(self) -> dict:
        if self.latent is None or self.latent is self.encoder:
            return {}
        config = self.latent.get_config()
        if self.method == "mapping":
            config["encoder"] = self.latent.encoder is not None
        return {self.method: config}


def load_detector(path: str | Path) -> AnomalyDetector:
    """Read a detector that :meth:`AnomalyDetector.save` wrote.

    Parameters
    ----------
    path : str or Path
        Its folder.

    Returns
    -------
    AnomalyDetector
        With its calibration; it scores as the one that was saved.

    Raises
    ------
    ValueError
        If the folder holds no detector, or one of another format.
    """
    path = Path(path)
    file = path / "detector.json"
    if not file.is_file():
        raise ValueError(f"{path} must be a detector's folder: it has no detector.json.")
    state = json.loads(file.read_text())
    if state.get("format") != FORMAT:
        raise ValueError(
            f"{file} must be of format {FORMAT}, which astroanomaly {__version__} "
            f"reads. Received: format {state.get('format')}, written by astroanomaly "
            f"{state.get('astroanomaly')}; train again or use that version."
        )
    model = keras.saving.load_model(path / "model.keras")
    search, encoder = _load_latent(path, state, model)
    detector = AnomalyDetector(
        model,
        stretches.load(path / "stretch.json"),
        search,
        **{key: state[key] for key in ("score", "w", "smoothing", "seed", "level")},
    )
    detector.encoder = encoder
    for method, config in state["noise"].items():
        detector._noise[method] = scoring.ResidualNoise(**config)
    for method, config in state["calibrations"].items():
        detector._calibrations[method] = Calibration.from_dict(config)
    return detector


def _load_latent(path: Path, state: dict, model):
    encoder = None
    if (path / "encoder.keras").is_file():
        encoder = keras.saving.load_model(path / "encoder.keras").attach(model)
    method = state["method"]
    if method in ("model", "encoder"):
        return encoder, encoder
    config = state["searches"][method]
    if method == "mapping":
        config["encoder"] = encoder if config["encoder"] else None
        return METHODS[method](model, **config), encoder
    return METHODS[method](encoder, **config), encoder


def _require(cutouts, n: int, what: str) -> None:
    if len(cutouts) < n:
        raise ValueError(
            f"`cutouts` must hold at least {n} object(s) to {what}. "
            f"Received: {len(cutouts)}"
        )


def _plain(config):
    """Turn a config into plain lists, numbers and strings."""
    return json.loads(json.dumps(config, default=str))
