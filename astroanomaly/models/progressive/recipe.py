"""How a run trains a GAN that grows."""

from keras.optimizers import Adam

from astroanomaly.models.common.recipe import Recipe
from astroanomaly.models.progressive.model import ProgressiveGAN
from astroanomaly.models.progressive.networks import n_levels


def _optimizers(rate, training) -> dict:
    # Karras et al. 2018 (arXiv:1710.10196), appendix A.1.
    betas = {"beta_1": training["beta_1"], "beta_2": training["beta_2"]}
    return {
        f"{name}_optimizer": Adam(rate, **betas, epsilon=1e-8)
        for name in ("generator", "critic", "encoder")
    }


def _spread(image_shape, n_images: int) -> dict:
    """Spread a training's images evenly over the fades and the levels."""
    part = n_images // (2 * n_levels(image_shape[0]) - 1)
    return {"fade_images": part, "stable_images": part}


def _check(model, n_steps: int, training) -> None:
    epochs = training["epochs"]
    model.schedule.check(training["batch_size"], n_steps // epochs, epochs)


PROGRESSIVE = Recipe(
    ProgressiveGAN,
    32,
    1e-3,
    _optimizers,
    # None: as long as the training is, see `_spread`.
    defaults={"fade_images": None, "stable_images": None},
    training={"beta_1": (0.0, (int, float)), "beta_2": (0.99, (int, float))},
    spread=_spread,
    check=_check,
)
