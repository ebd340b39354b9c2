import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, QTable, Table
from astropy.time import Time

from astroanomaly.tables.objects import (
    fill_missing,
    skipped_table,
    stack_tables,
    standard_table,
    take_rows,
)


def test_missing_values_by_kind():
    mask = [False, True]
    table = Table(
        {
            "f": np.ma.array([1.0, 2.0], mask=mask),
            "i": np.ma.array([1, 2], mask=mask),
            "b": np.ma.array([True, True], mask=mask),
            "s": np.ma.array(["x", "y"], mask=mask),
            "whole": np.ma.array([1, 2]),
        }
    )
    filled = fill_missing(table)
    for name in "fib":
        assert filled[name][0] == 1
        assert np.isnan(filled[name][1])
    assert filled["s"].tolist() == ["x", ""]
    assert filled["whole"].dtype.kind == "i"


def test_stack_fills_what_is_not_there():
    both = stack_tables([Table({"a": [1], "t": ["x"]}), Table({"a": [2]})])
    assert both["a"].tolist() == [1, 2]
    assert both["t"].tolist() == ["x", ""]


def test_whole_numbers_that_a_float_cannot_hold_become_text():
    column = np.ma.array([2**53 + 1, 5, -1], mask=[0, 1, 0])
    found = fill_missing(Table({"a": column}))["a"]
    assert found.tolist() == ["9007199254740993", "", "-1"]


def mixins():
    motion = {"pm_ra_cosdec": [1, 2] * u.mas / u.yr, "pm_dec": [3, 4] * u.mas / u.yr}
    table = QTable({"object_id": ["a", "b"], "mag": [20.5, 21.5] * u.mag})
    table["place"] = SkyCoord([10, 20], [1, 2], unit="deg", frame="galactic")
    angles = ([10, 20] * u.deg, [1, 2] * u.deg)
    table["star"] = SkyCoord(*angles, distance=[5, 6] * u.pc, **motion)
    table["time"] = Time([2459000.5, 2459001.5], format="jd")
    table["flux"] = np.arange(16).reshape(2, 8)
    return table


def test_a_missing_row_is_nobody_elses():
    taken = take_rows(Table(mixins()), np.array([1, -1, 0]))
    assert taken["object_id"].tolist() == ["b", "", "a"]
    assert taken["place"].l.deg.tolist()[::2] == [20, 10]
    assert taken["star"].distance.pc.tolist()[::2] == [6, 5]
    for name in ("place", "star"):
        assert np.isnan(taken[name].icrs.ra.deg).tolist() == [False, True, False]
    assert np.isnan(taken["star"].pm_dec.value[1])
    assert taken["time"].mask.tolist() == [False, True, False]
    assert taken["flux"][0].tolist() == list(range(8, 16))
    assert np.isnan(taken["flux"][1]).all()
    np.testing.assert_array_equal(taken["mag"], [21.5, np.nan, 20.5])
    assert taken["mag"].unit == u.mag


def test_tables_with_and_without_mixins_are_stacked(tmp_path):
    for parts in ([mixins(), {"object_id": ["c"]}], [{"object_id": ["c"]}, mixins()]):
        both = stack_tables([Table(part) for part in parts])
        row = both["object_id"].tolist().index("c")
        assert np.isnan(both["place"].icrs.dec.deg).sum() == 1
        assert np.isnan(both["place"].icrs.dec.deg[row])
        assert both["time"].mask[row]
        both.write(tmp_path / "t.ecsv", overwrite=True)
        again = Table.read(tmp_path / "t.ecsv")
        np.testing.assert_array_equal(again["place"].l.deg, both["place"].l.deg)


def test_coordinates_of_two_frames_are_stacked_in_the_first():
    m31 = SkyCoord([10.68] * u.deg, [41.27] * u.deg)
    both = stack_tables([Table({"c": m31.galactic}), Table({"c": m31})])["c"]
    assert both.frame.name == "galactic"
    np.testing.assert_allclose(both.icrs.ra.deg, 10.68, rtol=1e-12)


def arrays(*lengths):
    column = np.empty(len(lengths), dtype=object)
    column[:] = [np.arange(float(n)) for n in lengths]
    return column


def test_missing_arrays_are_empty(tmp_path):
    lenses = Table({"object_id": ["a", "b"], "clump_mass": arrays(3, 0)})
    others = Table({"object_id": ["c"], "mag": [21.0]})
    for parts in ([lenses, others], [others, lenses]):
        both = stack_tables(parts)
        found = {row["object_id"]: row["clump_mass"].tolist() for row in both}
        assert found == {"a": [0.0, 1.0, 2.0], "b": [], "c": []}
        both.write(tmp_path / "t.ecsv", overwrite=True)
        again = fill_missing(Table.read(tmp_path / "t.ecsv"))
        assert [len(v) for v in again["clump_mass"]] == [
            len(v) for v in both["clump_mass"]
        ]


def test_other_objects_stay_as_they_are():
    table = Table({"a": np.ma.array([{"x": 1}, None], mask=[False, True])})
    filled = fill_missing(table)
    assert filled["a"].mask.tolist() == [False, True]
    assert filled["a"][0] == {"x": 1}


def test_skipped_table():
    assert len(skipped_table([])) == 0
    assert skipped_table([("a.fits", "why")])["reason"][0] == "why"


def test_standard_table_keeps_the_order_of_columns():
    table = standard_table(Table({"mag": [1.0], "object_id": [7]}), 1, ["H"])
    expected = ["object_id", "file", "ra", "dec", "flag", "mag", "unit_H"]
    assert table.colnames == [*expected, "zero_point_H"]
    assert table["object_id"][0] == "7"


def test_standard_columns_are_text_and_degrees():
    found = standard_table(
        QTable({"object_id": [7.0, 8.0], "ra": [10, 11] * u.h, "dec": ["1:30:00", ""]}),
        *(2, ["H"]),
    )
    assert found["object_id"].tolist() == ["7", "8"]
    assert found["ra"].tolist() == [150.0, 165.0]
    np.testing.assert_array_equal(found["dec"], [1.5, np.nan])


def test_an_object_without_an_id_is_refused_by_its_row():
    from astroanomaly.data.cutouts import Cutouts

    table = Table({"object_id": MaskedColumn([1, 2], mask=[0, 1])})
    with pytest.raises(ValueError, match="object_id in every row. Received: .* row 1"):
        Cutouts(np.zeros((2, 4, 4)), table)
