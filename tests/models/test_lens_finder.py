"""The lens finder: loss, dropout, resume, outputs, a toy problem."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from astroanomaly.data.batches import labelled_dataset
from astroanomaly.models.lens_finder.model import LensFinder
from astroanomaly.runs.callbacks import Checkpoint, KeepBest, load_checkpoint

SIZE = 58
EPOCHS = 4
WEIGHTS = {0: 0.75, 1: 1.5}


def toy(n, seed):
    """Give noisy round blobs (0) and rings of the same size (1), anywhere."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    radius = rng.uniform(8, 14, (n, 1, 1))
    dx, dy = rng.uniform(-6, 6, (2, n, 1, 1))
    distance = np.hypot(x - dx, y - dy)
    labels = np.arange(n) % 2
    rings = np.exp(-(((distance - radius) / 2) ** 2))
    images = np.where(labels[:, None, None], rings, np.exp(-((distance / radius) ** 2)))
    images = images + 0.05 * rng.normal(size=images.shape)
    return np.clip(images, 0, 1)[..., None].astype(np.float32), labels


IMAGES, LABELS = toy(32, 1)
HELD_OUT, TRUTH = toy(24, 2)


def small(image_shape=(SIZE, SIZE, 1), seed=5, optimizer=None, weights=None, **kwargs):
    """Make a finder with no argument or optimizer as by default."""
    finder = LensFinder(image_shape, "ou66", seed, **{"dropout": 0.3, **kwargs})
    optimizer = optimizer or keras.optimizers.Adam(1e-3, beta_2=0.99)
    finder.compile(optimizer, class_weight=weights)
    return finder


def validation():
    return labelled_dataset(HELD_OUT, TRUTH, None, 16, shuffle=False, augment=False)


