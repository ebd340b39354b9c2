"""Load a pre-trained model, calibrate it on one's own objects, train it further."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astropy.units import Quantity

from astroanomaly import __version__, runs
from astroanomaly.calibration import check_levels
from astroanomaly.calibration.shift import compare
from astroanomaly.data.options import ReadOptions
from astroanomaly.detector import load_detector
from astroanomaly.pretrained.cards import Card, read_card
from astroanomaly.pretrained.folders import folder
from astroanomaly.runs import config as _config
from astroanomaly.runs import folder as _folder
from astroanomaly.runs.run import calibrate_on
from astroanomaly.tables.labels import read_labels
from astroanomaly.utils.files import atomic_dir
from astroanomaly.utils.installed import versions
from astroanomaly.utils.units import without_unit

if TYPE_CHECKING:
    from astropy.table import Table

    from astroanomaly.data.stream import CutoutStream
    from astroanomaly.detector.base import Detector

__all__ = ["calibrate", "fine_tune", "from_pretrained", "open_run"]

# Of pixel size and PSF: a tenth already shifts the scores of galaxies visibly.
TOLERANCE = 0.1


@dataclass
class Origin:
    """What a pre-trained detector comes from, and how it warns its user.

    Attributes
    ----------
    card : Card
        The model's card.
    psf_fwhm : float or None
        Width of the PSF of the user's images, arcsec.
    """

    card: Card
    psf_fwhm: float | None = None
    _said: set = field(default_factory=set, init=False, repr=False)

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.card.name

    def check(self, cutouts) -> None:
        """Warn if cutouts have another pixel size or PSF than those of the training."""
        remedy = f"read with pixel_scale={self.card.pixel_scale:g} (--pixel-scale)"
        for what, own, trained, mend in (
            ("pixels", cutouts.pixel_scale, self.card.pixel_scale, f"{remedy} or "),
            ("a PSF", self.psf_fwhm, self.card.psf_fwhm, ""),
        ):
            if own is not None and abs(own / trained - 1) > TOLERANCE:
                self._warn(
                    f"{self.name} was trained on {what} of {trained:g} arcsec. "
                    f"Received: {own:.3g} arcsec. What is ordinary here may be strange "
                    f"to it: {mend}train it further on your objects (train --from)."
                )

    def compare(self, scores) -> None:
        """Warn if a user's ordinary objects score otherwise than those of the card."""
        found = compare(self.card.reference, scores)
        if found.shifted:
            self._warn(
                f"Your objects score visibly otherwise than the ordinary objects that "
                f"{self.name} was measured on (Kolmogorov-Smirnov statistic "
                f"{found.statistic:.2f}, {found.n_scores} objects): the figures of its "
                "card do not hold here. Thresholds that are calibrated on your own "
                "ordinary objects do."
            )

    def uncalibrated(self, scores) -> None:
        """Say that scores without a calibration have no p-values."""
        self._warn(
            f"{self.name} ranks, but gives no p-values and no thresholds before it is "
            "calibrated on your own ordinary objects: `calibrate` with them "
            f"(astroanomaly calibrate --pretrained {self.name} CUTOUTS --out RUN)."
        )
        self.compare(scores)

    def _warn(self, text: str) -> None:
        # Blocks of one survey need not repeat it.
        if text not in self._said:
            self._said.add(text)
            warnings.warn(text, UserWarning, stacklevel=4)


def from_pretrained(name: str, psf_fwhm: float | Quantity | None = None) -> Detector:
    """Load a pre-trained detector, not yet calibrated.

    Parameters
    ----------
    name : str
        One of :func:`names`.
    psf_fwhm : float or Quantity, optional
        Width of the PSF of your images, arcsec; another than the training's warns.

    Returns
    -------
    AnomalyDetector or ClassifierDetector
        It ranks at once; `calibrate` on your own ordinary objects adds p-values and
        thresholds. Its attribute ``origin.card`` says what it was trained on.

    Raises
    ------
    ValueError
        If there is no such model, or its files are not those of its card.

    Warns
    -----
    UserWarning
        When it scores or calibrates: without a calibration, or for another pixel size,
        PSF or distribution of scores than at the training. Other bands are refused.

    Examples
    --------
    >>> import astroanomaly as aa
    >>> detector = aa.from_pretrained("hst-f160w-galaxies")
    >>> detector.bands
    ('F160W',)
    """
    path = folder(name)
    psf_fwhm = without_unit(psf_fwhm, "psf_fwhm", "arcsec")
    origin = Origin(read_card(path), psf_fwhm)
    detector = load_detector(path / "detector")
    detector.origin = origin
    # It ranks without, and says what is missing.
    detector.needs_calibration = False
    return detector


