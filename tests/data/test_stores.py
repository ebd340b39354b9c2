"""HDF5 files and Zarr stores."""

import shutil

import numpy as np
import pytest
from astropy.table import Table

from astroanomaly.data.reading import read_cutouts

h5py = pytest.importorskip("h5py")
zarr = pytest.importorskip("zarr")
RNG = np.random.default_rng(4)
IMAGES = RNG.normal(10, 1, (4, 10, 12)).astype("f4")
COLOR = RNG.normal(10, 1, (4, 10, 12, 3)).astype("f4")
IDS = ["007", "NGC 1", "β Lyr", "4611686018427387905"]


class Hdf5:
    """Make an HDF5 file."""

    def __init__(self, folder):
        self.path = folder / "survey.h5"
        self.file = h5py.File(self.path, "w")

    def add(self, name, value, **attributes):
        value = list(value) if np.asarray(value).dtype.kind == "U" else value
        made = self.file.create_dataset(name, data=value)
        made.attrs.update(attributes)

    def close(self):
        self.file.close()


class Zarr:
    """Make a Zarr store: a folder, or a zip."""

    def __init__(self, folder, version, zipped=False):
        self.path = folder / ("survey.zarr.zip" if zipped else "survey.zarr")
        self.store = zarr.storage.ZipStore(self.path, mode="w") if zipped else None
        where = self.store or str(self.path)
        self.root = zarr.create_group(where, zarr_format=version)

    def add(self, name, value, **attributes):
        # At once, since a zip file forgets nothing.
        self.root.create_array(name, data=np.asarray(value), attributes=attributes)

    def close(self):
        if self.store is not None:
            self.store.close()


@pytest.fixture(params=["hdf5", "zarr2", "zarr3", "zip"])
def store(request, tmp_path):
    if request.param == "hdf5":
        return Hdf5(tmp_path)
    version = 2 if request.param == "zarr2" else 3
    return Zarr(tmp_path, version, request.param == "zip")


@pytest.mark.parametrize("order", ["last", "first"])
def test_a_stack_with_its_columns_beside_it(store, order):
    images = COLOR if order == "last" else np.moveaxis(COLOR, 3, 1)
    facts = {"bands": ["g", "r", "z"], "pixel_scale": 0.262, "unit": "nJy"}
    store.add("images", images, **facts)
    store.add("object_id", np.arange(4) + 2**62)
    store.add("RA", np.arange(4.0))
    store.add("dec", np.arange(4.0) - 2)
    store.add("mag", [20.0, 21, 22, 23])
    store.close()
    got = read_cutouts(store.path)
    np.testing.assert_array_equal(got.images, COLOR)
    assert (got.bands, got.pixel_scale) == (("g", "r", "z"), 0.262)
    assert got.object_ids == [str(2**62 + i) for i in range(4)]
    assert list(got.table["ra"]) == [0, 1, 2, 3]
    assert list(got.table["dec"]) == [-2, -1, 0, 1]
    assert list(got.table["mag"]) == [20, 21, 22, 23]
    assert got.table["unit_r"][0] == "nJy"
    got = read_cutouts(store.path, bands=["z", "g"], stream=True).read()
    np.testing.assert_array_equal(got.images, COLOR[..., [2, 0]])


def test_galaxy10_decals(tmp_path):
    store = Hdf5(tmp_path)
    images = RNG.integers(0, 255, (4, 16, 16, 3), np.uint8)
    columns = {"ans": np.arange(4, dtype="u1"), "ra": np.full(4, 10.0)}
    columns |= {"dec": np.full(4, -1.0), "pxscale": np.full(4, 0.262)}
    columns |= {"redshift": [0.1, 0.2, 0.3, 0.4]}
    for name, value in {"images": images, **columns}.items():
        store.add(name, value)
    store.close()
    got = read_cutouts(store.path)
    np.testing.assert_array_equal(got.images, images.astype("f4"))
    assert (got.pixel_scale, list(got.table["ans"])) == (0.262, [0, 1, 2, 3])
    assert got.table["ra"][0] == 10
    assert got.object_ids[0] == "survey_000000"


def test_ids_of_text_are_kept(tmp_path):
    store = Hdf5(tmp_path)
    store.add("cutouts", IMAGES)
    store.add("id", IDS)
    store.close()
    assert read_cutouts(store.path).object_ids == IDS


