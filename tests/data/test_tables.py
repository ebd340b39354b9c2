import numpy as np
import pytest
from astropy.table import Table

from astroanomaly.data.tables import (
    check_unique,
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


def test_skipped_table():
    assert len(skipped_table([])) == 0
    assert skipped_table([("a.fits", "why")])["reason"][0] == "why"


def test_check_unique():
    check_unique(["a", "b"])
    with pytest.raises(ValueError, match="2 duplicate object_id.*'a', 'b'"):
        check_unique(["a", "a", "b", "b", "c"])


def test_standard_table_keeps_the_order_of_columns():
    table = standard_table(Table({"mag": [1.0], "object_id": [7]}), 1, ["H"])
    expected = ["object_id", "file", "ra", "dec", "flag", "mag", "unit_H"]
    assert table.colnames == [*expected, "zero_point_H"]
    assert table["object_id"][0] == "7"
