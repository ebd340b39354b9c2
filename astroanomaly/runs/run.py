"""The run folder: train, go on after a break, calibrate, load again."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u
from astropy.table import Table

from astroanomaly.data.options import ReadOptions
from astroanomaly.runs import config as _config
from astroanomaly.runs import folder as _folder
from astroanomaly.runs.objects import TrainingObjects
from astroanomaly.tables.labels import read_labels
from astroanomaly.utils.files import new_folder
from astroanomaly.utils.fingerprints import pixel_hashes
from astroanomaly.utils.notebook import facts
from astroanomaly.utils.units import without_unit

if TYPE_CHECKING:
    from astroanomaly.data.cutouts import Cutouts
    from astroanomaly.data.stream import CutoutStream
    from astroanomaly.detector.base import Detector

# A tenth of the usual: the networks know galaxies, and learn what is new in these.
FURTHER_EPOCHS = 10

__all__ = ["Run", "calibrate", "has_onnx", "load_run", "pixel_hashes", "train"]


def train(
    cutouts: str | Path,
    out: str | Path,
    config: str | Path | Mapping | None = None,
    *,
    size: int | None = None,
    bands: Sequence[str] | None = None,
    model: str | None = None,
    features: str | None = None,
    labels: str | Path | Table | None = None,
    epochs: int | None = None,
    encoder_epochs: int | None = None,
    hold_out: float | None = None,
    group: str | None = None,
    seed: int | None = None,
    resume: bool = False,
    progress: bool = False,
    catalog: str | Path | None = None,
    n_workers: int | None = None,
    options: ReadOptions | None = None,
    network: str | None = None,
    start: str | Path | None = None,
    paint: float | u.Quantity | None = None,
    strategy: str | None = None,
    cache: str | Path | None = None,
    **reading: Any,
) -> Run:
    """Train a detector on cutouts and keep it in a folder.

    A GAN is trained first, then its encoder; the other models of ordinary objects
    reconstruct by themselves and have none. A lens finder learns from lenses and
    others with labels instead, and the epoch with the lowest validation loss is kept.
    After every epoch a checkpoint replaces the last one as a whole. To resume an
    interrupted run, repeat the call with ``resume=True``; the result is identical to
    that of an uninterrupted one.

    Parameters
    ----------
    cutouts : str or Path
        What :func:`astroanomaly.read_cutouts` takes: a folder, a glob, a cube,
        an array's file, or a mosaic with `catalog`.
    out : str or Path
        The run folder to make.
    config : str, Path or dict, optional
        TOML file (or its tables) that goes before the defaults: [data], [stretch],
        [model], [training], [encoder], [detector]. The ``config.toml`` of another
        run will do. What is given as an argument goes before both. Each model has
        its own keys in [model] and [training]; [encoder] is the GAN's alone.
    size : int, optional
        Side of the images in pixels; 64 by default.
    bands : sequence of str, optional
        The bands to use, by name; all by default.
    model : {"wgan_gp", "hsc", "progressive", "pca", "rbm", "dcae", "cvae", "aae", \
"lens_finder", "knn", "bagged_knn", "isolation_forest", "mahalanobis", \
"patch_gaussian", "auto"}, optional
        The model; "wgan_gp" by default. From "knn" on they are methods over features,
        fitted in seconds, see :class:`astroanomaly.FeatureDetector`. "auto" trains the
        quick ones and, if there is one, `network`, plants anomalies in held-out
        objects and keeps the detector and the score that find them best; see
        :func:`compare`.
    features : str, optional
        For a method over features: what it takes, as
        :func:`astroanomaly.features.make_features` names it; "profiles" by default,
        "patches" for "patch_gaussian".
    labels : str, Path or Table, optional
        For a lens finder: a table, or its file, with `object_id` and `is_lens` (or,
        without it, `is_anomaly`), and every cutout in it. A run that goes on knows
        its own.
    epochs : int, optional
        Epochs of the model, not of an encoder; 100 by default.
    encoder_epochs : int, optional
        Epochs of a GAN's encoder; by default half as many as those of the model.
    hold_out : float, optional
        Share of the objects that is not trained on, such as 0.2:
        :func:`calibrate` takes them where it is given no others.
    group : str, optional
        Column of the cutouts' table (or catalog) whose equal values are held out
        together, such as the exposure or the system.
    seed : int, optional
        Seed of first weights, data order and every random number; 0 by default.
    resume : bool, optional
        Go on with the run in `out`, whose own settings then hold; begin where
        there is none.
    progress : bool, optional
        Show bars with the time left.
    catalog : str or Path, optional
        Catalog beside the cutouts, or the positions in a mosaic.
    n_workers : int, optional
        Processes that read.
    options : ReadOptions, optional
        How the cutouts are read and prepared; the run remembers it for the objects that
        it scores later.
    network : str, optional
        With ``model="auto"``, a model to train beside the quick ones.
    start : str or Path, optional
        A finished run whose networks and stretch the training begins with, and whose
        settings hold where no others are given; 10 epochs by default. A pre-trained
        model: see :func:`astroanomaly.pretrained.fine_tune`.
    paint : float or Quantity, optional
        For a lens finder without labels: the FWHM of the cutouts' PSF, arcsec. Eight
        lenses are painted on each galaxy by :func:`astroanomaly.simulate.paint_arcs`,
        and the cutouts as they are, few of which are lenses, are the others. The
        defaults of the settings are then others: see ``docs/guide/painted_lenses.md``.
    strategy : {"mirrored"}, optional
        All GPUs of the machine share each batch, in equal parts. Losses and weights are
        those of one device up to rounding. For the GANs "wgan_gp" and "hsc", their
        encoder, and the autoencoders "dcae", "cvae" and "aae".
    cache : str or Path, optional
        A .npy file on a quick disk to write the pixels to while reading; the training
        maps them from there, batch by batch, so that they need not fit into memory.
        With `hold_out` two more lie beside it, for either part. They may be removed
        afterwards.
    **reading
        Single options of :class:`astroanomaly.data.ReadOptions`, which go before those
        of `options`.

    Returns
    -------
    Run
        The finished run, not yet calibrated.

    Raises
    ------
    ValueError
        If a setting is unknown, out of range or another model's, `out` holds
        something already, labels are missing, wrong or not wanted, or a resumed run
        has other settings, cutouts or labels.
    FloatingPointError
        If a loss is not finite; the last checkpoint stays.
    OSError
        If `out` cannot be written.

    Examples
    --------
    >>> run = train("cutouts/", "run", epochs=100, seed=1)
    >>> run = train("cutouts/", "run", resume=True)
    """
    paint = without_unit(paint, "paint", "arcsec")
    for name in {"pixel_scale", "input_pixel_scale"} & set(reading):
        reading[name] = without_unit(reading[name], name, "arcsec", "arcsec / pix")
    # What becomes of a bad object is no setting: a run may go on with the other.
    asked = {} if options is None else options.asked()
    on_error = reading.pop("on_error", None) or asked.pop("on_error", None)
    given = {
        "data": {"size": size, "bands": bands, **reading},
        "model": {"name": model, "features": features},
        "training": {"epochs": epochs, "seed": seed},
        "encoder": {"epochs": encoder_epochs},
    }
    given["training"] |= {"hold_out": hold_out, "group": group, "paint": paint}
    given["training"] |= {"strategy": strategy}
    given = _config.read_config(_config.merge({"data": asked}, given))
    how = {"catalog": catalog, "n_workers": n_workers, "progress": progress}
    how["on_error"] = on_error
    if model == "auto":
        from astroanomaly.runs.auto import train_auto

        without = {"labels": labels, "features": features, "start": start}
        without |= {"paint": paint, "cache": cache}
        return train_auto(cutouts, out, config, given, network, resume, without, **how)
    if network is not None:
        raise ValueError(
            "`network` (--network) must come with the model auto. Received: "
            f"{network} with {model or 'no model'}."
        )
    folder, chosen, begun = Path(out), _config.read_config(config), None
    if start is not None:
        begun = load_run(start)
        chosen = _config.merge(_begin_with(begun), chosen)
    settings = _folder.settle(folder, chosen, given, resume)
    _config.check_labels(settings, labels)
    if _folder.finished(folder):
        return load_run(folder)
    _train_with(settings, folder, begun, cutouts, labels, how | {"cache": cache})
    return load_run(folder)


def _train_with(settings: dict, folder: Path, begun, cutouts, labels, how) -> None:
    """Train as settled, into a folder that is new or was broken off."""
    over_features = _config.over_features(settings["model"]["name"])
    if over_features:
        from astroanomaly.runs.featured import FeatureTraining, unfitted

        # As labels, before the reading.
        detector = unfitted(settings)
    # Before the reading, which may take long: is this a place to write to?
    with new_folder(folder):
        objects = TrainingObjects(folder, settings, cutouts, labels, **how)
        from astroanomaly.runs.training import FinderTraining, Training

        parts, progress = (objects.cutouts,), how["progress"]
        if over_features:
            training = FeatureTraining(folder, detector, *parts, progress)
        elif objects.labels is None:
            training = Training(folder, settings, *parts, progress, begun)
        else:
            parts += (objects.labels,)
            objects.mine(settings["training"].get("mine"), begun)
            training = FinderTraining(
                folder,
                settings,
                *parts,
                progress,
                begun,
                objects.groups,
                objects.repeated,
            )
        _folder.sweep(folder)
        _folder.begin(folder, settings, objects.record)
    training.run()


def _begin_with(run: Run) -> dict:
    """Return the settings of a training that begins with a run's networks."""
    if _config.over_features(run.settings["model"]["name"]):
        raise ValueError(
            f"`start` (--from) must have networks to train further. Received: "
            f"{run.folder.name}, a method over features, which is fitted anew in "
            "seconds; contrastive ones are taken over by `features` (--features "
            f"contrastive:{run.folder.name})."
        )
    settings = {table: dict(keys) for table, keys in run.settings.items()}
    # The objects are others, and what is known already needs fewer epochs.
    for key in ("hold_out", "group"):
        settings["training"].pop(key, None)
    settings["training"] |= {"epochs": FURTHER_EPOCHS, "start": run.folder.name}
    settings.get("encoder", {}).pop("epochs", None)
    return settings


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes
    ----------
    folder : Path
        Its folder.
    settings : dict
        Its settings, table by table, as in ``config.toml``.
    bands : tuple of str
        The bands that it was trained on.
    engine : {"tf", "onnx"}
        What computes: TensorFlow, or onnxruntime with the file that
        ``calibrate(..., onnx=True)`` wrote.

    Examples
    --------
    >>> run = load_run("run")
    >>> table = run.detector.score(run.read("survey/"))
    """

    folder: Path
    settings: dict
    bands: tuple[str, ...]
    engine: str = "tf"

    @property
    def classifies(self) -> bool:
        """Whether its model learned from labels, as a lens finder does."""
        return _config.classifies(self.settings["model"]["name"])

    @cached_property
    def detector(self):
        """The detector, read from the folder when it is first used."""
        # Not `from astroanomaly import detector`, which would load TensorFlow.
        if self.engine == "onnx":
            from astroanomaly.detector import load_engine as load
        else:
            from astroanomaly.detector import load_detector as load
        found = load(self.folder / "detector")
        # Detectors of older versions kept no fingerprints, but their runs did.
        trained = _folder.read_objects(self.folder) or {}
        found.objects["trained"] |= set(trained.get("pixels", ()))
        return found

    def _repr_html_(self) -> str:
        """Return the folder, the settings that matter and the detector."""
        training = self.settings["training"]
        about = facts(
            f"Run {self.folder}",
            [
                ("model", self.settings["model"]["name"]),
                ("bands", ", ".join(self.bands)),
                ("size", self.settings["data"].get("size")),
                ("epochs", training.get("epochs")),
                ("seed", training.get("seed")),
            ],
        )
        return about + self.detector._repr_html_()

    def use(self, method: str | None = None, features: str | None = None) -> Detector:
        """Give the detector, set to a latent method.

        Parameters
        ----------
        method : {"encoder", "refine", "mapping"}, optional
            How a GAN finds the z of an image; by default as it was saved.
        features : str, optional
            "table:PATH": embeddings of further objects, for a run over a table.

        Returns
        -------
        AnomalyDetector, ClassifierDetector or FeatureDetector
            The run's detector.

        Raises
        ------
        ValueError
            If the method is unknown, or the run's model needs none; if the features
            are no table, or the run has none.
        """
        if features is not None:
            kind, _, path = features.partition(":")
            if kind != "table" or not path:
                raise ValueError(
                    "`features` (--features) must be table:PATH, as only embeddings "
                    f"of further objects can be added to a run. Received: {features}"
                )
            if not hasattr(self.detector, "add_table"):
                raise ValueError(
                    f"{self.folder} takes no table of features. Received: {features}"
                )
            self.detector.add_table(path)
        if method is None:
            return self.detector
        if self.engine == "tf":
            _config.check_method(self.settings, method)
        return self.detector.use(method)

    def as_scored(self, meta: Mapping) -> Detector:
        """Return the detector, set to the latent method that made a table.

        Parameters
        ----------
        meta : mapping
            The table's `meta`; without a method of a GAN the detector stays as it is.

        Returns
        -------
        AnomalyDetector, ClassifierDetector or FeatureDetector
            The run's detector.

        Raises
        ------
        ValueError
            If the detector has no such method.
        """
        if meta.get("latent") in ("encoder", "refine", "mapping"):
            self.detector.use(meta["latent"])
        return self.detector

    def read(
        self,
        path: str | Path,
        options: ReadOptions | None = None,
        *,
        catalog: str | Path | None = None,
        n_workers: int | None = None,
        progress: bool | None = None,
        **reading: Any,
    ) -> CutoutStream:
        """Open cutouts as those of the training were read.

        Parameters
        ----------
        path : str or Path
            What :func:`astroanomaly.read_cutouts` takes.
        options : ReadOptions, optional
            What is given in it counts, all else is as in the training. With `bands`, a
            file whose only band has another name counts as that band.
        catalog, n_workers, progress
            As for :func:`astroanomaly.read_cutouts`.
        **reading
            Single options of :class:`astroanomaly.data.ReadOptions`, which go before
            those of `options`.

        Returns
        -------
        CutoutStream
            With the run's bands, picked by name.

        Raises
        ------
        ValueError
            If the cutouts lack a band that the model was trained on, or the run's
            record and its model differ in size.
        """
        from astroanomaly.data.reading import read_cutouts

        asked = {} if options is None else options.asked()
        asked |= {name: value for name, value in reading.items() if value is not None}
        wanted = ReadOptions(**self.settings["data"] | asked)
        shape = self.detector.image_shape
        if "size" not in asked and tuple(shape[:2]) != wanted.size:
            # Before the reading: another size could take all memory.
            raise ValueError(
                f"{self.folder / _folder.CONFIG} must give [data] size as the side of "
                f"the model's images, {shape[0]} x {shape[1]} pixels. "
                f"Received: {self.settings['data']['size']}"
            )
        how = {"catalog": catalog, "n_workers": n_workers, "progress": progress}
        try:
            stream = read_cutouts(path, stream=True, options=wanted, **how)
            if "bands" not in asked and len(wanted.bands or ()) == 1:
                _check_only_band(path, wanted, how)
            return stream.select_bands(self.bands)
        except ValueError as error:
            if "bands" in asked or "band" not in str(error):
                raise
            raise ValueError(
                f"{self.folder} was trained on other bands than {path} has. {error}"
            ) from None

    @property
    def holds_out(self) -> bool:
        """Whether the training held objects out, to calibrate with."""
        return (_folder.read_objects(self.folder) or {}).get("held_out") is not None

    def held_out(self, **options: Any) -> Cutouts:
        """Read the objects again that the training held out.

        Parameters
        ----------
        **options
            As for :meth:`read`.

        Returns
        -------
        Cutouts
            The same pixels as at the training.

        Raises
        ------
        ValueError
            If none were held out, or some cannot be read or are not the same.
        """
        kept = _folder.read_objects(self.folder).get("held_out")
        if kept is None:
            raise ValueError(
                f"{self.folder} held no objects out: give `cutouts` (CUTOUTS), or "
                "train with `hold_out` (--hold-out 0.2). Received: no cutouts."
            )
        if options.get("catalog") is None:
            options["catalog"] = kept["catalog"]
        found = self.read(kept["cutouts"], **options).read()
        rows = {name: row for row, name in enumerate(found.object_ids)}
        same = [rows[name] for name in kept["object_id"] if name in rows]
        found = found[np.array(same, int)]
        if pixel_hashes(found) != kept["pixels"]:
            raise ValueError(
                f"{kept['cutouts']} must still hold the {len(kept['pixels'])} objects "
                f"that {self.folder} held out, unchanged. Received: "
                f"{len(set(pixel_hashes(found)) & set(kept['pixels']))} of them; give "
                "`cutouts` (CUTOUTS)."
            )
        return found


def _check_only_band(path, options: ReadOptions, how: dict) -> None:
    """Refuse a file whose header names another filter than the one it is read as."""
    from astroanomaly.data.reading import read_cutouts

    (band,), any_band = options.bands, replace(options, bands=None)
    try:
        own = read_cutouts(path, stream=True, options=any_band, **how).bands
    except ValueError:
        return  # Several images in a file: the band was picked by its name.
    if len(own) == 1 and own[0] not in (band, "image"):
        raise ValueError(
            f"The run was trained on the band {band}. Received: {path} with the band "
            f"{own[0]}; give `bands` (--bands {band}) if the two are the same."
        )


def load_run(run: str | Path, engine: str = "tf") -> Run:
    """Open a run folder.

    Parameters
    ----------
    run : str or Path
        The folder that :func:`train` made.
    engine : {"tf", "onnx"}, optional
        "onnx" scores by the file that ``calibrate(..., onnx=True)`` wrote, and never
        imports TensorFlow.

    Returns
    -------
    Run
        Its settings and bands; ``run.detector`` loads the detector.

    Raises
    ------
    ValueError
        If the folder is not a run, is of another version, or is not finished.

    Examples
    --------
    >>> load_run("run").detector.score_name
    'peak'
    """
    folder = Path(run)
    if engine not in ("tf", "onnx"):
        raise ValueError(f"`engine` (--engine) must be tf or onnx. Received: {engine}")
    if engine == "tf":
        settings = _config.resolve(_folder.read_config(folder))
    else:
        # The record holds every setting; a check of each needs the models' classes.
        settings = _folder.read_record(folder)
    if not _folder.finished(folder):
        raise ValueError(
            f"{folder} must hold a finished run. Received: one whose training has not "
            f"ended; go on with `astroanomaly train CUTOUTS --out {folder} --resume`."
        )
    objects = _folder.read_objects(folder)
    if objects is None:
        raise ValueError(
            f"{folder} must hold {_folder.OBJECTS}, the record of its training. "
            "Received: none."
        )
    return Run(folder, settings, tuple(objects["bands"]), engine)


def has_onnx(run: str | Path) -> bool:
    """Return whether a run can be scored by ONNX here.

    Parameters
    ----------
    run : str or Path
        The run folder.

    Returns
    -------
    bool
        Its detector's folder holds the file, and onnxruntime is installed.
    """
    from astroanomaly.detector.base import ENGINE

    file = Path(run) / "detector" / ENGINE
    return file.is_file() and find_spec("onnxruntime") is not None


def calibrate(
    run: str | Path,
    cutouts: str | Path | None = None,
    levels: Sequence[float] | None = None,
    method: str | None = None,
    labels: str | Path | Table | None = None,
    rule: str = "conformal",
    features: str | None = None,
    onnx: bool = False,
    **reading: Any,
) -> Run:
    """Calibrate a run's detector on ordinary objects and keep the thresholds.

    With labels, for a lens finder alone, its probabilities are calibrated too.

    Parameters
    ----------
    run : str or Path
        The run folder.
    cutouts : str or Path, optional
        Ordinary objects, preferably not used in training. By default those that
        ``train(..., hold_out=0.2)`` held out, which are read again.
    levels : sequence of float, optional
        Levels in per cent; by default 90, 95 and 99, as far as the objects carry
        them: 99 takes 99 objects.
    method : {"encoder", "refine", "mapping"}, optional
        The latent method of a GAN to calibrate; each keeps its own thresholds.
    labels : str, Path or Table, optional
        Labels of the cutouts, as for :func:`train`: those that are no lenses set the
        thresholds, all of them what the finder's probabilities mean.
    rule : {"conformal", "percentile"}, optional
        How thresholds are chosen, see :class:`astroanomaly.calibration.Calibration`.
    features : str, optional
        For a run over a table of embeddings: "table:PATH" with those of the
        calibration objects, where its own table lacks them.
    onnx : bool, optional
        Write the networks as one ONNX file too, after a comparison of the scores of
        these objects: see :meth:`astroanomaly.AnomalyDetector.export`.
    **reading
        As for :meth:`Run.read`: `options`, `catalog`, `n_workers`.

    Returns
    -------
    Run
        The run with its calibrated detector, set to `method`.

    Raises
    ------
    ValueError
        If the folder is not a run, the bands are others, the model needs no latent
        method or no labels, labels are wrong, a level that is asked for is outside
        (0, 100) or needs more objects than there are, or no objects are given and
        none were held out, or these are not there any more.

    Warns
    -----
    UserWarning
        If the model was trained on some of the objects: their scores are lower
        than those of objects that it never saw.

    Examples
    --------
    >>> run = calibrate("run", "held_out/", levels=(90, 95, 99))
    """
    from astroanomaly.calibration import check_levels

    opened = load_run(run)
    _config.check_labels(opened.settings, labels)
    if onnx and not hasattr(opened.detector, "export"):
        raise ValueError(
            "`onnx` (--onnx) needs a model that reconstructs. "
            f"Received: {opened.settings['model']['name']}"
        )
    if levels is not None:
        check_levels(levels)  # Before the reading, which may take long.
    known = None if labels is None else read_labels(labels)
    default = opened.detector.latent
    detector = opened.use(method, features)
    used = detector.latent
    if cutouts is None:
        objects = opened.held_out(**reading)
    else:
        objects = opened.read(cutouts, **reading).read()
    seen = set(_folder.read_objects(opened.folder)["pixels"])
    if n_seen := sum(key in seen for key in pixel_hashes(objects)):
        warnings.warn(
            f"the model was trained on {n_seen} of the {len(objects)} calibration "
            f"objects of {cutouts or opened.folder}: their scores are lower than those "
            "of new objects, so more than the stated share of ordinary objects will be "
            "flagged.",
            UserWarning,
            stacklevel=2,
        )
    calibrate_on(detector, objects, levels, rule, known, cutouts or opened.folder)
    if used is not default:
        # The folder keeps the method that `score` takes when none is named.
        detector.use(default)
    if onnx:
        detector.export("onnx", opened.folder / "detector", objects)
    else:
        detector.save(opened.folder / "detector")
    if used is not default:
        detector.use(used)
    return opened


def calibrate_on(detector, objects, levels, rule: str, known=None, source="") -> None:
    """Calibrate a detector, with labels on those that are no lenses.

    Parameters
    ----------
    detector : AnomalyDetector, FeatureDetector or ClassifierDetector
        What to calibrate.
    objects : Cutouts
        Ordinary objects, or with labels both kinds.
    levels, rule
        As for :func:`calibrate`.
    known : Labels, optional
        Labels as read: what a finder's probabilities mean is calibrated too.
    source : str or Path, optional
        Where the objects lie, for the message.
    """
    if known is None:
        detector.calibrate(objects, levels, rule)
        return
    is_lens = known.of(objects.object_ids, source).astype(bool)
    detector.calibrate(objects[~is_lens], levels, rule)
    detector.calibrate_probability(objects, is_lens)