@pytest.mark.parametrize("deep", [False, True])
def test_a_group_for_each_object(store, deep):
    for name, image in zip(("NGC_1", "M_31"), COLOR, strict=False):
        folder = f"sample/{name}" if deep else name
        facts = {"ra": 10.5, "dec": -2.5, "pixel_scale": 0.1}
        store.add(f"{folder}/image", image, bands=["g", "r", "z"], **facts)
        store.add(f"{folder}/spectrum", np.arange(5.0))
    store.close()
    got = read_cutouts(store.path)
    assert got.object_ids == ["M_31", "NGC_1"]
    np.testing.assert_array_equal(got.images, COLOR[[1, 0]])
    assert (got.bands, got.pixel_scale) == (("g", "r", "z"), 0.1)
    assert (got.table["ra"][0], got.table["dec"][0]) == (10.5, -2.5)


def test_an_array_for_each_band_and_a_mask(store):
    store.add("g", IMAGES)
    store.add("r", IMAGES + 1)
    mask = np.zeros(IMAGES.shape, "u1")
    mask[0, 2, 3] = 1
    store.add("mask", mask)
    store.close()
    got = read_cutouts(store.path, bands=["r", "g"], mask_extension="mask")
    np.testing.assert_array_equal(got.images[1:, ..., 0], IMAGES[1:] + 1)
    assert list(got.table["flag"]) == [1, 0, 0, 0]
    with pytest.raises(ValueError, match="one array of images.*Received: g of shape"):
        read_cutouts(store.path, mask_extension="mask")


@pytest.mark.parametrize("name", ["survey.parquet", "survey.zarr/catalog.parquet"])
def test_a_zarr_store_with_a_parquet_table_beside_it(tmp_path, name):
    store = Zarr(tmp_path, 3)
    store.add("images", IMAGES)
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"object_id": IDS, "ra": [1.0, 2, 3, 4], "flux": range(4)})
    table.to_parquet(tmp_path / name)
    got = read_cutouts(store.path)
    assert got.object_ids == IDS
    assert list(got.table["ra"]) == [1, 2, 3, 4]
    assert list(got.table["flux"]) == [0, 1, 2, 3]
    table[:3].to_parquet(tmp_path / name)
    with pytest.raises(ValueError, match="a row for each of the 4.*Received: 3 rows"):
        read_cutouts(store.path)


def test_a_catalog_is_joined_by_id(tmp_path):
    store = Hdf5(tmp_path)
    store.add("images", IMAGES)
    store.add("object_id", IDS)
    store.close()
    catalog = Table({"object_id": IDS[::-1], "mag": [1.0, 2, 3, 4]})
    got = read_cutouts(store.path, catalog=catalog)
    assert dict(zip(got.object_ids, got.table["mag"], strict=True))["007"] == 4


@pytest.mark.parametrize(
    ("shape", "attributes", "bands", "wanted"),
    [
        ((4, 3, 16, 16), {}, None, (16, 16, 3)),
        ((4, 16, 16, 3), {}, None, (16, 16, 3)),
        ((4, 8, 8, 3), {}, None, (8, 8, 3)),
        ((4, 3, 8, 8), {}, None, (8, 8, 3)),
        ((4, 5, 9, 4), {}, list("abcd"), (5, 9, 4)),
        ((4, 5, 9, 4), {"channel_order": "channels_first"}, None, (9, 4, 5)),
        ((4, 64, 64, 20), {"data_format": "NHWC"}, None, (64, 64, 20)),
    ],
)
def test_the_order_of_the_channels(tmp_path, shape, attributes, bands, wanted):
    store = Hdf5(tmp_path)
    store.add("images", RNG.normal(size=shape), **attributes)
    store.close()
    assert read_cutouts(store.path, bands=bands).images.shape[1:] == wanted


@pytest.mark.parametrize("shape", [(4, 5, 9, 4), (4, 64, 64, 64), (4, 3, 3, 3)])
def test_an_order_that_cannot_be_told_is_refused(tmp_path, shape):
    store = Hdf5(tmp_path)
    store.add("images", RNG.normal(size=shape))
    store.close()
    with pytest.raises(ValueError, match=r"channel_order.*Received: shape \(4, "):
        read_cutouts(store.path)


def test_nothing_outside_the_file_is_read(tmp_path):
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["images"] = IMAGES
    IMAGES.tofile(tmp_path / "secret.raw")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = h5py.ExternalLink("secret.h5", "/images")
        file["soft"] = h5py.SoftLink("/images")
        layout = h5py.VirtualLayout(IMAGES.shape, "f4")
        layout[:] = h5py.VirtualSource("secret.h5", "images", IMAGES.shape)
        file.create_virtual_dataset("virtual", layout)
        external = [("secret.raw", 0, h5py.h5f.UNLIMITED)]
        file.create_dataset("raw", IMAGES.shape, "f4", external=external)
    with pytest.raises(ValueError, match="links to other files are not followed"):
        read_cutouts(tmp_path / "a.h5")