@dataclass(frozen=True)
class PretrainedRun(runs.Run):
    """A pre-trained model as a run, which reads cutouts as its training did.

    Attributes
    ----------
    psf_fwhm : float or None
        As :func:`from_pretrained`.
    """

    psf_fwhm: float | None = None

    @cached_property
    def detector(self):
        """The detector, which warns its user."""
        return from_pretrained(self.folder.name, self.psf_fwhm)

    def read(self, path: str | Path, *args: Any, **options: Any) -> CutoutStream:
        """Open cutouts as those of the training were read.

        Parameters
        ----------
        path : str or Path
            As :meth:`astroanomaly.runs.Run.read`.
        *args, **options
            As there.

        Returns
        -------
        CutoutStream
            With the model's bands.
        """
        found = super().read(path, *args, **options)
        self.detector.origin.check(found)
        return found


def open_run(name: str, psf_fwhm: float | Quantity | None = None) -> PretrainedRun:
    """Open a pre-trained model as a run.

    Parameters
    ----------
    name, psf_fwhm
        As :func:`from_pretrained`.

    Returns
    -------
    PretrainedRun
        Its settings, bands and detector; `read` opens cutouts as the training did.

    Raises
    ------
    ValueError
        As :func:`from_pretrained`.

    Examples
    --------
    >>> open_run("hst-f160w-galaxies").detector.bands
    ('F160W',)
    """
    path = folder(name)
    read_card(path)
    opened = runs.load_run(path)
    return PretrainedRun(path, opened.settings, opened.bands, psf_fwhm)


def calibrate(
    name: str,
    cutouts: str | Path,
    out: str | Path,
    levels: Sequence[float] | None = None,
    labels: str | Path | Table | None = None,
    rule: str = "conformal",
    psf_fwhm: float | Quantity | None = None,
    **reading: Any,
) -> runs.Run:
    """Calibrate a pre-trained model on one's own ordinary objects, as a run folder.

    Parameters
    ----------
    name : str
        Name of the model.
    cutouts : str or Path
        Ordinary objects of your survey.
    out : str or Path
        The run folder to make; every command takes it as that of a training.
    levels, labels, rule
        As :func:`astroanomaly.runs.calibrate`.
    psf_fwhm : float or Quantity, optional
        As :func:`from_pretrained`.
    **reading
        As for :meth:`astroanomaly.runs.Run.read`; the run remembers all but `catalog`
        and `n_workers`.

    Returns
    -------
    Run
        The calibrated run.

    Raises
    ------
    ValueError
        If there is no such model, `out` holds something already, the bands are others,
        or as :func:`astroanomaly.runs.calibrate`.

    Warns
    -----
    UserWarning
        For another pixel size, PSF or distribution of scores than at the training.

    Examples
    --------
    >>> run = calibrate("hst-f814w-galaxies", "held_out", "own", bands=["F814W"])
    >>> run.detector.levels
    (90, 95, 99)
    """
    run = open_run(name, psf_fwhm)
    _folder.check_new(Path(out), resume=False)
    _config.check_labels(run.settings, labels)
    # Before the reading, which may take long.
    if levels is not None:
        check_levels(levels)
    known = None if labels is None else read_labels(labels)
    # Other bands are refused, and another pixel size warns, before anything is made.
    objects = run.read(cutouts, **reading).read()
    run.detector.check_frames(objects)
    calibrate_on(run.detector, objects, levels, rule, known, cutouts)
    options = reading.get("options")
    kept = {} if options is None else options.asked()
    kept |= {
        key: value
        for key, value in reading.items()
        if key not in ("catalog", "n_workers", "options") and value is not None
    }
    data = _config.merge(run.settings, {"data": kept})
    made = {
        "run": {
            "format": _folder.FORMAT,
            "astroanomaly": __version__,
            "pretrained": name,
        },
        "versions": versions(),
    }
    with atomic_dir(out) as partial:
        (partial / _folder.CONFIG).write_text(
            _config.dumps({**data, **made}), encoding="utf-8"
        )
        for file in (_folder.OBJECTS, "history.csv"):
            shutil.copy(run.folder / file, partial / file)
        _folder.write_checksums(partial)
        run.detector.save(partial / "detector")
    return runs.load_run(out)


def fine_tune(
    name: str, cutouts: str | Path, out: str | Path, **options: Any
) -> runs.Run:
    """Train a pre-trained model further, on one's own objects.

    Parameters
    ----------
    name : str
        Name of the model.
    cutouts : str or Path
        Ordinary objects (with labels, for a lens finder) of your survey.
    out : str or Path
        The run folder to make.
    **options
        As :func:`astroanomaly.runs.train`; model, stretch and size are the model's.

    Returns
    -------
    Run
        The finished run, not yet calibrated.

    Raises
    ------
    ValueError
        If there is no such model, the bands are others, or as
        :func:`astroanomaly.runs.train`.

    Warns
    -----
    UserWarning
        For another pixel size than at the training.
    """
    run = open_run(name)
    # As many words of bands and pixel size as to who scores; nothing is read yet.
    known = ("catalog", "n_workers", "options", *(f.name for f in fields(ReadOptions)))
    reading = {key: options[key] for key in known if key in options}
    run.read(cutouts, **reading)
    return runs.train(cutouts, out, start=run.folder, **options)
