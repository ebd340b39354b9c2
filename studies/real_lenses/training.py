"""Finders trained on mixtures of painted, real and simulated frames."""

import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import astroanomaly.stretches.backend  # noqa: F401  # before Keras

# isort: split
import keras
import numpy as np
import tensorflow as tf
from scipy import ndimage

from astroanomaly.evaluation import auc
from astroanomaly.evaluation.classifier import ProbabilityCalibration
from astroanomaly.models import LensFinder, OneCycle
from astroanomaly.stretches import Asinh
from astroanomaly.stretches.sky import sky_noise
from astroanomaly.utils.files import atomic_path
from studies.lens_finder.sets import BANDS
from studies.real_lenses.frames import MARGIN, SIDE

LOG = logging.getLogger("real_lenses")
CHANNELS = ("image", "faint", "subtracted")
RATE, EVERY = 1.5e-3, 500
# Of neighbors: pixels from the middle, and brightness against their own in noise.
_AWAY, _FLUX = (6.0, 20.0), (0.3, 1.2)


@dataclass(frozen=True)
class Try:
    """How a finder is trained; the words say what it is on the page."""

    words: str
    steps: int
    channels: tuple[str, ...] = CHANNELS
    # Share of simulated frames (lens_survey); the rest are real galaxies.
    simulated: float = 0.4
    # Probability that a real galaxy gets real neighbors; half of it with arcs.
    neighbors: float = 0.5
    batch_size: int = 64
    bands: tuple[str, ...] = BANDS[:1]
    # Kinds of simulated non-lenses that are left out.
    without: tuple[str, ...] = ()
    # Of the non-lenses, the share that are those which another finder takes for lenses.
    mined: float = 0.0
    start: str | None = None


def stretch(bands=BANDS[:1]):
    """Return the stretch of every finder: of each frame, in units of its noise."""
    return Asinh(softening=10.0, per_image=True, sigmas=(-5, 1000), bands=bands)


def fits(images: np.ndarray, n_bands: int) -> bool:
    """Return whether frames have the bands: VIS alone is the first of four."""
    return images.shape[-1] >= n_bands


