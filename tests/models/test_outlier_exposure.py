"""Outlier exposure: a step in numpy, plain training, planted anomalies."""

import inspect
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from astropy.table import Table

import astroanomaly as aa
from astroanomaly.models import AAE, CVAE, DCAE, RBM, WGANGP
from astroanomaly.models.autoencoders.outlier_exposure import OutlierExposure
from astroanomaly.runs.callbacks import Checkpoint, load_checkpoint

IMAGES = np.random.default_rng(3).uniform(0, 1, (48, 32, 32, 1)).astype(np.float32)
KINDS = {DCAE: {"weight_decay": 1e-3}, CVAE: {"weight_decay": 1e-3}, AAE: {}}
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda cls: cls.__name__)


def wrapped(kind=DCAE, optimizer=None, **kwargs):
    model = kind((32, 32, 1), latent_dim=8, seed=5, **KINDS[kind])
    refined = OutlierExposure(model, **kwargs)
    refined.compile(optimizer)
    return refined


def batches(images=IMAGES, size=16):
    return aa.dataset(images, batch_size=size, seed=3, augment=True)


def refine(model, epochs=2, start=0, callbacks=()):
    return model.fit(
        batches(),
        initial_epoch=start,
        epochs=epochs,
        verbose=0,
        callbacks=list(callbacks),
    ).history


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


# --- a step, and its unit -------------------------------------------------------


def test_a_step_reports_what_numpy_computes():
    refined = wrapped(mode="hard", training_contamination=0.25)
    refined.measure_scale(IMAGES)
    batch = IMAGES[:8].copy()
    batch[5] = 1 - batch[5] ** 4
    drawn = np.asarray(refined.model(batch, training=True), np.float64)
    normal = np.mean((batch - drawn) ** 2, axis=(1, 2, 3)) / float(refined.scale)
    flagged = np.isin(np.arange(8), np.argsort(normal)[-2:])
    assert flagged[5]
    logs = refined.train_step(tf.constant(batch))
    expected = {
        "loss": np.where(flagged, 1 / normal, normal).mean(),
        "normal_loss": normal[~flagged].mean(),
        "exposed_loss": (1 / normal[flagged]).mean(),
        "exposed": normal[flagged].mean() / normal[~flagged].mean(),
    }
    assert list(logs) == list(expected)
    for name, value in expected.items():
        assert float(logs[name]) == pytest.approx(value, rel=1e-5), name


def test_scale_is_the_mean_error_before_the_refinement():
    refined = wrapped()
    drawn = np.asarray(refined.model.reconstruct(IMAGES), np.float64)
    errors = np.mean((IMAGES - drawn) ** 2, axis=(1, 2, 3))
    assert refined.measure_scale(IMAGES) == pytest.approx(errors.mean(), rel=1e-6)
    assert refined.measure_scale(aa.dataset(IMAGES, batch_size=16)) == pytest.approx(
        errors.mean(), rel=1e-6
    )
    assert float(refined.scale) == pytest.approx(errors.mean(), rel=1e-6)


def test_the_first_fit_measures_the_scale_and_later_ones_keep_it():
    refined, data = wrapped(), batches()
    list(data)  # wherever its epochs stand
    expected = wrapped().measure_scale(batches())
    refined.fit(data, epochs=1, verbose=0)
    assert float(refined.scale) == np.float32(expected)
    refined.fit(data, epochs=1, verbose=0)
    assert float(refined.scale) == np.float32(expected)
    set_by_hand = wrapped()
    set_by_hand.scale.assign(0.5)
    refine(set_by_hand, epochs=1)
    assert float(set_by_hand.scale) == 0.5


# --- what trains, and how --------------------------------------------------------


def networks(model):
    return model.encoder.get_weights() + model.decoder.get_weights()


