"""What Keras offers beside ``fit(dataset)``: works, or one sentence."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from astroanomaly import models
from astroanomaly.data.batches import dataset, labelled_dataset
from astroanomaly.latent import Encoder
from astroanomaly.models.common import losses
from astroanomaly.models.common.training import stateless_seed

# These trainings are short on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:With .* updates of the generator")
IMAGES = np.random.default_rng(3).uniform(0, 1, (16, 32, 32, 1)).astype(np.float32)
LABELS = np.arange(16) % 2


def gan(**kwargs):
    model = models.WGANGP((32, 32, 1), latent_dim=4, width=2, n_critic=1, **kwargs)
    model.compile()
    return model


# 4, 4, 4 and 4 images a level: two epochs of eight.
def progressive():
    sizes = {"latent_dim": 4, "fmap_base": 16, "fmap_max": 4}
    growth = {"fade_images": 0, "stable_images": 4}
    return models.ProgressiveGAN((32, 32, 1), **sizes, **growth)


MAKERS = {
    "wgan_gp": gan,
    "progressive": progressive,
    "dcae": lambda: models.DCAE((32, 32, 1), latent_dim=4),
    "cvae": lambda: models.CVAE((32, 32, 1), latent_dim=4),
    "aae": lambda: models.AAE((32, 32, 1), latent_dim=4),
    "rbm": lambda: models.RBM((32, 32, 1), n_hidden=4),
    "exposure": lambda: models.OutlierExposure(
        models.DCAE((32, 32, 1), latent_dim=4), training_contamination=0.25
    ),
    "encoder": lambda: Encoder(gan()),
}


@pytest.fixture
def policy():
    yield keras.mixed_precision.set_global_policy
    keras.mixed_precision.set_global_policy("float32")


@pytest.mark.parametrize("name", MAKERS)
def test_validation_data_gives_the_losses_of_evaluate(name):
    model = MAKERS[name]()
    # A graph for each level would take longer than the training.
    model.compile(run_eagerly=name == "progressive")
    held_out = dataset(IMAGES[8:], batch_size=4, augment=True)
    data = dataset(IMAGES[:8], batch_size=4)
    history = model.fit(data, epochs=2, verbose=0, validation_data=held_out)
    last = {k: v[-1] for k, v in history.history.items() if k.startswith("val_")}
    again = [model.evaluate(held_out, verbose=0, return_dict=True) for _ in range(2)]
    assert again[0] == again[1]
    assert {f"val_{k}": v for k, v in again[0].items()} == pytest.approx(last)
    assert np.isfinite(list(last.values())).all()


def test_validation_changes_no_bit_of_a_training():
    plain, validated = gan(), gan()
    data = {"x": dataset(IMAGES, batch_size=8), "epochs": 2, "verbose": 0}
    plain.fit(**data)
    validated.fit(**data, validation_data=IMAGES)
    for a, b in zip(plain.get_weights(), validated.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_validation_losses_of_the_gan_by_hand():
    model = gan(gradient_penalty_weight=7.0)
    step = tf.constant(0, tf.int64)
    z = tf.random.stateless_normal((8, 4), stateless_seed(0, step, 3))
    alpha = tf.random.stateless_uniform((8, 1, 1, 1), stateless_seed(0, step, 4))
    fake = model.generator(z)
    mixed = alpha * IMAGES[:8] + (1 - alpha) * fake
    with tf.GradientTape() as tape:
        tape.watch(mixed)
        output = model.critic(mixed)[0]
    norm = np.linalg.norm(tape.gradient(output, mixed).numpy().reshape(8, -1), axis=1)
    distance = np.mean(model.critic(IMAGES[:8])[0]) - np.mean(model.critic(fake)[0])
    got = model.evaluate(IMAGES[:8], batch_size=8, verbose=0, return_dict=True)
    penalty = np.mean((norm - 1) ** 2)
    assert got["wasserstein"] == pytest.approx(distance, abs=1e-6)
    assert got["critic_loss"] == pytest.approx(7 * penalty - distance, rel=1e-5)
    drawn = float(losses.generator_loss(model.critic(fake)[0]))
    assert got["generator_loss"] == pytest.approx(drawn, rel=1e-5)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("kind", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_other_number_formats_are_refused(name, kind, policy):
    policy(kind)
    model = MAKERS[name]()
    model.compile()
    # The model is refused, whatever the policy is by then.
    policy("float32")
    kind = kind.removeprefix("mixed_")
    with pytest.raises(ValueError, match=f"`dtype` of .* float32.*Received: {kind}"):
        model.fit(dataset(IMAGES, batch_size=4), epochs=2, verbose=0)


def test_a_lens_finder_trains_in_mixed_precision(policy):
    policy("mixed_float16")
    finder = models.LensFinder((66, 66, 1), network="ou66")
    finder.compile(run_eagerly=True)
    images = np.random.default_rng(1).random((2, 66, 66, 1), np.float32)
    data = labelled_dataset(images, LABELS[:2], batch_size=2)
    history = finder.fit(data, epochs=1, verbose=0, validation_data=data).history
    assert np.isfinite(list(history.values())).all()


def test_channels_first_is_refused():
    model = gan()
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match="`image_data_format`.*channels_first"):
            model.fit(IMAGES, verbose=0)
    finally:
        keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(
    "data",
    [
        {"x": IMAGES, "y": IMAGES},
        {"x": IMAGES, "sample_weight": np.ones(16)},
        {"x": labelled_dataset(IMAGES, LABELS, batch_size=4)},
        {"x": dataset(IMAGES, batch_size=4), "validation_data": (IMAGES, LABELS)},
    ],
    ids=["targets", "weights", "labelled", "validation"],
)
def test_targets_are_refused(name, data):
    model = MAKERS[name]()
    model.compile()
    # A growing GAN takes data sets alone, and says so first.
    with pytest.raises((ValueError, TypeError), match="`x` must.*Received"):
        model.fit(**data, epochs=8, verbose=0)


def _run(code, **environment):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False
    )


# Two virtual devices must be set up before TensorFlow starts, in a fresh process.
STRATEGY = """
import contextlib
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
import numpy as np
import astroanomaly as aa
from astroanomaly.latent import Encoder
from astroanomaly.models import AAE, CVAE, DCAE, RBM, WGANGP

