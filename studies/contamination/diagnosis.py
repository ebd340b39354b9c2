"""Why a growing GAN finds little among lenses: its samples, its encoders, its scores.

One GAN of smooth lenses without contamination, and encoders trained in several ways.
"""

import logging
from pathlib import Path

import numpy as np
import tensorflow as tf
from astropy.table import Table
from sklearn.metrics import roc_auc_score

import astroanomaly as aa
from astroanomaly import evaluation
from astroanomaly.utils.keras_files import load_model
from studies import tables
from studies.contamination import trainings
from studies.contamination.robust import MeanImage
from studies.scoring import stretched
from studies.study import save

LOG = logging.getLogger("contamination")
# One training: the parts of a GAN, not the spread between GANs, are looked at.
SEED = 1
SHOWN = {
    "total": "total, w 0.1",
    "feature": "features",
    "mse": "squared error",
    "whitened": "whitened",
    "orthogonal": "orthogonal",
}
N_SAMPLES = 512
EPOCHS, LONGER = 2, 4  # of an encoder that is trained on the finished GAN
STEPS, RATE = 40, 0.1  # of the search that starts at E(x)


class Searched:
    """A GAN whose latent vectors are sought, from E(x), by the squared error."""

    def __init__(self, gan):
        self.gan, self.image_shape = gan, gan.image_shape
        self.features = gan.features

    def reconstruct(self, images):
        """Draw the vectors that are found in a fixed number of steps of Adam."""
        z = self.gan.encode(images)
        # The generator normalizes z; a length of sqrt(d) makes the steps alike.
        z = z * tf.sqrt(float(z.shape[1])) / tf.norm(z, axis=1, keepdims=True)
        return self.search(tf.convert_to_tensor(images), z)

    @tf.function(reduce_retracing=True)
    def search(self, images, z):
        """Return what the generator draws after the steps."""
        mean, square = tf.zeros_like(z), tf.zeros_like(z)
        for k in tf.range(1, STEPS + 1):
            with tf.GradientTape() as tape:
                tape.watch(z)
                loss = tf.reduce_sum((images - self.gan.decode(z)) ** 2)
            gradient = tape.gradient(loss, z)
            mean = 0.9 * mean + 0.1 * gradient
            square = 0.99 * square + 0.01 * gradient**2
            step = tf.cast(k, tf.float32)
            size = tf.sqrt(square / (1 - 0.99**step)) + 1e-8
            z = z - RATE * mean / (1 - 0.9**step) / size
        return self.gan.decode(z)


def diagnose(
    folder: Path, train, test, settings: dict, batch_size: int, rate: float
) -> None:
    """Write gan.keras, samples.ecsv and encoders.ecsv, those that are missing."""
    fitted = trainings.fit_stretch("Linear", train)
    batches = trainings.batches_of(train, fitted, batch_size, SEED)
    file = folder / "gan.keras"
    if file.is_file():
        gan = load_model(file)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        gan = aa.models.ProgressiveGAN(train.image_shape, seed=SEED, **settings)
        gan.compile(**trainings.growing_optimizers(rate))
        gan.fit(batches, verbose=0)
        gan.save(file)
    draw = evaluate(gan.decode)
    drawn = draw(np.asarray(gan.prior.draw(N_SAMPLES, (SEED, 0))))
    learned, images = stretched(fitted, train), stretched(fitted, test)
    if not (folder / "samples.ecsv").is_file():
        found = evaluation.sample_distance(learned[:N_SAMPLES], drawn, seed=SEED)
        save(shown(found), folder / "samples.ecsv")

    def retrained(data, epochs):
        optimizer = trainings.growing_optimizers(rate)["encoder_optimizer"]
        gan.fit_encoder(data, epochs=epochs, optimizer=optimizer, verbose=0)
        return gan

    def with_generated(real):
        z = gan.prior.draw(tf.shape(real)[0], (SEED, 1))
        return tf.concat([real, gan.decode(z)], axis=0)

    # In this order: the search starts from the encoder that is then trained longest.
    makers = {
        "none: the mean image": lambda: MeanImage(learned),
        "trained with the GAN": lambda: gan,
        "afterwards, real images": lambda: retrained(batches, EPOCHS),
        "afterwards, real and generated": lambda: retrained(
            batches.map(with_generated), EPOCHS
        ),
        "afterwards, real images, longer": lambda: retrained(batches, LONGER),
        "the last, and a search": lambda: Searched(gan),
    }
    if (folder / "encoders.ecsv").is_file():
        return
    labels, lines = np.asarray(test.table["is_anomaly"], bool), []
    # The sky of the test images: what no model can draw.
    noise = np.concatenate([images[:, :2], images[:, -2:]]).std()
    for name, make in makers.items():
        model = make()
        again = evaluate(model.reconstruct)
        scores = trainings.scores_of(model, fitted, train[:1000], test)
        left = [
            float(np.sqrt(np.mean((x - again(x)) ** 2)) / noise)
            for x in (drawn, images[~labels][:N_SAMPLES])
        ]
        areas = [float(roc_auc_score(labels, scores[kind])) for kind in SHOWN]
        LOG.info("%s: %s, %s", name, left, areas)
        lines.append((name, *left, *areas))
    heads = ["encoder", "G(z) less G(E(G(z)))", "lens less G(E(x))", *SHOWN.values()]
    columns = zip(*lines, strict=True)
    forms = ["", ".1f", ".1f", *(".3f" for _ in SHOWN)]
    found = Table(
        [
            tables.column(f"c{k}", values, head, form)
            for k, (values, head, form) in enumerate(
                zip(columns, heads, forms, strict=True)
            )
        ]
    )
    save(found, folder / "encoders.ecsv")


def shown(found: Table) -> Table:
    """Return distances of samples as the page shows them."""
    names = [str(name).replace("_", " ") for name in found["statistic"]]
    table = Table([tables.column("statistic", names)])
    ends = found["distance", "low", "high"].iterrows()
    table.add_columns(tables.span("distance", list(ends), form=".2f"))
    table["unit"] = [str(unit) for unit in found["unit"]]
    table.add_column(tables.column("floor", list(found["floor"]), form=".2f"))
    return table


def evaluate(function):
    """Return a function that takes images, or vectors, in parts."""

    def parts(rows):
        chunks = np.array_split(rows, -(-len(rows) // 256))
        return np.concatenate([np.asarray(function(chunk)) for chunk in chunks])

    return parts
