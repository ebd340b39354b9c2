"""Small FITS files for the tests of astroanomaly.data."""

import numpy as np
import pytest
from astropy.io import fits


def _write(path, image, **header):
    hdu = fits.PrimaryHDU(np.asarray(image))
    hdu.header.update(header)
    path.parent.mkdir(parents=True, exist_ok=True)
    hdu.writeto(path)
    return path


@pytest.fixture
def write_fits():
    """Return a function that writes one image and header keywords."""
    return _write


@pytest.fixture
def noise():
    """Return a function that makes float32 noise of a shape."""

    def make(*shape, seed=1):
        return np.random.default_rng(seed).normal(10, 1, shape).astype(np.float32)

    return make


@pytest.fixture
def folder(tmp_path, noise):
    """Return a folder of five single-image files of 20x20 pixels."""
    images = noise(5, 20, 20)
    for i, image in enumerate(images):
        _write(tmp_path / "five" / f"g{i}.fits", image, FILTER="F814W", BUNIT="e/s")
    return tmp_path / "five"


@pytest.fixture
def tan_header():
    """Return a function that gives the WCS of an image of 0.1 arcsec pixels."""

    def make(nx, ny, ra=150.0, dec=2.0, scale=0.1):
        return {
            "CTYPE1": "RA---TAN",
            "CTYPE2": "DEC--TAN",
            "CRVAL1": ra,
            "CRVAL2": dec,
            "CRPIX1": (nx + 1) / 2,
            "CRPIX2": (ny + 1) / 2,
            "CD1_1": -scale / 3600,
            "CD1_2": 0.0,
            "CD2_1": 0.0,
            "CD2_2": scale / 3600,
        }

    return make
