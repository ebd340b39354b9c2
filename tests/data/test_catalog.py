import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table

from astroanomaly.data.catalog import (
    join,
    match_rows,
    pixel_columns,
    read_catalog,
    sky_columns,
)


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
    with pytest.raises(ValueError, match="must end in one of .ecsv"):
        read_catalog(tmp_path / "c.doc")
    (tmp_path / "c.fits").write_text("a")
    with pytest.raises(ValueError, match="must be a table of the form fits"):
        read_catalog(tmp_path / "c.fits")
    (tmp_path / "c.csv").write_text("id,mag\n")
    with pytest.raises(ValueError, match="must have a row"):
        read_catalog(tmp_path / "c.csv")


def test_join_by_id_and_by_file():
    catalog = read_catalog(
        Table({"object_id": ["B", "A"], "file": ["b.fits", "a.fits"], "mag": [2, 1]})
    )
    rows, by_file = match_rows(catalog, ["a", "b"], ["x/a.fits", "x/b.fits"])
    assert rows.tolist() == [1, 0]
    assert by_file
    columns, ids = join(catalog, ["a", "b", "c"], ["a.fits", "b.fits", "c.fits"])
    assert ids == ["A", "B", "c"]
    assert columns["mag"].tolist()[:2] == [1, 2]
    assert np.isnan(columns["mag"][2])
    assert join(catalog, ["A"], ["other.fits"])[0]["mag"].tolist() == [1]
    assert join(catalog, ["q"], ["q.fits"]) == (None, ["q"])


def test_positions_of_other_names_become_ra_and_dec():
    table = Table({"id": ["a"], "ALPHA_J2000": [10.0], "DELTA_J2000": [-5.0]})
    columns, _ = join(read_catalog(table), ["a"], ["a.fits"])
    assert columns["ra"][0] == 10
    assert columns["dec"][0] == -5


def test_units_of_angle():
    table = Table({"RA": [10.0] * u.hourangle, "DEC": [0.1] * u.rad})
    ra, dec = sky_columns(table)
    assert ra[0] == pytest.approx(150)
    assert dec[0] == pytest.approx(5.7295779513)


def test_text_is_no_position():
    table = Table({"ra": ["10:00:00"], "dec": ["+02:00:00"]})
    assert sky_columns(table) is None
    assert pixel_columns(table) is None


def test_sextractor_counts_pixels_from_one():
    x, y = pixel_columns(Table({"X_IMAGE": [1.0], "Y_IMAGE": [11.0]}))
    assert (x[0], y[0]) == (0, 10)
    x, y = pixel_columns(Table({"x": [1.0], "y": [11.0]}))
    assert (x[0], y[0]) == (1, 11)


def test_an_object_in_two_rows():
    catalog = read_catalog(Table({"object_id": ["a", "a", "b"], "mag": [1, 2, 3]}))
    with pytest.raises(ValueError, match="one row per object_id.*'a'"):
        join(catalog, ["a"], ["a.fits"])
    assert join(catalog, ["b"], ["b.fits"])[0]["mag"][0] == 3


def test_rows_of_a_cube_share_their_file():
    catalog = read_catalog(Table({"object_id": ["c_1", "c_0"], "file": ["c.fits"] * 2}))
    rows, by_file = match_rows(catalog, ["c_0", "c_1"], ["c.fits", "c.fits"])
    assert rows.tolist() == [1, 0]
    assert not by_file
