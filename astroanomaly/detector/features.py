"""Detectors over features: a vector for each image, and how far it lies from others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table

from astroanomaly import features as extractors
from astroanomaly import stretches
from astroanomaly.data.cutouts import Cutouts
from astroanomaly.detector.base import BLOCK, Detector, plain, require
from astroanomaly.detector.image_model import ImageModel
from astroanomaly.detector.methods import METHODS
from astroanomaly.features.base import checked
from astroanomaly.utils.arrays import load_arrays, save_arrays
from astroanomaly.utils.notebook import facts

if TYPE_CHECKING:
    from astroanomaly.data.stream import CutoutStream
    from astroanomaly.features.base import Features
    from astroanomaly.stretches import Stretch

# Columns of every score table that such a detector has no values for.
_NONE = ("residual_score", "feature_score", "peak_score", "latent_norm")
_LEARNED, _TYPICAL = "method.npz", "typical.npz"
# As the settings of a run have it.
_LARGEST = 1024


class FeatureImages(ImageModel):
    """An extractor with the bands and the shape that it was fitted with.

    Parameters
    ----------
    features : Features
        The extractor.
    stretch : Stretch
        Adapted; for pictures, and for the names of the bands.
    image_shape : tuple of int
        (ny, nx, n_bands).
    method : str
        Name of the method that scores.
    """

    search = encoder = None

    def __init__(self, features, stretch, image_shape, method: str):
        self.model, self.stretch = features, stretch
        self.image_shape, self.method = tuple(image_shape), method

    def clipped(self, cutouts: Cutouts) -> np.ndarray:
        """Return which cutouts the extractor's own stretch clips, if it has one."""
        if self.model.stretch is None:
            return np.zeros(len(cutouts), bool)
        return self.model.stretch.count_clipped(cutouts) > 0


