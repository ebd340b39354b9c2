"""Files behind URLs: a server on the loopback address, and fsspec's memory."""

import io
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from packaging.version import Version

from astroanomaly.data import remote
from astroanomaly.data.reading import read_cutouts

fsspec = pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")
RNG = np.random.default_rng(8)
IMAGES = RNG.normal(10, 1, (3, 16, 16)).astype("f4")


def fits_bytes(image, **cards):
    held = io.BytesIO()
    fits.PrimaryHDU(image, fits.Header(cards)).writeto(held)
    return held.getvalue()


class Server:
    """Serves `files` by path; `faults` are what its first answers are instead."""

    def __init__(self):
        self.files, self.faults, self.asked, self.ranges = {}, {}, [], True
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_HEAD(self):
                self.answer(False)

            def do_GET(self):
                outer.asked.append((self.path, self.headers.get("Range")))
                self.answer(True)

            def send(self, status, headers, body=b""):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body)

            def answer(self, with_body):
                data = outer.files.get(self.path)
                if data is None:
                    self.send(404, {"Content-Length": 0})
                    return
                fault = None
                if with_body and outer.faults.get(self.path):
                    fault = outer.faults[self.path].pop(0)
                if self.path.startswith("/private"):
                    fault = 403
                if isinstance(fault, int):
                    self.send(fault, {"Content-Length": 0})
                    return
                asked = self.headers.get("Range")
                status, headers = 200, {"Content-Type": "application/octet-stream"}
                if outer.ranges:
                    headers["Accept-Ranges"] = "bytes"
                if self.path.endswith("/"):
                    headers["Content-Type"] = "text/html"
                if asked and outer.ranges:
                    start, stop = asked.removeprefix("bytes=").split("-")
                    stop = min(int(stop), len(data) - 1)
                    headers["Content-Range"] = f"bytes {start}-{stop}/{len(data)}"
                    status, data = 206, data[int(start) : stop + 1]
                headers["Content-Length"] = len(data)
                body = data if with_body else b""
                if fault == "cut":
                    body = body[: len(body) // 2]
                    self.close_connection = True
                self.send(status, headers, body)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(remote, "FIRST_WAIT", 0.01)
    made = Server()
    for k, image in enumerate(IMAGES):
        made.files[f"/survey/o{k}.fits"] = fits_bytes(image, FILTER="r")
    links = "".join(f'<a href="o{k}.fits">o{k}</a>' for k in range(3))
    made.files["/survey/"] = f"<html>{links}<a href='n.txt'>n</a></html>".encode()
    yield made
    made.close()


def test_single_files_lists_folders_and_patterns(server):
    one = read_cutouts(f"{server.url}/survey/o1.fits")
    np.testing.assert_array_equal(one.images[0, ..., 0], IMAGES[1])
    assert (one.object_ids, one.bands) == (["o1"], ("r",))
    assert one.table["file"][0] == f"{server.url}/survey/o1.fits"
    names = [f"{server.url}/survey/o{k}.fits" for k in (2, 0)]
    np.testing.assert_array_equal(read_cutouts(names).images[..., 0], IMAGES[[2, 0]])
    for name in ("survey/", "survey/*.fits"):
        got = read_cutouts(f"{server.url}/{name}")
        np.testing.assert_array_equal(got.images[..., 0], IMAGES)
    with pytest.raises(ValueError, match="No file matches.*Received: zero"):
        read_cutouts(f"{server.url}/survey/*.fit")


def test_a_failure_that_passes_is_tried_again(server):
    for fault in (500, 503, 429, "cut"):
        server.faults["/survey/o1.fits"] = [fault]
        got = read_cutouts(f"{server.url}/survey/o1.fits")
        np.testing.assert_array_equal(got.images[0, ..., 0], IMAGES[1])


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ([500] * 99, "3 tries.*500"),
        (["cut"] * 99, "3 tries"),
        ([410] * 99, "refused by the server.*410"),
    ],
)
def test_a_failure_that_stays_is_listed(server, faults, words):
    server.faults["/survey/o1.fits"] = faults
    names = [f"{server.url}/survey/o{k}.fits" for k in range(3)]
    got = read_cutouts(names)
    assert got.object_ids == ["o0", "o2"]
    assert list(got.skipped["file"]) == [names[1]]
    with pytest.raises(ValueError, match=words):
        read_cutouts(names[1:2])


