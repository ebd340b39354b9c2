"""What DCAE and CVAE share: weight decay, resume to the bit, refusals."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from astroanomaly.data.batches import dataset
from astroanomaly.models.autoencoders import base
from astroanomaly.models.autoencoders.annealing import KLAnnealing
from astroanomaly.models.autoencoders.cvae import CVAE
from astroanomaly.models.autoencoders.dcae import DCAE
from astroanomaly.models.common.schedules import OneCycle

BOTH = pytest.mark.parametrize("kind", [DCAE, CVAE])
IMAGES = np.random.default_rng(3).uniform(0, 1, (24, 32, 32, 2)).astype(np.float32)


def small(kind, optimizer=None, **kwargs):
    model = kind((32, 32, 2), latent_dim=8, **{"seed": 5} | kwargs)
    model.compile(optimizer)
    return model


def batches(images=IMAGES):
    return dataset(images, batch_size=8, augment=True)


def train(model, first, last):
    callbacks = [KLAnnealing(1, 2, 1e-3)] if isinstance(model, CVAE) else []
    return model.fit(
        batches(), initial_epoch=first, epochs=last, verbose=0, callbacks=callbacks
    ).history


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_weight_decay_is_that_of_adam_in_pytorch():
    # Algorithm of torch.optim.Adam with weight_decay, written out in float64.
    rate, decay, first, second, epsilon = 0.1, 0.5, 0.9, 0.999, 1e-8
    values, gradient = np.array([1.0, -2.0, 0.5]), np.array([-0.4, 0.3, 0.0])
    weight = keras.Variable(values, dtype="float32")
    adam = keras.optimizers.Adam(rate, epsilon=epsilon)
    momentum = variance = 0.0
    for t in range(1, 6):
        total = gradient + decay * values
        momentum = first * momentum + (1 - first) * total
        variance = second * variance + (1 - second) * total**2
        corrected = momentum / (1 - first**t)
        spread = np.sqrt(variance / (1 - second**t)) + epsilon
        values = values - rate * corrected / spread
        decayed = base.add_weight_decay(
            [tf.constant(gradient, tf.float32)], [weight], decay
        )
        adam.apply(decayed, [weight])
    np.testing.assert_allclose(weight, values, rtol=5e-4)


@BOTH
def test_every_trained_weight_decays(kind):
    plain, decayed = (
        small(kind, keras.optimizers.SGD(1.0), weight_decay=decay)
        for decay in (0.0, 0.25)
    )
    for model in (plain, decayed):
        for weight in model.trainable_variables:
            if len(weight.shape) == 1:  # biases, which began at 0
                weight.assign_add(keras.ops.full(weight.shape, 0.1))
    before = [weight.numpy() for weight in plain.trainable_variables]
    losses = [model.train_step(tf.constant(IMAGES[:8])) for model in (plain, decayed)]
    for old, a, b in zip(
        before, plain.trainable_variables, decayed.trainable_variables, strict=True
    ):
        np.testing.assert_allclose(a - b, 0.25 * old, atol=2e-6)
    assert float(losses[0]["loss"]) == float(losses[1]["loss"])


@BOTH
def test_stop_and_resume_equals_never_stopping(kind, tmp_path):
    unbroken = small(kind, keras.optimizers.Adam(OneCycle(2e-3, 12)))
    history = train(unbroken, 0, 4)
    first = small(kind, keras.optimizers.Adam(OneCycle(2e-3, 12)))
    train(first, 0, 2)
    first.save(tmp_path / "model.keras")
    second = keras.saving.load_model(tmp_path / "model.keras")
    assert int(second.step) == int(second.optimizer.iterations) == 6
    assert second.get_config() == first.get_config()
    np.testing.assert_array_equal(second.reconstruct(IMAGES), first.reconstruct(IMAGES))
    rest = train(second, 2, 4)
    assert {name: values[2:] for name, values in history.items()} == rest
    assert same(second.get_weights(), unbroken.get_weights())
    assert same(second.optimizer.variables, unbroken.optimizer.variables)
    rate = OneCycle(2e-3, 12)(12)
    assert float(second.optimizer.learning_rate) == float(rate)


@BOTH
def test_backup_and_restore_resumes_to_the_bit(kind, tmp_path):
    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    unbroken = small(kind)
    unbroken.fit(batches(), epochs=3, verbose=0)
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(KeyboardInterrupt):
        small(kind).fit(batches(), epochs=3, verbose=0, callbacks=[backup, Kill()])
    resumed = small(kind)
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    resumed.fit(batches(), epochs=3, verbose=0, callbacks=[backup])
    assert same(resumed.get_weights(), unbroken.get_weights())


@BOTH
def test_a_row_depends_on_its_image_alone(kind):
    model = small(kind)
    train(model, 0, 1)
    alone = [model.reconstruct(IMAGES[i : i + 1])[0] for i in range(8)]
    others = np.concatenate([IMAGES[:8], 100 * IMAGES[8:]])
    np.testing.assert_allclose(model.reconstruct(others)[:8], alone, atol=1e-5)
    np.testing.assert_allclose(
        model.features(others)[:8], model.encode(IMAGES[:8]), atol=1e-5
    )
    others[20, 0, 0, 0] = np.nan
    broken = np.isnan(model.reconstruct(others)).all(axis=(1, 2, 3))
    assert np.flatnonzero(broken).tolist() == [20]
    np.testing.assert_allclose(model.reconstruct(others)[:8], alone, atol=1e-5)
    assert model.features(IMAGES).shape == (24, 8)
    assert model.reconstruct(IMAGES).shape == IMAGES.shape


@BOTH
def test_reconstruct_is_decode_of_encode(kind):
    model = small(kind)
    expected = model.decode(model.encode(IMAGES))
    np.testing.assert_array_equal(model.reconstruct(IMAGES), expected)
    np.testing.assert_array_equal(model.reconstruct(IMAGES), model(IMAGES))
    predicted = model.predict(IMAGES, verbose=0, batch_size=24)
    np.testing.assert_allclose(predicted, expected, atol=1e-6)


@BOTH
def test_a_training_is_traced_once(kind, monkeypatch):
    model, calls = small(kind), []
    original = model.compute_losses

    def counted(*args, **kwargs):
        calls.append(0)
        return original(*args, **kwargs)

    monkeypatch.setattr(model, "compute_losses", counted)
    train(model, 0, 1)
    traced = len(calls)
    train(model, 1, 4)
    assert len(calls) == traced == 1


@BOTH
def test_validation_losses_are_those_of_scoring(kind):
    model = small(kind)
    losses = model.evaluate(batches(), verbose=0, return_dict=True)
    error = np.mean((IMAGES - np.asarray(model.reconstruct(IMAGES))) ** 2)
    assert losses["loss"] == pytest.approx(error, rel=0.01)  # its turns differ


@BOTH
def test_nan_stops_training_and_says_so(kind):
    bad = IMAGES.copy()
    bad[3, 0, 0, 0] = np.nan
    sentence = "stopped at epoch 1, batch .*loss.*not a finite number"
    with pytest.raises(FloatingPointError, match=sentence):
        small(kind).fit(batches(bad), epochs=3, verbose=0)


@BOTH
def test_the_published_architecture_is_the_default(kind):
    config = kind().get_config()
    assert config["image_shape"] == (150, 150, 1)
    assert config["latent_dim"] == 1000
    assert config["weight_decay"] == 1e-5


@BOTH
def test_the_default_optimizer_is_adam_at_2e_3(kind):
    optimizer = small(kind).optimizer
    assert type(optimizer) is keras.optimizers.Adam
    assert float(optimizer.learning_rate) == pytest.approx(2e-3)


@BOTH
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"latent_dim": 0}, "`latent_dim` must be an integer >= 1. Received: 0"),
        ({"latent_dim": 2.5}, "`latent_dim` must be an integer >= 1. Received: 2.5"),
        ({"weight_decay": -1}, "`weight_decay` must be finite and >= 0. Received: -1"),
        ({"weight_decay": np.nan}, "`weight_decay` must be finite and >= 0"),
        ({"image_shape": (64, 32, 1)}, "square image of 32 to 256 pixels"),
    ],
)
def test_bad_arguments_are_named(kind, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        kind(**arguments)
