"""The detector: a model of ordinary images, a stretch, and a calibration."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy.table import Table

from astroanomaly.calibration import check_levels
from astroanomaly.calibration.levels import check_rule
from astroanomaly.data.cutouts import FLAG_NOT_CONVERGED, Cutouts
from astroanomaly.detector.base import (
    BLOCK,
    Detector,
    load_networks,
    plain,
    require,
)
from astroanomaly.scores import residual
from astroanomaly.scores.explained import (
    explained_variance,
    in_words,
    random_parts,
)
from astroanomaly.scores.modes import ResidualModes
from astroanomaly.utils.files import read_json
from astroanomaly.utils.keras_files import load_model

if TYPE_CHECKING:
    import keras

    from astroanomaly.data.types import CutoutsLike
    from astroanomaly.latent.encoder import Encoder
    from astroanomaly.latent.mapping import Mapping
    from astroanomaly.latent.refine import Refine
    from astroanomaly.stretches import Stretch

# Objects that the noise is measured on, at most: more of them move no curve.
_NOISE_SAMPLE = 2000
# Objects that tell how well it reconstructs: 1000 fix the share to about a per cent,
# and so many pixels take 256 MB in float32.
_QUALITY_SAMPLE, _QUALITY_PIXELS = 1000, 2**26
_ARGUMENTS = ("score", "w", "smoothing", "n_modes", "views", "seed", "level")


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
"orthogonal", "wasserstein", "evidence"}, optional
        The score that ranks and calibrates. "total" is the source paper's, "mse"
        that of the published autoencoders; every score is kept in the table
        ("wasserstein" only where it ranks). "evidence" is the model's own, which
        only `models.SmoothLens` has.
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

    Attributes
    ----------
    noises : dict of str to ResidualNoise
        The residual noise of each latent method.
    mode_sets : dict of str to ResidualModes
        The residual modes of each latent method.

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
    draws = True

    def __init__(
        self,
        model: keras.Model,
        stretch: Stretch,
        latent: Encoder | Refine | Mapping | str | None = None,
        score: str = "peak",
        w: float = 0.1,
        smoothing: float = 2.0,
        n_modes: int = 40,
        views: int = 1,
        seed: int = 0,
        level: float = 95,
    ) -> None:
        # With TensorFlow, which a scoring by ONNX does without.
        from astroanomaly.detector.image_model import ImageModel
        from astroanomaly.latent.objective import check_weight

        if score not in residual.SCORES:
            raise ValueError(
                f"`score` must be one of {', '.join(residual.SCORES)}. "
                f"Received: {score}"
            )
        if score == "evidence" and not hasattr(model, "evidence"):
            raise ValueError(
                '`score` must not be "evidence" for a model without one of its own. '
                f"Received: {type(model).__name__}"
            )
        seed = int(seed)
        images = ImageModel(model, stretch, latent, check_weight(w), seed, views)
        super().__init__(images, level)
        if self.latent is None and not hasattr(model, "reconstruct"):
            raise ValueError(
                f"`latent` must say how {type(model).__name__} finds the latent "
                'vector of an image: an Encoder, a Refine, a Mapping or "mapping". '
                "Received: None"
            )
        self.score_name, self.w = score, float(w)
        self.smoothing, self.seed = float(smoothing), seed
        self.n_modes = ResidualModes(n_modes).n_modes
        self.noises: dict[str, residual.ResidualNoise] = {}
        self.mode_sets: dict[str, ResidualModes] = {}

    def get_params(self, deep: bool = True) -> dict:
        """Return the arguments that make this detector, without its calibration.

        Parameters
        ----------
        deep : bool, optional
            Ignored: no argument is an estimator of scikit-learn.

        Returns
        -------
        dict
            From argument to value; `latent` is the search in use.
        """
        names = ("model", "stretch", "latent", *_ARGUMENTS)
        found = {name: getattr(self, name) for name in names if name != "score"}
        return {**found, "score": self.score_name}

    @property
    def encoder(self) -> Encoder | None:
        """The trained encoder, if there is one."""
        return self.images.encoder

    @property
    def views(self) -> int:
        """Turned and mirrored views of an image that are reconstructed."""
        return self.images.views

    @property
    def noise(self) -> residual.ResidualNoise | None:
        """The residual noise of the method in use, None before it is measured."""
        return self.noises.get(self.method)

    @property
    def modes(self) -> ResidualModes | None:
        """The residual modes of the method in use, None before they are measured."""
        return self.mode_sets.get(self.method)

    def use(self, method: Encoder | Refine | Mapping | str) -> AnomalyDetector:
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
        self.images.use(method)
        return self

    def measure_noise(self, cutouts: Cutouts) -> AnomalyDetector:
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
        :meth:`calibrate` measures it on its own objects when it has not been done
        before, for each fifth of them on the other four.
        """
        cutouts = self.opened(cutouts)
        require(cutouts, 1, "measure the residual noise")
        rng = np.random.default_rng(self.seed)
        if len(cutouts) > _NOISE_SAMPLE:
            cutouts = cutouts[np.sort(rng.permutation(len(cutouts))[:_NOISE_SAMPLE])]
        images = self.images.stretched(cutouts)
        self._fit_noise(images, self.images.reconstruct(images)[0], len(images))
        return self

    def _fit_noise(self, images, drawn, n_for_modes: int) -> None:
        """Measure noise, and as many modes as `n_for_modes` images can tell."""
        noise = residual.ResidualNoise(self.smoothing).fit(images, drawn)
        self.noises[self.method] = noise
        self.mode_sets.pop(self.method, None)
        if n_for_modes >= ResidualModes.LEAST:
            n_modes = min(self.n_modes, n_for_modes // ResidualModes.LEAST)
            modes = ResidualModes(n_modes).fit(noise.weighted(images, drawn))
            self.mode_sets[self.method] = modes

    @property
    def score_columns(self) -> tuple[str, ...]:
        """Columns of all scores that this detector can compute now."""
        without = {"wasserstein"} - {self.score_name}
        without |= {"orthogonal"} if self.modes is None else set()
        without |= set() if hasattr(self.images.model, "evidence") else {"evidence"}
        return tuple(f"{n}_score" for n in residual.SCORES if n not in without)

    def score_block(self, cutouts: Cutouts, scores: str = "all") -> Table:
        """Score cutouts in their own order, without calibration.

        Parameters
        ----------
        cutouts : Cutouts
            At least one object.
        scores : {"all", "ranking"}, optional
            "ranking" computes what the score that ranks is made of, and no other.

        Returns
        -------
        Table
            `object_id`, `file`, `ra`, `dec`, the scores and `flag`.

        Raises
        ------
        ValueError
            If the noise, or the modes of an orthogonal score, are not measured.
        """
        residual.check_which(scores)
        return self._scored(cutouts, *self._drawn(cutouts), scores)

    def _drawn(self, cutouts: Cutouts) -> tuple:
        """Return stretched images, reconstructions, z (or None) and convergence."""
        images = self.images.stretched(cutouts)
        return images, *self.images.reconstruct(images)

    def _scored(
        self, cutouts: Cutouts, images, drawn, z, converged, scores="ranking"
    ) -> Table:
        if self.noise is None:
            raise ValueError(
                "the detector has not measured its residual noise for the method "
                f"{self.method!r}: call `calibrate` (or `measure_noise`) first."
            )
        if self.score_name == "orthogonal" and self.modes is None:
            raise ValueError(
                'the score "orthogonal" needs at least '
                f"{ResidualModes.LEAST} objects to measure the residual modes on: call "
                "`measure_noise` with more ordinary objects."
            )
        ranking = f"{self.score_name}_score"
        wanted = set(self.score_columns if scores == "all" else [ranking])
        if "total_score" in wanted:
            # What it is made of is there, and stays in the table.
            wanted |= {"residual_score", "feature_score"}
        found = {}
        if "residual_score" in wanted:
            found["residual_score"] = residual.residual_score(images, drawn)
        if "feature_score" in wanted:
            pair = self.images.features(images), self.images.features(drawn)
            found["feature_score"] = residual.feature_score(*pair)
        if "total_score" in wanted:
            parts = found["residual_score"], found["feature_score"]
            found["total_score"] = residual.total_score(*parts, self.w)
        found |= self.noise.scores(images, drawn, self.modes, wanted)
        if "mse_score" in wanted:
            found["mse_score"] = residual.mse_score(images, drawn)
        if "wasserstein_score" in wanted:
            # It sorts all pixels, so only those who rank by it pay for it.
            found["wasserstein_score"] = residual.wasserstein_score(images, drawn)
        if "evidence_score" in wanted:
            evidence = self.images.model.evidence(images, z)
            found["evidence_score"] = np.asarray(evidence)
        found["latent_norm"] = np.full(len(images), np.nan)
        # A fit's parameters have units of their own, and no common length.
        if z is not None and not hasattr(self.images.model, "fitted"):
            found["latent_norm"] = np.linalg.norm(z.astype(np.float64), axis=1)
        columns = {"anomaly_score": found[ranking], **found}
        return self._table(cutouts, columns, FLAG_NOT_CONVERGED * ~converged)

    def calibrate(
        self,
        cutouts: CutoutsLike,
        levels: Sequence[float] | None = None,
        rule: str = "conformal",
    ) -> AnomalyDetector:
        """Set thresholds from the scores of ordinary objects.

        Parameters
        ----------
        cutouts : Cutouts, CutoutStream, ndarray or path
            Ordinary objects, preferably not used in training.
        levels : sequence of float, optional
            Levels in per cent. By default 90, 95 and 99, as far as the objects carry
            them: 99 takes 99 objects.
        rule : {"conformal", "percentile"}, optional
            By the first an object is above a level exactly where its p-value is at
            most ``1 - level / 100``; the second is the source paper's percentile
            of the scores. See :class:`~astroanomaly.calibration.Calibration`.

        Returns
        -------
        AnomalyDetector
            The detector itself.

        Raises
        ------
        ValueError
            If a level that is asked for is outside (0, 100) or needs more objects
            than there are, or the rule is unknown.

        Warns
        -----
        UserWarning
            If a default level needs more objects, or the detector reconstructs
            worse than the mean image.

        Notes
        -----
        All objects set the thresholds. If the residual noise was not measured
        before (a run measures it on its training objects), that of each fifth of
        the objects is measured on the other four, and that of new objects on all: no
        object helps to set the noise that its own score divides by.
        """
        cutouts = self.opened(cutouts)
        require(cutouts, 2, "calibrate")
        # Before anything slow happens.
        check_rule(rule)
        if levels is not None:
            check_levels(levels, len(cutouts), rule)
        if not set(self.calibrations) - {self.method}:
            self.objects["calibrated"] = set()
        order = np.random.default_rng(self.seed).permutation(len(cutouts))
        most = min(_QUALITY_SAMPLE, _QUALITY_PIXELS // int(np.prod(self.image_shape)))
        if self.noise is None:
            cutouts = cutouts.read() if hasattr(cutouts, "read") else cutouts
            scores = np.empty(len(cutouts))
            sample = np.sort(order[:_NOISE_SAMPLE])
            part = cutouts[sample]
            found = self._drawn(part)
            images, drawn = found[:2]
            shares = random_parts(len(part), self.seed)
            # As many modes for all, or the scores of new objects would leave out more.
            n_least = len(part) - len(shares[0])
            for share in shares:
                rest = np.delete(np.arange(len(part)), share)
                self._fit_noise(images[rest], drawn[rest], n_least)
                own = (None if array is None else array[share] for array in found)
                rows = self._scored(part[share], *own)
                scores[sample[share]] = rows["anomaly_score"]
            self._fit_noise(images, drawn, n_least)
            if len(others := np.sort(order[_NOISE_SAMPLE:])):
                scores[others] = self._rows(cutouts[others], "ranking")[0][
                    "anomaly_score"
                ]
            images, drawn = images[:most], drawn[:most]
            self.remember("calibrated", cutouts)
        else:
            chosen = np.zeros(len(cutouts), bool)
            chosen[order[:most]] = True
            blocks, kept = [], []
            for k, block in enumerate(cutouts.chunks(BLOCK)):
                if not len(block):
                    continue
                found = self._drawn(block)
                blocks.append(np.asarray(self._scored(block, *found)["anomaly_score"]))
                own = chosen[k * BLOCK :][: len(block)]
                kept.append([array[own] for array in found[:2]])
                self.remember("calibrated", block)
            scores = np.concatenate([[], *blocks])
            # Of a stream, what could not be read is not there.
            require(scores, 2, "calibrate")
            images, drawn = (
                np.concatenate(arrays) for arrays in zip(*kept, strict=True)
            )
        self.set_thresholds(scores, levels, rule)
        quality = explained_variance(images, drawn, self.seed)
        self.reconstructions.pop(self.method, None)
        if quality is not None:
            self.reconstructions[self.method] = quality
        if not self.trained:
            warnings.warn(in_words(quality), stacklevel=2)
        return self

    def explain(self, cutouts: Cutouts) -> dict[str, np.ndarray]:
        """Return the images that the scores were made from.

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
        images = self.images.stretched(cutouts)
        reconstructed = self.images.reconstruct(images)[0]
        parts = {
            "original": images,
            "reconstruction": reconstructed,
            "residual": images - reconstructed,
        }
        if self.noise is not None:
            parts["significance"] = self.noise.significance(images, reconstructed)
        return parts

    def _own_settings(self) -> dict:
        return {
            "latent_config": plain(self.latent and self.latent.get_config()),
            "score": self.score_name,
            "w": self.w,
            "smoothing": self.smoothing,
            "n_modes": self.n_modes,
            "views": self.images.views,
        }

    def _state(self) -> dict:
        search = None
        if self.latent not in (None, self.encoder):
            search = self.latent.get_config()
            if self.method == "mapping":
                search["encoder"] = self.latent.encoder is not None
        arguments = {
            name: getattr(self, name) for name in _ARGUMENTS if name != "score"
        }
        return {
            "score": self.score_name,
            **arguments,
            "method": self.method,
            "search": search,
            "noise": {k: v.get_config() for k, v in self.noises.items()},
            "calibrations": {k: v.to_dict() for k, v in self.calibrations.items()},
        }

    def _save_model(self, folder: Path) -> None:
        super()._save_model(folder)
        if self.encoder is not None:
            self.encoder.save(folder / "encoder.keras")
        for method, found in self.mode_sets.items():
            text = json.dumps(found.to_dict())
            (folder / f"modes_{method}.json").write_text(text)

    @classmethod
    def from_folder(cls, path: Path, state: dict) -> AnomalyDetector:
        """Make the detector of a folder; see :func:`load_detector`.

        Parameters
        ----------
        path : Path
            Folder that :meth:`save` wrote.
        state : dict
            Its ``detector.json``.

        Returns
        -------
        AnomalyDetector
            It scores as the one that was saved.
        """
        from astroanomaly.detector.image_model import SEARCHES

        model, stretch = load_networks(path)
        encoder = None
        if (path / "encoder.keras").is_file():
            encoder = load_model(path / "encoder.keras")
            if not isinstance(encoder, SEARCHES["encoder"]):
                raise ValueError(
                    f"{path / 'encoder.keras'} must hold an Encoder. "
                    f"Received: {type(encoder).__name__}"
                )
            encoder.attach(model)
        method, config = state["method"], state["search"]
        search = None if method == "model" else encoder
        if config is not None and method == "mapping":
            config["encoder"] = encoder if config["encoder"] else None
            search = SEARCHES[method](model, **config)
        elif config is not None and method != "model":
            search = SEARCHES[method](encoder, **config)
        # A detector written before an argument existed had its default.
        arguments = {name: state[name] for name in _ARGUMENTS if name in state}
        detector = cls(model, stretch, search, **arguments)
        # Also where the search in use does without it.
        detector.images.encoder = encoder
        detector.restore_noise(path, state)
        return detector.restore(state)

    def restore_noise(self, path: Path, state: dict) -> None:
        """Take back the residual noise and the modes that a folder keeps."""
        for name, kept in state["noise"].items():
            self.noises[name] = residual.ResidualNoise(**kept)
            file = path / f"modes_{name}.json"
            # Older versions measured no modes.
            if file.is_file():
                self.mode_sets[name] = ResidualModes.from_dict(read_json(file))

    def export(self, kind: str, path: str | Path, cutouts: CutoutsLike) -> float:
        """Save the detector with its networks as one ONNX file beside them.

        Scores by it (``score --engine onnx``, :func:`load_engine`) need no TensorFlow.
        Needs the extra ``fast``.

        Parameters
        ----------
        kind : {"onnx"}
            The form.
        path : str or Path
            Folder to make, as :meth:`save` makes it; one that exists is replaced as a
            whole. A later :meth:`save` leaves the file out: export again.
        cutouts : Cutouts, CutoutStream, ndarray or path
            Objects, such as those that calibrated, on which both must give the same.

        Returns
        -------
        float
            The largest difference of a score to that by TensorFlow, in units of the
            score, or absolute where it is below 1.

        Raises
        ------
        ImportError
            Without tf2onnx or onnxruntime.
        ValueError
            If the networks cannot be written so, or a score differs by more than 1e-5;
            the folder is then as it was.
        """
        from astroanomaly.detector.export import exported

        network, difference = exported(self, kind, self.opened(cutouts))
        self.save(path, network)
        return difference
