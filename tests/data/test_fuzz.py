"""Damaged files, at random but the same each time: every one is read or refused.

ASTROANOMALY_MUTANTS=500 python -m pytest tests/data/test_fuzz.py tries 500 of them.
"""

import bz2
import gzip
import os
import resource
import time

import numpy as np
import pytest
from astropy.io import fits

from astroanomaly.data.inspect import inspect
from astroanomaly.data.reading import read_cutouts

N = int(os.environ.get("ASTROANOMALY_MUTANTS", "60"))
CARD = 80
# Values that break a reader that trusts its file.
VALUES = [
    *("NaN", "-1", "0", "999999", "1E400", "T", "'text'", "", "1000,5", "1_0", "-2.5"),
    *("9223372036854775807", "36893488147419103232", "'", "(1.0, 2.0)", "\xe9\xb5\n"),
]


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Return files of all forms as bytes."""
    folder = tmp_path_factory.mktemp("originals")
    image = np.random.default_rng(1).normal(50, 5, (24, 24)).astype("f4")
    whole = (image * 20).astype("i2")
    header = fits.Header({"FILTER": "i", "BUNIT": "adu", "MAGZERO": 25.0})
    for key, value in (("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN")):
        header[key] = value
    for key, value in (("CRVAL", 150.0), ("CRPIX", 12.0), ("CDELT", 5e-5)):
        header[f"{key}1"], header[f"{key}2"] = value, value
    gap = image.copy()
    gap[2, 3] = np.nan
    blank = fits.Header({**header, "BLANK": 5})
    tiles = {
        kind: fits.CompImageHDU(data, header, compression_type=kind, **more)
        for kind, data, more in (
            ("RICE_1", whole, {}),
            ("GZIP_2", gap, {"quantize_method": 2, "dither_seed": 3}),
            ("HCOMPRESS_1", whole, {"hcomp_scale": 2}),
            ("PLIO_1", np.abs(whole), {}),
            ("GZIP_1", whole, {}),
        )
    }
    forms = {
        "plain": [fits.PrimaryHDU(image, header)],
        "unsigned": [fits.PrimaryHDU(whole.astype("u2"), header)],
        "blank": [fits.PrimaryHDU(whole, blank)],
        "cube": [fits.PrimaryHDU(np.stack([image, gap, image]), header)],
        "sci": [
            fits.PrimaryHDU(),
            fits.ImageHDU(image, header, name="SCI"),
            fits.ImageHDU(image, name="ERR"),
            fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])]),
        ],
        "flux": [fits.PrimaryHDU(), fits.ImageHDU(image, header, name="VIS_FLUX")],
        **{kind: [fits.PrimaryHDU(), hdu] for kind, hdu in tiles.items()},
    }
    found = {}
    for name, hdus in forms.items():
        path = folder / f"{name}.fits"
        fits.HDUList(hdus).writeto(path)
        found[name] = path.read_bytes()
    found["packed"] = gzip.compress(found["plain"])
    found["bzip2"] = bz2.compress(found["plain"])
    return found


def mutant(data: bytes, rng) -> bytes:
    """Return a file with one to four things wrong in it."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        kind, n = rng.integers(9), max(len(data), 1)
        at = int(rng.integers(n))
        card = at % min(n, 2 * 2880) // CARD * CARD
        if kind == 0:
            data[at : at + 1] = rng.bytes(1)
        elif kind == 1:
            data[at : at + 40] = rng.bytes(40)
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            data[at:at] = rng.bytes(int(rng.integers(1, 3000)))
        elif kind == 4:
            del data[card : card + CARD]
        elif kind == 5:
            other = int(rng.integers(n)) // CARD * CARD
            data[card : card + CARD] = data[other : other + CARD]
        elif kind == 6:
            data[at : at + 2880] = bytes(2880)
        else:
            # Twice as often as the others: a card of another value.
            value = VALUES[rng.integers(len(VALUES))].encode("latin-1")
            data[card + 8 : card + CARD] = (b"= " + value).ljust(72)[:72]
    return bytes(data)


def _limited(call):
    """Return the result, or the sentence of a refusal, within 10 s and 2 GB."""
    start, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF)
    try:
        found = call()
    except ValueError as error:
        found = str(error)
        assert "Received: " in found, found
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert time.process_time() - start < 10
    assert after.ru_maxrss - before.ru_maxrss < 2 * 2**20
    return found


def test_every_mutant_is_read_or_refused(originals, tmp_path):
    rng, n_read = np.random.default_rng(20261129), 0
    names = sorted(originals)
    for k in range(N):
        name = names[k % len(names)]
        path = tmp_path / f"{name}{k}.fits"
        path.write_bytes(mutant(originals[name], rng))
        for given in ([str(path)], str(path)):
            found = _limited(lambda given=given: read_cutouts(given, size=16))
            if not isinstance(found, str):
                n_read += 1
                assert np.isfinite(found.images).all()
                assert len(found) + len(found.skipped) >= 1
            elif "None of" in found:
                assert str(path) in found
        seen = _limited(lambda path=path: inspect(str(path)))
        assert "Suggestion" in str(seen)
        path.unlink()
    # Most damage lies where it does not matter or costs the position alone.
    assert N / 4 < n_read < 2 * N


def test_mutants_among_good_files(originals, tmp_path):
    rng = np.random.default_rng(7)
    names = sorted(set(originals) - {"cube"})
    for k in range(20):
        (tmp_path / f"good{k}.fits").write_bytes(originals["plain"])
        data = mutant(originals[names[k % len(names)]], rng)
        (tmp_path / f"bad{k:02d}.fits").write_bytes(data)
    found = read_cutouts(
        sorted(tmp_path.glob("good*")) + sorted(tmp_path.glob("bad*")),
        size=16,
        bands=["i"],
        pixel_scale=0.18,
        input_pixel_scale=0.18,
    )
    assert set(found.object_ids) >= {f"good{k}" for k in range(20)}
    assert len(found) + len(found.skipped) == 40
