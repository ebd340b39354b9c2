import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from astroanomaly import _score_table


def test_text_is_text_whatever_file_it_came_from():
    table = Table({"object_id": np.array([b"a", b"bc"])})
    assert _score_table.texts(table) == ["a", "bc"]
    assert _score_table.texts(Table({"object_id": [12, 7]})) == ["12", "7"]
    masked = Table({"file": MaskedColumn(["x", "y"], mask=[False, True])})
    assert _score_table.texts(masked, "file") == ["x", ""]


def test_a_masked_number_is_nan():
    table = Table({"ra": MaskedColumn([1, 2], mask=[True, False]), "word": ["a", "b"]})
    np.testing.assert_array_equal(_score_table.numbers(table, "ra"), [np.nan, 2.0])
    with pytest.raises(ValueError, match="Column 'word' must hold numbers"):
        _score_table.numbers(table, "word")
    with pytest.raises(ValueError, match="no column 'dec'. Columns: .'ra', 'word'"):
        _score_table.numbers(table, "dec")


def test_truth_survives_a_csv_file():
    for values in ([True, False], ["True", "False"], [1, 0], [1.0, 0.0], ["yes", ""]):
        truth = _score_table.truths(Table({"t": values}), "t")
        np.testing.assert_array_equal(truth, [True, False])


def test_levels_are_numbers_in_rising_order():
    table = Table({"is_anomaly_99.9": [True, False, False]})
    table["is_anomaly_95"] = [True, True, False]
    table["is_anomaly_x"] = table["is_anomaly"] = [True, True, True]
    assert _score_table.levels(table) == ["95", "99.9"]
    assert _score_table.highest_level(table) == ["99.9", "95", ""]


def test_the_ranking_falls_keeps_ties_and_ends_with_nan():
    table = Table({"anomaly_score": [1.0, np.nan, 3.0, 1.0]})
    assert _score_table.ranking(table).tolist() == [2, 0, 3, 1]


def test_score_names_begin_with_the_one_that_ranks():
    table = Table({"latent_norm": [1.0], "peak_score": [1.0], "anomaly_score": [1.0]})
    names = _score_table.score_names(table)
    assert names == ["anomaly_score", "peak_score", "latent_norm"]


def test_flag_bits_in_words():
    assert _score_table.flag_words(0) == []
    assert _score_table.flag_words(9) == [
        "NaN pixels filled",
        "latent search did not converge",
    ]
    assert _score_table.flag_words(64) == ["flag 64"]


def test_rows_are_matched_by_id():
    table = Table({"object_id": ["a", "b", "c"]})
    assert _score_table.match(table, ["c", "a"]).tolist() == [2, 0]
    with pytest.raises(ValueError, match="'x' is not in the labels .1 of 2 wanted"):
        _score_table.match(table, ["a", "x"], "the labels")
    table["object_id"][1] = "a"
    with pytest.raises(ValueError, match="object_id occurs twice in the labels"):
        _score_table.match(table, ["a"], "the labels")
