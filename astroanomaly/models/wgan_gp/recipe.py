"""How a run trains a WGAN-GP."""

from keras.optimizers import Adam

from astroanomaly.models.common.recipe import Recipe
from astroanomaly.models.wgan_gp.model import WGANGP


def _gan(width: int, batch_size: int, beta_1: float) -> Recipe:
    return Recipe(
        WGANGP,
        batch_size,
        1e-4,
        lambda rate, training: {
            f"{name}_optimizer": Adam(
                rate, beta_1=training["beta_1"], beta_2=training["beta_2"]
            )
            for name in ("generator", "critic")
        },
        defaults={"width": width},
        training={"beta_1": (beta_1, (int, float)), "beta_2": (0.9, (int, float))},
        needs_encoder=True,
    )


# The betas of Gulrajani et al. 2017 (arXiv:1704.00028).
WGAN_GP = _gan(width=32, batch_size=64, beta_1=0.0)
# Storey-Fisher et al. 2021 (arXiv:2105.02434), on images of the HSC survey.
HSC = _gan(width=64, batch_size=32, beta_1=0.5)
