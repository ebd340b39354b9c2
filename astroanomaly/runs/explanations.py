"""What a run sees in one object: a figure of it, in one call.

The looks themselves are in :mod:`astroanomaly.interpret`, the figures in
:mod:`astroanomaly.plots`; this reads the object as the run's training images were
read, and keeps the figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.data.stream import none_readable
from astroanomaly.runs.run import load_run
from astroanomaly.utils.files import atomic_path, new_folder
from astroanomaly.utils.progress import count_bar

if TYPE_CHECKING:
    from astroanomaly.data.stream import CutoutStream
    from astroanomaly.detector.base import Detector
    from astroanomaly.runs.run import Run

# Each is a method of `Look`.
METHODS = ("occlusion", "dream", "gradcam")
# What matplotlib writes without further packages.
ENDINGS = (".png", ".pdf", ".svg")
# Ids of a long list that an error shows.
_SHOWN = 3


@dataclass(frozen=True)
class Explanation:
    """A figure, and the numbers that it was drawn from.

    Parameters
    ----------
    object_id : str
        The object; empty for a dream from noise.
    method : {"occlusion", "dream", "gradcam"}
        How it was looked at.
    output_name : str
        What was explained: "P(lens)", "logit" or the name of a score.
    output : float
        Its value for the image that was explained, uncalibrated.
    summary : str
        All three in words, such as "euc_0001: P(lens) 0.93".
    result : OcclusionMap, tuple of two Dream, or tuple of two ndarray
        The occlusion map; the dreams toward non-lens and toward lens; or Grad-CAM's
        heat of shape (ny, nx) and guided Grad-CAM of shape (ny, nx, n_bands).
    path : Path
        The figure.
    """

    object_id: str
    method: str
    output_name: str
    output: float
    summary: str
    result: object
    path: Path


def explain(
    run: str | Path | Run | Detector,
    cutouts: str | Path | Cutouts | CutoutStream | None,
    out: str | Path,
    method: str = "occlusion",
    *,
    object_id: str | None = None,
    mask_size: int = 4,
    stride: int | None = None,
    per_band: bool = False,
    logit: bool = False,
    steps: int = 100,
    from_noise: bool = False,
    seed: int = 0,
    progress: bool = False,
    **reading: Any,
) -> Explanation:
    """Draw what a lens finder or an anomaly detector sees in one object.

    Parameters
    ----------
    run : str, Path, Run or a detector
        A run folder, an opened run, or a detector.
    cutouts : str, Path, Cutouts, CutoutStream or None
        The object, or a set that holds it: for a run what
        :func:`astroanomaly.read_cutouts` takes, read with the run's own settings;
        for any of the three Cutouts or a CutoutStream, whose bands are picked by name.
        A dream from noise needs none, and reads none.
    out : str or Path
        The figure to write, ending in .png, .pdf or .svg. It appears whole or not at
        all.
    method : {"occlusion", "dream", "gradcam"}, optional
        "occlusion" hides one small square after another and maps the output
        (:func:`astroanomaly.interpret.occlusion_map`): P(lens) of a finder, the score
        that ranks of an anomaly detector. The others look into a finder alone:
        "dream" changes the image toward non-lens and toward lens
        (:func:`astroanomaly.interpret.deep_dream`); "gradcam" shows where the last
        convolution's maps speak for a lens, each pixel weighed by its own gradient,
        and beside it guided Grad-CAM (:func:`astroanomaly.interpret.grad_cam`,
        ``pooled=False``).
    object_id : str, optional
        Which object, where `cutouts` holds several.
    mask_size : int, optional
        Occlusion: side of the square, in pixels.
    stride : int, optional
        Occlusion: step of the square, in pixels; by default its side, which takes
        seconds. 1 gives the finest map and takes `mask_size` squared as long.
    per_band : bool, optional
        Occlusion: make one map a band, in which only this band is hidden.
    logit : bool, optional
        Occlusion: map a finder's logit, lens minus non-lens, which moves where P(lens)
        is too close to 0 or 1 to do so.
    steps : int, optional
        Dream: steps along the gradient.
    from_noise : bool, optional
        Dream: start from noise and not from the object.
    seed : int, optional
        Dream: seed of the noise.
    progress : bool, optional
        Show bars with the time left.
    **reading
        `options` and `catalog`, for a run, as for :meth:`astroanomaly.runs.Run.read`.

    Returns
    -------
    Explanation
        The figure's place, and the numbers that it was drawn from.

    Raises
    ------
    ValueError
        If the method or the ending of `out` is unknown, `cutouts` does not say which
        object is meant or the object cannot be read, its bands or size are others
        than those of the training, the method needs a finder, an anomaly detector
        has not measured what its score needs, or an argument is outside its range.
    TypeError
        If a detector, which cannot read, comes with a path.
    OSError
        If `out` cannot be written.

    Notes
    -----
    A finder's image is masked after the stretch, so that the network's maps are
    computed again only where they change; an anomaly detector's is masked in the unit
    of its pixels and then scored as a survey's is. Hidden pixels show the sky of their
    band.

    Examples
    --------
    >>> from astroanomaly import ClassifierDetector, models, stretches
    >>> finder = models.LensFinder((58, 58, 1), "ou66")
    >>> detector = ClassifierDetector(finder, stretches.Linear(per_image=True))
    >>> image = np.random.default_rng(1).random((1, 58, 58, 1))
    >>> found = explain(detector, Cutouts(image), "why.png", mask_size=16)
    >>> found.output_name, found.result.map.shape, found.path
    ('P(lens)', (58, 58), PosixPath('why.png'))
    """
    out = check_request(method, out)
    given = {
        "occlusion": {"mask_size": mask_size, "stride": stride, "per_band": per_band},
        "dream": {"steps": steps, "from_noise": from_noise, "seed": seed},
        "gradcam": {},
    }
    logit = logit and method == "occlusion"
    # Before the work, which may be long: is this a place to write to?
    with new_folder(out.parent), atomic_path(out) as partial:
        partial.touch()
        run = load_run(run) if isinstance(run, str | Path) else run
        detector = _detector(run, method, logit)
        one = None
        if not (method == "dream" and from_noise):
            one = _one_object(run, detector, cutouts, object_id, reading)
        with count_bar(progress) as bar:
            look = Look(detector, one, logit, bar)
            value, result, figure = getattr(look, method)(**given[method])
        if not detector.trained:
            from astroanomaly.plots.style import stamp

            stamp(figure)
        figure.savefig(partial, dpi=150)
    summary = look.summary(value)
    return Explanation(
        look.object_id, method, look.output_name, value, summary, result, out
    )


def check_request(method: str, out: str | Path) -> Path:
    """Check the method and the ending of the figure.

    Parameters
    ----------
    method : str
        As :func:`explain` takes it.
    out : str or Path
        The figure to write.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    ValueError
        If the method or the ending is unknown.

    Examples
    --------
    >>> check_request("occlusion", "why.png")
    PosixPath('why.png')
    """
    if method not in METHODS:
        raise ValueError(
            f"`method` must be one of {', '.join(METHODS)}. Received: {method}"
        )
    if Path(out).suffix.lower() not in ENDINGS:
        raise ValueError(f"`out` must end in {', '.join(ENDINGS)}. Received: {out}")
    return Path(out)


def _detector(run, method: str, logit: bool):
    """Return the detector of a run; raise if it cannot be looked into so."""
    detector = getattr(run, "detector", run)
    if not detector.needs_calibration:
        return detector
    if method != "occlusion":
        raise ValueError(
            '`method` must be "occlusion" for an anomaly detector: dream and gradcam '
            f"look into a lens finder only. Received: {method}"
        )
    if logit:
        raise ValueError(
            "`logit` must be False for an anomaly detector, which has a score and no "
            "P(lens). Received: True"
        )
    return detector


def _one_object(run, detector, cutouts, object_id, reading) -> Cutouts:
    """Read the one object that is meant, with the detector's bands."""
    where = str(cutouts)
    if cutouts is None:
        raise ValueError(
            "`cutouts` (CUTOUT) must hold the object to explain; only a dream from "
            "noise needs none. Received: none"
        )
    if hasattr(cutouts, "object_ids"):
        where = "`cutouts`"
    else:
        if run is detector:
            raise TypeError(
                "`cutouts` must be Cutouts where `run` is a detector, which does not "
                f"know how to read files. Received: {type(cutouts).__name__}"
            )
        cutouts = run.read(cutouts, n_workers=1, **reading)
    ids = [str(name) for name in cutouts.object_ids]
    row = 0
    if object_id is not None or len(ids) != 1:
        if str(object_id) not in ids or object_id is None:
            shown = ", ".join(ids[:_SHOWN]) + ", ..." * (len(ids) > _SHOWN)
            raise ValueError(
                f"`object_id` (--object-id) must name one of the {len(ids)} objects of "
                f"{where} ({shown}). Received: "
                f"{'none' if object_id is None else object_id}"
            )
        row = ids.index(str(object_id))
    if hasattr(cutouts, "images"):
        one = cutouts[row : row + 1]
    else:
        one = next(cutouts.chunks(1, start=row))
        if not len(one):
            raise ValueError(none_readable(one.skipped))
    return one if detector.bands is None else one.select_bands(detector.bands)


