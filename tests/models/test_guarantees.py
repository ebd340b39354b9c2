"""What every model promises: same bits, resume, any bands, rows alone, a detector."""

from inspect import signature
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from blobs import blobs

import astroanomaly as aa
from astroanomaly.models.autoencoders.aae import AAE
from astroanomaly.models.autoencoders.annealing import KLAnnealing
from astroanomaly.models.autoencoders.cvae import CVAE
from astroanomaly.models.autoencoders.dcae import DCAE
from astroanomaly.models.progressive.model import ProgressiveGAN
from astroanomaly.models.rbm.model import RBM
from astroanomaly.models.wgan_gp.model import WGANGP
from astroanomaly.runs.callbacks import Checkpoint, load_checkpoint

# Neither arguments nor optimizers are the defaults, so that a file must keep them.
# SmoothLens makes these promises in test_smooth_lens: it takes one band, and measures
# noise and prior after the last epoch, so that its checkpoints differ from its model.
MODELS = {
    WGANGP: {"latent_dim": 8, "width": 4, "kernel_size": 3, "n_critic": 2},
    RBM: {"n_hidden": 8, "weight_scale": 0.02},
    DCAE: {"latent_dim": 8, "weight_decay": 1e-4},
    CVAE: {"latent_dim": 8, "weight_decay": 1e-4},
    AAE: {"latent_dim": 8, "prior_scale": 2.0},
    # 16, 48, 48 and 64 images a level. After two epochs, 96 images, the third has
    # faded in by two thirds.
    ProgressiveGAN: {
        "latent_dim": 8,
        "fmap_base": 64,
        "fmap_max": 4,
        "fade_images": 48,
        "stable_images": (16, 0, 0, 16),
        "ema": 0.9,
    },
}
EPOCHS = 4
each_model = pytest.mark.parametrize("make", MODELS, ids=lambda cls: cls.__name__)


def small(make, image_shape=(32, 32, 1), seed=5, **kwargs):
    model = make(image_shape, seed=seed, **MODELS[make])
    names = [name for name in signature(model.compile).parameters if "optim" in name]
    rates = {"adversarial_optimizer": 1e-4}
    # A new graph for each level would take longer than the training.
    kwargs = {"run_eagerly": make is ProgressiveGAN, **kwargs}
    model.compile(
        **{
            name: keras.optimizers.Adam(rates.get(name, 2e-3), beta_2=0.99)
            for name in names
        },
        **kwargs,
    )
    return model


@pytest.fixture(scope="module")
def stretch():
    return aa.stretches.Asinh().adapt(blobs(128, 1))


@pytest.fixture(scope="module")
def images(stretch):
    """Give 48 stretched images."""
    return np.asarray(stretch(blobs(48, 1).images.astype(np.float32)))


class StopAfter(keras.callbacks.Callback):
    """Ends a training early; a growing GAN refuses fewer epochs than it needs."""

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch + 1 >= self.epochs


def train(model, images, epochs=EPOCHS, start=0, callbacks=()):
    annealing = [KLAnnealing(1, 2, 1e-5)] if hasattr(model, "beta") else []
    model.fit(
        aa.dataset(images, batch_size=16, seed=3, augment=True),
        initial_epoch=start,
        epochs=max(epochs, EPOCHS),
        verbose=0,
        callbacks=[*annealing, *callbacks, StopAfter(epochs)],
    )
    return model


@pytest.fixture(scope="module", params=MODELS, ids=lambda cls: cls.__name__)
def run(request, images, tmp_path_factory):
    """Train one model without a break, and one that stops after two epochs."""
    make, path = request.param, tmp_path_factory.mktemp("run") / "model.keras"
    early = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: early.append(whole.get_weights())
    )
    whole = small(make)
    train(whole, images, callbacks=[note])
    stopped = small(make)
    train(stopped, images, epochs=2, callbacks=[Checkpoint(path)])
    return SimpleNamespace(
        make=make, whole=whole, early=early, stopped=stopped, path=path
    )


