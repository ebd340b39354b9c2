"""What each pre-trained model is made from: its sets of objects and its settings.

The lens finders are those of `studies.real_lenses`.

Every image gets a range in units of its own sky noise, so that a model takes images of
any unit and zero point: no user has the simulator's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly import Cutouts, read_cutouts, simulate
from astroanomaly.stretches.sky import sky_noise
from studies.cosmos import sets as cosmos
from studies.deeplense import sets as deeplense

# Faint ends well below the noise; bright ends above all but the cores of the brightest.
GALAXY_STRETCH = {
    "name": "asinh",
    "per_image": True,
    "sigmas": [-5.0, 500.0],
    # Linear up to three times the noise.
    "softening": 3.0,
}
# The brightest pixel of most arcs has 15 times the noise.
LENS_STRETCH = {"name": "linear", "per_image": True, "sigmas": [-5.0, 45.0]}
# As the mergers study trains its first network.
GAN = {"width": 16, "kernel_size": 5, "latent_dim": 64, "n_critic": 2, "ema": 0.99}
GAN_TRAINING = {"batch_size": 32, "learning_rate": 3e-4, "augment": True}


@dataclass(frozen=True)
class Model:
    """How a model is made.

    `sets` gives each set's maker by name, called with the folder of real files: "train"
    and "ordinary" hold ordinary objects, the others anomalies to find among them.
    """

    about: str
    data: str
    sets: dict[str, Callable]
    config: dict
    model: str
    failures: tuple[str, ...]
    psf_fwhm: float  # arcsec
    # Which score is the model's own is settled before the test sets are scored.
    size: int = 64
    pixel_scale: float = 0.06


def _galaxies(n, seed, data=None, **options) -> Cutouts:
    return simulate.galaxies(n, seed=seed, progress=False, n_workers=1, **options)


def _mergers(n, seed, data=None, **options) -> Cutouts:
    found = simulate.mergers(n, seed=seed, progress=False, n_workers=1, **options)
    return found


def _lenses(n, seed, redshifts, sector="smooth", data=None) -> Cutouts:
    return deeplense.lenses(n, seed, sector, redshifts, 112)


def _real(data: Path, rows: slice) -> Cutouts:
    """Return real COSMOS galaxies as the detector sees them, in one fixed order."""
    found = read_cutouts(
        data / "cosmos_acs_f814w",
        bands=[cosmos.BAND],
        size=64,
        pixel_scale=cosmos.SCALE,
        n_workers=1,
    )
    order = np.random.default_rng(0).permutation(len(found))[rows]
    return found[np.sort(order)]


def _mixed(n, seed, data: Path, repeats: int = 5) -> Cutouts:
    """Return simulated galaxies and, five times each, half of the real ones."""
    made = _galaxies(n, seed, instrument="acs_f814w", magnitude=(20.5, 25.5), size=128)
    images = made.images.reshape(n, 64, 2, 64, 2, 1).sum(axis=(2, 4))
    own = _real(data, slice(0, 101))
    every = np.concatenate([images, *[own.images] * repeats])
    # The units differ, which the stretch in units of the noise takes out.
    table = Table({"object_id": [f"galaxy_{i:05d}" for i in range(len(every))]})
    return Cutouts(every, table, bands=[cosmos.BAND], pixel_scale=cosmos.SCALE)


def _in_noise(n, seed, data: Path) -> Cutouts:
    """Return the same once each, in units of each image's sky noise.

    Views of a contrastive encoder add noise of one strength for all.
    """
    found = _mixed(n, seed, data, repeats=1)
    noise = np.array([sky_noise(image) for image in found.images], "f4")
    images = found.images / noise[:, None, None, None]
    return Cutouts(images, found.table, found.bands, found.pixel_scale)


def _composites(data: Path) -> Cutouts:
    """Return composites of two of the real galaxies that were not trained on."""
    survey = read_cutouts(data / "cosmos_acs_f814w", bands=[cosmos.BAND], n_workers=1)
    order = np.random.default_rng(0).permutation(len(survey))[101:]
    pairs = cosmos.composites(survey[np.sort(order)], 2, seed=5)
    seen = [cosmos.seen(plane) for plane in pairs.images[..., 0].astype(float)]
    images = np.array(seen, "f4")[..., None]
    return Cutouts(images, pairs.table, bands=[cosmos.BAND], pixel_scale=cosmos.SCALE)


def _lens_model(redshifts: str, first: int, training: dict, decay: float, words: str):
    make = partial(_lenses, redshifts=redshifts)
    return Model(
        about=f"Smooth strong lenses, {words}: finds subhaloes and vortices.",
        data=(
            "4,000 simulated smooth lenses (simulate.lenses, the setting lenstronomy, "
            f"{words}), 112 pixels of 0.05 arcsec, lens light subtracted."
        ),
        sets={
            "train": partial(make, 4000, first + 1),
            "ordinary": partial(make, 1000, first + 2),
            "subhalos": partial(make, 500, first + 3, sector="subhalos"),
            "vortex": partial(make, 500, first + 4, sector="vortex"),
        },
        config={
            "data": {"size": 112},
            "stretch": LENS_STRETCH,
            "model": {"latent_dim": 256, "weight_decay": decay},
            "training": training,
            "detector": {"score": "orthogonal"},
        },
        model="dcae",
        failures=(
            "Lens light must be subtracted and the ring centred.",
            "Another camera: on the public DeepLense Model I images (other PSF, noise "
            "and lens light) its scores rank the wrong way round, AUC below 0.5. Train "
            "on smooth lenses of your own there.",
        ),
        psf_fwhm=0.087,
        size=112,
        pixel_scale=0.05,
    )


MODELS = {
    "hst-f160w-galaxies": Model(
        about="Galaxies in HST WFC3 F160W: finds companions, mergers, artefacts.",
        data=(
            "3,000 simulated galaxies of every type and mass (simulate.galaxies, "
            "wfc3_f160w), 64 pixels of 0.06 arcsec; no real image."
        ),
        sets={
            "train": partial(_galaxies, 3000, 101),
            "ordinary": partial(_galaxies, 1000, 102),
            "companions": partial(_galaxies, 500, 103, companion_fraction=1.0),
            "mergers": partial(_mergers, 84, 104),
        },
        config={
            "data": {"size": 64},
            "stretch": GALAXY_STRETCH,
            "model": GAN,
            "training": GAN_TRAINING | {"epochs": 30},
            "encoder": {"epochs": 12, "learning_rate": 1e-3},
            "detector": {"score": "peak", "smoothing": 2.5},
        },
        model="wgan_gp",
        failures=(
            "Trained on mocks alone: real galaxies with dust lanes, bright stars or "
            "spikes, and crowded fields, are strange to it.",
            "Galaxies far larger than the frame of 3.8 arcsec.",
            "Principal components fitted to the same images find mergers, streaks and "
            "missing halves better (PCA, whitened), and its reconstructions explain "
            "less of the variance than 20 components.",
        ),
        psf_fwhm=0.18,
    ),
    "smooth-lenses-fixed": _lens_model(
        "fixed", 200, {"epochs": 40}, 1e-5, "fixed redshifts"
    ),
    # As the lens study's tuned network: no weight decay, batches of a quarter.
    "smooth-lenses-varying": _lens_model(
        "varying", 300, {"epochs": 20, "batch_size": 25}, 0.0, "varying redshifts"
    ),
    "hst-f814w-galaxies": Model(
        about="Faint galaxies in HST ACS F814W at 0.06 arcsec: finds artefacts.",
        data=(
            "2,500 simulated galaxies (simulate.galaxies, acs_f814w, 20.5 to 25.5 mag, "
            "pixels binned to 0.06 arcsec) and, five times each, 101 real COSMOS "
            "galaxies; the other 100 real ones are the test."
        ),
        sets={
            "train": partial(_mixed, 2500, 401),
            "ordinary": partial(_real, rows=slice(101, None)),
            "composites": _composites,
        },
        config={
            "data": {"size": 64, "pixel_scale": 0.06},
            "stretch": GALAXY_STRETCH,
            "detector": {"score": "whitened"},
        },
        # A WGAN-GP of 20 epochs on the same images found fewer planted anomalies: mean
        # AUC 0.64 over the four kinds, components 0.77.
        model="pca",
        failures=(
            "Composites of two real galaxies, 0.6 to 1.6 arcsec apart, are hardly "
            "found: many ordinary galaxies of COSMOS have real neighbours.",
            "The test holds 100 real galaxies: its intervals are wide.",
            "A WGAN-GP on the same images was no better and does not ship.",
        ),
        psf_fwhm=0.1,
    ),
    "hst-f814w-contrastive": Model(
        about="Features of galaxies in HST ACS F814W: what is near to what; kNN.",
        data=(
            "2,500 simulated galaxies (simulate.galaxies, acs_f814w, 20.5 to 25.5 mag, "
            "pixels binned to 0.06 arcsec) and 101 real COSMOS galaxies, in units of "
            "their noise; the other 100 real ones are the test."
        ),
        sets={
            "train": partial(_in_noise, 2500, 401),
            "ordinary": partial(_real, rows=slice(101, None)),
            "composites": _composites,
        },
        config={
            "data": {"size": 64, "pixel_scale": 0.06},
            "stretch": GALAXY_STRETCH,
            "model": {"features": "contrastive"},
            "training": {"epochs": 20, "batch_size": 128},
        },
        model="knn",
        failures=(
            "The test holds 100 real galaxies: its intervals are wide.",
            "An encoder that knows an object again looks away from what views change: "
            "noise, position, brightness, angle.",
        ),
        psf_fwhm=0.1,
    ),
}