class FeatureDetector(Detector):
    """Score cutouts by how far their features lie from those of ordinary objects.

    Parameters
    ----------
    features : Features, callable or str, optional
        What turns images into vectors: an extractor of :mod:`astroanomaly.features`,
        its name, or any function from linear pixels (n, ny, nx, n_bands) to (n, d).
    method : {"knn", "bagged_knn", "isolation_forest", "mahalanobis", \
"patch_gaussian"}, optional
        How far is told: the distance to the k-th nearest training object
        (`n_neighbors` 5); the mean distance to the nearest one in `n_bags` 20 random
        parts that hold a `share` 0.1 of them each, for training sets that are
        contaminated; an isolation forest (`n_trees` 200); the Mahalanobis distance
        with a shrunk covariance; the largest Mahalanobis distance of any position,
        for features by position (after PaDiM, Defard et al. 2021).
    stretch : Stretch, optional
        For pictures alone; an asinh stretch by default. :meth:`fit` adapts it.
    seed : int, optional
        Seed of the forest and of the random parts.
    level : float, optional
        Level, in per cent, of :meth:`predict` and :meth:`decision_function`.
    **options
        Settings of the method, as above.

    Attributes
    ----------
    features_ : ndarray of shape (n, d)
        Features of the training objects, in their order; not saved.

    Raises
    ------
    ValueError
        If a name or a setting is unknown, or a number is outside its range.

    Notes
    -----
    Features are taken in units of their standard deviation among the training objects
    (not by the forest, which needs no unit). A row with NaN is an error, but for
    extractors that cannot measure every object: those get the training's medians.

    Examples
    --------
    >>> images = np.random.default_rng(1).normal(size=(80, 32, 32, 1))
    >>> detector = FeatureDetector("profiles").fit(images[:40])
    >>> table = detector.calibrate(images[40:60], levels=(90,)).score(images[60:])
    >>> len(table), detector.score_name
    (20, 'knn')
    """

    kind = "features"
    needs_calibration = True

    def __init__(
        self,
        features: Features | Callable | str = "profiles",
        method: str = "knn",
        stretch: Stretch | None = None,
        seed: int = 0,
        level: float = 95,
        **options: Any,
    ) -> None:
        if method not in METHODS:
            near = get_close_matches(str(method), METHODS, n=1)
            raise ValueError(
                f"`method` must be one of {', '.join(METHODS)}. Received: {method}"
                + (f"; did you mean {near[0]}?" if near else "")
            )
        known = METHODS[method].arguments
        if unknown := [name for name in options if name not in known]:
            raise ValueError(
                f"`{unknown[0]}` must be a setting of {method}: "
                f"{', '.join(known) or 'it has none'}. Received: {unknown[0]}."
            )
        super().__init__(None, level)
        self.extractor = extractors.as_features(features)
        self.scorer = METHODS[method](**options)
        self.seed, self._stretch = int(seed), stretch
        self._typical = None

    def get_params(self, deep: bool = True) -> dict:
        """Return the arguments that make this detector, without what it learned.

        Parameters
        ----------
        deep : bool, optional
            Ignored: no argument is an estimator of scikit-learn.

        Returns
        -------
        dict
            From argument to value, the method's settings among them.
        """
        return {
            "features": self.extractor,
            "method": self.method,
            "stretch": self._stretch,
            "seed": self.seed,
            "level": self.level,
            **self.scorer.get_config(),
        }

    def _repr_html_(self) -> str:
        if self.images is not None:
            return super()._repr_html_()
        known = [("features", self.extractor.name), ("method", self.method)]
        return facts("FeatureDetector: not fitted, call fit", known)

    @property
    def method(self) -> str:
        """Name of the method that scores."""
        return self.scorer.name

    @property
    def score_name(self) -> str:
        """Name of the score that ranks: the method's."""
        return self.scorer.name

    @property
    def latent(self) -> None:
        """None: nothing searches a latent space."""
        return None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape (ny, nx, n_bands) of the training images."""
        return self._fitted().image_shape

    @property
    def stretch(self) -> Stretch:
        """The stretch of the pictures."""
        return self._fitted().stretch

    @property
    def model(self) -> Features:
        """The extractor."""
        return self.extractor

    def _fitted(self) -> FeatureImages:
        if self.images is None:
            raise ValueError(
                "the detector is not fitted: call `fit` with ordinary objects first."
            )
        return self.images

    # A path does not say which bands an extractor without names would take.
    def fit(  # type: ignore[override]
        self, X: Cutouts | CutoutStream | np.ndarray, y: object = None
    ) -> FeatureDetector:
        """Learn the features of ordinary objects; :meth:`calibrate` comes after it.

        Parameters
        ----------
        X : Cutouts, CutoutStream or ndarray
            Ordinary objects; a stream is read whole.
        y : object, optional
            Ignored.

        Returns
        -------
        FeatureDetector
            The detector itself, not calibrated. An extractor that learns is fitted
            too, unless it was before; so is the check of frames.

        Raises
        ------
        ValueError
            If there are fewer than two objects, or features are not finite.
        """
        # A network knows its bands by name.
        own = getattr(self.extractor.stretch, "bands", None)
        cutouts = Cutouts(X, bands=own) if isinstance(X, np.ndarray) else X
        if not hasattr(cutouts, "select_bands"):
            raise TypeError(
                "`X` must be Cutouts, a stream or an array (n, ny, nx, n_bands) of "
                f"linear pixels. Received: {type(X).__name__}."
            )
        cutouts = cutouts.read() if hasattr(cutouts, "read") else cutouts
        require(cutouts, 2, "fit")
        cutouts = cutouts if own is None else cutouts.select_bands(own)
        stretch = self._stretch or stretches.Asinh(name="asinh")
        if not stretch.adapted or stretch.bands not in (None, cutouts.bands):
            stretch.adapt(cutouts)
        self.calibrations, self._typical = {}, None
        self.images = FeatureImages(
            self.extractor, stretch, cutouts.image_shape, self.method
        )
        if not self.extractor.fitted:
            self.extractor.fit(cutouts)
        blocks = [self._raw(block) for block in cutouts.chunks(BLOCK)]
        found = np.concatenate(blocks)
        whole = np.isfinite(found).all(axis=tuple(range(1, found.ndim)))
        if whole.sum() < 2:
            raise ValueError(
                "`X` must hold at least 2 objects whose features can be measured. "
                f"Received: {whole.sum()} of {len(found)}."
            )
        self.features_ = found
        self._typical = np.median(found[whole], axis=0)
        self.scorer.fit(found[whole], self.seed)
        self.objects = {"trained": set(), "calibrated": set()}
        self.remember("trained", cutouts)
        return self.check_frames(cutouts)

    def _raw(self, cutouts: Cutouts) -> np.ndarray:
        """Return checked features; NaN rows where the extractor may have them."""
        chosen, by_position = self._fitted().chosen(cutouts), self.scorer.by_position
        take = self.extractor.maps_of if by_position else self.extractor.of
        return self._checked(take(chosen), len(chosen))

    def _checked(self, found, n: int) -> np.ndarray:
        width = None if self._typical is None else self._typical.shape[-1]
        missing = self.extractor.may_miss
        found = checked(found, n, self.extractor.name, width, missing)
        axes = 4 if self.scorer.by_position else 2
        if found.ndim != axes:
            raise ValueError(
                f"`features` {self.extractor.name} must give an array of {axes} "
                f"dimensions for {self.method}. Received: shape {found.shape}."
            )
        return found

    def _filled(self, found: np.ndarray) -> np.ndarray:
        """Put typical features in place of rows that could not be measured."""
        bad = ~np.isfinite(found).all(axis=tuple(range(1, found.ndim)))
        return (
            found
            if not bad.any()
            else np.where(
                bad.reshape(-1, *[1] * (found.ndim - 1)), self._typical, found
            )
        )

    def features(self, cutouts: Cutouts) -> np.ndarray:
        """Compute the features of cutouts.

        Parameters
        ----------
        cutouts : Cutouts
            Objects to look at.

        Returns
        -------
        ndarray of shape (n, d)
            Features in the cutouts' order; NaN for what could not be measured.
        """
        chosen = self._fitted().chosen(cutouts)
        missing = self.extractor.may_miss
        found = self.extractor.of(chosen)
        return checked(found, len(chosen), self.extractor.name, missing=missing)

    def check_objects(self, ids: Sequence[str]) -> None:
        """Raise if a table of features lacks some objects.

        Parameters
        ----------
        ids : sequence of str
            Their object ids.
        """
        self.extractor.check_objects(ids)

    def add_table(self, table: str | Path | Table) -> FeatureDetector:
        """Take the embeddings of further objects, as those of a survey.

        Parameters
        ----------
        table : str, Path or Table
            A table of the kind that the detector was fitted with, or its file.

        Returns
        -------
        FeatureDetector
            The detector itself.

        Raises
        ------
        ValueError
            If the detector's features are no table, or the tables do not fit.
        """
        if not isinstance(self.extractor, extractors.Table):
            raise ValueError(
                "`table` goes with a detector over features from a table. Received: "
                f"one over {self.extractor.name}."
            )
        self.extractor = self.extractor.joined(extractors.Table(table))
        self._fitted().model = self.extractor
        return self

    def score_block(self, cutouts: Cutouts, scores: str = "all") -> Table:
        """Score cutouts in their own order, without calibration.

        Parameters
        ----------
        cutouts : Cutouts
            At least one object.
        scores : {"all", "ranking"}, optional
            It has one score, so both are the same.

        Returns
        -------
        Table
            `object_id`, `file`, `ra`, `dec`, the method's number as `anomaly_score`,
            the scores that such a detector does not have as NaN, and `flag`.

        Raises
        ------
        ValueError
            If features are not finite or of another width, bands or size are others
            than those of the training, or the detector is not fitted.
        """
        scores = self.scorer.score(self._filled(self._raw(cutouts)))
        columns = {"anomaly_score": scores, **dict.fromkeys(_NONE, np.nan)}
        return self._table(cutouts, columns)

    def score_images(self, images: np.ndarray) -> np.ndarray:
        """Score linear pixels, as for a map of what decides.

        Parameters
        ----------
        images : ndarray of shape (n, ny, nx, n_bands)
            Linear pixels of the training's bands, in its order.

        Returns
        -------
        ndarray of shape (n,)
            As `anomaly_score`.
        """
        images = np.asarray(images, np.float32)
        by_position = self.scorer.by_position
        found = (self.extractor.maps if by_position else self.extractor)(images)
        return self.scorer.score(self._filled(self._checked(found, len(images))))

    def explain(self, cutouts: Cutouts) -> dict[str, np.ndarray]:
        """Return the images as pictures show them; nothing is reconstructed.

        Parameters
        ----------
        cutouts : Cutouts
            Objects to look at.

        Returns
        -------
        dict of ndarray of shape (n, ny, nx, n_bands)
            `original`, stretched to [0, 1].
        """
        return {"original": self._fitted().stretched(cutouts)}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what the method, and the check of frames, learned, by name."""
        return {**super().arrays(), **self.scorer.arrays()}

    def _own_settings(self) -> dict:
        return {
            "features": self.extractor.name,
            "method_config": plain(self.scorer.get_config()),
            "score": self.score_name,
        }

    def _state(self) -> dict:
        return {
            "kind": self.kind,
            "method": self.method,
            "options": self.scorer.get_config(),
            "image_shape": list(self.image_shape),
            "seed": self.seed,
            "level": self.level,
            "calibrations": {k: v.to_dict() for k, v in self.calibrations.items()},
        }

    def _save_model(self, folder: Path) -> None:
        self.extractor.save(folder)
        save_arrays(folder / _LEARNED, self.scorer.arrays())
        save_arrays(folder / _TYPICAL, {"typical": self._typical})

    @classmethod
    def from_folder(cls, path: Path, state: dict) -> FeatureDetector:
        """Make the detector of a folder; see :func:`load_detector`.

        Parameters
        ----------
        path : Path
            Folder that :meth:`save` wrote.
        state : dict
            Its ``detector.json``.

        Returns
        -------
        FeatureDetector
            It scores as the one that was saved.
        """
        stretch = stretches.load(path / "stretch.json")
        named = {name: state[name] for name in ("method", "seed", "level")}
        shape = tuple(state["image_shape"])
        if len(shape) != 3 or not all(1 <= n <= _LARGEST for n in shape):
            raise ValueError(
                f"`image_shape` must be three numbers from 1 to {_LARGEST}. "
                f"Received: {shape}."
            )
        detector = cls(
            extractors.load(path), stretch=stretch, **named, **state["options"]
        )
        detector.images = FeatureImages(
            detector.extractor, stretch, shape, detector.method
        )
        detector.scorer.restore(path / _LEARNED)
        axes = 3 if detector.scorer.by_position else 1
        kept = load_arrays(path / _TYPICAL, {"typical": axes})
        detector._typical = kept["typical"]
        return detector.restore(state)
