import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import MaskedColumn, QTable, Table
from astropy.time import Time

from astroanomaly.data.catalog import join, match_rows, read_catalog
from astroanomaly.data.cutouts import Cutouts, concatenate
from astroanomaly.data.reading import read_cutouts
from astroanomaly.data.write import write_cutouts
from astroanomaly.tables.files import ENDINGS, write_table


@pytest.mark.parametrize("ending", ["ecsv", "csv", "fits", "vot", "dat"])
def test_forms(tmp_path, ending):
    table = Table({"object_id": ["a", "b"], "mag": [20.5, 21.5]})
    path = tmp_path / f"c.{ending}"
    form = {"vot": "votable", "dat": "ascii"}.get(ending)
    table.write(path, format=form)
    found = read_catalog(path)
    assert found["object_id"].tolist() == ["a", "b"]
    assert found["mag"].tolist() == [20.5, 21.5]


def test_ids_of_other_names_are_text():
    found = read_catalog(Table({"NUMBER": [7, 8], "FileName": ["a.fits", "b.fits"]}))
    assert found["object_id"].tolist() == ["7", "8"]
    assert found["file"].tolist() == ["a.fits", "b.fits"]


def test_missing_values(tmp_path):
    (tmp_path / "c.csv").write_text("id,mag\n1,20\n2,\n")
    assert np.isnan(read_catalog(tmp_path / "c.csv")["mag"][1])


def test_bad_catalogs(tmp_path):
    with pytest.raises(FileNotFoundError, match="no catalog"):
        read_catalog(tmp_path / "absent.csv")
    (tmp_path / "c.doc").write_text("a")
    with pytest.raises(ValueError, match="must end in .ecsv"):
        read_catalog(tmp_path / "c.doc")
    (tmp_path / "c.fits").write_text("a")
    with pytest.raises(ValueError, match="c.fits must be a table of the format"):
        read_catalog(tmp_path / "c.fits")
    (tmp_path / "c.csv").write_text("id,mag\n")
    with pytest.raises(ValueError, match="must have a row"):
        read_catalog(tmp_path / "c.csv")


def test_join_by_id_and_by_file():
    catalog = read_catalog(
        Table({"object_id": ["B", "A"], "file": ["b.fits", "a.fits"], "mag": [2, 1]})
    )
    rows, by = match_rows(catalog, ["a", "b"], ["x/a.fits", "x/b.fits"])
    assert rows.tolist() == [1, 0]
    assert by == "file"
    columns, ids = join(catalog, ["a", "b", "c"], ["a.fits", "b.fits", "c.fits"])
    assert ids == ["A", "B", "c"]
    assert columns["mag"].tolist()[:2] == [1, 2]
    assert np.isnan(columns["mag"][2])
    assert join(catalog, ["A"], ["other.fits"])[0]["mag"].tolist() == [1]
    assert join(catalog, ["q"], ["q.fits"]) == (None, ["q"])


def test_positions_of_other_names_become_ra_and_dec():
    table = Table(
        {"id": ["a"], "RA": [10.0] * u.h, "DELTA": [1.0], "Dec": ["-5:30:00"]}
    )
    columns, _ = join(read_catalog(table), ["a"], ["a.fits"])
    assert columns["ra"][0] == 150
    assert columns["dec"][0] == -5.5
    assert "RA" not in columns.colnames


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["ID", "source_id", "Object_ID"], "Object_ID"),
        (["NUMBER", "id", "SOURCE_ID", "objID"], "objID"),
        (["NUMBER", "id", "coadd_object_id"], "coadd_object_id"),
        (["label", "name", "ID"], "ID"),
        (["label", "name", "NUMBER"], "NUMBER"),
        (["label", "x_centroid"], "label"),
    ],
)
def test_the_most_explicit_column_names_the_objects(names, chosen):
    table = Table({name: [k, k + 1] for k, name in enumerate(names)})
    found = read_catalog(table)
    assert found["object_id"].tolist() == [str(v) for v in table[chosen]]
    assert {n.lower() for n in names} <= {n.lower() for n in found.colnames}


def test_a_class_called_label_names_nothing():
    assert "object_id" not in read_catalog(Table({"label": [0, 1, 0]})).colnames


def test_the_column_that_joins_is_taken():
    table = Table({"object_id": [71, 72], "name": ["M 1", "M 2"], "label": [1, 2]})
    columns, ids = join(read_catalog(table), ["M 2", "M 1"], ["M 2.fits", "M 1.fits"])
    assert ids == columns["object_id"].tolist() == ["M 2", "M 1"]
    assert columns["catalog_object_id"].tolist() == ["72", "71"]
    assert columns["label"].tolist() == [2, 1]


def test_ids_of_64_bits_and_floats(tmp_path):
    big = 2**62 + 1
    ids = MaskedColumn([big, 0, big + 1], mask=[0, 1, 0], dtype="i8")
    catalog = read_catalog(Table({"source_id": ids, "mag": [1.0, 2.0, 3.0]}))
    with pytest.warns(UserWarning, match="object_id in every row. Received: .* row 1 "):
        columns, _ = join(catalog, [str(big + 1), str(big)], ["a.fits", "b.fits"])
    assert columns["mag"].tolist() == [3.0, 1.0]
    (tmp_path / "k.csv").write_text("object_id,mag\n101.0,1\n102.0,2\n")
    for catalog in (tmp_path / "k.csv", Table({"ID": [101.0, 102.0], "mag": [1, 2]})):
        columns, ids = join(read_catalog(catalog), ["102", "101"], ["a", "b"])
        assert columns["mag"].tolist() == [2, 1]
        assert ids == ["102", "101"]