def optimizers(model):
    kinds = ("critic_", "encoder_", "adversarial_", "")
    names = [f"{kind}optimizer" for kind in kinds]
    found = {name: getattr(model, name) for name in names if hasattr(model, name)}
    assert len(found) == {WGANGP: 2, AAE: 3, ProgressiveGAN: 3}.get(type(model), 1)
    return found


def outputs(model, images):
    """Compute what a detector uses: features, and images or drawn images."""
    drawn = model.reconstruct(images) if hasattr(model, "reconstruct") else None
    drawn = model.generate(5, seed=1) if drawn is None else drawn
    return {"features": model.features(images), "drawn": drawn}


def same(weights, others):
    return all(np.array_equal(a, b) for a, b in zip(weights, others, strict=True))


def settings(optimizer):
    config = optimizer.get_config()
    return {name: value for name, value in config.items() if name != "name"}


def assert_same_model(model, other):
    assert same(model.get_weights(), other.get_weights())
    theirs = optimizers(other)
    for name, optimizer in optimizers(model).items():
        assert settings(optimizer) == settings(theirs[name])
        assert len(optimizer.variables) > 2
        for a, b in zip(optimizer.variables, theirs[name].variables, strict=True):
            np.testing.assert_array_equal(a, b)


def test_same_seed_same_bits_and_other_seed_other_bits(run, images):
    assert same(run.stopped.get_weights(), run.early[1])
    other = train(small(run.make, seed=6), images, epochs=2)
    # Biases may agree; the kernels of the first layers must not.
    assert not same(other.get_weights(), run.early[1])
    first, others = run.stopped.trainable_variables[0], other.trainable_variables[0]
    assert not np.array_equal(first, others)


def test_a_file_keeps_outputs_and_optimizers(run, images, tmp_path):
    run.whole.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is run.make
    assert int(loaded.step) == 3 * EPOCHS
    assert_same_model(loaded, run.whole)
    expected = outputs(run.whole, images)
    for name, found in outputs(loaded, images).items():
        np.testing.assert_array_equal(found, expected[name])


def test_stop_and_go_on_equals_never_stopping(run, images):
    model, epoch, rows = load_checkpoint(run.path)
    assert (epoch, len(rows)) == (2, 2)
    assert_same_model(model, run.stopped)
    model.run_eagerly = run.whole.run_eagerly
    train(model, images, start=2)
    assert_same_model(model, run.whole)
    assert not same(model.get_weights(), run.early[1])


@each_model
@pytest.mark.parametrize("image_shape", [(32, 32, 3), (45, 45, 1)])
def test_any_bands_and_sizes(make, image_shape):
    images = np.random.default_rng(0).uniform(0, 1, (4, *image_shape))
    images = images.astype(np.float32)
    if make is ProgressiveGAN and image_shape[0] == 45:
        with pytest.raises(ValueError, match="power of two wide.* Received: 45"):
            small(make, image_shape)
        return
    model = small(make, image_shape, run_eagerly=True)
    if make is ProgressiveGAN:
        model.seen.assign(150)  # The last level, while it fades in.
    stop = StopAfter(1)
    data = aa.dataset(images, batch_size=4)
    history = model.fit(data, epochs=44, verbose=0, callbacks=[stop])
    assert all(np.isfinite(values).all() for values in history.history.values())
    found = outputs(model, images)
    assert found["drawn"].shape[1:] == image_shape
    assert found["features"].shape[0] == 4
    assert all(np.isfinite(np.asarray(x)).all() for x in found.values())


def rowwise(model):
    """Give the functions whose row i may depend on image i alone."""
    names = [name for name in ("features", "reconstruct") if hasattr(model, name)]
    return [getattr(model, name) for name in names]


