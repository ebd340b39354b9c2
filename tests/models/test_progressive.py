"""The growing GAN: losses, couplings and levels by hand; a detector; a resumed run."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from astropy.nddata import block_reduce
from blobs import blobs

import astroanomaly as aa
from astroanomaly.models import ProgressiveGAN
from astroanomaly.models.common.training import stateless_seed

IMAGES = np.random.default_rng(3).uniform(0, 1, (16, 32, 32, 1)).astype(np.float32)
BATCH = tf.constant(IMAGES[:8])
# 4 pixels until image 20, 8 until 80 (the first 40 fade in), 16 until 140, 32 after.
SCHEDULE = {"fade_images": 40, "stable_images": 20}
LEVEL_1 = 50  # 8 pixels, three quarters of the way through its fade.


def small(seen=LEVEL_1, optimizer=keras.optimizers.Adam, **kwargs):
    sizes = {"latent_dim": 6, "n_clusters": 3, "fmap_base": 32, "fmap_max": 4}
    gan = ProgressiveGAN((32, 32, 1), **{**sizes, **SCHEDULE, "seed": 5, **kwargs})
    gan.compile(*[optimizer(1e-3) for _ in range(3)], run_eagerly=True)
    gan.seen.assign(seen)
    return gan


class Stop(keras.callbacks.Callback):
    """Ends a training before its epochs are over."""

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch + 1 >= self.epochs


def data(n=16):
    return aa.dataset(IMAGES[:n], batch_size=8, seed=0)


def same(weights, others):
    return all(np.array_equal(a, b) for a, b in zip(weights, others, strict=True))


def drawn_z(gan, stream):
    return gan.prior.draw(8, stateless_seed(gan.seed, tf.constant(0, tf.int64), stream))


def mean(image, factor):
    return block_reduce(image, (1, factor, factor, 1), np.mean)


def larger(image, factor):
    return np.kron(image, np.ones((1, factor, factor, 1))).astype(np.float32)


def critic_parts(gan):
    """Compute by hand what the critic of an untrained model is updated with."""
    at = {"level": 1, "fade": 0.75}
    images = tf.constant(0.75 * mean(BATCH, 4) + 0.25 * larger(mean(BATCH, 8), 2))
    alpha = tf.random.stateless_uniform((8, 1, 1, 1), stateless_seed(5, 0, 1))
    fake = gan.generator(drawn_z(gan, 0), **at)
    mixed = alpha * images + (1 - alpha) * fake
    with tf.GradientTape() as tape:
        tape.watch(mixed)
        output = gan.critic(mixed, **at)
    norm = np.linalg.norm(tape.gradient(output, mixed).numpy().reshape(8, -1), axis=1)
    real, fake = (gan.critic(x, **at).numpy() for x in (images, fake))
    return np.mean((norm - 1) ** 2), real.mean() - fake.mean(), np.mean(real**2)


@pytest.fixture(scope="module")
def untrained():
    """Make a model that no test changes."""
    return small(latent="cluster")


def test_level_and_fade_follow_the_images_seen():
    gan, found = small(), []
    for seen in (0, 19, 20, 50, 79, 100, 140, 190, 10_000):
        gan.seen.assign(seen)
        found.append((gan.level_size, float(gan.fade())))
        assert gan.at()["level"] == gan.level_size.bit_length() - 3
    fading = [(8, 0), (8, 0.75), (8, 1), (16, 0.5), (32, 0)]
    assert found == [(4, 1), (4, 1), *fading, (32, 1), (32, 1)]


def test_images_shrink_to_a_level_as_it_fades_in(untrained):
    found = untrained.at_level(BATCH, 1, 0.75)
    expected = 0.75 * mean(BATCH, 4) + 0.25 * larger(mean(BATCH, 8), 2)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(untrained.at_level(BATCH, 0, 1.0), mean(BATCH, 8), 1e-5)
    np.testing.assert_allclose(untrained.at_level(BATCH, 3, 1.0), BATCH, atol=1e-6)


def test_critic_loss_by_hand():
    gan = small(drift=0.5, gradient_penalty_weight=7.0)
    penalty, distance, square = critic_parts(gan)
    logs = gan.train_step(BATCH)
    assert float(logs["gradient_penalty"]) == pytest.approx(penalty, rel=1e-4)
    assert float(logs["wasserstein"]) == pytest.approx(distance, abs=1e-5)
    expected = 7 * penalty - distance + 0.5 * square
    assert float(logs["critic_loss"]) == pytest.approx(expected, rel=1e-5)
    assert (logs["level"], float(logs["fade"])) == (8.0, 0.75)


def test_the_drift_term_is_its_weight_times_the_mean_square():
    gans = [small(drift=drift) for drift in (0.0, 1e5)]
    square = critic_parts(gans[0])[2]
    without, with_term = (float(gan.train_step(BATCH)["critic_loss"]) for gan in gans)
    assert with_term - without == pytest.approx(1e5 * square, rel=1e-4)


def test_critic_then_generator_then_encoder_one_step_each():
    gan, first = small(coupling="encoder_only"), small()
    logs = gan.train_step(BATCH)
    at = {"level": 1, "fade": 0.75}
    # The generator met the critic as it is after its step, the encoder both.
    fake = first.generator(drawn_z(gan, 2), **at)
    expected = -np.mean(gan.critic(fake, **at))
    assert float(logs["generator_loss"]) == pytest.approx(expected, rel=1e-4)
    fake = gan.generator(drawn_z(gan, 3), **at)
    again = gan.generator(first.encoder(fake, **at), **at)
    expected = np.mean(np.abs(fake - again))
    assert float(logs["encoder_loss"]) == pytest.approx(expected, rel=1e-4)
    optimizers = (gan.optimizer, gan.critic_optimizer, gan.encoder_optimizer)
    assert [int(optimizer.iterations) for optimizer in optimizers] == [1, 1, 1]
    assert (int(gan.step), int(gan.seen)) == (1, LEVEL_1 + 8)


def test_encoder_term_by_hand(untrained):
    gan, at = untrained, {"level": 1, "fade": 0.75}
    z = drawn_z(gan, 2)
    fake = gan.generator(z, **at)
    output = gan.encoder(fake, **at)
    found = tf.concat([output[:, :3], tf.nn.softmax(output[:, 3:])], axis=1)
    expected = np.mean(np.abs(fake - gan.generator(found, **at)))
    assert float(gan.encoder_loss(z, fake, at)) == pytest.approx(expected, rel=1e-5)


def test_the_cluster_coupling_compares_latent_vectors():
    gan, at = small(latent="cluster", coupling="cluster"), {"level": 1, "fade": 0.75}
    z = drawn_z(gan, 2)
    fake = gan.generator(z, **at)
    output = gan.encoder(fake, **at).numpy()
    squares = np.mean((output[:, :3] - z.numpy()[:, :3]) ** 2)
    chosen = np.sum(tf.nn.softmax(output[:, 3:]) * z[:, 3:], axis=1)
    expected = 10 * squares - 10 * np.mean(np.log(chosen))
    assert float(gan.encoder_loss(z, fake, at)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("coupling", ["encoder_only", "joint", "cluster"])
def test_what_the_encoder_term_trains(coupling):
    with_term, without = (
        small(coupling=coupling, encoder_weight=weight) for weight in (1.0, 0.0)
    )
    untouched = without.encoder.get_weights()
    for gan in (with_term, without):
        for _ in range(2):
            gan.train_step(BATCH)
    alone = coupling == "encoder_only"
    for name in ("generator", "critic", "generator_ema"):
        weights = [getattr(gan, name).get_weights() for gan in (with_term, without)]
        assert same(*weights) == alone
    assert same(without.encoder.get_weights(), untouched)
    assert not same(with_term.encoder.get_weights(), untouched)


def test_a_step_trains_the_weights_of_its_level_alone():
    gan = small(optimizer=keras.optimizers.SGD)
    networks = (gan.generator, gan.critic, gan.encoder)
    before = [network.get_weights() for network in networks]
    gan.train_step(BATCH)
    for network, old in zip(networks, before, strict=True):
        used = {id(weight) for weight in network.used_weights(1)}
        pairs = zip(network.weights, old, strict=True)
        changed = {id(w) for w, values in pairs if not np.array_equal(w, values)}
        assert changed <= used
        # A bias of the encoder or critic may stand still; no kernel may.
        kernels = {id(w) for w in network.used_weights(1) if w.name == "kernel"}
        assert kernels <= changed


def test_average_of_the_generator_by_hand():
    gan = small(ema=0.75)
    steps = [gan.generator.get_weights()]
    for _ in range(2):
        gan.train_step(BATCH)
        steps.append(gan.generator.get_weights())
    for found, *values in zip(gan.generator_ema.get_weights(), *steps, strict=True):
        expected = np.tensordot([0.75**2, 0.75 * 0.25, 0.25], values, 1)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    z = np.random.default_rng(0).standard_normal((3, 6)).astype(np.float32)
    image = gan.generator_ema(z, **gan.at())
    np.testing.assert_allclose(gan.decode(z), larger(image, 4), rtol=1e-6)
    assert np.abs(image - gan.generator(z, **gan.at())).max() > 1e-4


def test_generated_images_of_a_lower_level_are_blocks_of_pixels(untrained):
    gan = untrained
    images = gan.generate(3, seed=1)
    assert images.shape == (3, 32, 32, 1)
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images, larger(images[:, ::4, ::4], 4))
    # No larger: neighbors among the 8x8 pixels differ.
    assert (np.diff(images[0, ::4, ::4, 0], axis=0) != 0).all()
    np.testing.assert_array_equal(gan.generate(3, seed=1), images)
    assert not np.array_equal(gan.generate(3, seed=2), images)
    assert gan.generate(70).shape[0] == 70


def test_rows_alone_also_while_a_level_fades_in(untrained):
    gan, other = untrained, IMAGES[:4].copy()
    other[2:] = np.nan
    for function in (gan.encode, gan.reconstruct, gan.features):
        found = np.asarray(function(IMAGES[:4]))
        np.testing.assert_array_equal(np.asarray(function(other))[:2], found[:2])
    np.testing.assert_allclose(np.sum(gan.encode(IMAGES[:4])[:, 3:], axis=1), 1, 1e-5)
    np.testing.assert_array_equal(gan(IMAGES[:4]), gan.reconstruct(IMAGES[:4]))


def test_fit_runs_the_whole_schedule_and_history_tells_level_and_fade():
    gan = small(0, fade_images=8, stable_images=8)
    history = gan.fit(data(8), verbose=0).history  # One batch of 8 an epoch.
    assert history["level"] == [4, 8, 8, 16, 16, 32, 32]
    assert history["fade"] == [1, 0, 1, 0, 1, 0, 1]
    assert (gan.level_size, int(gan.seen)) == (32, 56)
    with pytest.raises(ValueError, match="`epochs` must be at least 7: .* Received: 6"):
        gan.fit(data(8), epochs=6)


def test_optimizers_forget_at_a_new_level():
    seen = []

    def note(batch, logs):
        for _, optimizer in gan._trained():
            sums = [float(tf.reduce_sum(tf.abs(v))) for v in optimizer.variables[2:]]
            seen.append((int(optimizer.iterations), sum(sums) > 0))
            assert float(optimizer.learning_rate) == pytest.approx(1e-3)

    gan = small(64)  # After two batches, at image 80, 16 pixels begin.
    stop = Stop(1)
    notes = keras.callbacks.LambdaCallback(on_train_batch_end=note)
    for _ in range(2):
        gan.fit(data(), epochs=13, verbose=0, callbacks=[notes, stop])
    assert gan.level_size == 16
    assert (
        seen == [(1, True)] * 3 + [(0, False)] * 3 + [(1, True)] * 3 + [(2, True)] * 3
    )


def test_one_trace_a_level_and_a_stop_in_the_middle_of_a_fade(monkeypatch, tmp_path):
    traced, train_step = [], ProgressiveGAN.train_step

    def counted(self, images):
        traced.append(self.level_size)
        return train_step(self, images)

    def save(epoch, logs):
        if epoch == 1:
            gan.save(tmp_path / "gan.keras")

    monkeypatch.setattr(ProgressiveGAN, "train_step", counted)
    # 72 images, the end of the second level but one batch; 48 more fade 16 pixels in.
    gan = small(
        72, latent="cluster", coupling="cluster", fade_images=48, stable_images=16
    )
    gan.run_eagerly = False
    early = keras.callbacks.LambdaCallback(on_epoch_end=save)
    history = gan.fit(data(), epochs=13, verbose=0, callbacks=[early, Stop(4)]).history
    assert history["level"] == [16] * 4
    np.testing.assert_allclose(history["fade"], [0, 1 / 3, 2 / 3, 1], atol=1e-6)
    assert traced == [8, 16]
    resumed = keras.saving.load_model(tmp_path / "gan.keras")
    assert int(resumed.seen) == 104
    assert float(resumed.fade()) == pytest.approx(0.5)
    resumed.fit(data(), initial_epoch=2, epochs=13, verbose=0, callbacks=[Stop(4)])
    assert traced == [8, 16, 16]
    assert same(resumed.get_weights(), gan.get_weights())
    for (_, ours), (_, theirs) in zip(resumed._trained(), gan._trained(), strict=True):
        assert same(ours.variables, theirs.variables)


def test_backup_and_restore_resumes_to_the_bit(tmp_path):
    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def fit(*callbacks):
        gan = small(0, **sizes)
        gan.fit(data(), epochs=5, verbose=0, callbacks=[*callbacks, Stop(3)])
        return gan

    # The level at which it goes on is not the one at which a new model starts.
    sizes = {"fade_images": (0, 48, 8, 8), "stable_images": (8, 0, 0, 0)}
    with pytest.raises(KeyboardInterrupt):
        fit(keras.callbacks.BackupAndRestore(tmp_path / "backup"), Kill())
    resumed = fit(keras.callbacks.BackupAndRestore(tmp_path / "backup"))
    unbroken = fit()
    assert same(resumed.get_weights(), unbroken.get_weights())
    for (_, a), (_, b) in zip(resumed._trained(), unbroken._trained(), strict=True):
        assert same(a.variables, b.variables)


@pytest.fixture(scope="module")
def scored():
    """Score blobs by a model at its last level; give it, images, scores."""
    gan, cutouts = small(1000, latent="cluster"), blobs(20, 1)
    stretch = aa.stretches.Asinh().adapt(cutouts)
    weight = gan.detector_weight(0.9)
    detector = aa.AnomalyDetector(gan, stretch, score="total", w=weight)
    table = detector.calibrate(blobs(20, 2), levels=(90,)).score(cutouts)
    order = [
        list(cutouts.table["object_id"]).index(name) for name in table["object_id"]
    ]
    return gan, np.asarray(stretch(cutouts.images.astype(np.float32)))[order], table


def test_total_score_is_the_published_one_by_the_detector_weight(scored):
    gan, images, table = scored
    at = {"level": 3, "fade": 1.0}
    output = gan.encoder(images, **at)
    z = tf.concat([output[:, :3], tf.nn.softmax(output[:, 3:])], axis=1)
    drawn = gan.generator_ema(z, **at)
    residual = np.mean(np.abs(images - drawn), axis=(1, 2, 3))
    trunks = [gan.critic.trunk(x, **at) for x in (images, drawn)]
    feature = np.sum(np.abs(trunks[0] - trunks[1]), axis=(1, 2, 3)) / np.sqrt(6)
    np.testing.assert_allclose(table["residual_score"], 1024 * residual, rtol=1e-4)
    np.testing.assert_allclose(table["feature_score"], feature, rtol=1e-3)
    published = 0.9 * feature + 0.1 * residual
    # (1 - w) 1024 L_res + w L_dis with w = 0.9 x 1024 / (0.9 x 1024 + 0.1).
    factor = 1024 / (0.9 * 1024 + 0.1)
    np.testing.assert_allclose(table["total_score"], factor * published, rtol=1e-3)
    assert (np.diff(published) <= 1e-4 * published.max()).all()


def test_the_latent_norm_is_in_the_table(scored):
    gan, images, table = scored
    expected = np.linalg.norm(gan.encode(images), axis=1)
    np.testing.assert_allclose(table["latent_norm"], expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"image_shape": (48, 48, 1)}, "must be a power of two wide.* Received: 48"),
        ({"n_clusters": 0}, "`n_clusters` must be an integer >= 1. Received: 0"),
        ({"fmap_base": 1.5}, "`fmap_base` must be an integer >= 1. Received: 1.5"),
        ({"fmap_max": 0}, "`fmap_max` must be an integer >= 1. Received: 0"),
        ({"encoder_weight": -1}, "`encoder_weight` must be finite and >= 0. Rec.* -1"),
        ({"drift": np.nan}, "`drift` must be finite and >= 0. Received: nan"),
        (
            {"gradient_penalty_weight": np.inf},
            "`gradient_penalty_weight` must be finite and >= 0. Received: inf",
        ),
        (
            {"coupling": "both"},
            "`coupling` must be one of joint, encoder_only, cluster. Received: both",
        ),
        ({"ema": 1.0}, r"`ema` must be within \(0, 1\). Received: 1.0"),
        ({"latent": "uniform"}, "`latent` must be one of gaussian, cluster. Received"),
        ({"latent": "cluster", "latent_dim": 10}, "must be above the 10 clusters"),
        ({"stable_images": (8, 8)}, "this schedule ends before the last level"),
    ],
)
def test_bad_arguments_are_named(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        ProgressiveGAN(**{"image_shape": (32, 32, 1), **arguments})