def test_a_flag_of_the_catalog_is_kept_under_another_name():
    table = Table({"id": [1], "FLAG": [128], "catalog_flag": [3]})
    found = read_catalog(table)
    assert found["catalog_flag_"].tolist() == [128]
    assert found["catalog_flag"].tolist() == [3]
    assert "flag" not in found.colnames
    ours = Cutouts(np.zeros((1, 4, 4)), Table({"flag": [2]})).table
    assert read_catalog(ours)["flag"].tolist() == [2]


def test_what_a_catalog_holds_besides_is_joined():
    table = QTable({"object_id": ["a", "b"], "mag": [1.0, 2.0] * u.mag})
    table["coord"] = SkyCoord([10.0, 20.0], [1.0, 2.0], unit="deg")
    table["t"] = Time([2459000.5, 2459001.5], format="jd")
    table["flux"] = np.arange(16).reshape(2, 8)
    columns, _ = join(read_catalog(table), ["b", "c"], ["b.fits", "c.fits"])
    np.testing.assert_array_equal(columns["ra"], [20.0, np.nan])
    np.testing.assert_array_equal(columns["coord"].dec.deg, [2.0, np.nan])
    assert columns["t"].mask.tolist() == [False, True]
    assert columns["flux"][0].tolist() == list(range(8, 16))
    assert np.isnan(columns["flux"][1]).all()


@pytest.mark.parametrize("ending", ENDINGS)
def test_odd_ids_join_through_every_format(tmp_path, ending):
    ids = [
        "007",
        "S\u00e9yfert",
        "nan",
        "--",
        "True",
        "1e5",
        "101.0",
        "=1+1",
        "#x",
        "a b",
    ]
    write_table(
        Table({"object_id": ids, "mag": np.arange(10.0)}), tmp_path / f"k{ending}"
    )
    columns, found = join(read_catalog(tmp_path / f"k{ending}"), ids[::-1], ids[::-1])
    assert found == ids[::-1]
    assert columns["mag"].tolist() == list(range(9, -1, -1))


def test_a_catalog_of_everything_goes_round(tmp_path):
    images = np.random.default_rng(0).normal(5, 1, (3, 24, 24)).astype("f4")
    images[1, 3, 3] = np.nan
    for name, image in zip("abc", images, strict=True):
        fits.PrimaryHDU(image).writeto(tmp_path / f"{name}.fits")
    table = QTable({"id": ["a", "b"], "ra": [10, 11] * u.h, "dec": [1, 2] * u.deg})
    table["flag"], table["coord"] = [128, 64], SkyCoord([1, 2], [3, 4], unit="deg")
    table["time"], table["flux"] = Time([1.0, 2.0], format="jd"), np.ones((2, 8))
    found = read_cutouts(tmp_path, catalog=table)
    joined = concatenate([found[1:], found[:1]])
    write_cutouts(tmp_path / "out", joined)
    again = read_cutouts(tmp_path / "out").table
    for one in (joined.table, again):
        assert one["object_id"].tolist() == ["b", "c", "a"]
        assert one["flag"].tolist() == [1, 0, 0]
        np.testing.assert_array_equal(one["catalog_flag"], [64, np.nan, 128])
        np.testing.assert_array_equal(one["ra"], [165, np.nan, 150])
        np.testing.assert_array_equal(one["coord"].dec.deg, [4, np.nan, 3])
        assert one["time"].mask.tolist() == [False, True, False]
        assert np.isnan(one["flux"]).sum(axis=1).tolist() == [0, 8, 0]


def test_other_objects_are_no_catalog():
    with pytest.raises(TypeError, match="`catalog` must be .*Received: dict"):
        read_catalog({"id": [1]})


def test_frames_of_pandas():
    pandas = pytest.importorskip("pandas")
    # Beyond 2**53, and with a missing one, as a database returns them.
    ids = pandas.array([2**60 + 1, None, 2**60 + 3], "Int64")
    frame = pandas.DataFrame({"source_id": ids, "RA": [1.0, 2.0, np.nan]})
    found = read_catalog(frame)
    expected = ["1152921504606846977", "", "1152921504606846979"]
    assert found["object_id"].tolist() == expected
    np.testing.assert_array_equal(found["RA"], [1.0, 2.0, np.nan])
    frame["source_id"] = ["01", "a ", "é"]
    indexed = read_catalog(frame.set_index("source_id"))
    assert indexed["object_id"].tolist() == ["01", "a ", "é"]
    assert read_catalog(frame).colnames == ["source_id", "RA", "object_id"]


def test_an_object_in_two_rows():
    catalog = read_catalog(Table({"object_id": ["a", "a", "b"], "mag": [1, 2, 3]}))
    with pytest.raises(ValueError, match="one row per object_id.*'a'"):
        join(catalog, ["a"], ["a.fits"])
    assert join(catalog, ["b"], ["b.fits"])[0]["mag"][0] == 3


def test_rows_of_a_cube_share_their_file():
    catalog = read_catalog(Table({"object_id": ["c_1", "c_0"], "file": ["c.fits"] * 2}))
    rows, by = match_rows(catalog, ["c_0", "c_1"], ["c.fits", "c.fits"])
    assert rows.tolist() == [1, 0]
    assert by == "object_id"