def test_a_row_depends_on_its_own_image_alone(run, images):
    other = images[:8].copy()
    other[3:] = 1 - images[20:25]
    other[5] = np.nan
    for function in rowwise(run.whole):
        found = np.asarray(function(images[:8]))
        # Fixed places in a batch of fixed size, as when scoring: to the bit.
        np.testing.assert_array_equal(np.asarray(function(other))[:3], found[:3])
        np.testing.assert_array_equal(np.asarray(function(images[:8])), found)
        assert np.isnan(np.asarray(function(other))[5]).any()
        for i in (0, 6):
            alone = np.asarray(function(images[i : i + 1]))[0]
            np.testing.assert_allclose(found[i], alone, rtol=1e-4, atol=1e-5)


@each_model
def test_nan_stops_training_and_says_so(make, images):
    bad = images[:16].copy()
    bad[3, 0, 0, 0] = np.nan
    model = small(make, run_eagerly=True)
    sentence = "training stopped at epoch 1, batch 1: .* not a finite number"
    with pytest.raises(FloatingPointError, match=sentence):
        model.fit(aa.dataset(bad, batch_size=16), epochs=11, verbose=0)


@each_model
def test_config_makes_the_same_model_again(make):
    model = small(make, image_shape=[32, 32, 3])
    config = keras.saving.serialize_keras_object(model)
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == model.get_config()
    assert model.get_config().items() >= {**MODELS[make], "seed": 5}.items()
    assert same(again.get_weights(), model.get_weights())


@each_model
@pytest.mark.parametrize(
    ("image_shape", "sentence"),
    [
        ((64, 32, 1), r"`image_shape` must be .*square.* Received: \(64, 32, 1\)"),
        ((16, 16, 1), r"32 to 256 pixels. Received: \(16, 16, 1\)"),
        ((64, 64), r"`image_shape` must be \(ny, nx, n_bands\)"),
    ],
)
def test_bad_image_shapes_are_named(make, image_shape, sentence):
    with pytest.raises(ValueError, match=sentence):
        make(image_shape, **MODELS[make])


@each_model
def test_bad_sizes_and_counts_are_named(make):
    (name, *_) = MODELS[make]  # latent_dim or n_hidden
    for value in (0, 2.5):
        sentence = f"`{name}` must be an integer >= 1. Received: {value}"
        with pytest.raises(ValueError, match=sentence):
            make((32, 32, 1), **MODELS[make] | {name: value})
    model = make((32, 32, 1), **MODELS[make])
    if hasattr(model, "generate"):
        with pytest.raises(ValueError, match="`n` must be at least 1. Received: 0"):
            model.generate(0)


def test_works_in_a_detector(run, stretch, images, tmp_path):
    # A batch normalization's saved moments follow z late while z still grows, and
    # noise in z slows the first epochs. A growing GAN must have grown to full size.
    epochs = {DCAE: 48, CVAE: 48, ProgressiveGAN: 8}.get(run.make, 16)
    model = load_checkpoint(run.path)[0]
    model.run_eagerly = run.whole.run_eagerly
    train(model, images, epochs, start=2)
    search = None
    if run.make is WGANGP:
        search = aa.latent.Encoder(model)
        search.compile(run_eagerly=True)
        search.fit(aa.dataset(images, batch_size=16), epochs=2, verbose=0)
    detector = aa.AnomalyDetector(model, stretch, search)
    detector.calibrate(blobs(40, 2), levels=(90,))
    test = aa.concatenate([blobs(12, 3), blobs(1, 4, companion=True)])
    table = detector.score(test)
    assert table["object_id"][0] == "4-0"
    assert table["is_anomaly_90"][0]
    detector.save(tmp_path / "detector")
    again = aa.load_detector(tmp_path / "detector").score(test)
    assert list(again["object_id"]) == list(table["object_id"])
    for name in ("anomaly_score", "residual_score", "feature_score", "p_value"):
        np.testing.assert_array_equal(again[name], table[name])