def test_a_packed_bomb_and_a_filter_that_runs_code_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("images", (4, 20000, 20000), "f4", compression="gzip")
    with pytest.raises(ValueError, match="1600000000 bytes in images.*`max_bytes`"):
        read_cutouts(tmp_path / "a.h5")
    numcodecs = pytest.importorskip("numcodecs")
    zarr.create_array(
        str(tmp_path / "a.zarr"), data=IMAGES, zarr_format=2,
        filters=[numcodecs.Zlib()],
    )  # fmt: skip
    text = (tmp_path / "a.zarr/.zarray").read_text()
    text = text.replace('"zlib"', '"pickle"', 1)
    (tmp_path / "a.zarr/.zarray").write_text(text)
    with pytest.raises(ValueError, match="pickle|is no Zarr store"):
        read_cutouts(tmp_path / "a.zarr")


def test_one_bad_object_is_listed(tmp_path):
    store = Zarr(tmp_path, 3)
    made = store.root.create_array(
        "images", shape=IMAGES.shape, dtype="f4", chunks=(1, 10, 12)
    )
    made[:] = IMAGES
    (store.path / "images/c/1/0/0").write_bytes(b"damaged")
    got = read_cutouts(store.path)
    assert got.object_ids == [f"survey_00000{i}" for i in (0, 2, 3)]
    assert got.skipped["file"][0].endswith("survey.zarr[1]")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        for name, image in zip("abc", IMAGES, strict=False):
            file[f"{name}/image"] = image[:5] if name == "b" else image
    got = read_cutouts(tmp_path / "b.h5", on_error="skip", size=(10, 12), edge="error")
    assert got.object_ids == ["a", "c"]
    assert got.skipped["file"][0].endswith("b.h5[b/image]")


@pytest.mark.parametrize("name", ["a.h5", "a.zarr.zip", "a.zarr"])
def test_what_is_no_store_is_refused(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=name):
        read_cutouts(tmp_path / name)
    (tmp_path / name).write_bytes(b"no store at all")
    with pytest.raises(ValueError, match=f"(?s){name} is no .*Received"):
        read_cutouts(tmp_path / name)


def test_worker_processes_read_a_store(tmp_path):
    store = Hdf5(tmp_path)
    store.add("images", np.repeat(IMAGES, 30, axis=0))
    store.close()
    got = read_cutouts(store.path, n_workers=2)
    np.testing.assert_array_equal(got.images[..., 0], np.repeat(IMAGES, 30, axis=0))
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize("chunks", [(1, 8, 8), (4, 8, 8), (7, 3, 3), (64, 8, 8)])
def test_a_chunk_is_unpacked_once(tmp_path, monkeypatch, noise, chunks):
    zarr = pytest.importorskip("zarr")
    images = noise(10, 8, 8)
    shape = {"shape": images.shape, "chunks": chunks, "dtype": "f4"}
    zarr.create_array(tmp_path / "survey.zarr", **shape)[:] = images
    found = read_cutouts(tmp_path / "survey.zarr", n_workers=1)
    np.testing.assert_array_equal(found.images[..., 0], images)
    some = read_cutouts(tmp_path / "survey.zarr", stream=True).take([9, 0, 5, 4])
    np.testing.assert_array_equal(some.read().images[..., 0], images[[9, 0, 5, 4]])
    source, asked = some._source, []
    source.read(0, some._options)
    plain = type(source._store).__getitem__

    def counted(array, rows):
        asked.append(rows)
        return plain(array, rows)

    monkeypatch.setattr(type(source._store), "__getitem__", counted)
    source.release()
    ordered = source.take([1, 0, 3, 2])
    for row in range(4):
        ordered.read(row, some._options)
    rows = [0, 9, 4, 5]
    depth = chunks[0]
    firsts = [row - row % depth for row in rows]
    wanted = 1 + sum(a != b for a, b in zip(firsts, firsts[1:], strict=False))
    assert len(asked) == wanted
    monkeypatch.setattr("astroanomaly.data.sources.stores._HELD_BYTES", 0)
    found = read_cutouts(tmp_path / "survey.zarr", n_workers=1)
    np.testing.assert_array_equal(found.images[..., 0], images)
