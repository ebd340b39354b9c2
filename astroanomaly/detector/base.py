"""The base of the detectors: score, rank, save, and scikit-learn's conventions."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table, vstack
from sklearn.base import BaseEstimator, OutlierMixin

from astroanomaly import __version__
from astroanomaly.calibration import (
    Calibration,
    calibration_needed,
    check_levels,
    q_values,
    warn_if_shifted,
)
from astroanomaly.calibration.levels import check_rule
from astroanomaly.data.cutouts import Cutouts
from astroanomaly.data.reading import read_cutouts
from astroanomaly.features.frame import FrameCheck
from astroanomaly.scores.explained import in_words
from astroanomaly.tables.flags import (
    FLAG_CALIBRATED_ON,
    FLAG_CLIPPED,
    FLAG_ODD_FRAME,
    FLAG_TRAINED_ON,
    NOT_TRAINED,
)
from astroanomaly.utils.files import CHECKSUMS, atomic_dir, checksums
from astroanomaly.utils.fingerprints import pixel_hashes
from astroanomaly.utils.installed import versions
from astroanomaly.utils.keras_files import load_model
from astroanomaly.utils.notebook import facts
from astroanomaly.utils.progress import progress_bar

if TYPE_CHECKING:
    import keras

    from astroanomaly.data.stream import CutoutStream
    from astroanomaly.data.types import CutoutsLike
    from astroanomaly.detector.image_model import ImageModel
    from astroanomaly.latent.encoder import Encoder
    from astroanomaly.latent.mapping import Mapping
    from astroanomaly.latent.refine import Refine
    from astroanomaly.stretches import Stretch

# Objects in memory at a time: 512 images of 64 x 64 pixels are 8 MB a band.
BLOCK = 512
# Frames that teach what ordinary ones are like.
_FRAMES = 2000
# Of the folder that `save` writes; a change that old code cannot read raises it.
FORMAT = 1
# The networks once more, for a scoring without TensorFlow.
ENGINE = "engine.onnx"
# What Keras adds to every config: no settings of ours.
_INTERNALS = ("name", "trainable", "dtype")


class ScoreTable(Table):
    """A score table that remembers, in memory only, the detector that made it."""

    detector = None


class Detector(OutlierMixin, BaseEstimator):
    """A model with its stretch that ranks cutouts, and says which are outliers.

    A subclass sets `images`, `level` and `calibrations` and defines `score_block`.

    As in scikit-learn's outlier detectors, low and negative is strange in
    `score_samples`, `decision_function` and `predict`; `fit` calibrates, and a
    clone is a detector of the same networks without a calibration. Cutouts may be
    given as an array (n, ny, nx, n_bands) or as a path too.

    Attributes
    ----------
    images : ImageModel
        Model, stretch and latent search.
    calibrations : dict of str to Calibration
        The calibration of each latent method.
    reconstructions : dict of str to dict
        How much of the variance of its calibration objects each method
        reconstructs, as :func:`~astroanomaly.scores.explained.explained_variance`.
    objects : dict of str to set of str
        Fingerprints of the pixels that "trained" the model and of those that
        "calibrated" it: an object is known again by its pixels in the bands of the
        training, whatever its name.
    frame : FrameCheck or None
        What ordinary frames are like, see :meth:`check_frames`.
    """

    # Of `detector.json`; None for the detectors of ordinary images.
    kind: str | None = None
    needs_calibration = False
    # Whether scores compare an image with a reconstruction.
    draws = False

    def __init__(self, images: ImageModel, level: float) -> None:
        self.images, self.level = images, level
        self.calibrations: dict[str, Calibration] = {}
        self.reconstructions: dict[str, dict] = {}
        self.objects: dict[str, set] = {"trained": set(), "calibrated": set()}
        self.frame: FrameCheck | None = None
        # Of a pre-trained detector: what it comes from, and how it warns.
        self.origin = None

    @property
    def model(self) -> keras.Model:
        """The trained model."""
        return self.images.model

    @property
    def stretch(self) -> Stretch:
        """The stretch that the model was trained with."""
        return self.images.stretch

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape (ny, nx, n_bands) of the images that the model takes."""
        return self.images.image_shape

    @property
    def bands(self) -> tuple[str, ...] | None:
        """Names of the bands, None when the stretch was adapted to an array."""
        return self.stretch.bands

    @property
    def method(self) -> str:
        """Name of the latent search in use; "model" when the model needs none."""
        return self.images.method

    @property
    def latent(self) -> Encoder | Refine | Mapping | None:
        """The latent search in use; None when the model needs none."""
        return self.images.search

    @property
    def calibration(self) -> Calibration | None:
        """The calibration of the method in use, None before :meth:`calibrate`."""
        return self.calibrations.get(self.method)

    @property
    def levels(self) -> tuple:
        """Levels of the calibration in per cent; empty before it."""
        return () if self.calibration is None else self.calibration.levels

    @property
    def reconstruction(self) -> dict | None:
        """How well the method in use reconstructs; None before :meth:`calibrate`."""
        return self.reconstructions.get(self.method)

    @property
    def trained(self) -> bool:
        """Whether it is not known to reconstruct worse than the mean image."""
        return self.reconstruction is None or self.reconstruction["explained"] >= 0

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether :meth:`calibrate` (or :meth:`fit`) was called."""
        return self.calibration is not None

    def __sklearn_clone__(self) -> Detector:
        """Return a detector of the same networks, not calibrated."""
        # scikit-learn would copy the networks, which `fit` does not change.
        clone = type(self)(**self.get_params(deep=False))
        clone.origin, clone.needs_calibration = self.origin, self.needs_calibration
        return clone

    def set_params(self, **params: Any) -> Detector:
        """Change arguments; all but `level` undo what was measured with them.

        Parameters
        ----------
        **params
            Arguments of the class.

        Returns
        -------
        Detector
            The detector itself.

        Raises
        ------
        ValueError
            If an argument is unknown or outside its range.
        """
        known = self.get_params(deep=False)
        if unknown := [name for name in params if name not in known]:
            raise ValueError(
                f"`params` must be among {', '.join(known)}. Received: {unknown[0]}."
            )
        if set(params) - {"level"}:
            trained, frame, origin = self.objects["trained"], self.frame, self.origin
            self.__init__(**{**known, **params})
            self.objects["trained"] = trained
            self.frame, self.origin = frame, origin
        self.level = params.get("level", self.level)
        return self

    def fit(self, X: CutoutsLike, y: object = None) -> Detector:
        """Calibrate on ordinary objects, as scikit-learn's ``fit`` is called.

        The networks are trained already and stay as they are.

        Parameters
        ----------
        X : Cutouts, CutoutStream, ndarray or path
            Ordinary objects, preferably not used in training.
        y : object, optional
            Ignored.

        Returns
        -------
        Detector
            The detector itself.
        """
        return self.calibrate(X)

    def opened(self, cutouts: CutoutsLike) -> Cutouts | CutoutStream:
        """Return cutouts that were given as an array or a path as cutouts.

        Parameters
        ----------
        cutouts : Cutouts, CutoutStream, ndarray, str or Path
            An array has the shape (n, ny, nx, n_bands) or, of one band, (n, ny, nx);
            a path is read at the size of the training, in bands by name.

        Returns
        -------
        Cutouts or CutoutStream
            What was given, where it is one.

        Raises
        ------
        TypeError
            If it is anything else.
        ValueError
            If the array has another shape, or nothing can be read.
        """
        if isinstance(cutouts, str | os.PathLike):
            options = {"size": self.image_shape[0], "stream": True}
            found = read_cutouts(cutouts, **options)
            # Files that name no band, as arrays do not, have that of the training.
            if self.bands and len(self.bands) == 1 and found.bands == ("image",):
                found = read_cutouts(cutouts, bands=self.bands, **options)
            cutouts = found
        if isinstance(cutouts, np.ndarray):
            shape = cutouts.shape[1:] + (1,) * (cutouts.ndim == 3)
            if shape != self.image_shape:
                names = ("n", *map(str, self.image_shape))
                raise ValueError(
                    f"`cutouts` must be an array of shape ({', '.join(names)}) of "
                    "linear pixels, as the model was trained on. "
                    f"Received: shape {cutouts.shape}."
                )
            cutouts = Cutouts(cutouts, bands=self.bands)
        if not hasattr(cutouts, "select_bands"):
            raise TypeError(
                "`cutouts` must be Cutouts or a stream (astroanomaly.read_cutouts), an "
                "array (n, ny, nx, n_bands) of linear pixels, or a path. "
                f"Received: {type(cutouts).__name__}."
            )
        if self.origin is not None:
            self.origin.check(cutouts)
        return cutouts

    def set_thresholds(
        self, scores: np.ndarray, levels: Sequence[float] | None, rule: str
    ) -> None:
        """Keep the scores of ordinary objects as the calibration of the method.

        Parameters
        ----------
        scores : ndarray of shape (n,)
            Scores of ordinary objects.
        levels : sequence of float or None
            Levels in per cent.
        rule : {"conformal", "percentile"}
            How thresholds are chosen.
        """
        self.calibrations[self.method] = Calibration(scores, levels, rule=rule)
        if self.origin is not None:
            self.origin.compare(scores)

    def require_calibration(self) -> Calibration:
        """Return the calibration of the method in use.

        Returns
        -------
        Calibration
            Scores of ordinary objects.

        Raises
        ------
        ValueError
            Before :meth:`calibrate`.
        """
        if self.calibration is None:
            known = ", ".join(self.calibrations) or "none"
            raise ValueError(
                f"the detector is not calibrated for the method {self.method!r} "
                f"(calibrated: {known}): call `calibrate` with ordinary objects first."
            )
        return self.calibration

    def check_objects(self, ids: Sequence[str]) -> None:
        """Raise if some objects cannot be scored, before the first of them is read.

        Parameters
        ----------
        ids : sequence of str
            Their object ids.
        """

    @property
    def score_columns(self) -> tuple[str, ...]:
        """Columns of the scores that may be left out of a table."""
        return ()

    def score_blocks(
        self,
        cutouts: Cutouts | CutoutStream,
        block: int = BLOCK,
        start: int = 0,
        scores: str = "all",
    ) -> Iterator[tuple[Table | None, Table]]:
        """Score cutouts block by block, for surveys larger than memory.

        Parameters
        ----------
        cutouts : Cutouts or CutoutStream
            What to score.
        block : int, optional
            Objects per block.
        start : int, optional
            Object to start at (a stream only).
        scores : {"all", "ranking"}, optional
            "ranking" computes what the score that ranks is made of, and no other.

        Yields
        ------
        rows : Table or None
            Scores of one block in its own order, not yet calibrated; None when
            nothing of it could be read.
        skipped : Table
            What of this block could not be read.
        """
        # Cutouts in memory take no `start`: they can be sliced.
        options = {"start": start} if start else {}
        for part in cutouts.chunks(block, **options):
            rows = self.score_block(part, scores) if len(part) else None
            yield rows, part.skipped

    def score(
        self, cutouts: CutoutsLike, fdr: float | None = None, scores: str = "all"
    ) -> ScoreTable:
        """Score cutouts and rank them.

        Parameters
        ----------
        cutouts : Cutouts, CutoutStream, ndarray or path
            What to score; the bands are picked by name.
        fdr : float, optional
            False-discovery rate, such as 0.05: adds `is_selected`.
        scores : {"all", "ranking"}, optional
            "ranking" computes what the score that ranks is made of, and no other; the
            table's `meta` names the columns in `left_out`.

        Returns
        -------
        ScoreTable
            One row per object, strangest first: the scores, the p-value and its
            q-value (NaN without a calibration), a boolean per level, the flags, and in
            `meta` how it was made. A lens finder's has `p_lens`, `p_lens_calibrated`
            (once probabilities are calibrated) and `is_lens`, and NaN for the scores
            that a classifier does not have; `status` where the detector is not trained.
            Objects that cannot be read are left out and counted in `meta`.

        Raises
        ------
        ValueError
            For an uncalibrated detector of ordinary images, or for other bands or
            sizes than the model was trained on.

        Warns
        -----
        UserWarning
            If these scores and the calibration's differ visibly as a whole, objects
            trained or calibrated the detector, or no p-value can pass `fdr`.
        """
        if self.needs_calibration:
            self.require_calibration()
        return self.rank(*self._rows(cutouts, scores), fdr=fdr)

    def _rows(self, cutouts, scores: str) -> tuple[Table, int]:
        """Return the scores in the cutouts' order and the number of skipped objects."""
        cutouts, found = self.opened(cutouts), []
        with progress_bar("Scoring", len(cutouts)) as advance:
            for part, skipped in self.score_blocks(cutouts, scores=scores):
                found.append((part, skipped))
                advance(0 if part is None else len(part), len(skipped))
        rows = [part for part, _ in found if part is not None]
        if not rows:
            raise ValueError("`cutouts` must hold at least one image. Received: none")
        n_skipped = sum(len(skipped) for _, skipped in found)
        return vstack(rows, metadata_conflicts="silent"), n_skipped

    def _table(self, cutouts: Cutouts, scores: dict, flag=0) -> Table:
        """Return scores as rows between the objects' columns and their flags."""
        rows = Table(cutouts.table["object_id", "file", "ra", "dec"])
        for name, column in scores.items():
            rows[name] = column
        cutouts = self.images.select_bands(cutouts)
        clipped = self.images.clipped(cutouts)
        flags = np.array(cutouts.table["flag"], np.int32)
        flags |= FLAG_CLIPPED * clipped.astype(np.int32) | flag
        if any(self.objects.values()):
            keys = pixel_hashes(cutouts)
            for what, bit in (
                ("trained", FLAG_TRAINED_ON),
                ("calibrated", FLAG_CALIBRATED_ON),
            ):
                known = self.objects[what]
                flags |= bit * np.array([key in known for key in keys], np.int32)
        if self.frame is not None:
            # Beside the ranking and not in it: an artefact may be a strange object too.
            rows["frame_score"], worst = self.frame.score(cutouts.images)
            odd = np.asarray(rows["frame_score"]) > self.frame.limit
            rows["frame_problem"] = np.where(odd, worst, "")
            flags |= FLAG_ODD_FRAME * odd.astype(np.int32)
        rows["flag"] = flags
        return rows

    def check_frames(self, cutouts: CutoutsLike) -> Detector:
        """Learn what ordinary frames are like: sky, noise, edges, repeated pixels.

        From then on tables have the columns `frame_score` and `frame_problem`, and flag
        64 where a whole frame is unlike these, see
        :class:`~astroanomaly.features.FrameCheck`. No other score changes.

        Parameters
        ----------
        cutouts : Cutouts, CutoutStream, ndarray or path
            The training images; at most 2000 are used.

        Returns
        -------
        Detector
            The detector itself.

        Raises
        ------
        ValueError
            If no frame has finite pixels alone.
        """
        cutouts = self.opened(cutouts)
        require(cutouts, 1, "check frames")
        # Evenly spaced ones: percentiles of more would be the same.
        rows = np.arange(0, len(cutouts), -(-len(cutouts) // _FRAMES))
        # A stream reads no other files.
        streamed = hasattr(cutouts, "take")
        sample = cutouts.take(rows).read() if streamed else cutouts[rows]
        self.frame = FrameCheck().fit(self.images.select_bands(sample).images)
        return self

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what it learned beside its networks, by name."""
        found = {} if self.frame is None else self.frame.arrays()
        return {f"frame_{name}": array for name, array in found.items()}

    def calibrate(
        self,
        cutouts: CutoutsLike,
        levels: Sequence[float] | None = None,
        rule: str = "conformal",
    ) -> Detector:
        """Set thresholds from the scores of ordinary objects.

        Parameters
        ----------
        cutouts : Cutouts, CutoutStream, ndarray or path
            Ordinary objects, preferably not used in training; no lenses for a finder.
        levels : sequence of float, optional
            Levels in per cent. By default 90, 95 and 99, as far as the objects carry
            them: 99 takes 99 objects.
        rule : {"conformal", "percentile"}, optional
            How thresholds are chosen, see
            :class:`~astroanomaly.calibration.Calibration`.

        Returns
        -------
        Detector
            The detector itself.

        Raises
        ------
        ValueError
            If a level that is asked for is outside (0, 100) or needs more objects
            than there are, the rule is unknown, or the detector is not fitted.

        Warns
        -----
        UserWarning
            If a default level needs more objects.
        """
        cutouts = self.opened(cutouts)
        require(cutouts, 2, "calibrate")
        # Before anything slow happens.
        check_rule(rule)
        if levels is not None:
            check_levels(levels, len(cutouts), rule)
        self.objects["calibrated"] = set()
        scores = [np.empty(0)]
        for block in cutouts.chunks(BLOCK):
            if len(block):
                scores.append(
                    np.asarray(self.score_block(block, "ranking")["anomaly_score"])
                )
                self.remember("calibrated", block)
        scores = np.concatenate(scores)
        # Of a stream, what could not be read is not there.
        require(scores, 2, "calibrate")
        self.set_thresholds(scores, levels, rule)
        return self

    def remember(self, what: str, cutouts: Cutouts) -> None:
        """Keep the fingerprints of objects that "trained" or "calibrated" it."""
        found = pixel_hashes(self.images.select_bands(cutouts))
        self.objects[what] = self.objects[what] | set(found)

    def rank(
        self, rows: Table, n_skipped: int = 0, fdr: float | None = None
    ) -> ScoreTable:
        """Add p-values and a boolean per level, and put the strangest first.

        Parameters
        ----------
        rows : Table
            The rows of :meth:`score_blocks`, stacked.
        n_skipped : int, optional
            Objects that could not be read.
        fdr : float, optional
            False-discovery rate that selects.

        Returns
        -------
        ScoreTable
            As :meth:`score`; equal scores stand in the order of their ids.
        """
        # A rate without p-values would select nothing, and say nothing.
        if self.needs_calibration or fdr is not None:
            self.require_calibration()
        table, calibration = ScoreTable(rows), self.calibration
        scores, flag = np.asarray(table["anomaly_score"]), table["flag"].copy()
        table.remove_column("flag")
        meta = {**self.settings(), "n_skipped": int(n_skipped)}
        if left_out := [n for n in self.score_columns if n not in table.colnames]:
            meta["left_out"] = left_out
        table["p_value"] = table["q_value"] = np.full(len(table), np.nan)
        if calibration is None and self.origin is not None:
            self.origin.uncalibrated(scores)
        if calibration is not None:
            # Those that trained score lower, which is no shift of the survey.
            new = flag & (FLAG_TRAINED_ON | FLAG_CALIBRATED_ON) == 0
            if new.any():
                warn_if_shifted(calibration.scores, scores[new])
            table["p_value"] = p_values = calibration.p_values(scores)
            table["q_value"] = q_values(p_values)
            if fdr is not None:
                table["is_selected"] = table["q_value"] <= fdr
                meta["fdr"] = float(fdr)
                needed = calibration_needed(p_values, fdr, len(calibration))
                if needed is not None:
                    warnings.warn(
                        f"No object can pass the false-discovery rate {fdr:g}: the "
                        f"smallest p-value of {len(calibration)} calibration objects "
                        f"is {1 / (len(calibration) + 1):.2g}, too large among "
                        f"{len(scores)} objects. {needed} calibration objects would "
                        "do.",
                        stacklevel=3,
                    )
            for level in calibration.levels:
                table[f"is_anomaly_{level}"] = calibration.is_anomaly(scores, level)
        table["flag"] = flag
        if not self.trained:
            table["status"] = NOT_TRAINED
        for name, bit in (
            ("n_trained_on", FLAG_TRAINED_ON),
            ("n_calibrated_on", FLAG_CALIBRATED_ON),
        ):
            meta[name] = int(np.count_nonzero(flag & bit))
        if meta["n_trained_on"] or meta["n_calibrated_on"]:
            warnings.warn(
                f"{meta['n_trained_on']} of the {len(table)} scored objects trained "
                f"the detector (flag {FLAG_TRAINED_ON}) and {meta['n_calibrated_on']} "
                f"calibrated it (flag {FLAG_CALIBRATED_ON}): their scores are lower "
                "than those of new objects, and their p-values do not hold.",
                stacklevel=3,
            )
        for name in ("ra", "dec"):
            table[name].unit = "deg"
        table = table[np.lexsort((table["object_id"], -scores))]
        table.meta = meta
        table.detector = self
        return table

    def _repr_html_(self) -> str:
        """Return what the detector is and how well it does, for a notebook."""
        quality, limits = self.reconstruction, None
        if self.calibration is not None:
            limits = ", ".join(
                f"{level:g}%: {value:.4g}"
                for level, value in self.calibration.thresholds.items()
            )
        return facts(
            f"{type(self).__name__}" + ("" if self.trained else ": NOT TRAINED"),
            [
                ("model", f"{type(self.model).__name__} {self.image_shape}"),
                ("stretch", type(self.stretch).__name__),
                ("bands", ", ".join(self.bands or ()) or None),
                ("score", getattr(self, "score_name", None)),
                ("latent method", self.method),
                ("calibration", limits and f"{len(self.calibration)} objects"),
                ("thresholds", limits or "none: call calibrate"),
                ("reconstruction", quality and in_words(quality)),
            ],
        )

    def _repr_mimebundle_(self, **kwargs) -> dict:
        """Keep scikit-learn's own picture, which knows nothing of scores, away."""
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def features(self, cutouts: Cutouts) -> np.ndarray:
        """Compute the model's features: a critic's last convolution, a last layer.

        Parameters
        ----------
        cutouts : Cutouts
            Objects to look at.

        Returns
        -------
        ndarray of shape (n, d)
            Features in the cutouts' order.
        """
        return self.images.features(self.images.stretched(cutouts))

    def score_samples(self, cutouts: Cutouts) -> np.ndarray:
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
        return -np.asarray(self._rows(cutouts, "ranking")[0]["anomaly_score"])

    def decision_function(self, cutouts: Cutouts) -> np.ndarray:
        """Compute how far inside the threshold each cutout lies.

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
        thresholds = self.require_calibration().thresholds
        if self.level not in thresholds:
            raise ValueError(
                f"`level` must be one of the calibrated levels {list(thresholds)}. "
                f"Received: {self.level}"
            )
        return self.score_samples(cutouts) + thresholds[self.level]

    def predict(self, cutouts: Cutouts) -> np.ndarray:
        """Separate outliers from ordinary objects.

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

    def settings(self) -> dict:
        """Return how scores are made, in plain values that JSON and FITS can hold.

        Returns
        -------
        dict
            Model, stretch, latent method, score, bands, calibrations, seed, versions.
        """
        calibration = self.calibration
        thresholds = {} if calibration is None else calibration.thresholds
        return {
            "status": "trained" if self.trained else NOT_TRAINED,
            "reconstruction": dict(self.reconstruction or {}),
            "model": type(self.model).__name__,
            "model_config": plain(self.model.get_config()),
            "stretch": type(self.stretch).__name__,
            "stretch_config": plain(self.stretch.get_config()),
            "latent": self.method,
            **self._own_settings(),
            "bands": list(self.stretch.bands or ()),
            **({} if self.origin is None else {"pretrained": self.origin.name}),
            "n_calibration": 0 if calibration is None else len(calibration),
            "levels": [float(level) for level in self.levels],
            "thresholds": {str(k): float(v) for k, v in thresholds.items()},
            "rule": None if calibration is None else calibration.rule,
            "seed": self.seed,
            "versions": versions(),
        }

    def save(self, path: str | Path, engine: bytes | None = None) -> None:
        """Write the detector as a folder of .keras and .json files.

        Parameters
        ----------
        path : str or Path
            Folder to make; one that exists is replaced as a whole.
        engine : bytes, optional
            The ONNX file to keep beside them, as :meth:`AnomalyDetector.export` does.
        """
        state = {"format": FORMAT, "astroanomaly": __version__, **self._state()}
        state["reconstructions"] = self.reconstructions
        state["objects"] = {what: sorted(v) for what, v in self.objects.items()}
        with atomic_dir(path) as folder:
            self.stretch.save(folder / "stretch.json")
            self._save_model(folder)
            if self.frame is not None:
                self.frame.save(folder)
            (folder / "detector.json").write_text(json.dumps(state, indent=1))
            if engine is not None:
                (folder / ENGINE).write_bytes(engine)
            found = checksums(folder, sorted(file.name for file in folder.iterdir()))
            (folder / CHECKSUMS).write_text(json.dumps(found, indent=1))

    def _save_model(self, folder: Path) -> None:
        """Write the model, and what a subclass keeps outside of detector.json."""
        self.model.save(folder / "model.keras")

    def restore(self, state: dict) -> Detector:
        """Take back what every kind of detector keeps in its ``detector.json``."""
        # A finder keeps its only calibration by itself.
        for name, kept in state.get("calibrations", {}).items():
            self.calibrations[name] = Calibration.from_dict(kept)
        self.reconstructions = dict(state.get("reconstructions", {}))
        # Older versions kept no fingerprints.
        kept = state.get("objects", {})
        self.objects = {what: set(kept.get(what, ())) for what in self.objects}
        return self


def plain(config):
    """Turn a config into plain lists, numbers and strings, without Keras's own."""
    found = json.loads(json.dumps(config, default=str))
    if isinstance(found, dict):
        found = {name: v for name, v in found.items() if name not in _INTERNALS}
    return found


def load_networks(path: Path) -> tuple:
    """Read the model and the stretch of a detector's folder."""
    # Keras finds the class of a saved model only where it was imported.
    import astroanomaly.models  # noqa: F401
    from astroanomaly import stretches

    model = load_model(path / "model.keras")
    return model, stretches.load(path / "stretch.json")


def require(cutouts, n: int, what: str) -> None:
    """Raise if there are fewer than n cutouts."""
    if len(cutouts) < n:
        raise ValueError(
            f"`cutouts` must hold at least {n} object(s) to {what}. "
            f"Received: {len(cutouts)}"
        )
