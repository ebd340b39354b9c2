import numpy as np
import pytest
from astropy.table import Column, MaskedColumn, Table

from astroanomaly.tables import columns


def test_text_is_text_whatever_file_it_came_from():
    table = Table({"object_id": np.array([b"a", b"bc"])})
    assert columns.texts(table) == ["a", "bc"]
    assert columns.texts(Table({"object_id": [12, 7]})) == ["12", "7"]
    masked = Table({"file": MaskedColumn(["x", "y"], mask=[False, True])})
    assert columns.texts(masked, "file") == ["x", ""]


def test_ids_are_text_to_the_character():
    def ids(values, **kw):
        return columns.id_texts(MaskedColumn(values, name="id", **kw)).tolist()

    assert ids([" a", "b ", "  ", "x"], mask=[0, 0, 0, 1]) == [" a", "b ", "", ""]
    assert ids([2**62 + 1, 5], mask=[0, 1]) == [str(2**62 + 1), ""]
    assert ids([101.0, np.nan, 1.5]) == ["101", "", "1.5"]
    assert ids([b"A1  ", "\u00e9".encode()]) == ["A1", "\u00e9"]
    assert ids([None, "b"], dtype=object) == ["", "b"]
    with pytest.raises(
        ValueError, match="'id' must hold .*9007199254740994.0 in row 1"
    ):
        ids([1.0, 2.0**53 + 2])
    with pytest.raises(ValueError, match="16777218.0 in row 0"):
        ids(np.array([2**24 + 2], "f4"))


def test_columns_are_found_by_names_of_the_field():
    table = Table({"RA_ICRS": [1], "_RAJ2000": [2], "OBJECT_ID": [3], "object_id": [4]})
    assert columns.find_columns(table, ["raj2000", "raicrs"]) == ["_RAJ2000", "RA_ICRS"]
    assert columns.find_columns(table, ["objectid"]) == ["object_id", "OBJECT_ID"]


def test_an_id_that_a_program_changed_finds_its_row():
    ids = ["101.0", "102", "Se\u0301yfert", " a ", "7", "b", "b "]
    wanted = ["101", "102", "S\u00e9yfert", "a", "007", "b", "c"]
    assert columns.rows_of_ids(wanted, ids).tolist() == [0, 1, 2, 3, -1, 5, -1]
    # Two rows that differ only so much name nobody.
    assert columns.rows_of_ids(["b"], ["b ", " b"]).tolist() == [-1]
    assert columns.rows_of_ids(["5", "5.0"], ["5.0"]).tolist() == [-1, 0]
    assert columns.rows_of_ids(["", "a"], ["", "b"])[1] == -1


def test_a_masked_number_is_nan():
    table = Table({"ra": MaskedColumn([1, 2], mask=[True, False]), "word": ["a", "b"]})
    np.testing.assert_array_equal(columns.numbers(table, "ra"), [np.nan, 2.0])
    with pytest.raises(ValueError, match="Column 'word' must hold numbers"):
        columns.numbers(table, "word")
    with pytest.raises(ValueError, match="no column 'dec'. Columns: .'ra', 'word'"):
        columns.numbers(table, "dec")


@pytest.mark.parametrize(
    "values",
    [
        [True, False],
        [1, 0],
        [1.0, 0.0],
        ["True", "FALSE"],
        ["1", "0"],
        ["1.0", "0.0"],
        ["Yes", "no"],
        ["Y", "n"],
        [b"true", b"F"],
        ["t", ""],
        [1.0, np.nan],
        MaskedColumn([1, 1], mask=[False, True]),
    ],
)
def test_truth_comes_in_many_forms(values):
    truth = columns.truths(Table({"t": values}), "t")
    assert truth.dtype == bool
    assert truth.tolist() == [True, False]


@pytest.mark.parametrize(
    ("values", "found"),
    [(["yes", "maybe"], "'maybe'"), ([0, 2], "'2'"), ([1.0, 0.5], "'0.5'")],
)
def test_what_is_not_clearly_a_truth_value_is_refused(values, found):
    with pytest.raises(ValueError, match=f"'t' must hold .*Received: {found} in row 1"):
        columns.truths(Table({"t": values}), "t")


def test_missing_values():
    assert columns.is_missing(Column([1.0, np.nan])).tolist() == [False, True]
    assert columns.is_missing(Column(["a", ""])).tolist() == [False, True]
    assert columns.is_missing(MaskedColumn([1, 2], mask=[1, 0])).tolist() == [
        True,
        False,
    ]
    assert columns.is_missing(Column([1, 2])).tolist() == [False, False]


def test_levels_are_numbers_in_rising_order():
    table = Table({"is_anomaly_99.9": [True, False, False]})
    table["is_anomaly_95"] = [True, True, False]
    table["is_anomaly_x"] = table["is_anomaly"] = [True, True, True]
    assert columns.levels(table) == ["95", "99.9"]
    assert columns.highest_level(table) == ["99.9", "95", ""]


def test_the_ranking_falls_keeps_ties_and_ends_with_nan():
    table = Table({"anomaly_score": [1.0, np.nan, 3.0, 1.0]})
    assert columns.ranking(table).tolist() == [2, 0, 3, 1]


def test_score_names_begin_with_the_one_that_ranks():
    table = Table({"latent_norm": [1.0], "peak_score": [1.0], "anomaly_score": [1.0]})
    names = columns.score_names(table)
    assert names == ["anomaly_score", "peak_score", "latent_norm"]


def test_ids_must_differ():
    columns.check_unique(["a", "b"])
    with pytest.raises(
        ValueError, match="object_id in every row. Received: .* row 1 .*2"
    ):
        columns.check_unique(["a", "", ""])
    with pytest.raises(ValueError, match="each object_id once. Received: 2 .*'a', 'b'"):
        columns.check_unique(["a", "b", "a", "c", "b"])


def test_rows_are_matched_by_id():
    table = Table({"object_id": ["a", "b", "c"]})
    assert columns.match(table, ["c", "a"]).tolist() == [2, 0]
    with pytest.raises(ValueError, match="'x' is not in the labels .1 of 2 wanted"):
        columns.match(table, ["a", "x"], "the labels")
    table["object_id"][1] = "a"
    with pytest.raises(ValueError, match="the labels must hold each object_id once"):
        columns.match(table, ["a"], "the labels")
