"""Score tables and truth tables, joined by object_id."""

import numpy as np
import pytest
from astropy.table import Column, MaskedColumn, Table

from astroanomaly.tables.join import baseline_columns, bin_masks, join_labels


def masks(values, bins, basis=None):
    column = Column(values, name="x")
    return bin_masks(
        column, bins, np.ones(len(column), bool) if basis is None else basis
    )


def test_join_is_by_id_and_counts_what_is_left_out():
    table = Table({"object_id": ["c", "a", "b", "z"], "anomaly_score": [3, 1, 2, 9]})
    truth = {"object_id": [b"b", b"c", b"a", b"q", b"r"], "is_anomaly": [0, 1, 0, 1, 0]}
    rows, labels, notes = join_labels(table, Table(truth))
    assert list(rows["object_id"]) == ["a", "b", "c"]
    assert list(rows["anomaly_score"]) == [1, 2, 3]
    assert list(labels["is_anomaly"]) == [0, 0, 1]
    assert notes == [
        "1 of 4 scored objects have no label.",
        "2 of 5 labels belong to no scored object.",
    ]


def test_ids_that_look_like_numbers_match_strings():
    table = Table({"object_id": ["12", "7"]})
    _, labels, notes = join_labels(
        table, Table({"object_id": [7, 12], "is_anomaly": [True, False]})
    )
    assert list(labels["object_id"]) == [12, 7]
    assert notes == []


def test_a_missing_truth_is_no_label():
    ids = list("abc")
    column = MaskedColumn([True, False, True], mask=[False, False, True])
    labels = Table({"object_id": ids, "is_anomaly": column})
    rows, _, notes = join_labels(Table({"object_id": ids}), labels)
    assert list(rows["object_id"]) == ["a", "b"]
    assert notes == ["1 of 3 scored objects have no label."]


def test_missing_columns_are_named():
    good, bad = Table({"object_id": ["a"]}), Table({"name": ["a"], "class": [1]})
    with pytest.raises(
        ValueError, match="`table` needs a column object_id. .* name, c"
    ):
        join_labels(bad, good)
    with pytest.raises(
        ValueError, match="`labels` needs a column object_id. .* name, "
    ):
        join_labels(good, bad)
    with pytest.raises(ValueError, match="`labels` needs a column is_anomaly. .* obj"):
        join_labels(good, good)


def test_repeated_ids_are_refused():
    twice = Table({"object_id": ["a", "b", "a"], "is_anomaly": [1, 0, 1]})
    with pytest.raises(ValueError, match="`labels` must hold each object_id once. Rec"):
        join_labels(Table({"object_id": ["a"]}), twice)


def test_no_common_object():
    labels = Table({"object_id": ["017"], "is_anomaly": [1]})
    with pytest.raises(ValueError, match="None of the 1 objects .* '17' .* and '017'"):
        join_labels(Table({"object_id": ["17"]}), labels)
    labels = labels[:0]
    with pytest.raises(ValueError, match="'17' in `table` and none in `labels`"):
        join_labels(Table({"object_id": ["17"]}), labels)


def test_baselines_follow_the_ids():
    table = Table({"object_id": ["b", "a"]})
    found = baseline_columns(table, Table({"object_id": ["a", "b"], "pca": [1.0, 2.0]}))
    assert found["pca"].tolist() == [2.0, 1.0]


def test_baselines_must_be_complete():
    table = Table({"object_id": ["b", "a"]})
    with pytest.raises(ValueError, match="none for 1 of 2, for example 'b'"):
        baseline_columns(table, Table({"object_id": ["a"], "pca": [1.0]}))
    with pytest.raises(ValueError, match="`baselines` needs a column object_id"):
        baseline_columns(table, Table({"pca": [1.0]}))


def test_bins_hold_their_lower_edge_and_the_last_its_upper():
    found = masks([0.1, 0.25, 0.5, 1.0, 1.1, np.nan], (0.1, 0.25, 1.0))
    assert list(found) == ["0.1 to 0.25", "0.25 to 1"]
    assert found["0.1 to 0.25"].tolist() == [True] + [False] * 5
    assert found["0.25 to 1"].tolist() == [False, True, True, True, False, False]


def test_quartiles_are_of_the_basis():
    values, basis = np.arange(100.0), np.arange(100) >= 60
    found = masks(values, None, basis)
    assert [int((mask & basis).sum()) for mask in found.values()] == [10] * 4
    assert sum(mask.sum() for mask in found.values()) == 40


def test_equal_values_make_one_bin():
    assert {name: m.sum() for name, m in masks([2.0, 2.0], None).items()} == {
        "2 to 2": 2
    }


def test_edges_that_look_equal_keep_their_bins():
    assert len(masks([1.0, 1.00002, 1.00004], (1.00001, 1.00002, 1.00003))) == 2


def test_categories():
    words = ["merger", "", "isolated", "merger"]
    assert list(masks(words, None)) == ["isolated", "merger"]
    found = masks(words, ["merger"])
    assert found["merger"].tolist() == [True, False, False, True]
    assert list(masks([True, False], None)) == ["False", "True"]


def test_bad_bins():
    with pytest.raises(ValueError, match="at least two rising edges. Received: 1, 0"):
        masks([1.0], (1, 0))
    with pytest.raises(ValueError, match="at least two rising edges. Received: a"):
        masks([1.0], ["a"])
    with pytest.raises(ValueError, match="some of isolated. Received: ring"):
        masks(["isolated"], ["ring"])
    with pytest.raises(ValueError, match="Column x must have a value for some anomal"):
        masks([np.nan, np.nan], None)