class Batches:
    """Endless batches, half of them lenses, in all orientations and places."""

    def __init__(self, own: Try, sets: dict, seed: int, hard=None):
        self.own, self.sets, self.hard = own, sets, hard
        self.rng = np.random.default_rng(seed)
        simulated = sets["simulated"]
        images = simulated["images"][..., : len(own.bands)]
        if len(own.bands) == 1:
            images = middle(images, SIDE)
        kept = ~np.isin(simulated["kind"], own.without)
        self.lenses = images[simulated["label"]]
        self.others = images[~simulated["label"] & kept]

    def __call__(self):
        """Yield images and labels without end."""
        n_simulated = int(self.own.batch_size * self.own.simulated / 2)
        real = self.sets["train"]
        while True:
            images, labels = [], []
            for k in range(self.own.batch_size // 2):
                pair = (self.lenses, self.others)
                if k >= n_simulated:
                    pair = (real["arcs"], real["images"])
                for label, pool in ((1, pair[0]), (0, pair[1])):
                    if label == 0 and self.rng.uniform() < self.own.mined:
                        pool = self.hard
                    image = pool[self.rng.integers(len(pool))]
                    if k >= n_simulated:
                        often = self.own.neighbors * (0.5 if label else 1.0)
                        image = self._with_neighbors(image, often, real["images"])
                    images.append(self._turned(image))
                    labels.append(label)
            yield np.array(images, "f4"), np.array(labels, "i4")

    def _turned(self, image):
        """Turn or mirror an image, and cut what a network sees out of it."""
        k = self.rng.integers(8)
        image = np.rot90(image, k % 4)
        image = image[::-1] if k > 3 else image
        y, x = self.rng.integers(0, MARGIN + 1, 2)
        side = len(image) - MARGIN
        return image[y : y + side, x : x + side]

    def _with_neighbors(self, image, often: float, others):
        """Add the light of one or two other galaxies beside the middle."""
        if self.rng.uniform() >= often:
            return image
        image, noise = image.copy(), sky_noise(image)
        for _ in range(self.rng.integers(1, 3)):
            other = np.rot90(others[self.rng.integers(len(others))], 1)[..., 0]
            own = sky_noise(other)
            light = other - np.percentile(other, 30)
            # Its sources alone: added sky would make the noise tell lenses apart.
            seen = ndimage.gaussian_filter(light, 1.0) > 0.7 * own
            light = np.where(seen, light, 0) * noise / own
            angle = self.rng.uniform(0, 2 * np.pi)
            away = self.rng.uniform(*_AWAY)
            shift = np.rint([away * np.sin(angle), away * np.cos(angle)])
            moved = ndimage.shift(light, shift, order=0)
            image[..., 0] += self.rng.uniform(*_FLUX) * moved
        return image


def middle(images: np.ndarray, side: int) -> np.ndarray:
    """Return the middle of frames."""
    low = (images.shape[1] - side) // 2
    return images[:, low : low + side, low : low + side]


def scorer(model, turns: int = 8):
    """Return a function from frames to their logits, the mean of their orientations.

    The finder is traced once and not for each orientation.
    """
    side, _, n_bands = model.image_shape
    own = stretch(BANDS[:n_bands])
    one = tf.function(
        lambda batch: model.logit(own(batch)),
        input_signature=[tf.TensorSpec((None, side, side, n_bands))],
    )

    def score(images):
        images = middle(images[..., :n_bands], side)
        total = np.zeros(len(images))
        for k in range(0, len(images), 64):
            for turn in range(turns):
                view = np.rot90(images[k : k + 64], turn % 4, axes=(1, 2))
                view = view[:, ::-1] if turn > 3 else view
                total[k : k + 64] += np.asarray(one(view))
        return total / turns

    return score


def known(score, sets: dict, n_bands: int) -> dict[str, tuple]:
    """Return labels and logits of the validation's frames by their kind."""
    real, simulated = sets["validation"], sets["simulated_validation"]
    found = {"simulated": (simulated["label"], score(simulated["images"]))}
    if fits(real["images"], n_bands):
        logits = [score(real[key]) for key in ("arcs", "images")]
        labels = np.repeat([True, False], [len(part) for part in logits])
        found["painted"] = labels, np.concatenate(logits)
    return found


def hardest(model, pools, n: int) -> np.ndarray:
    """Return the frames of the highest logits, `n` of each pool."""
    score, found = scorer(model, turns=1), []
    for pool in pools:
        order = np.argsort(-score(pool), kind="stable")
        found.append(pool[order[:n]])
    return np.concatenate(found)


def train(folder: Path, name: str, own: Try, sets: dict, seed: int) -> LensFinder:
    """Train a finder and keep it, or return the one that is kept."""
    path = folder / name
    if path.with_suffix(".json").is_file():
        return keras.saving.load_model(path.with_suffix(".keras"))
    begun, batches = time.process_time(), Batches(own, sets, seed)
    side, n_bands = batches.lenses.shape[1] - MARGIN, len(own.bands)
    if own.start is None:
        shape = (side, side, n_bands)
        model = LensFinder(shape, "small", seed, 0.0, channels=own.channels)
    else:
        model = keras.saving.load_model(folder / f"{own.start}.keras")
        pools = sets["train"]["images"], batches.others
        batches.hard = hardest(model, pools, 150)
    rate = RATE if own.start is None else RATE / 3
    model.compile(keras.optimizers.Adam(OneCycle(rate, own.steps)))
    one = tf.TensorSpec((own.batch_size, side, side, n_bands))
    signature = one, tf.TensorSpec((own.batch_size,), tf.int32)
    data = tf.data.Dataset.from_generator(batches, output_signature=signature)
    layer, history = stretch(own.bands), []
    data = iter(data.map(lambda image, label: (layer(image), label)).prefetch(2))
    score = scorer(model, turns=1)
    for done in range(0, own.steps, EVERY):
        n = min(EVERY, own.steps - done)
        losses = [float(model.train_on_batch(*next(data))[0]) for _ in range(n)]
        areas = {k: auc(*pair).value for k, pair in known(score, sets, n_bands).items()}
        history.append({"step": done + n, "loss": float(np.mean(losses)), **areas})
        LOG.info("%s, seed %d: %s", name, seed, history[-1])
    model.save(path.with_suffix(".keras"))
    record = asdict(own) | {"seed": seed, "history": history}
    record["minutes"] = (time.process_time() - begun) / 60
    with atomic_path(path.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(record, indent=1), "utf-8")
    return model


def line(logits: dict, sets: dict) -> tuple[float, float]:
    """Return slope and offset that calibrate a finder's logits on the validation."""
    label = sets["simulated_validation"]["label"]
    values, labels = [logits["simulated_validation_images"]], [label]
    for key, is_lens in (("validation_arcs", True), ("validation_images", False)):
        if key in logits:
            values.append(logits[key])
            labels.append(np.full(len(logits[key]), is_lens))
    curve = ProbabilityCalibration()
    curve.fit(np.concatenate(labels), np.concatenate(values))
    # Of a trial of three steps the slope may be below zero.
    return max(curve.slope_, 1e-3), curve.intercept_


def scores(model, sets: dict, turns: int) -> dict[str, np.ndarray]:
    """Return the logits of all frames that are not trained on, by set."""
    score, n_bands = scorer(model, turns), model.image_shape[2]
    return {
        f"{name}_{key}": score(one[key])
        for name, one in sets.items()
        for key in ("images", "arcs")
        if name not in ("train", "simulated") and key in one and fits(one[key], n_bands)
    }