def train(finder, epochs=EPOCHS, start=0, callbacks=()):
    return finder.fit(
        labelled_dataset(IMAGES, LABELS, batch_size=8, seed=3),
        validation_data=validation(),
        initial_epoch=start,
        epochs=epochs,
        verbose=0,
        callbacks=list(callbacks),
    ).history


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Train one finder without a break, and one that stops after two epochs."""
    folder = tmp_path_factory.mktemp("run")
    early = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: early.append(whole.get_weights())
    )
    whole, keep = small(weights=WEIGHTS), KeepBest(folder / "whole.keras")
    history = train(whole, callbacks=[note, keep])
    stopped = small(weights=WEIGHTS)
    callbacks = [KeepBest(folder / "best.keras"), Checkpoint(folder / "run.keras")]
    train(stopped, epochs=2, callbacks=callbacks)
    return SimpleNamespace(
        folder=folder,
        whole=whole,
        keep=keep,
        early=early,
        stopped=stopped,
        history=history,
    )


# --- bits, files, resume --------------------------------------------------------


def test_same_seed_same_bits(run):
    assert same(run.stopped.get_weights(), run.early[1])
    assert not same(run.early[0], run.early[1])
    assert int(run.stopped.step) == 8


def test_stop_and_go_on_equals_never_stopping(run):
    finder, epoch, rows = load_checkpoint(run.folder / "run.keras")
    assert epoch == 2
    keep = KeepBest(run.folder / "best.keras")
    history = train(finder, start=epoch, callbacks=[keep])
    assert same(finder.get_weights(), run.whole.get_weights())
    assert same(finder.optimizer.variables, run.whole.optimizer.variables)
    for name, values in run.history.items():
        assert [row[name] for row in rows] + history[name] == values
    assert (keep.best, keep.best_epoch) == (run.keep.best, run.keep.best_epoch)
    assert same(keep.load().get_weights(), run.keep.load().get_weights())


def test_the_best_epoch_is_that_of_the_history(run):
    losses = run.history["val_loss"]
    assert run.keep.best == min(losses)
    assert run.keep.best_epoch == losses.index(min(losses)) + 1
    assert same(run.keep.load().get_weights(), run.early[run.keep.best_epoch - 1])


def test_a_file_keeps_everything(run, tmp_path):
    run.whole.threshold = 0.62
    run.whole.save(tmp_path / "finder.keras")
    loaded = keras.saving.load_model(tmp_path / "finder.keras")
    assert type(loaded) is LensFinder
    assert loaded.get_config() == run.whole.get_config()
    assert loaded.threshold == 0.62
    assert same(loaded.get_weights(), run.whole.get_weights())
    assert same(loaded.optimizer.variables, run.whole.optimizer.variables)
    assert loaded.optimizer.get_config() == run.whole.optimizer.get_config()
    for name in ("probability", "logit", "features"):
        expected = getattr(run.whole, name)(HELD_OUT)
        np.testing.assert_array_equal(getattr(loaded, name)(HELD_OUT), expected)
    # The class weights, too: the validation loss is that of the last epoch.
    loss, _ = loaded.evaluate(validation(), verbose=0)
    assert loss == run.history["val_loss"][-1]


def test_config_makes_the_same_finder_again():
    finder = small([60, 58, 3], seed=9, threshold=0.7)
    config = keras.saving.serialize_keras_object(finder)
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == finder.get_config()
    expected = {"network": "ou66", "seed": 9, "dropout": 0.3, "threshold": 0.7}
    assert again.get_config().items() >= expected.items()
    assert same(again.get_weights(), finder.get_weights())
    assert again.image_shape == (60, 58, 3)
    other = small([60, 58, 3], seed=10)
    assert not same(other.network.get_weights()[:1], finder.network.get_weights()[:1])


def test_arguments_are_published_by_default():
    finder = LensFinder()
    assert finder.image_shape == (200, 200, 4)
    assert (finder.network_name, finder.dropout) == ("ou200", 0.2)
    assert (finder.threshold, finder.last_convolution) == (0.5, "conv_6")
    assert sum(int(np.prod(w.shape)) for w in finder.trainable_weights) == 331_632
    finder.compile()
    assert type(finder.optimizer) is keras.optimizers.Adam
    assert float(finder.optimizer.learning_rate) == pytest.approx(3e-4)


# --- outputs --------------------------------------------------------------------


def test_outputs_agree_with_each_other_and_with_the_network(run):
    logits = np.asarray(run.whole.network(HELD_OUT), np.float64)
    odds = np.exp(logits)
    found = np.asarray(run.whole.probability(HELD_OUT))
    np.testing.assert_allclose(found, odds[:, 1] / odds.sum(axis=1), rtol=1e-5)
    difference = logits[:, 1] - logits[:, 0]
    np.testing.assert_allclose(run.whole.logit(HELD_OUT), difference, atol=1e-5)
    predicted = run.whole.predict(HELD_OUT, verbose=0)
    np.testing.assert_allclose(predicted, logits, atol=1e-5)
    # The features are what the two outputs weigh.
    kernel, bias = run.whole.network.get_layer("logits").get_weights()
    features = np.asarray(run.whole.features(HELD_OUT))
    assert features.shape == (24, 500)
    assert features.min() == 0
    np.testing.assert_allclose(features @ kernel + bias, logits, atol=1e-4)


def test_a_row_depends_on_its_own_image_alone(run):
    images, other = HELD_OUT[:8], HELD_OUT[:8].copy()
    other[3:] = 1 - HELD_OUT[12:17]
    other[5, 4, 4] = np.nan
    for function in (run.whole.probability, run.whole.logit, run.whole.features):
        found = np.asarray(function(images))
        np.testing.assert_array_equal(np.asarray(function(other))[:3], found[:3])
        np.testing.assert_array_equal(function(images), found)
        # A maximum passes over a NaN; the outputs must not.
        assert np.isnan(np.asarray(function(other))[5]).all()
        assert np.isfinite(np.asarray(function(other))[[0, 4, 6]]).all()
        alone = np.asarray(function(images[6:7]))[0]
        np.testing.assert_allclose(found[6], alone, rtol=1e-4, atol=1e-5)


def test_outputs_are_differentiable(run):
    images = tf.constant(HELD_OUT[:3])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(images)
        logit, probability = run.whole.logit(images), run.whole.probability(images)
    slope = np.asarray(tape.gradient(logit, images))
    p = np.asarray(probability)[:, None, None, None]
    expected = p * (1 - p) * slope
    found = np.asarray(tape.gradient(probability, images))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)
    # A step along the gradient changes the logit by its squared length.
    step = 1e-2 * slope / np.sqrt(np.sum(slope**2, axis=(1, 2, 3), keepdims=True))
    moved = np.asarray(run.whole.logit(images + step) - run.whole.logit(images - step))
    assert moved / 2 == pytest.approx(np.sum(slope * step, axis=(1, 2, 3)), rel=0.05)


def test_any_number_of_bands_and_both_networks():
    images = np.random.default_rng(0).random((2, 116, 117, 2))
    finder = LensFinder((116, 117, 2), "ou200")
    assert np.isfinite(finder.probability(images)).all()
    assert finder.features(images).shape == (2, 350)
    layer = finder.network.get_layer(finder.last_convolution)
    assert isinstance(layer, keras.layers.Conv2D)
    assert isinstance(finder.network.layers[-4], keras.layers.Conv2D)


# --- training -------------------------------------------------------------------


def test_the_loss_is_the_weighted_cross_entropy_of_numpy():
    finder = small(weights={0: 0.5, 1: 3.0})
    images, labels = IMAGES[:6], np.array([0, 0, 1, 0, 1, 1])
    logits = np.asarray(finder.network(images), np.float64)
    entropy = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(6), labels]
    expected = np.mean(np.array([0.5, 3.0])[labels] * entropy)
    loss, accuracy = finder.test_on_batch(images, labels)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert accuracy == pytest.approx(np.mean(logits.argmax(axis=1) == labels))
    extra = np.array([1.0, 0, 2, 0, 0, 1])
    found = finder.compute_loss(
        None, labels, finder.network(images), sample_weight=extra
    )
    expected = np.mean(extra * np.array([0.5, 3.0])[labels] * entropy)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_without_dropout_a_step_is_that_of_a_plain_keras_model():
    finder = small(optimizer=keras.optimizers.SGD(0.05), dropout=0.0)
    plain = keras.models.clone_model(finder.network)
    plain.set_weights(finder.network.get_weights())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    plain.compile(keras.optimizers.SGD(0.05), loss, run_eagerly=True)
    plain.train_on_batch(IMAGES[:8], LABELS[:8])
    finder.run_eagerly = True
    before = finder.network.get_weights()
    finder.train_on_batch(IMAGES[:8], LABELS[:8])
    assert not same(finder.network.get_weights(), before)
    for a, b in zip(finder.network.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert int(finder.step) == 1


def test_dropout_is_a_function_of_seed_step_and_layer():
    finder = small(dropout=0.2)
    ones = tf.ones((4, 50, 50, 10))
    dropped = np.asarray(finder._drop(ones, 0))
    # 100,000 values: one standard deviation of the share is 0.0013.
    assert np.mean(dropped == 0) == pytest.approx(0.2, abs=0.006)
    np.testing.assert_allclose(dropped[dropped > 0], 1.25)
    np.testing.assert_array_equal(finder._drop(ones, 0), dropped)
    others = [finder._drop(ones, 1), small(dropout=0.2, seed=6)._drop(ones, 0)]
    finder.step.assign(1)
    others.append(finder._drop(ones, 0))
    for other in others:
        agree = np.mean((np.asarray(other) == 0) == (dropped == 0))
        assert agree == pytest.approx(0.8**2 + 0.2**2, abs=0.01)


def test_dropout_follows_every_convolution_in_training_alone(monkeypatch):
    finder, shapes = small(), []

    def note(x, stream):
        shapes.append((stream, x.shape[1]))
        return x

    monkeypatch.setattr(finder, "_drop", note)
    finder(IMAGES[:2], training=False)
    assert shapes == []
    finder(IMAGES[:2], training=True)
    # 58: 56 -> 28, 26, 24, 22, 20 -> 10, 8, 6, 4, 2 -> 1
    assert shapes == list(enumerate([28, 26, 24, 22, 10, 8, 6, 4, 1]))


def test_every_epoch_sees_the_same_validation_batches():
    # Shuffled, turned, and one batch short: what nobody should validate with.
    shuffled = labelled_dataset(HELD_OUT, TRUTH, batch_size=16, seed=1)
    finder = small(optimizer=keras.optimizers.SGD(0.0))
    finder.run_eagerly = True
    data = labelled_dataset(IMAGES[:8], LABELS[:8], batch_size=8)
    history = finder.fit(data, validation_data=shuffled, epochs=2, verbose=0).history
    assert history["val_loss"][0] == history["val_loss"][1]
    assert history["loss"][0] != history["loss"][1]


def test_rings_are_told_from_blobs():
    finder = small(dropout=0.2)
    images, labels = toy(64, 3)
    data = labelled_dataset(images, labels, batch_size=8, seed=3)
    finder.fit(data, epochs=16, verbose=0)
    probability = np.asarray(finder.probability(HELD_OUT))
    assert np.mean((probability >= finder.threshold) == TRUTH) >= 0.95
    assert np.median(probability[TRUTH == 1]) > 0.9
    assert np.median(probability[TRUTH == 0]) < 0.1


# --- refusals -------------------------------------------------------------------


def test_nan_stops_training_and_says_so():
    bad = IMAGES[:8].copy()
    bad[3, 0, 0, 0] = np.nan
    finder = small()
    finder.run_eagerly = True
    data = tf.data.Dataset.from_tensor_slices((bad, LABELS[:8])).batch(8)
    sentence = "training stopped at epoch 1, batch 1: loss is not a finite number"
    with pytest.raises(FloatingPointError, match=sentence):
        finder.fit(data, epochs=1, verbose=0)


def test_images_of_another_shape_are_named():
    finder = small()
    sentence = r"`images` must have shape \(n, 58, 58, 1\). Received: shape \(2, 58, 58"
    for function in (finder, finder.probability, finder.logit, finder.features):
        with pytest.raises(ValueError, match=sentence):
            function(np.zeros((2, 58, 58, 3)))
    with pytest.raises(ValueError, match=r"Received: shape \(58, 58, 1\)"):
        finder.logit(np.zeros((58, 58, 1)))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"image_shape": (57, 57, 1)}, r"at least 58 pixels a side. Received: \(57"),
        ({"network": "ou99"}, "`network` must be one of ou200, ou66.*: 'ou99'"),
        ({"dropout": 1.0}, r"`dropout` must be within \[0, 1\). Received: 1.0"),
        ({"threshold": 1.5}, r"`threshold` must be within \[0, 1\]. Received: 1.5"),
        ({"threshold": np.nan}, "`threshold` must be .* Received: nan"),
    ],
)
def test_bad_arguments_are_named(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        LensFinder(**{"image_shape": (58, 58, 1), "network": "ou66", **arguments})


@pytest.mark.parametrize(
    "weights", [{1: 2.0}, {0: 1.0, 1: 0.0}, {0: 1.0, 1: np.inf}, {0: 1, 1: 1, 2: 1}]
)
def test_bad_class_weights_are_named(weights):
    finder = LensFinder((58, 58, 1), "ou66")
    with pytest.raises(ValueError, match="`class_weight` must give .* Received: {"):
        finder.compile(class_weight=weights)
