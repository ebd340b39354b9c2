"""How a run trains a GAN that grows."""

from keras.optimizers import Adam

from astroanomaly.models.common.recipe import Recipe
from astroanomaly.models.progressive.model import ProgressiveGAN
from astroanomaly.models.progressive.networks import n_levels

PROGRESSIVE = Recipe(
    ProgressiveGAN,
    32,
    1e-3,
    # Karras et al. 2018 (arXiv:1710.10196), appendix A.1.
    lambda rate, training: {
        f"{name}_optimizer": Adam(
            rate, beta_1=training["beta_1"], beta_2=training["beta_2"], epsilon=1e-8
        )
        for name in ("generator", "critic", "encoder")
    },
    # None: as long as the training is, see `spread`.
    defaults={"fade_images": None, "stable_images": None},
    training={"beta_1": (0.0, (int, float)), "beta_2": (0.99, (int, float))},
    # Evenly over the fades and the levels, of which the first does not fade.
    spread=lambda image_shape, n_images: dict.fromkeys(
        ("fade_images", "stable_images"),
        n_images // (2 * n_levels(image_shape[0]) - 1),
    ),
    check=lambda model, n_steps, training: model.schedule.check(
        training["batch_size"], n_steps // training["epochs"], training["epochs"]
    ),
)