class Look:
    """What a detector sees in one object, or in noise.

    Parameters
    ----------
    detector : ClassifierDetector or AnomalyDetector
        A detector that can be looked into so.
    one : Cutouts or None
        One object with the detector's bands; None for noise.
    logit : bool
        Look at a finder's logit and not at P(lens).
    bar : rich.progress.Progress or None
        Shows what is done.
    """

    def __init__(self, detector, one, logit: bool = False, bar=None):
        self.detector, self.one, self.bar = detector, one, bar
        self.finder = not detector.needs_calibration
        self.logit, self.limits = logit, None
        self.output_name = "logit" if logit else f"{detector.score_name} score"
        if self.finder and not logit:
            self.output_name, self.limits = "P(lens)", (0, 1)
        self.object_id = "" if one is None else str(one.object_ids[0])

    def summary(self, value: float) -> str:
        """Return the object and its output in words."""
        from astroanomaly.plots.display import number

        name = self.object_id or "noise"
        words = f"{name}: {self.output_name} {number(value, self.limits)}"
        return words if self.detector.trained else f"{words}; detector not trained"

    def occlusion(self, mask_size: int, stride: int | None, per_band: bool):
        """Return the unmasked output, the map and its figure."""
        from astroanomaly import interpret, plots
        from astroanomaly.plots.interpret import ANOMALY_LABELS, LENS_LABELS

        if self.finder:
            model, image = self.detector.model, self._stretched()
            output = model.logit if self.logit else model.probability
        else:
            output = interpret.anomaly_output(self.detector)
            image = self.one.images[0]
        result = interpret.occlusion_map(
            output,
            image,
            mask_size,
            mask_size if stride is None else stride,
            bands="each" if per_band else None,
            band_names=self.one.bands,
            progress=self._progress("Occlusion"),
        )
        figure = plots.occlusion(
            self.one,
            result,
            output_label=self.output_name,
            labels=LENS_LABELS if self.finder else ANOMALY_LABELS,
            limits=self.limits,
            title=self.summary(result.output),
        )
        return result.output, result, figure

    def dream(self, steps: int, from_noise: bool, seed: int):
        """Return the output of the first image, both dreams and their figure."""
        from astroanomaly import interpret, plots

        non_lens, lens = (
            interpret.deep_dream(
                self.detector.model.probability,
                None if from_noise else self._stretched(),
                target,
                steps,
                seed=seed,
                shape=self.detector.image_shape,
                progress=self._progress(f"Toward {target}"),
            )
            for target in ("non-lens", "lens")
        )
        first = f"noise of seed {seed}" if from_noise else self.object_id
        figure = plots.dreams(
            non_lens,
            lens.start,
            lens,
            names=("toward non-lens", first, "toward lens"),
            whole=from_noise,
            limits=self.limits,
            band_names=self.detector.bands,
            pixel_scale=None if from_noise else self.one.pixel_scale,
        )
        return float(lens.history[0]), (non_lens, lens), figure

    def gradcam(self):
        """Return P(lens), the heat and the guided heat, and their figure."""
        from astroanomaly import interpret, plots

        model, image = self.detector.model, self._stretched()
        heat = interpret.grad_cam(model, image, pooled=False)
        guided = interpret.guided_grad_cam(model, image, pooled=False)
        value = float(self.detector.probability(self.one)[0])
        figure = plots.grad_cam(self.one, heat, guided, title=self.summary(value))
        return value, (heat, guided), figure

    def _stretched(self) -> np.ndarray:
        return self.detector.explain(self.one)["original"][0]

    def _progress(self, title: str):
        if self.bar is None:
            return None
        task = self.bar.add_task(title, total=None)
        return lambda done, total: self.bar.update(task, completed=done, total=total)
