"""The base of the detectors: score, rank, save, and scikit-learn's conventions."""

import json
from pathlib import Path

import numpy as np
from astropy.table import Table, vstack

from astroanomaly import __version__, stretches
from astroanomaly.calibration import Calibration, warn_if_shifted
from astroanomaly.data.cutouts import FLAG_CLIPPED, Cutouts
from astroanomaly.utils.files import CHECKSUMS, atomic_dir, checksums
from astroanomaly.utils.installed import versions
from astroanomaly.utils.keras_files import load_model

# Objects in memory at a time: 512 images of 64 x 64 pixels are 8 MB a band.
BLOCK = 512
# Of the folder that `save` writes; a change that old code cannot read raises it.
FORMAT = 1


class ScoreTable(Table):
    """A score table that remembers, in memory only, the detector that made it."""

    detector = None


class Detector:
    """A model with its stretch that ranks cutouts, and says which are outliers.

    A subclass sets `images`, `level` and `calibrations` and defines `score_block`.

    As in scikit-learn's outlier detectors, low and negative is strange in
    `score_samples`, `decision_function` and `predict`.

    Attributes
    ----------
    images : ImageModel
        Model, stretch and latent search.
    calibrations : dict of str to Calibration
        The calibration of each latent method.
    """

    # Of `detector.json`; None for the detectors of ordinary images.
    kind: str | None = None
    needs_calibration = False

    @property
    def model(self):
        """The trained model."""
        return self.images.model

    @property
    def stretch(self):
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
    def latent(self):
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
        rows : Table or None
            Scores of one block in its own order, not yet calibrated; None when
            nothing of it could be read.
        skipped : Table
            What of this block could not be read.
        """
        # Cutouts in memory take no `start`: they can be sliced.
        options = {"start": start} if start else {}
        for part in cutouts.chunks(block, **options):
            yield self.score_block(part) if len(part) else None, part.skipped

    def score(self, cutouts) -> ScoreTable:
        """Score cutouts and rank them.

        Parameters
        ----------
        cutouts : Cutouts or CutoutStream
            What to score; the bands are picked by name.

        Returns
        -------
        ScoreTable
            One row per object, strangest first: the scores, the p-value (NaN without
            a calibration), a boolean per level, the flags, and in `meta` how it was
            made. A lens finder's has `p_lens`, `p_lens_calibrated` (once probabilities
            are calibrated) and `is_lens`, and NaN for the scores that a classifier
            does not have. Objects that cannot be read are left out and counted in
            `meta`.

        Raises
        ------
        ValueError
            For an uncalibrated detector of ordinary images, or for other bands or
            sizes than the model was trained on.

        Warns
        -----
        UserWarning
            If these scores and the calibration's differ visibly as a whole.
        """
        if self.needs_calibration:
            self.require_calibration()
        return self.rank(*self._rows(cutouts))

    def _rows(self, cutouts) -> tuple[Table, int]:
        """Return the scores in the cutouts' order and the number of skipped objects."""
        found = list(self.score_blocks(cutouts))
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
        clipped = self.stretch.count_clipped(self.images.select_bands(cutouts)) > 0
        flags = np.array(cutouts.table["flag"], np.int32)
        rows["flag"] = flags | FLAG_CLIPPED * clipped.astype(np.int32) | flag
        return rows

    def rank(self, rows: Table, n_skipped: int = 0) -> ScoreTable:
        """Add p-values and a boolean per level, and put the strangest first.

        Parameters
        ----------
        rows : Table
            The rows of :meth:`score_blocks`, stacked.
        n_skipped : int, optional
            Objects that could not be read.

        Returns
        -------
        ScoreTable
            As :meth:`score`; equal scores stand in the order of their ids.
        """
        if self.needs_calibration:
            self.require_calibration()
        table, calibration = ScoreTable(rows), self.calibration
        scores, flag = np.asarray(table["anomaly_score"]), table["flag"].copy()
        table.remove_column("flag")
        table["p_value"] = np.full(len(table), np.nan)
        if calibration is not None:
            warn_if_shifted(calibration.scores, scores)
            table["p_value"] = calibration.p_values(scores)
            for level in calibration.levels:
                table[f"is_anomaly_{level}"] = calibration.is_anomaly(scores, level)
        table["flag"] = flag
        for name in ("ra", "dec"):
            table[name].unit = "deg"
        table = table[np.lexsort((table["object_id"], -scores))]
        table.meta = {**self.settings(), "n_skipped": int(n_skipped)}
        table.detector = self
        return table

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
        return -np.asarray(self._rows(cutouts)[0]["anomaly_score"])

    def decision_function(self, cutouts) -> np.ndarray:
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

    def predict(self, cutouts) -> np.ndarray:
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
            "model": type(self.model).__name__,
            "model_config": plain(self.model.get_config()),
            "stretch": type(self.stretch).__name__,
            "stretch_config": plain(self.stretch.get_config()),
            "latent": self.method,
            **self._own_settings(),
            "bands": list(self.stretch.bands or ()),
            "n_calibration": 0 if calibration is None else len(calibration),
            "levels": [float(level) for level in self.levels],
            "thresholds": {str(k): float(v) for k, v in thresholds.items()},
            "seed": self.seed,
            "versions": versions(),
        }

    def save(self, path: str | Path) -> None:
        """Write the detector as a folder of .keras and .json files.

        Parameters
        ----------
        path : str or Path
            Folder to make; one that exists is replaced as a whole.
        """
        state = {"format": FORMAT, "astroanomaly": __version__, **self._state()}
        with atomic_dir(path) as folder:
            self.model.save(folder / "model.keras")
            self.stretch.save(folder / "stretch.json")
            self._save_more(folder)
            (folder / "detector.json").write_text(json.dumps(state, indent=1))
            found = checksums(folder, sorted(file.name for file in folder.iterdir()))
            (folder / CHECKSUMS).write_text(json.dumps(found, indent=1))

    def _save_more(self, folder: Path) -> None:
        """Write what a subclass keeps outside of detector.json."""


def plain(config):
    """Turn a config into plain lists, numbers and strings."""
    return json.loads(json.dumps(config, default=str))


def load_networks(path: Path) -> tuple:
    """Read the model and the stretch of a detector's folder."""
    # Keras finds the class of a saved model only where it was imported.
    import astroanomaly.models  # noqa: F401

    model = load_model(path / "model.keras")
    return model, stretches.load(path / "stretch.json")


def require(cutouts, n: int, what: str) -> None:
    """Raise if there are fewer than n cutouts."""
    if len(cutouts) < n:
        raise ValueError(
            f"`cutouts` must hold at least {n} object(s) to {what}. "
            f"Received: {len(cutouts)}"
        )
