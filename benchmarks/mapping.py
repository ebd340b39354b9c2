"""Time the latent searches against a loop that trains one Keras network per image.

The loop is the straightforward form of the source paper's search: a dense Keras
network, 500 Adam iterations through one traced function, and a reset of the weights
for each image. Mapping, Mapping with an encoder, and Refine search for the z of the
same images in the same GAN, in turn with the loop.
"""

import time

import numpy as np
from harness import Report, parse, ratio, show
from scipy.stats import spearmanr


class NaiveLoop:
    """Train one Keras network per image, one after another.

    Parameters
    ----------
    plain : Mapping
        Result of :meth:`Mapping.plain`: settings, noise vector, first weights.
    eager : bool, optional
        Do not use ``tf.function``.
    """

    def __init__(self, plain, eager: bool = False):
        import keras
        import tensorflow as tf

        self.gan, self.w = plain.gan, plain.w
        self.noise, self.first = plain.first_weights()
        d = self.gan.latent_dim
        hidden = [
            keras.layers.Dense(d, activation="relu") for _ in range(plain.n_layers - 1)
        ]
        self.network = keras.Sequential([*hidden, keras.layers.Dense(d)])
        self.network.build((1, d))
        first, second = plain.betas
        # The epsilon of the package's searches; that of Keras is ten times larger.
        self.optimizer = keras.optimizers.Adam(
            plain.learning_rate, beta_1=first, beta_2=second, epsilon=1e-8
        )
        self.optimizer.build(self.network.trainable_variables)
        self.best_loss, self.best_z = tf.Variable(0.0), tf.Variable(tf.zeros((1, d)))
        self.step = self._step if eager else tf.function(self._step)

    def _step(self, image, features, noise) -> None:
        import tensorflow as tf

        from astroanomaly.latent.objective import image_losses

        weights = self.network.trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([weight.value for weight in weights])
            z = self.network(noise)
            residual, feature = image_losses(self.gan, image, features, z)
            loss = (1 - self.w) * residual[0] + self.w * feature[0]
        better = loss < self.best_loss
        self.best_loss.assign(tf.where(better, loss, self.best_loss))
        self.best_z.assign(tf.where(better, z, self.best_z))
        self.optimizer.apply(tape.gradient(loss, weights), weights)

    def search(self, images, iterations: int = 500) -> np.ndarray:
        """Return each image's z with the lowest loss."""
        import tensorflow as tf

        noise = tf.constant(self.noise[None])
        found = []
        for row in range(len(images)):
            self._reset()
            image = tf.constant(images[row : row + 1])
            features = self.gan.features(image)
            for _ in range(iterations):
                self.step(image, features, noise)
            found.append(self.best_z.numpy()[0])
        return np.stack(found)

    def _reset(self) -> None:
        import tensorflow as tf

        # A new optimizer for each image would mean a new trace: clear this one.
        self.network.set_weights(self.first)
        for variable in self.optimizer.variables:
            if variable is not self.optimizer.learning_rate:
                variable.assign(tf.zeros_like(variable.value))
        self.best_loss.assign(np.inf)


def total_scores(gan, images: np.ndarray, z: np.ndarray, w: float) -> np.ndarray:
    """Compute the total score of each image, in the same way for all searches."""
    from astroanomaly.latent.objective import image_losses
    from astroanomaly.utils.chunks import padded_chunks

    scores = []
    for (image, n), (vector, _) in zip(
        padded_chunks(images), padded_chunks(z), strict=True
    ):
        residual, feature = image_losses(gan, image, gan.features(image), vector)
        scores.append(((1 - w) * residual + w * feature).numpy()[:n])
    return np.concatenate(scores).astype(np.float64)


class Searches:
    """Run the compared searches; keep their times and the z they find."""

    def __init__(self, detector, images: np.ndarray, args):
        from astroanomaly.latent import Mapping, Refine

        self.images, self.group, self.gan = images, args.group, detector.model
        self.iterations = args.iterations
        encoder = detector.encoder
        self.plain = Mapping.plain(self.gan)
        self.naive = NaiveLoop(self.plain)
        self.batched = {
            "Mapping": Mapping(self.gan),
            "Mapping, encoder's start": Mapping(self.gan, encoder=encoder),
            "Refine": Refine(encoder),
            f"Refine, {args.refine_steps} steps at {args.refine_rate}": Refine(
                encoder, n_steps=args.refine_steps, learning_rate=args.refine_rate
            ),
        }
        self.z: dict[str, np.ndarray] = {"naive loop": np.zeros((0, 0))}
        self.seconds: dict[str, list] = {n: [] for n in ("naive loop", *self.batched)}

    def run(self) -> None:
        """Time the loop on a group of images, then each search on all; repeat."""
        # The first call traces the functions: it is not timed.
        self.naive.search(self.images[:1], iterations=2)
        for search in self.batched.values():
            search.search(self.images[:1])
        parts = []
        for first in range(0, len(self.images), self.group):
            group = self.images[first : first + self.group]
            start = time.perf_counter()
            parts.append(self.naive.search(group, self.iterations))
            self.seconds["naive loop"].append(
                (time.perf_counter() - start) / len(group)
            )
            for name, search in self.batched.items():
                self.z[name], seconds = timed(search, self.images)
                self.seconds[name].append(seconds)
        self.z["naive loop"] = np.concatenate(parts)

    def scores(self) -> dict[str, np.ndarray]:
        """Return the total score of each image for each search."""
        return {
            name: total_scores(self.gan, self.images, z, self.plain.w)
            for name, z in self.z.items()
        }