def test_what_is_missing_or_private_is_listed_and_not_tried_again(server):
    server.files["/private/a.fits"] = fits_bytes(IMAGES[0])
    names = [
        f"{server.url}/{n}" for n in ("survey/o0.fits", "no.fits", "private/a.fits")
    ]
    got = read_cutouts(names)
    reasons = list(got.skipped["reason"])
    assert got.object_ids == ["o0"]
    assert "404" in reasons[0]
    assert "credentials" in reasons[1]
    asked = [path for path, _ in server.asked]
    # A look at the headers of the sample, the probe and the reading.
    assert asked.count("/no.fits") <= 9


@pytest.mark.parametrize("ranges", [True, False])
def test_a_mosaic_is_read_in_parts_where_the_server_gives_them(server, ranges):
    mosaic = RNG.normal(size=(1600, 1600)).astype("f4")
    server.files["/mosaic.fits"], server.ranges = fits_bytes(mosaic), ranges
    url, catalog = f"{server.url}/mosaic.fits", Table({"x": [800], "y": [700]})
    got = read_cutouts(url, catalog=catalog, size=16)
    np.testing.assert_array_equal(got.images[0, ..., 0], mosaic[692:708, 792:808])
    if ranges:
        assert all(asked for path, asked in server.asked if path == "/mosaic.fits")


def test_a_catalog_and_a_numpy_file_are_fetched(server):
    held = io.BytesIO()
    np.save(held, IMAGES)
    server.files["/a.npy"] = held.getvalue()
    server.files["/c.csv"] = b"object_id,mag\na_000000,1\na_000001,2\na_000002,3\n"
    got = read_cutouts(f"{server.url}/a.npy", catalog=f"{server.url}/c.csv")
    np.testing.assert_array_equal(got.images[..., 0], IMAGES)
    assert list(got.table["mag"]) == [1, 2, 3]
    with pytest.raises(ValueError, match="/none.npy does not exist.*404"):
        read_cutouts(f"{server.url}/none.npy")


def test_more_than_max_bytes_is_not_fetched(server):
    server.files["/big.fits"] = fits_bytes(np.zeros((300, 300), "f4"))
    with pytest.raises(ValueError, match="`max_bytes`"):
        read_cutouts(f"{server.url}/big.fits", max_bytes=100_000)


def test_worker_processes_fetch(server):
    names = [f"{server.url}/survey/o{k % 3}.fits?{k}" for k in range(120)]
    for k, name in enumerate(names):
        server.files[name.removeprefix(server.url)] = fits_bytes(IMAGES[k % 3])
    got = read_cutouts(names, n_workers=2)
    np.testing.assert_array_equal(got.images[:3, ..., 0], IMAGES)
    assert len(got) == 120


