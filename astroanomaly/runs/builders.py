"""Models, compiled as the settings of a run say."""

import keras

from astroanomaly.latent import Encoder
from astroanomaly.models import (
    AAE,
    CVAE,
    DCAE,
    RBM,
    WGANGP,
    KLAnnealing,
    LensFinder,
    OneCycle,
    ProgressiveGAN,
)
from astroanomaly.models.progressive.networks import n_levels

_CLASSES = {
    "wgan_gp": WGANGP,
    "hsc": WGANGP,
    "progressive": ProgressiveGAN,
    "rbm": RBM,
    "dcae": DCAE,
    "cvae": CVAE,
    "aae": AAE,
    "lens_finder": LensFinder,
}


def build_model(settings: dict, image_shape, n_steps: int, **compiling) -> keras.Model:
    """Make the model that the settings name, compiled.

    Parameters
    ----------
    settings : dict
        Resolved settings.
    image_shape : tuple of int
        (ny, nx, n_bands).
    n_steps : int
        Steps of the whole training, over which a schedule runs.
    **compiling
        What the model's ``compile`` takes beside its optimizers.

    Returns
    -------
    keras.Model
        Ready to be trained.

    Raises
    ------
    ValueError
        If a setting is out of range.
    """
    chosen, training = dict(settings["model"]), settings["training"]
    name = chosen.pop("name")
    if name == "progressive":
        chosen = _spread(image_shape, n_steps * training["batch_size"]) | chosen
    model = _CLASSES[name](image_shape, seed=training["seed"], **chosen)
    if name == "progressive":
        per_epoch = n_steps // training["epochs"]
        batch, epochs = training["batch_size"], training["epochs"]
        model.schedule.check(batch, per_epoch, epochs)
    model.compile(*_optimizers(name, training, n_steps), **compiling)
    return model


def _spread(image_shape, n_images: int) -> dict:
    """Spread a training's images evenly over the fades and the levels."""
    part = n_images // (2 * n_levels(image_shape[0]) - 1)
    return {"fade_images": part, "stable_images": part}


def _optimizers(name: str, training: dict, n_steps: int) -> list:
    """Return a model's optimizers, in the order in which it takes them."""
    rate = training.get("learning_rate")
    if name == "rbm":
        # Without a rate the model takes one that suits its number of pixels.
        return [] if rate is None else [keras.optimizers.SGD(rate, momentum=0.9)]
    if training.get("schedule") == "one_cycle":
        # A cycle has a first step and a last one.
        rate = OneCycle(rate, max(n_steps, 2))
    if "beta_1" in training:
        betas = {"beta_1": training["beta_1"], "beta_2": training["beta_2"]}
        if name == "progressive":
            return [keras.optimizers.Adam(rate, **betas, epsilon=1e-8) for _ in "gce"]
        return [keras.optimizers.Adam(rate, **betas) for _ in "gc"]
    rates = [rate]
    for key in ("critic_learning_rate", "adversarial_learning_rate"):
        if key in training:
            rates.append(training[key])
    return [keras.optimizers.Adam(rate) for rate in rates]


def build_encoder(settings: dict, gan) -> Encoder:
    """Make the encoder of a GAN, compiled.

    Parameters
    ----------
    settings : dict
        Resolved settings.
    gan : WGANGP
        The GAN.

    Returns
    -------
    Encoder
        Ready to be trained.

    Raises
    ------
    ValueError
        If a setting is out of range.
    """
    chosen = dict(settings["encoder"])
    chosen.pop("epochs")
    rate = chosen.pop("learning_rate")
    encoder = Encoder(gan, seed=settings["training"]["seed"], **chosen)
    encoder.compile(keras.optimizers.Adam(rate))
    return encoder


def build_callbacks(settings: dict) -> list:
    """Make what the training of the model needs beside its data.

    Parameters
    ----------
    settings : dict
        Resolved settings.

    Returns
    -------
    list of keras.callbacks.Callback
        The annealing of a KL term, or nothing.

    Raises
    ------
    ValueError
        If a setting is out of range.
    """
    training = settings["training"]
    if "beta_max" not in training:
        return []
    return [
        KLAnnealing(
            start=training["kl_start"],
            ramp=training["kl_ramp"],
            beta_max=training["beta_max"],
        )
    ]
