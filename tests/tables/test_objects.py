import numpy as np
from astropy.table import Table

from astroanomaly.tables.objects import (
    fill_missing,
    skipped_table,
    stack_tables,
    standard_table,
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
