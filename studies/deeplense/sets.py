"""The sets of lenses: smooth ones, with subhaloes, with a vortex; written once."""

import logging
from pathlib import Path

from astroanomaly import simulate
from astroanomaly.data import concatenate, write_cutouts
from astroanomaly.simulate.lenses.settings import LENSTRONOMY

LOG = logging.getLogger("deeplense")
REDSHIFTS = ("fixed", "varying")
SECTORS = ("subhalos", "vortex")
# Mass of the substructure over that of the lens; the published table is at 1 per cent.
FRACTION = 0.01
FRACTIONS = (0.001, 0.003, 0.005, 0.02, 0.03, 0.05)
# Exposure times over the setting's: signal to noise goes about as the root.
EXPOSURES = (0.1, 0.3, 3.0)
# No two sets share a seed. Each setting of the redshifts adds 500, each seed of the
# study 1000: the numbers stay below that.
SEEDS = {
    "train": 1,
    "calibration": 2,
    "smooth": 3,
    "subhalos": 4,
    "vortex": 5,
    "labelled": 6,
    "fraction": 20,
    "exposure": 60,
    "exchanged": 90,
}


def planned(scale) -> dict[str, list[tuple]]:
    """Return what each set holds: parts (number, seed, sector, options) by its name."""
    sizes = {"calibration": scale.n_calibration}
    sizes |= dict.fromkeys(("smooth", *SECTORS), scale.n_test)
    found = {"train": [(scale.n_train, SEEDS["train"], "smooth", {})]}
    # Only the supervised network sees these; its smooth lenses are the training set.
    found["labelled"] = [
        (scale.n_labelled // 2, SEEDS["labelled"] + k, sector, {})
        for k, sector in enumerate(SECTORS)
    ]
    for name, n in sizes.items():
        sector = name if name in SECTORS else "smooth"
        found[name] = [(n, SEEDS[name], sector, {})]
    for i, fraction in enumerate(FRACTIONS):
        for k, sector in enumerate(SECTORS):
            part = scale.n_grid, SEEDS["fraction"] + 2 * i + k, sector
            found[f"{sector}_{100 * fraction:g}"] = [(*part, {"fraction": fraction})]
    for i, factor in enumerate(EXPOSURES):
        for k, sector in enumerate(("smooth", *SECTORS)):
            part = scale.n_grid, SEEDS["exposure"] + 3 * i + k, sector
            found[f"{sector}_x{factor:g}"] = [(*part, {"exposure": factor})]
    for k, sector in enumerate(SECTORS):
        part = 2 * scale.n_grid, SEEDS["exchanged"] + k, sector
        found[f"{sector}_exchanged"] = [(*part, {"added": False})]
    return found


def lenses(
    n,
    seed,
    sector,
    redshifts,
    size,
    exposure=1.0,
    fraction=FRACTION,
    added=True,
    noise=True,
):
    """Simulate smooth lenses, or those whose `fraction` of mass is substructure.

    The mass is `added`, as in the papers, which makes the ring larger; otherwise the
    smooth lens loses as much.
    """
    camera, model = LENSTRONOMY.camera, None
    if exposure != 1.0:
        camera = camera.replace(exposure_time=camera.exposure_time * exposure)
    if sector == "subhalos":
        model = LENSTRONOMY.subhalos.replace(mass_fraction=fraction)
    elif sector == "vortex":
        # The recipe states a vortex's mass, the published table its share.
        model = LENSTRONOMY.vortex.replace(mass=None, mass_fraction=fraction)
    return simulate.lenses(
        n,
        setting=LENSTRONOMY,
        redshifts=redshifts,
        substructure=model if added or model is None else model.replace(added=False),
        size=size,
        seed=seed,
        instrument=camera,
        noise=noise,
        progress=True,
    )


def write(folder: Path, redshifts: str, scale, seed: int) -> dict[str, Path]:
    """Return the folders REDSHIFTS_SET of a setting by set, written if not there."""
    first = 1000 * seed + 500 * REDSHIFTS.index(redshifts)
    found = {}
    for name, parts in planned(scale).items():
        found[name] = folder / f"{redshifts}_{name}"
        if (found[name] / "catalog.ecsv").is_file():
            continue
        LOG.info("simulating %s_%s", redshifts, name)
        made = [
            lenses(n, first + own, sector, redshifts, scale.size, **options)
            for n, own, sector, options in parts
        ]
        write_cutouts(found[name], concatenate(made) if len(made) > 1 else made[0])
    return found