def test_without_contamination_a_dcae_trains_on_as_by_itself():
    def optimizer():
        return keras.optimizers.SGD(0.5, momentum=0.9)

    refined = wrapped(optimizer=optimizer(), training_contamination=0)
    history = refine(refined, epochs=3)
    plain = DCAE((32, 32, 1), latent_dim=8, seed=5, **KINDS[DCAE])
    before = networks(plain)
    plain.compile(optimizer())
    losses = plain.fit(batches(), epochs=3, verbose=0).history["loss"]
    np.testing.assert_allclose(
        np.array(history["loss"]) * float(refined.scale), losses, rtol=1e-5
    )
    assert history["normal_loss"] == pytest.approx(history["loss"], rel=1e-6)
    assert history["exposed_loss"] == history["exposed"] == [0, 0, 0]
    after = networks(plain)
    moved = [np.abs(a - b).max() for a, b in zip(after, before, strict=True)]
    assert np.median(moved) > 1e-3
    for a, b in zip(networks(refined.model), after, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@each_kind
def test_encoder_and_decoder_train_and_what_reconstructs_nothing_stays(kind):
    refined = wrapped(kind, training_contamination=0.2)
    idle = {
        DCAE: lambda model: [],
        CVAE: lambda model: model.encoder.get_layer("log_variance").weights,
        AAE: lambda model: model.latent_critic.weights,
    }[kind](refined.model)
    assert len(idle) == {DCAE: 0, CVAE: 2, AAE: 6}[kind]
    before = [weight.numpy() for weight in refined.model.trainable_variables]
    refine(refined, epochs=1)
    for old, weight in zip(before, refined.model.trainable_variables, strict=True):
        stays = any(weight is other for other in idle)
        assert np.array_equal(old, weight) == stays, weight.path
    assert int(refined.step) == 3
    assert int(refined.model.step) == 0


def test_weight_decay_goes_on():
    rate = keras.optimizers.SGD(1.0)
    plain, decayed = (
        OutlierExposure(DCAE((32, 32, 1), latent_dim=8, seed=5, weight_decay=decay))
        for decay in (0.0, 0.25)
    )
    before = [weight.numpy() for weight in plain.trainable_variables]
    for model in (plain, decayed):
        model.compile(keras.optimizers.SGD.from_config(rate.get_config()))
        model.scale.assign(0.3)
        model.train_step(tf.constant(IMAGES[:16]))
    for old, a, b in zip(
        before, plain.trainable_variables, decayed.trainable_variables, strict=True
    ):
        np.testing.assert_allclose(a - b, 0.25 * old, atol=2e-6)


def squared_errors(model, images):
    drawn = np.asarray(model.reconstruct(images), np.float64)
    return np.mean((images - drawn) ** 2, axis=(1, 2, 3))


def blobs_and_rings(n_blobs, n_rings, seed):
    """Give blobs of any place and width, and rings that differ in brightness alone."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-16:16, -16:16]
    left, up = rng.uniform(-5, 5, (2, n_blobs, 1, 1))
    width = rng.uniform(2, 4, (n_blobs, 1, 1))
    blobs = np.exp(-((x - left) ** 2 + (y - up) ** 2) / (2 * width**2))
    rings = rng.uniform(0.4, 0.6, (n_rings, 1, 1)) * np.exp(
        -(((np.hypot(x, y) - 9) / 3) ** 2)
    )
    return np.concatenate([blobs, rings]).astype(np.float32)[..., None]


TRAIN, TEST = blobs_and_rings(80, 20, 1), blobs_and_rings(40, 40, 101)


@pytest.fixture(scope="module")
def trained():
    """Train an autoencoder for as long as the hidden rings are still strange."""
    model = AAE((32, 32, 1), latent_dim=8, seed=1)
    model.compile()
    model.fit(aa.dataset(TRAIN, batch_size=20), epochs=4, verbose=0)
    return model


@pytest.fixture(scope="module")
def refined_models(trained):
    """Train it on plainly and with exposure, the same steps each."""
    found = {}
    for name, share, mode in [
        ("plain", 0.0, "hard"),
        ("hard", 0.2, "hard"),
        ("soft", 0.2, "soft"),
    ]:
        model = AAE.from_config(trained.get_config())
        model.set_weights(trained.get_weights())
        found[name] = OutlierExposure(model, share, mode)
        found[name].compile(keras.optimizers.Adam(1e-3))
        data = aa.dataset(TRAIN, batch_size=20, seed=1)
        found[name].fit(data, epochs=20, verbose=0)
    return found


def area(model):
    truth = np.repeat([False, True], 40)
    return aa.evaluation.auc(truth, squared_errors(model, TEST)).value


def test_exposure_keeps_what_plain_training_loses(trained, refined_models):
    assert area(trained) > 0.95
    assert area(refined_models["plain"]) < 0.3
    assert area(refined_models["hard"]) > 0.95
    assert area(refined_models["soft"]) > 0.9
    suspects = refined_models["hard"].suspects(TRAIN)
    np.testing.assert_array_equal(suspects, np.arange(100) >= 80)


# --- suspects ------------------------------------------------------------------


def test_suspects_are_the_worst_of_the_whole_set_in_its_order():
    refined = wrapped(training_contamination=0.1)
    images = np.concatenate([IMAGES, IMAGES, IMAGES])[:125]  # two chunks
    images[[3, 70]] = 5.0
    images[100, 4, 4, 0] = np.nan
    errors = squared_errors(refined, images)
    errors[100] = np.inf
    mask = refined.suspects(images)
    assert mask.dtype == bool
    assert mask.sum() == 12  # round(12.5), halves to even
    assert mask[[3, 70, 100]].all()
    assert errors[mask].min() >= errors[~mask].max()
    assert float(refined.scale) == 0  # a rank needs no unit
    assert wrapped(training_contamination=0).suspects(images).sum() == 0
    assert refined.suspects(images[:0]).shape == (0,)


# --- the guarantees of every model ------------------------------------------------


@each_kind
def test_same_bits_stop_and_go_on_equals_never_stopping(kind, tmp_path):
    def make(**kwargs):
        optimizer = keras.optimizers.Adam(2e-3, beta_2=0.99)
        return wrapped(kind, optimizer, training_contamination=0.2, mode="hard")

    path = tmp_path / "model.keras"
    whole, stopped = make(), make()
    history = refine(whole, epochs=4)
    assert all(np.isfinite(values).all() for values in history.values())
    refine(stopped, epochs=2, callbacks=[Checkpoint(path)])
    loaded, epoch, _ = load_checkpoint(path)
    assert epoch == 2
    assert type(loaded) is OutlierExposure
    assert type(loaded.model) is kind
    assert loaded.get_config() == stopped.get_config()
    assert same(loaded.get_weights(), stopped.get_weights())
    assert float(loaded.scale) == float(whole.scale) > 0
    assert int(loaded.step) == int(loaded.optimizer.iterations) == 6
    for name in ("reconstruct", "features", "encode"):
        np.testing.assert_array_equal(
            getattr(loaded, name)(IMAGES), getattr(stopped.model, name)(IMAGES)
        )
    rest = refine(loaded, epochs=4, start=2)
    assert {name: values[2:] for name, values in history.items()} == rest
    assert same(loaded.get_weights(), whole.get_weights())
    assert same(loaded.optimizer.variables, whole.optimizer.variables)
    assert not same(loaded.get_weights(), stopped.get_weights())


def test_a_compiled_model_is_saved_without_its_optimizer(tmp_path):
    model = DCAE((32, 32, 1), latent_dim=8)
    model.compile()
    model.fit(batches(), epochs=1, verbose=0)
    refined = OutlierExposure(model, 0.1, seed=4)
    refined.save(tmp_path / "model.keras")  # nor compiled itself
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert (loaded.seed, loaded.training_contamination, loaded.mode) == (4, 0.1, "soft")
    assert same(loaded.get_weights(), refined.get_weights())
    assert not loaded.compiled
    assert not loaded.model.compiled
    loaded.compile()
    assert float(loaded.optimizer.learning_rate) == np.float32(1e-4)
    refine(loaded, epochs=1)


@each_kind
def test_a_row_depends_on_its_own_image_alone(kind):
    refined = wrapped(kind)
    refine(refined, epochs=1)
    other = IMAGES[:8].copy()
    other[3:] = 1 - IMAGES[20:25]
    other[5] = np.nan
    assert refined.image_shape == (32, 32, 1)
    assert refined.latent_dim == 8
    for function in (refined.reconstruct, refined.features, refined.encode):
        found = np.asarray(function(IMAGES[:8]))
        np.testing.assert_array_equal(np.asarray(function(other))[:3], found[:3])
        assert np.isnan(np.asarray(function(other))[5]).any()
    np.testing.assert_array_equal(refined(IMAGES), refined.reconstruct(IMAGES))


def test_evaluate_gives_the_losses_as_at_scoring_time():
    refined = wrapped(training_contamination=0.25)
    refine(refined, epochs=1)
    normal = squared_errors(refined, IMAGES[:16]) / float(refined.scale)
    flagged = np.argsort(normal)[-4:]
    expected = normal.copy()
    expected[flagged] = (normal[flagged] + 1 / normal[flagged]) / 2
    before = refined.get_weights()
    found = refined.evaluate(aa.dataset(IMAGES[:16], batch_size=16), verbose=0)
    assert found[0] == pytest.approx(expected.mean(), rel=1e-5)
    assert same(refined.get_weights(), before)


def test_works_in_a_detector(refined_models, tmp_path):
    def cutouts(images, start):
        table = Table({"object_id": [f"{start}-{i}" for i in range(len(images))]})
        return aa.Cutouts(images, table, bands=("i",), pixel_scale=0.06)

    stretch = aa.stretches.Linear(vmin=0.0, vmax=1.0)
    detector = aa.AnomalyDetector(refined_models["hard"], stretch, score="mse")
    detector.calibrate(cutouts(blobs_and_rings(40, 0, 7), "held_out"), levels=(90,))
    test = cutouts(TEST[28:41], "test")
    table = detector.score(test)
    assert table["object_id"][0] == "test-12"  # the ring
    assert table["is_anomaly_90"][0]
    detector.save(tmp_path / "detector")
    again = aa.load_detector(tmp_path / "detector").score(test)
    for name in ("object_id", "anomaly_score", "feature_score", "p_value"):
        np.testing.assert_array_equal(again[name], table[name])


# --- errors ----------------------------------------------------------------------


@pytest.mark.parametrize("share", [-0.1, 1, 1.5, np.nan])
def test_a_bad_contamination_is_named(share):
    sentence = rf"`training_contamination` must be within \[0, 1\). Received: {share}"
    with pytest.raises(ValueError, match=sentence):
        wrapped(training_contamination=share)


def test_an_unknown_mode_is_named():
    sentence = "`mode` must be one of hard, soft. Received: medium"
    with pytest.raises(ValueError, match=sentence):
        wrapped(mode="medium")


@pytest.mark.parametrize("kind", [RBM, WGANGP])
def test_other_models_are_refused(kind):
    sentence = f"`model` must be a trained DCAE, CVAE or AAE.*Received: {kind.__name__}"
    with pytest.raises(TypeError, match=sentence):
        OutlierExposure(kind((32, 32, 1)))
    with pytest.raises(TypeError, match="Received: OutlierExposure"):
        OutlierExposure(wrapped())


def test_a_scale_that_is_no_number_is_named():
    bad = IMAGES[:4].copy()
    bad[2, 0, 0, 0] = np.nan
    sentence = "`images` must hold images .* Received: 4 images with a mean of nan"
    with pytest.raises(ValueError, match=sentence):
        wrapped().measure_scale(bad)
    with pytest.raises(ValueError, match="Received: 0 images with a mean of nan"):
        wrapped().measure_scale(bad[:0])


def test_nan_stops_training_and_says_so():
    bad = IMAGES[:16].copy()
    bad[3, 0, 0, 0] = np.nan
    sentence = "training stopped at epoch 1, batch 1: .* not a finite number"
    with pytest.raises(FloatingPointError, match=sentence):
        wrapped().fit(aa.dataset(bad, batch_size=16), epochs=1, verbose=0)


def test_a_batch_too_small_to_expose_anything_is_a_warning():
    refined = wrapped(training_contamination=0.02)
    sentence = "0.02 of a batch of 16 rounds to no image.* more than 25 images"
    with pytest.warns(UserWarning, match=sentence):
        history = refine(refined, epochs=1)
    assert history["exposed"] == [0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refined.fit(batches(size=26), epochs=1, verbose=0)


def test_arguments_are_as_promised():
    arguments = inspect.signature(OutlierExposure).parameters
    assert list(arguments)[:4] == ["model", "training_contamination", "mode", "seed"]
    assert arguments["training_contamination"].default == 0.1
    assert arguments["mode"].default == "soft"
