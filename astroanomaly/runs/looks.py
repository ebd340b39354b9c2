"""The three looks into a detector: what is computed, and how it is drawn."""

import numpy as np

from astroanomaly import interpret, plots
from astroanomaly.detector.lens import ClassifierDetector
from astroanomaly.plots.display import number
from astroanomaly.plots.interpret import ANOMALY_LABELS, LENS_LABELS


class Look:
    """Look at one object, or at noise, as a detector does.

    Parameters
    ----------
    detector : ClassifierDetector or AnomalyDetector
        What looks.
    one : Cutouts or None
        One object with the detector's bands; None for noise.
    logit : bool
        Look at a finder's logit and not at P(lens).
    bar : rich.progress.Progress or None
        Shows what is done.
    """

    def __init__(self, detector, one, logit: bool = False, bar=None):
        self.detector, self.one, self.bar = detector, one, bar
        self.finder = isinstance(detector, ClassifierDetector)
        self.logit, self.limits = logit, None
        self.output_name = "logit" if logit else f"{detector.score_name} score"
        if self.finder and not logit:
            self.output_name, self.limits = "P(lens)", (0, 1)
        self.object_id = "" if one is None else str(one.object_ids[0])

    def summary(self, value: float) -> str:
        """Give the object and its output in words."""
        name = self.object_id or "noise"
        return f"{name}: {self.output_name} {number(value, self.limits)}"

    def occlusion(self, mask_size: int, stride: int | None, per_band: bool):
        """Give the unmasked output, the map and its figure."""
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
        """Give the output of the first image, both dreams and their figure."""
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
        """Give P(lens), the heat and the guided heat, and their figure."""
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
