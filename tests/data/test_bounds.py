"""What is too large, ends too early or is never there costs a sentence, not a run."""

import bz2
import gzip
import io
import os
import signal
import zipfile

import numpy as np
import pytest
from astropy.io import fits

from astroanomaly.data.options import BadCutout, Cutout, ReadOptions
from astroanomaly.data.prepare import prepare
from astroanomaly.data.reading import read_cutouts
from astroanomaly.data.sources.array import from_numpy
from astroanomaly.data.sources.files import SINGLE, FileSource, Layout
from astroanomaly.utils.parallel import parallel

MIB = 2**20


def _header(*shape):
    hdu = fits.PrimaryHDU(np.zeros((2, 2), "f4"))
    head = hdu.header.tostring().encode()
    for i, n in enumerate(reversed(shape), 1):
        head = head.replace(
            f"NAXIS{i}  = {2:>20}".encode(), f"NAXIS{i}  = {n:>20}".encode()
        )
    return head


def _sparse(path, head, size):
    with open(path, "wb") as file:
        file.write(head)
        file.truncate(size)


@pytest.fixture
def bombs(tmp_path, folder):
    """Write ten files that claim or unpack to far more than they hold."""
    zeros, big = bytes(16 * MIB), _header(50_000, 50_000)
    (folder / "b0.fits.gz").write_bytes(gzip.compress(big + 4 * zeros))
    (folder / "b1.fits.bz2").write_bytes(bz2.compress(big + 4 * zeros))
    (folder / "b2.fits").write_bytes(gzip.compress(_header(9000, 9000) + 20 * zeros))
    _sparse(folder / "b3.fits", big, 11 * 10**9)
    (folder / "b4.fits").write_bytes(_header(2**40, 2**40))
    (folder / "b5.fits").write_bytes(_header(2**62, 2**62) + zeros[: 2 * MIB])
    many = _header(1000, 1000) + zeros[:4_000_320]
    (folder / "b6.fits.gz").write_bytes(
        gzip.compress(many + 40 * (many.replace(b"SIMPLE  = ", b"XTENSION= ")))
    )
    _sparse(folder / "b7.fits", b"SIMPLE  =".ljust(80), 10**9)
    hdu = fits.CompImageHDU(np.zeros((64, 64), "i2"))
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(folder / "b8.fits")
    data = (folder / "b8.fits").read_bytes()
    data = data.replace(
        f"ZNAXIS1 = {64:>20}".encode(), f"ZNAXIS1 = {2**40:>20}".encode()
    )
    (folder / "b8.fits").write_bytes(data)
    (folder / "b9.fits").write_bytes(bz2.compress(b"SIMPLE  =".ljust(80) + 6 * zeros))
    return folder


def test_ten_bombs_are_listed(bombs):
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF)
    found = read_cutouts(bombs, max_bytes=64 * MIB)
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert found.object_ids == [f"g{i}" for i in range(5)]
    assert len(found.skipped) == 10
    assert after.ru_utime - before.ru_utime < 10
    # Kibibytes; what was held at any time, tests before this one included.
    assert after.ru_maxrss - before.ru_maxrss < 400 * 1024
    large = [row for row in found.skipped if "max_bytes" in row["reason"]]
    assert len(large) >= 4


def test_what_fits_into_max_bytes_is_read(tmp_path, write_fits, noise):
    image = noise(100, 100)
    path = write_fits(tmp_path / "a.fits.gz", image)
    found = read_cutouts(path, max_bytes=50_000)
    np.testing.assert_array_equal(found.images[0, ..., 0], image)
    with pytest.raises(ValueError, match="`max_bytes`"):
        read_cutouts(path, max_bytes=30_000)
    with pytest.raises(ValueError, match="`max_bytes` must be .*Received: 0"):
        read_cutouts(path, max_bytes=0)


@pytest.mark.parametrize("honest", [True, False])
def test_npz_bombs(tmp_path, honest):
    path = tmp_path / "a.npz"
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f4", "fortran_order": False, "shape": (4, 1000, 1000)}
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", head.getvalue() + bytes(16_000_000 * honest))
    with pytest.raises(ValueError, match="max_bytes" if honest else "a.npz"):
        from_numpy(str(path), ReadOptions(max_bytes=MIB))