shape = (32, 32, 1)
rng = np.random.default_rng(1)
y, x = np.mgrid[:32, :32] - 15.5
widths = rng.uniform(2, 6, (16, 1, 1))
images = np.exp(-(x**2 + y**2) / 2 / widths**2)[..., None].astype("f4")
gan = dict(latent_dim=4, width=2)
models = {
    "gan": lambda: WGANGP(shape, n_critic=2, ema=0.9, **gan),
    "encoder": lambda: Encoder(WGANGP(shape, **gan), latent_weight=0.1),
    "dcae": lambda: DCAE(shape, latent_dim=2),
    "cvae": lambda: CVAE(shape, latent_dim=2),
    "aae": lambda: AAE(shape, latent_dim=2),
}
mirrored = tf.distribute.MirroredStrategy()
def trained(make, strategy):
    with strategy:
        model = make()
        model.compile()
        if hasattr(model, "beta"):
            model.beta.assign(0.1)
        data = aa.dataset(images, batch_size=8)
        losses = model.fit(data, epochs=2, verbose=0).history
    return losses, model.get_weights()
"""

EQUAL = """
for name in sys.argv[1:]:
    one, ones = trained(models[name], contextlib.nullcontext())
    two, twos = trained(models[name], mirrored.scope())
    # Keras takes the variance of a batch on several devices in one pass.
    close = 1e-2 if name == "dcae" else 1e-5
    for loss in one:
        np.testing.assert_allclose(two[loss], one[loss], close, 1e-6, err_msg=loss)
    far = max(np.abs(a - b).max() for a, b in zip(ones, twos))
    assert far < (1e-1 if name == "dcae" else 1e-5), far
    again, _ = trained(models[name], mirrored.scope())
    assert again == two, (again, two)
    print("same")
"""

REFUSED = """
for make, n in ((lambda: RBM(shape), 8), (models["dcae"], 7)):
    with mirrored.scope():
        model = make()
        model.compile()
    try:
        model.fit(aa.dataset(images, batch_size=n), verbose=0)
    except ValueError as error:
        print(error)
"""


def test_two_devices_learn_what_one_does():
    names = ["gan", "encoder", "dcae", "cvae", "aae"]
    done = _run(f"import sys; sys.argv[1:] = {names}" + STRATEGY + EQUAL)
    assert done.stdout.split() == ["same"] * len(names), done.stderr


def test_what_several_devices_cannot_share_is_refused():
    done = _run(STRATEGY + REFUSED)
    rbm, odd = done.stdout.splitlines()
    assert rbm.endswith("Received: MirroredStrategy of 2 replicas.")
    assert odd.endswith("Received: batches of 7.")


@pytest.mark.parametrize("room", ["models", "stretches", "runs.callbacks"])
# Keras brings "numpy"; the package of "jax" is not installed with ours.
@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_another_backend_is_refused(room, backend):
    done = _run(f"import astroanomaly.{room}", KERAS_BACKEND=backend)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: `KERAS_BACKEND` must be tensorflow")
    assert last.endswith(f"Received: {backend}")
