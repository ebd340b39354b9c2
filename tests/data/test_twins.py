"""Files whose headers say the same share what was found out, and nothing else."""

import numpy as np
import pytest
from astropy.io import fits

from astroanomaly.data.fits import FitsFile
from astroanomaly.data.reading import read_cutouts

CARDS = {
    **{"FILTER": "F814W", "BUNIT": "adu", "MAGZERO": 25.0, "OBJECT": "one"},
    **{"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0},
    **{"CRPIX1": 8.5, "CRPIX2": 8.5, "CDELT1": -1e-5, "CDELT2": 1e-5},
    **{"EQUINOX": 2000.0, "RADESYS": "ICRS", "IMAGETYP": "object", "EXPTIME": 1.0},
}
CHANGES = {
    "unasked": {"OBJECT": "two", "EXPTIME": 2.0},
    "position": {"CRVAL1": 33.25, "CRVAL2": -71.5, "CRPIX1": 3.0},
    "no position": {"CRVAL2": 95.0},
    "text for a number": {"CRVAL1": "here"},
    "frame": {"RADESYS": "FK5"},
    "equinox": {"EQUINOX": 1975.0},
    "projection": {"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN"},
    "unit": {"BUNIT": "electron"},
    "zero point": {"MAGZERO": 22.5},
    "scale of the pixels": {"BSCALE": 2.0, "BZERO": 10.0},
    "weights": {"IMAGETYP": "weight"},
    "one more": {"PUPIL": "CLEAR"},
    "distortion": {"PV2_1": 1.0},
    "long name": {"HIERARCH FPA.FILTERID": "r.00000"},
}


@pytest.fixture
def write(tmp_path, noise):
    def make(name, changes, dtype="f4"):
        cards = fits.Header({**CARDS, **changes})
        path = tmp_path / f"{name}.fits"
        data = (noise(16, 16) * 100).astype(dtype)
        if "BSCALE" not in changes:
            fits.PrimaryHDU(data, cards).writeto(path)
            return str(path)
        # astropy would undo the scale, or drop its cards.
        fits.PrimaryHDU(data, fits.Header({**CARDS, "AAAA": 0, "BBBB": 0})).writeto(
            path
        )
        raw = path.read_bytes()
        for old, key in (("AAAA", "BSCALE"), ("BBBB", "BZERO")):
            card = f"{key:8}= {changes[key]:20}".ljust(80).encode()
            at = raw.index(f"{old}    =".encode())
            raw = raw[:at] + card + raw[at + 80 :]
        path.write_bytes(raw)
        return str(path)

    return make


@pytest.mark.parametrize("kind", CHANGES)
def test_what_one_file_says_is_not_taken_for_another(write, kind):
    """After a file that differs in a few cards each is read as it is alone."""
    paths = [write("a", {}), write("b", CHANGES[kind]), write("c", {}, "i2")]
    paths.append(write("d", CHANGES[kind]))
    # Its own pixel scale, for what has none that can be read.
    options = {"input_pixel_scale": 0.036, "n_workers": 1}
    together = read_cutouts(paths, **options)
    alone = {}
    for path in paths:
        try:
            alone[path] = read_cutouts([path], bands=["F814W"], **options)
        except ValueError:
            continue
    for row, path in enumerate(together.table["file"]):
        one = alone.pop(path)
        np.testing.assert_array_equal(together.images[row], one.images[0])
        for name in one.table.colnames:
            if name.startswith(("unit_", "zero_point_")):
                assert str(together.table[name][row]) == str(one.table[name][0])
            elif name in ("ra", "dec", "flag", "object_id"):
                np.testing.assert_array_equal(
                    together.table[name][row], one.table[name][0]
                )
    assert not alone or kind == "weights"


def test_a_twin_of_another_filter_is_left_out(write):
    """One of thirty files, which the sample that is looked at first misses."""
    paths = [
        write(f"a{k:02d}", {"FILTER": "F606W"} if k == 1 else {}) for k in range(30)
    ]
    found = read_cutouts(paths)
    assert len(found) == 29
    assert "F606W" in found.skipped["reason"][0]


def test_positions_of_twins(write):
    """Position and pixels come from each file: CRVAL at CRPIX, by definition."""
    paths = [write("a", {}), write("b", {"CRVAL1": 33.25, "CRVAL2": -71.5})]
    table = read_cutouts(paths).table
    # The reference pixel 8.5 is the centre of 16 pixels.
    np.testing.assert_allclose(table["ra"], [150.0, 33.25], rtol=0, atol=1e-12)
    np.testing.assert_allclose(table["dec"], [2.0, -71.5], rtol=0, atol=1e-12)


def test_headers_that_say_the_same_are_described_once(write):
    """Files that differ in what nobody asks for share an image, and no others do."""
    with FitsFile(write("a", {})) as file:
        image = file.images[0]
    assert (image.band, image.unit, image.zero_point) == ("F814W", "adu", 25.0)
    for name, changes, same in (
        ("b", {"OBJECT": "two", "CRVAL1": 1.0}, True),
        ("c", {"FILTER": "F606W"}, False),
        ("d", {"OTHER": 1}, True),
        ("e", {"PV2_1": 1.0}, False),
    ):
        with FitsFile(write(name, changes)) as file:
            assert (file.images[0] is image) == same
            own = file.header(file.images[0])
            assert own.get("OBJECT") == changes.get("OBJECT", "one")
            assert own.get("CRVAL1") == changes.get("CRVAL1", 150.0)
