"""The real lenses of the lens-finder study: their files, bands and what to know."""

from dataclasses import dataclass

# Where the finders are trained on the lens's own light.
LIGHT = 'lens light subtracted; its ring, 5.1" in radius, is wider than any trained on'


@dataclass(frozen=True)
class Target:
    """A real lens and the files that show it.

    Parameters
    ----------
    name : str
        As papers have it.
    files : dict of str to str
        For each band of a finder, the file that stands in for it, in the folder of
        real files.
    seen_as : dict of str to str
        For each band of a finder, the band of the file.
    scale : float, optional
        Pixel size, arcsec, of files that state none.
    note : str
        What a reader must know.
    """

    name: str
    files: dict[str, str]
    seen_as: dict[str, str]
    scale: float | None = None
    note: str = ""

    @property
    def bands(self) -> tuple[str, ...]:
        """The finders' bands that it has."""
        return tuple(self.seen_as)

    @property
    def euclid(self) -> bool:
        """Whether one file of Euclid's mosaics holds all bands at 0.1 arcsec."""
        return len(set(self.files.values())) < len(self.files)


def _euclid(name: str, file: str) -> Target:
    bands = {"VIS": "VIS", "Y": "NIR_Y", "J": "NIR_J", "H": "NIR_H"}
    path = f"multiextension/{file}.fits"
    return Target(name, dict.fromkeys(bands, path), bands, note="candidate, Euclid Q1")


TARGETS = (
    _euclid("Euclid Q1 102021016", "102021016_NEG629685198482852633"),
    _euclid("Euclid Q1 102160336", "102160336_2685084962682049281"),
    Target(
        "SDSS J0946+1006",
        {"VIS": "lenses/sdssj0946+1006/data.fits"},
        {"VIS": "F814W"},
        0.05,
    ),
    Target(
        "SDSS J1148+1930",
        {"VIS": "lenses/cosmic_horseshoe_residual.fits"},
        {"VIS": "HST, filter not stated"},
        # Its file states no scale: the ring has a radius of 127 pixels, the lens one
        # of 5.1 arcsec (Belokurov et al. 2007).
        0.04,
        LIGHT,
    ),
    Target(
        "COSMOS-Web Ring",
        {
            "Y": "lenses/cosmos_web_ring/F115W/data.fits",
            "J": "lenses/cosmos_web_ring/F150W/data.fits",
        },
        {"Y": "F115W", "J": "F150W"},
        0.03,
        "JWST; F277W and F444W have no counterpart",
    ),
)
