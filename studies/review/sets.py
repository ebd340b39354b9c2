"""The three pools: mock galaxies with mergers, real COSMOS galaxies, lens frames."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import astroanomaly as aa
from astroanomaly.utils import atomic_dir
from studies.cosmos import sets as cosmos

SIZE = 64  # pixels: 3.8" of WFC3 F160W, 6.4" of Euclid
BANDS = ("VIS", "H")  # the color of an arc, at half the cost of all four bands
# What the detector is trained on, of the pool itself: a survey has nothing else.
N_TRAIN = 2000
# Before coalescence, both nuclei in the frame and more than 1.5 PSF widths apart.
SEEN = "pre_merger_neighbor"
MAJOR = (0.25, 1.0)  # flux ratio of major mergers, 1:4 and above


@dataclass(frozen=True)
class Pool:
    """What a reviewer looks at: linear images, and the truth of each."""

    images: np.ndarray  # (n, ny, nx, bands)
    kind: np.ndarray  # "interesting", "artefact" or "ordinary"


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


def lens_frames(folder: Path, n: int, n_rare: int, seed: int) -> None:
    """Simulate `n` frames of what resembles lenses, `n_rare` lenses and artefacts."""
    options = {"size": SIZE, "bands": BANDS, "n_workers": 1}
    ordinary = aa.simulate.lens_survey(n, lens_fraction=0.0, seed=seed, **options)
    # About 9 in 10 of those drawn pass the rule of the published images.
    drawn = aa.simulate.lens_survey(
        int(1.3 * n_rare), lens_fraction=1.0, seed=seed + 1, **options
    )
    lenses = drawn[np.flatnonzero(drawn.table["is_lens"])[:n_rare]]
    plain = aa.simulate.lens_survey(n_rare, lens_fraction=0, seed=seed + 2, **options)
    save(folder, ordinary=ordinary, interesting=lenses, plain=plain)


def real(folder: Path, data: Path, seed: int) -> None:
    """Write the real COSMOS galaxies, and composites of two of them."""
    survey = aa.read_cutouts(
        data / "cosmos_acs_f814w", bands=[cosmos.BAND], n_workers=1
    )
    pairs = cosmos.composites(survey, 2, seed)
    save(folder, ordinary=survey, interesting=pairs)
