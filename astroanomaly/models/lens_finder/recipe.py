"""How a run trains a lens finder."""

from keras.optimizers import Adam

from astroanomaly.models.common.recipe import Recipe
from astroanomaly.models.lens_finder.model import LensFinder
from astroanomaly.models.lens_finder.networks import smallest_size


def _complete(settings: dict) -> None:
    """Check the share for the validation; choose the network by the images' size."""
    fraction = settings["training"]["validation_fraction"]
    if not 0 < fraction < 1:
        raise ValueError(
            f"`validation_fraction` must lie between 0 and 1. Received: {fraction}"
        )
    paint = settings["training"].get("paint", 1.0)
    if not 0 < paint < float("inf"):
        raise ValueError(
            "`paint` (--paint) must be the FWHM of the PSF in arcsec, above 0. "
            f"Received: {paint}."
        )
    share = settings["training"].get("mine", 0.1)
    if not 0 < share <= 1:
        raise ValueError(f"`mine` must lie above 0, at most 1. Received: {share:g}.")
    large = settings["data"]["size"] >= smallest_size("ou200")
    settings["model"].setdefault("network", "ou200" if large else "ou66")


FINDER = Recipe(
    LensFinder,
    # Batches of 500 and a rate of 3e-4: Wilde et al. 2022 (arXiv:2202.12776).
    500,
    3e-4,
    lambda rate, training: {"optimizer": Adam(rate)},
    defaults={"network": None},
    training={
        "validation_fraction": (0.1, (int, float)),
        "class_weight": (True, bool),
        "paint": (None, (int, float)),
        "paints": (3, int),
        "shift": (0, int),
        "mine": (None, (int, float)),
    },
    # Every image and band by itself, as published.
    stretch={"name": "linear", "per_image": True},
    # With the published settings the loss stays where it begins on a few hundred
    # galaxies: AUC 0.55 on others after 25 epochs. See docs/results/real_lenses.md.
    painted={
        "stretch": {
            "name": "asinh",
            "softening": 10.0,
            "per_image": True,
            "sigmas": (-5, 1000),
        },
        "model": {
            "network": "small",
            "dropout": 0.0,
            "channels": ("image", "faint", "subtracted"),
        },
        # Many arcs on each galaxy, so that arcs are learned and not galaxies.
        "training": {
            "epochs": 40,
            "batch_size": 64,
            "learning_rate": 1e-3,
            "paints": 8,
            "shift": 3,
        },
    },
    augment=True,
    needs_labels=True,
    complete=_complete,
)
