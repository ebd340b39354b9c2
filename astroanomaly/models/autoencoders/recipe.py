"""How a run trains the autoencoders; defaults of Alexander et al. 2020."""

from keras.optimizers import Adam

from astroanomaly.models.autoencoders.aae import AAE
from astroanomaly.models.autoencoders.annealing import KLAnnealing
from astroanomaly.models.autoencoders.cvae import CVAE
from astroanomaly.models.autoencoders.dcae import DCAE
from astroanomaly.models.common.recipe import Recipe

# The published share of the epochs before the KL term counts, and again of its rise:
# 100 of 500 (Alexander et al. 2020, arXiv:2008.12731).
_KL_SHARE = 5
# TOML writes 1 where it means 1.0.
_NUMBER = (int, float)
# Published training raises and lowers the rate once (Smith 2018).
_SCHEDULE = {"schedule": ("one_cycle", str)}


def _adam(rate, training) -> dict:
    return {"optimizer": Adam(rate)}


def _anneal(settings: dict) -> None:
    """Fill in when the KL term begins to count, as a share of the epochs."""
    training = settings["training"]
    epochs = training["epochs"]
    fifth = epochs // _KL_SHARE
    for key, default, least in (("kl_start", fifth, 0), ("kl_ramp", max(fifth, 1), 1)):
        if training.setdefault(key, default) < least:
            raise ValueError(
                f"`{key}` must be at least {least} epochs. Received: {training[key]}"
            )
    if training["kl_start"] >= epochs:
        raise ValueError(
            f"`kl_start` must be below the {epochs} epochs of the training, or the KL "
            f"term never counts. Received: {training['kl_start']}"
        )


# Batches of 100 and rates of 2e-3, for the AAE 1e-3, 1e-3 and 1e-4: the public code.
CONVOLUTIONAL = Recipe(DCAE, 100, 2e-3, _adam, training=_SCHEDULE)
VARIATIONAL = Recipe(
    CVAE,
    100,
    2e-3,
    _adam,
    training={
        **_SCHEDULE,
        "kl_start": (None, int),
        "kl_ramp": (None, int),
        "beta_max": (1.0, _NUMBER),
    },
    complete=_anneal,
    callbacks=lambda training: [
        KLAnnealing(
            start=training["kl_start"],
            ramp=training["kl_ramp"],
            beta_max=training["beta_max"],
        )
    ],
)
ADVERSARIAL = Recipe(
    AAE,
    100,
    1e-3,
    # Reconstruction, latent critic and encoder have each their own steps.
    lambda rate, training: {
        "optimizer": Adam(rate),
        "critic_optimizer": Adam(training["critic_learning_rate"]),
        "adversarial_optimizer": Adam(training["adversarial_learning_rate"]),
    },
    training={
        "critic_learning_rate": (1e-3, _NUMBER),
        "adversarial_learning_rate": (1e-4, _NUMBER),
    },
)