def test_a_server_that_does_not_answer_ends_in_a_sentence(monkeypatch):
    import socket

    monkeypatch.setattr(remote, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(remote, "TIMEOUT", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.fits"
        began = time.perf_counter()
        with pytest.raises(ValueError, match="could not be fetched in 3 tries"):
            read_cutouts(url)
    assert time.perf_counter() - began < 20


def test_an_object_store_lists_its_folder():
    store = fsspec.filesystem("memory")
    for k, image in enumerate(IMAGES):
        store.pipe(f"/bucket/o{k}.fits", fits_bytes(image))
    for name in ("memory://bucket/", "memory://bucket/*.fits"):
        got = read_cutouts(name)
        np.testing.assert_array_equal(got.images[..., 0], IMAGES)
        assert got.object_ids == ["o0", "o1", "o2"]


@pytest.fixture(params=["s3", "gs"])
def bucket(request, monkeypatch):
    """Return the address of a bucket that holds what fsspec's memory holds.

    Its keys have no protocol and no slash before them, as those of s3fs and gcsfs.
    """
    from fsspec.implementations.memory import MemoryFileSystem

    scheme, asked = request.param, []

    class Bucket(MemoryFileSystem):
        protocol, cachable, store, pseudo_dirs = scheme, False, {}, [""]

        def __init__(self, **settings):
            asked.append(settings)
            super().__init__(**settings)

        @classmethod
        def _strip_protocol(cls, path):
            return super()._strip_protocol(path.removeprefix(f"{scheme}://"))

        def ls(self, path, detail=True, **kwargs):
            found = super().ls(path, detail, **kwargs)
            if not detail:
                return [name.lstrip("/") for name in found]
            return [{**info, "name": info["name"].lstrip("/")} for info in found]

        def glob(self, path, **kwargs):
            return [name.lstrip("/") for name in super().glob(path, **kwargs)]

    # The package has an attribute of the module's name.
    known = sys.modules["fsspec.registry"]._registry
    monkeypatch.setitem(known, scheme, Bucket)
    store = Bucket()
    for k, image in enumerate(IMAGES):
        store.pipe(f"/survey/field/o{k}.fits", fits_bytes(image, FILTER="r"))
    store.pipe("/survey/field/notes.txt", b"n")
    held = io.BytesIO()
    np.save(held, IMAGES)
    store.pipe("/survey/a.npy", held.getvalue())
    mosaic = np.arange(1600.0 * 1600).reshape(1600, 1600).astype("f4")
    store.pipe("/survey/mosaic.fits", fits_bytes(mosaic))
    yield f"{scheme}://survey"
    # Settings that only one kind of store takes would end in a TypeError elsewhere.
    known = {"config_kwargs"} if scheme == "s3" else set()
    assert all(set(settings) <= known for settings in asked)


# Older memory stores lose the names of a bucket that has no slash before them.
@pytest.mark.skipif(
    Version(fsspec.__version__) < Version("2026.1"),
    reason="this fsspec's memory cannot stand in for a bucket",
)
def test_buckets(bucket):
    """Files, folders, patterns, arrays and parts of a mosaic, from memory."""
    for name in ("field/", "field/*.fits"):
        got = read_cutouts(f"{bucket}/{name}")
        np.testing.assert_array_equal(got.images[..., 0], IMAGES)
        assert list(got.table["file"]) == [
            f"{bucket}/field/o{k}.fits" for k in (0, 1, 2)
        ]
        assert (got.object_ids, got.bands) == (["o0", "o1", "o2"], ("r",))
    names = [f"{bucket}/field/o{k}.fits" for k in (2, 7, 0)]
    got = read_cutouts(names)
    np.testing.assert_array_equal(got.images[..., 0], IMAGES[[2, 0]])
    assert list(got.skipped["file"]) == [names[1]]
    got = read_cutouts(f"{bucket}/a.npy")
    np.testing.assert_array_equal(got.images[..., 0], IMAGES)
    catalog = Table({"x": [800], "y": [700]})
    got = read_cutouts(f"{bucket}/mosaic.fits", catalog=catalog, size=16)
    # Pixel (y, x) holds 1600 y + x.
    y, x = np.mgrid[692:708, 792:808]
    np.testing.assert_array_equal(got.images[0, ..., 0], 1600.0 * y + x)


@pytest.mark.parametrize("missing", ["fsspec", "aiohttp"])
def test_a_missing_package_is_named(monkeypatch, missing):
    from astroanomaly.utils import optional

    real = optional.import_module

    def absent(name):
        if name.partition(".")[0] == missing:
            raise ImportError(name)
        return real(name)

    monkeypatch.setattr(optional, "import_module", absent)
    with pytest.raises(ImportError, match=rf"`{missing}`.*\[io\]"):
        read_cutouts("https://127.0.0.1/a.fits")


def test_a_store_whose_package_is_missing_is_named(monkeypatch):
    def absent(*args, **kwargs):
        raise ImportError("Please install gcsfs to access Google Storage")

    monkeypatch.setattr(fsspec.core, "url_to_fs", absent)
    with pytest.raises(ImportError, match="gs://.*install gcsfs"):
        read_cutouts("gs://bucket/a.fits")
    monkeypatch.undo()
    with pytest.raises(ValueError, match="protocol.*Received: 'nosuch://a.fits'"):
        read_cutouts("nosuch://a.fits")
