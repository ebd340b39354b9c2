"""The three pools: mock galaxies with mergers, real COSMOS galaxies, lens frames."""

from pathlib import Path

import numpy as np
from scipy import ndimage

import astroanomaly as aa
from astroanomaly.utils import atomic_dir
from studies.cosmos import sets as cosmos

SIZE = 64  # pixels: 3.8" of WFC3 F160W, 6.4" of Euclid
CENTRED = 44  # pixels, 4.4", of a lens frame about its main galaxy
BANDS = ("VIS", "H")  # the color of an arc, at half the cost of all four bands
# What the detector is trained on, of the pool itself: a survey has nothing else.
N_TRAIN = 2000
# Before coalescence, both nuclei in the frame and more than 1.5 PSF widths apart.
SEEN = "pre_merger_neighbor"
MAJOR = (0.25, 1.0)  # flux ratio of major mergers, 1:4 and above


def save(folder: Path, **cutouts: aa.Cutouts) -> None:
    """Write sets of cutouts as arrays, which is quicker than files of FITS."""
    with atomic_dir(folder) as partial:
        for name, one in cutouts.items():
            np.save(partial / f"{name}.npy", one.images)
            one.table.write(partial / f"{name}.ecsv", format="ascii.ecsv")


def mocks(folder: Path, n: int, n_rare: int, seed: int) -> None:
    """Simulate `n` isolated galaxies, `n_rare` mergers and as many artefacts.

    A merger is one view of a major pair before coalescence in which a person can see
    both galaxies. Artefacts lie on galaxies of their own.
    """
    options = {"size": SIZE, "n_workers": 1}
    ordinary = aa.simulate.galaxies(n, seed=seed, **options)
    # Every second pair or so has such a view.
    pairs = aa.simulate.mergers(
        int(1.8 * n_rare),
        n_before=1,
        n_after=0,
        flux_ratio=MAJOR,
        seed=seed + 1,
        **options,
    )
    seen = pairs[np.asarray(pairs.table["stage"]) == SEEN]
    _, first = np.unique(np.asarray(seen.table["system"]), return_index=True)
    plain = aa.simulate.galaxies(n_rare, seed=seed + 2, **options)
    save(folder, ordinary=ordinary, interesting=seen[first[:n_rare]], plain=plain)


def centred(cutouts: aa.Cutouts) -> aa.Cutouts:
    """Cut frames about their main galaxy, as a catalog does; add what is blue.

    The simulator sets a lens anywhere up to 1.3" from the middle. The centre is the
    highest pixel of the last band smoothed by 2 pixels. The band "blue" is the first
    one less the last, scaled to the color of the nucleus (4 pixels): arcs stay.
    """
    half = CENTRED // 2
    images = np.empty((len(cutouts), CENTRED, CENTRED, len(BANDS) + 1), np.float32)
    y, x = np.indices((CENTRED, CENTRED)) - (CENTRED - 1) / 2
    core = np.hypot(y, x) < 4
    for image, frame in zip(images, cutouts.images, strict=True):
        smooth = ndimage.gaussian_filter(frame[..., -1].astype(float), 2.0)
        middle = smooth[half : SIZE - half + 1, half : SIZE - half + 1]
        top, left = np.unravel_index(middle.argmax(), middle.shape)
        image[..., :-1] = frame[top : top + CENTRED, left : left + CENTRED]
        color = image[core, 0].sum() / image[core, -2].sum()
        image[..., -1] = image[..., 0] - color * image[..., -2]
    bands = (*cutouts.bands, "blue")
    return aa.Cutouts(images, cutouts.table, bands, cutouts.pixel_scale)


def lens_frames(folder: Path, n: int, n_rare: int, seed: int) -> None:
    """Simulate `n` frames of what resembles lenses, and `n_rare` lenses."""
    options = {"size": SIZE, "bands": BANDS, "n_workers": 1}
    ordinary = aa.simulate.lens_survey(n, lens_fraction=0.0, seed=seed, **options)
    # About 9 in 10 of those drawn pass the rule of the published images.
    drawn = aa.simulate.lens_survey(
        int(1.3 * n_rare), lens_fraction=1.0, seed=seed + 1, **options
    )
    lenses = drawn[np.flatnonzero(drawn.table["is_lens"])[:n_rare]]
    save(folder, ordinary=centred(ordinary), interesting=centred(lenses))


def real(folder: Path, data: Path, seed: int) -> None:
    """Write the real COSMOS galaxies, and composites of two of them."""
    survey = aa.read_cutouts(
        data / "cosmos_acs_f814w", bands=[cosmos.BAND], n_workers=1
    )
    pairs = cosmos.composites(survey, 2, seed)
    save(folder, ordinary=survey, interesting=pairs)
