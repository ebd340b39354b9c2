"""The sets of the lens study: smooth lenses, subhaloes, vortices, written once."""

import logging
from pathlib import Path

from astroanomaly import simulate
from astroanomaly.data.cutouts import Cutouts, concatenate
from astroanomaly.data.write import write_cutouts
from astroanomaly.simulate.lenses.settings import LENSTRONOMY

LOG = logging.getLogger("deeplense")
SETTING = LENSTRONOMY
REDSHIFTS = ("fixed", "varying")
SECTORS = ("subhalos", "vortex")
# Of the lens's mass; the published table is at 1 per cent.
FRACTION = 0.01
FRACTIONS = (0.001, 0.003, 0.005, 0.02, 0.03, 0.05)
# Exposure times, in units of the setting's: signal to noise goes about as the root.
EXPOSURES = (0.1, 0.3, 3.0)
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


def substructure(sector: str, fraction: float):
    """Return the setting's substructure with another share of the mass.

    Parameters
    ----------
    sector : {"smooth", "subhalos", "vortex"}
        Which.
    fraction : float
        Mass over the lens's mass inside its Einstein radius.

    Returns
    -------
    Subhalos, Vortex or None
        None for "smooth".
    """
    if sector == "smooth":
        return None
    if sector == "subhalos":
        return SETTING.subhalos.replace(mass_fraction=fraction)
    # The recipe gives a vortex's mass; the published table a share.
    return SETTING.vortex.replace(mass=None, mass_fraction=fraction)


class Sets:
    """The folders of the sets, made when they are first asked for.

    Parameters
    ----------
    folder : Path
        Where they lie.
    size : int
        Side of a cutout, pixels.
    seed : int
        The study's seed.
    """

    def __init__(self, folder: Path, size: int, seed: int):
        self.folder, self.size, self.seed = folder, size, seed

    def lenses(self, n: int, redshifts: str, seed: int, sector="smooth", **options):
        """Simulate lenses of one kind."""
        model = substructure(sector, options.pop("fraction", FRACTION))
        if not options.pop("added", True):
            model = model.replace(added=False)
        return simulate.lenses(
            n,
            setting=SETTING,
            redshifts=redshifts,
            substructure=model,
            size=self.size,
            seed=1000 * self.seed + seed + 500 * REDSHIFTS.index(redshifts),
            progress=True,
            **options,
        )

    def write(self, name: str, make) -> Path:
        """Write a set as FITS unless it is there; return its folder."""
        folder = self.folder / name
        if not (folder / "catalog.ecsv").is_file():
            LOG.info("simulating %s", name)
            write_cutouts(folder, make())
        return folder

    def plain(self, redshifts: str, name: str, n: int) -> Path:
        """Write a set of smooth lenses, or of those of a sector."""
        sector = name if name in SECTORS else "smooth"
        return self.write(
            f"{redshifts}_{name}",
            lambda: self.lenses(n, redshifts, SEEDS[name], sector),
        )

    def labelled(self, redshifts: str, n: int) -> Path:
        """Write the labelled set that only the supervised network sees.

        Its smooth lenses are the training set of the others.
        """

        def make() -> Cutouts:
            parts = [
                self.lenses(n // 2, redshifts, SEEDS["labelled"] + k, sector)
                for k, sector in enumerate(SECTORS)
            ]
            return concatenate(parts)

        return self.write(f"{redshifts}_labelled", make)

    def by_fraction(self, redshifts: str, n: int) -> dict[str, Path]:
        """Write sets along the mass fraction; those of 1 per cent are there already."""
        found = {}
        for i, fraction in enumerate(FRACTIONS):
            for k, sector in enumerate(SECTORS):
                seed = SEEDS["fraction"] + 2 * i + k
                name = f"{redshifts}_{sector}_{100 * fraction:g}"
                found[name] = self.write(
                    name,
                    lambda s=seed, f=fraction, sector=sector: self.lenses(
                        n, redshifts, s, sector, fraction=f
                    ),
                )
        return found

    def by_exposure(self, redshifts: str, n: int) -> dict[str, Path]:
        """Write sets along the exposure time, smooth lenses among them."""
        found = {}
        for i, factor in enumerate(EXPOSURES):
            time = SETTING.camera.exposure_time * factor
            camera = SETTING.camera.replace(exposure_time=time)
            for k, sector in enumerate(("smooth", *SECTORS)):
                seed = SEEDS["exposure"] + 3 * i + k
                name = f"{redshifts}_{sector}_x{factor:g}"
                found[name] = self.write(
                    name,
                    lambda s=seed, c=camera, sector=sector: self.lenses(
                        n, redshifts, s, sector, instrument=c
                    ),
                )
        return found

    def exchanged(self, redshifts: str, n: int) -> dict[str, Path]:
        """Write sets whose substructure takes its mass from the smooth lens.

        The papers add it, which makes the ring larger: what is left when it does not?
        """
        found = {}
        for k, sector in enumerate(SECTORS):
            name = f"{redshifts}_{sector}_exchanged"
            found[name] = self.write(
                name,
                lambda k=k, sector=sector: self.lenses(
                    n, redshifts, SEEDS["exchanged"] + k, sector, added=False
                ),
            )
        return found
