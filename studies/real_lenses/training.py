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
from astroanomaly.models import Committee, LensFinder, OneCycle
from astroanomaly.stretches import Asinh
from astroanomaly.stretches.sky import sky_noise
from astroanomaly.utils.files import atomic_path
from studies.real_lenses.frames import BAND, SEEN, SIDE

LOG = logging.getLogger("real_lenses")
CHANNELS = ("image", "faint", "subtracted")
RATE, EVERY = 1.5e-3, 400
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
    batch_size: int = 96
    # Of the non-lenses, the share that are those which another finder takes for lenses.
    mined: float = 0.0
    start: str | None = None


def stretch():
    """Return the stretch of every finder: of each frame, in units of its noise."""
    return Asinh(softening=10.0, per_image=True, sigmas=(-5, 1000), bands=(BAND,))


class Batches:
    """Endless batches, half of them lenses, in all orientations and places."""

    def __init__(self, own: Try, sets: dict, seed: int, hard=None):
        self.own, self.sets, self.hard = own, sets, hard
        self.rng = np.random.default_rng(seed)
        simulated = sets["simulated"]
        self.lenses = simulated["images"][simulated["label"]]
        self.others = simulated["images"][~simulated["label"]]

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
        y, x = self.rng.integers(0, SIDE - SEEN + 1, 2)
        return image[y : y + SEEN, x : x + SEEN]

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


def seen(images: np.ndarray) -> np.ndarray:
    """Return the middle of frames, as a network sees it."""
    low = (SIDE - SEEN) // 2
    return images[:, low : low + SEEN, low : low + SEEN]


def scorer(model, turns: int = 8):
    """Return a function from frames to their logits, the mean of their orientations."""
    if not isinstance(model, Committee):
        model = Committee([model], turns=turns)
    own = stretch()
    # Traced once: eight orientations make a large graph.
    one = tf.function(
        lambda batch: model.logit(own(batch)),
        input_signature=[tf.TensorSpec((None, SEEN, SEEN, 1))],
    )

    def score(images):
        parts = range(0, len(images), 64)
        found = [np.asarray(one(seen(images[k : k + 64]))) for k in parts]
        return np.concatenate(found) if found else np.zeros(0, "f4")

    return score


def hardest(model, sets: dict, n: int) -> np.ndarray:
    """Return the training non-lenses, real and simulated, of the highest logits."""
    simulated = sets["simulated"]
    pools = [sets["train"]["images"], simulated["images"][~simulated["label"]]]
    score, found = scorer(model, turns=1), []
    for pool in pools:
        order = np.argsort(-score(pool), kind="stable")
        found.append(pool[order[:n]])
    return np.concatenate(found)


def train(folder: Path, name: str, own: Try, sets: dict, seed: int) -> LensFinder:
    """Train a finder and keep it, or return the one that is kept."""
    path = folder / f"{name}_s{seed}"
    if path.with_suffix(".json").is_file():
        return keras.saving.load_model(path.with_suffix(".keras"))
    begun, model, hard = time.process_time(), None, None
    if own.start is not None:
        model = keras.saving.load_model(folder / f"{own.start}_s{seed}.keras")
        hard = hardest(model, sets, 150)
    if model is None:
        shape = (SEEN, SEEN, 1)
        model = LensFinder(shape, "small", seed, 0.0, channels=own.channels)
    rate = RATE if own.start is None else RATE / 3
    model.compile(keras.optimizers.Adam(OneCycle(rate, own.steps)))
    one = tf.TensorSpec((own.batch_size, SEEN, SEEN, 1))
    signature = one, tf.TensorSpec((own.batch_size,), tf.int32)
    batches = Batches(own, sets, seed, hard)
    data = tf.data.Dataset.from_generator(batches, output_signature=signature)
    layer, history = stretch(), []
    data = iter(data.map(lambda image, label: (layer(image), label)).prefetch(2))
    known, score = sets["validation"], scorer(model, turns=1)
    for done in range(0, own.steps, EVERY):
        n = min(EVERY, own.steps - done)
        losses = [model.train_on_batch(*next(data))[0] for _ in range(n)]
        arcs, others = (score(known[k]) for k in ("arcs", "images"))
        found = auc(np.repeat([1, 0], [len(arcs), len(others)]), [*arcs, *others])
        history.append(
            {"step": done + n, "loss": float(losses[-1]), "auc": found.value}
        )
        LOG.info("%s, seed %d: %s", name, seed, history[-1])
    model.save(path.with_suffix(".keras"))
    record = asdict(own) | {"seed": seed, "history": history}
    record["minutes"] = (time.process_time() - begun) / 60
    with atomic_path(path.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(record, indent=1), "utf-8")
    return model


def joined(members: list, known: dict) -> Committee:
    """Return a committee whose members' logits are calibrated on the validation set."""
    labels = np.repeat([1, 0], [len(known["arcs"]), len(known["images"])])
    images = np.concatenate([known["arcs"], known["images"]])
    curves = [
        ProbabilityCalibration().fit(labels, scorer(member)(images))
        for member in members
    ]
    return Committee(members, [(c.slope_, c.intercept_) for c in curves], turns=8)


def scores(model, sets: dict) -> dict[str, np.ndarray]:
    """Return the logits of all frames that are not trained on, by set."""
    found, score = {}, scorer(model)
    for name, one in sets.items():
        if name in ("train", "simulated"):
            continue
        for key in ("images", "arcs"):
            if key in one:
                found[f"{name}_{key}"] = score(one[key])
    return found