@pytest.mark.parametrize("kind", ["mosaic", "cube", "npy"])
def test_a_file_that_becomes_shorter_while_it_is_read(tmp_path, write_fits, kind):
    cube = np.random.default_rng(1).normal(size=(8, 300, 300)).astype("f4")
    options, catalog = {"stream": True}, {"x": [50.0, 50], "y": [50.0, 290]}
    if kind == "npy":
        path = tmp_path / "a.npy"
        np.save(path, cube)
    elif kind == "cube":
        path = write_fits(tmp_path / "a.fits", cube)
    else:
        from astropy.table import Table

        path = write_fits(tmp_path / "a.fits", np.concatenate(cube))
        catalog = Table({"x": [50.0, 50.0], "y": [50.0, 2300.0]})
        options |= {"catalog": catalog, "size": 16}
    stream = read_cutouts(path, **options)
    os.truncate(path, path.stat().st_size // 2)
    found = [part for part in stream.chunks(1)]
    assert sum(len(part) for part in found) < len(stream)
    assert len(stream.skipped) > 0
    assert (
        "shorter" in stream.skipped["reason"][-1]
        or "trunc" in (stream.skipped["reason"][-1])
    )


def _die(k):
    if k == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return k


def test_a_killed_worker_is_a_sentence():
    with pytest.raises(ChildProcessError, match="worker process"):
        list(parallel(_die, [(k,) for k in range(6)], 2))
    assert list(parallel(_die, [(k,) for k in range(3)], 2)) == [0, 1, 2]


class _Broken(FileSource):
    def read(self, row, options):
        raise self.error


@pytest.mark.parametrize(
    "error", [TypeError("odd"), fits.VerifyError("card"), MemoryError(), KeyError("X")]
)
def test_no_error_of_a_library_ends_a_run(folder, error):
    from astroanomaly.data.stream import read_batch

    source = _Broken(["a"], [(str(folder / "g0.fits"),)], Layout(SINGLE, ("i",)))
    source.error = error
    batch = read_batch(source, ReadOptions(), [0])
    assert type(error).__name__ in batch.skipped[0][1]


def test_links_and_pipes_in_a_folder_are_listed(folder):
    os.symlink(folder / "gone.fits", folder / "link.fits")
    os.symlink(folder / "self.fits", folder / "self.fits")
    os.mkfifo(folder / "pipe.fits")
    (folder / "folder.fits").mkdir()
    found = read_cutouts(folder)
    assert len(found) == 5
    names = [os.path.basename(name) for name in found.skipped["file"]]
    assert names == ["link.fits", "pipe.fits", "self.fits"]
    with pytest.raises(ValueError, match="no regular file"):
        read_cutouts(folder / "pipe.fits")
    os.mkfifo(folder / "pipe.npy")
    with pytest.raises(ValueError, match="no regular file"):
        read_cutouts(folder / "pipe.npy")


def test_names_with_brackets(tmp_path, write_fits, noise):
    root = tmp_path / "field[1]"
    for band in "gr":
        write_fits(root / band / "a [b].fits", noise(8, 8))
        write_fits(tmp_path / "field1" / band / "x.fits", noise(8, 8))
    assert read_cutouts(f"{root}/g/*.fits").object_ids == ["a [b]"]
    found = read_cutouts(root, band_pattern="{band}/{object_id}.fits")
    assert (found.object_ids, found.bands) == (["a [b]"], ("g", "r"))
    # Where no such folder exists the brackets are a pattern.
    assert len(read_cutouts(f"{tmp_path}/field[0-9]/[g]/*.fits")) == 1


def test_files_of_one_name(tmp_path, write_fits, noise):
    for k, tile in enumerate(("t1", "t2")):
        write_fits(tmp_path / tile / "c.fits", noise(8, 8, seed=k))
    assert read_cutouts(f"{tmp_path}/**/*.fits").object_ids == ["t1/c", "t2/c"]
    write_fits(tmp_path / "t1" / "c.fits.gz", noise(8, 8))
    with pytest.raises(ValueError, match=r"'c' from .*c.fits and .*c.fits.gz"):
        read_cutouts(tmp_path / "t1")


def test_the_reason_names_the_band(tmp_path, write_fits, noise):
    for k in range(2):
        cube = noise(3, 8, 8, seed=k)
        cube[2] *= k
        write_fits(tmp_path / f"o{k}.fits", cube)
    found = read_cutouts(tmp_path, bands=["g", "r", "z"])
    assert found.skipped["reason"][0] == "constant: every pixel is 0 (band z)"
    alone = read_cutouts(tmp_path / "o1.fits", bands=["g", "r", "z"])
    assert alone.image_shape == (8, 8, 3)


def test_a_bad_object_of_a_source_is_a_bad_cutout(tmp_path, write_fits, noise):
    path = write_fits(tmp_path / "a.fits", noise(8, 8))
    source = FileSource(["a"], [(str(path),)], Layout(SINGLE, ("i",)))
    with pytest.raises(BadCutout, match="max_bytes"):
        source.read(0, ReadOptions(max_bytes=100))


def test_a_pixel_scale_that_would_fill_the_memory_skips_the_object():
    options = ReadOptions(size=(8, 8), pixel_scale=1e-9)
    with pytest.raises(BadCutout, match=r"12000000000x12000000000 pixels of 1e-09"):
        prepare(Cutout([np.ones((120, 120))], [0.1]), options, ("i",))


@pytest.mark.parametrize("tiled", [True, False])
@pytest.mark.parametrize("n_fields", [1000, 2**65])
def test_a_table_of_too_many_columns_is_refused_at_once(
    tmp_path, noise, tiled, n_fields
):
    """FITS allows 999; astropy would count up to what the card says."""
    image, path = (noise(16, 16) * 10).astype("i2"), tmp_path / "a.fits"
    table = fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])])
    hdus = [fits.CompImageHDU(image)] if tiled else [fits.ImageHDU(image), table]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    raw = path.read_bytes()
    card = f"TFIELDS = {1:>20}".encode()
    assert raw.count(card) == 1
    path.write_bytes(raw.replace(card, f"TFIELDS = {n_fields:>20}".encode()))
    with pytest.raises(ValueError, match=f"TFIELDS = {n_fields}"):
        read_cutouts([path])


@pytest.mark.parametrize("side", [0, 23, 10**6, -1])
def test_a_tile_that_states_another_size_is_refused(tmp_path, noise, side):
    """The decoder of HCOMPRESS would divide by it, or write beyond its memory."""
    image, path = (noise(24, 24) * 10).astype("i2"), tmp_path / "a.fits"
    tiles = fits.CompImageHDU(image, compression_type="HCOMPRESS_1")
    fits.HDUList([fits.PrimaryHDU(), tiles]).writeto(path)
    np.testing.assert_array_equal(read_cutouts([path]).images[0, ..., 0], image)
    raw = path.read_bytes()
    # Two bytes name the method, four are the first side.
    at = raw.index(b"\xdd\x99\0\0\0") + 2
    path.write_bytes(raw[:at] + side.to_bytes(4, "big", signed=True) + raw[at + 4 :])
    with pytest.raises(ValueError, match="tiles that cannot be read"):
        read_cutouts([path])
