import pytest

from astroanomaly.data.units import how_to_merge

UNITS = {
    "mean": [
        "MJy/sr",
        "MJy sr-1",
        "MJy.sr^-1",
        "Jy/beam",
        "JY/BEAM",
        "mJy beam-1",
        "ELECTRONS/S/ARCSEC2",
        "electron / (s arcsec2)",
        "erg/s/cm2/arcsec^2",
        "erg s-1 cm-2 Angstrom-1 arcsec-2",
        "erg/s/cm**2/arcsec**2",
        "nanomaggy/arcsec^2",
        "counts per square arcsec",
        "W m-2 sr-1",
        "uJy / arcmin2",
        "MJy/steradian",
        "K",
        "mK",
        "km/s",
        "K km / s / sr",
    ],
    "sum": [
        "",
        "ELECTRONS/S",
        "electron / s",
        "adu",
        "counts/s",
        "nanomaggy",
        "Jy",
        "uJy",
        "Jy/pixel",
        "erg/s/cm2",
        "erg s-1 cm-2 Angstrom-1",
        "W/m2",
        "no unit that anybody knows",
        "10*nJy",
    ],
    "none": ["mag", "mag/arcsec2", "mag(AB)", "MAG ARCSEC-2", "dex", "dB"],
}


@pytest.mark.parametrize(
    ("how", "unit"), [(how, unit) for how, units in UNITS.items() for unit in units]
)
def test_units(how, unit):
    assert how_to_merge(unit) == how