def timed(search, images) -> tuple[np.ndarray, float]:
    """Return z and the seconds per image of a search."""
    start = time.perf_counter()
    z = search.search(images)[0]
    return z, (time.perf_counter() - start) / len(images)


def comparison(searches: Searches, scores: dict) -> list[dict]:
    reference = scores["naive loop"]
    rows = []
    for name, score in scores.items():
        difference = score / reference - 1
        rows.append(
            {
                "search": name,
                "s/image": float(np.median(searches.seconds[name])),
                "times faster than the loop": ratio(
                    searches.seconds["naive loop"], searches.seconds[name]
                ),
                "total score: mean difference (%)": 100 * float(difference.mean()),
                "largest difference (%)": 100 * float(np.abs(difference).max()),
                "Spearman, loop": float(spearmanr(score, reference)[0]),
                "Spearman, Mapping": float(spearmanr(score, scores["Mapping"])[0]),
            }
        )
    return rows


def scan(searches: Searches, scores: dict, args) -> list[dict]:
    """Time and score Refine at several numbers of steps and learning rates."""
    from astroanomaly.latent import Refine

    naive = np.median(searches.seconds["naive loop"])
    encoder = searches.batched["Refine"].encoder
    rows = []
    for steps in args.steps:
        for rate in args.rates:
            search = Refine(encoder, n_steps=steps, learning_rate=rate)
            search.search(searches.images[:1])
            z, seconds = timed(search, searches.images)
            score = total_scores(searches.gan, searches.images, z, search.w)
            rows.append(
                {
                    "n_steps": steps,
                    "learning_rate": rate,
                    "times faster than the loop": float(naive / seconds),
                    "mean difference (%)": 100
                    * float((score / scores["naive loop"] - 1).mean()),
                    "Spearman, loop": float(spearmanr(score, scores["naive loop"])[0]),
                    "Spearman, Mapping": float(spearmanr(score, scores["Mapping"])[0]),
                }
            )
    return rows


def verdict(rows: list[dict]) -> str:
    """Say which setting of Refine ranks as Mapping does, fastest first."""
    # 0.95 is the aim in benchmarks/README.md.
    good = [row for row in rows if row["Spearman, Mapping"] >= 0.95]
    if not good:
        return "Refine: no setting in this scan reaches a Spearman correlation of 0.95"
    first = max(good, key=lambda row: row["times faster than the loop"])
    return (
        "Refine: a Spearman correlation of 0.95 with Mapping is reached fastest by "
        f"n_steps={first['n_steps']}, learning_rate={first['learning_rate']}: "
        f"{first['times faster than the loop']:.0f} times faster than the loop"
    )


def test_images(detector, n: int, seed: int) -> np.ndarray:
    """Simulate galaxies, half of them with a companion, and stretch them."""
    from astroanomaly import simulate

    cutouts = simulate.galaxies(
        n,
        size=detector.image_shape[0],
        companion_fraction=0.5,
        flux_ratio=(0.1, 1.0),
        # Not the galaxies of the training set.
        seed=seed + 1000,
    )
    return np.asarray(detector.stretch(cutouts.images))


def main(argv=None) -> dict:
    """Measure, write and show the result."""
    args = parse(
        argv,
        __doc__,
        detector=(None, None),
        n=(32, 4),
        iterations=(500, 50),
        group=(8, 2),
        n_train=(1024, 64),
        epochs=(12, 1),
        size=(64, 32),
        width=(16, 4),
        refine_steps=(50, 2),
        refine_rate=(0.3, 0.3),
        steps=([20, 40, 50, 60], [2]),
        rates=([0.05, 0.1, 0.2, 0.3], [0.05]),
    )
    report = Report("mapping", "Latent searches against the naive loop", args)
    if args.detector:
        import astroanomaly as aa

        detector = aa.load_detector(args.detector)
        report.note("the detector was trained earlier and passed with --detector")
    else:
        from detectors import trained

        detector = trained(args.seed, args.n_train, args.epochs, args.size, args.width)
    images = test_images(detector, args.n, args.seed)
    searches = Searches(detector, images, args)
    searches.run()
    scores = searches.scores()
    shape = f"{detector.model.width} filters, latent {detector.model.latent_dim}"
    report.table(
        f"{args.n} images of {detector.image_shape[0]} pixels, {shape}, "
        f"{args.iterations} iterations of the loop",
        comparison(searches, scores),
    )
    rows = scan(searches, scores, args)
    report.table(
        "Refine: steps and learning rate (timed once each, after the rest)", rows
    )
    report.note(verdict(rows))
    # Some ten times slower: a tenth of the iterations on one image is enough.
    eager = NaiveLoop(searches.plain, eager=True)
    start = time.perf_counter()
    eager.search(images[:1], iterations=args.iterations // 10)
    report.note(
        "the loop without tf.function: "
        f"{10 * (time.perf_counter() - start):.3g} s/image (from one image, "
        f"{args.iterations // 10} iterations)"
    )
    return report.write()


if __name__ == "__main__":
    show(main())
