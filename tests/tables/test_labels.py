"""Labels of lenses: where they come from, and what is no label."""

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from astroanomaly.tables.files import write_table
from astroanomaly.tables.labels import check_labels, check_same, read_labels

IDS = ["a", "b", "c", "d"]


def table(**columns):
    return Table({"object_id": IDS[: len(next(iter(columns.values())))], **columns})


@pytest.mark.parametrize("ending", ["csv", "ecsv", "fits"])
@pytest.mark.parametrize("values", [[True, False, True, False], [1, 0, 1, 0]])
def test_any_table_will_do(tmp_path, ending, values):
    file = tmp_path / f"labels.{ending}"
    write_table(table(is_lens=values), file)
    found = read_labels(file)
    assert found.name == str(file)
    # In the order that is asked for; what is not asked for does not matter.
    assert found.of(["d", "a", "b"], "sky").tolist() == [0, 1, 0]
    assert found.of(["d", "a"], "sky").dtype == np.int32


@pytest.mark.parametrize("name", ["ID", "source_id", "OBJECT_ID"])
def test_ids_may_have_the_names_of_the_field(name):
    ids = MaskedColumn([2**62 + 1, 2**62 + 2])
    found = read_labels(Table({name: ids, "is_lens": [1, 0]}))
    assert found.of([str(2**62 + 2), str(2**62 + 1)], "sky").tolist() == [0, 1]


def test_a_label_without_an_id_is_refused_by_its_row():
    ids = MaskedColumn([1, 2, 3], mask=[0, 0, 1])
    with pytest.raises(ValueError, match="`labels` must hold .*none in row 2"):
        read_labels(Table({"object_id": ids, "is_lens": [1, 0, 0]}))


def test_is_lens_goes_before_is_anomaly():
    both = table(is_lens=[1, 0, 0, 0], is_anomaly=[1, 1, 1, 0])
    assert read_labels(both).of(IDS, "sky").tolist() == [1, 0, 0, 0]
    one = table(is_anomaly=["true", "false", "True", "0"])
    assert read_labels(one).of(IDS, "sky").tolist() == [1, 0, 1, 0]


def test_a_missing_value_is_no_label():
    masked = MaskedColumn([1, 0, 1, 0], mask=[0, 0, 0, 1])
    for column in (masked, [1.0, 0.0, 1.0, np.nan], ["1", "0", "1", ""]):
        found = read_labels(table(is_lens=column))
        assert found.of(["a", "b"], "sky").tolist() == [1, 0]
        with pytest.raises(
            ValueError,
            match="^labels must hold a label for each of the 4 cutouts in sky. "
            "Received: none for 1 of them, for example 'd'.$",
        ):
            found.of(IDS, "sky")


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (
            {"lens": [1, 0, 1, 0]},
            "^labels must have a column is_lens .or is_anomaly.. Received: columns "
            "object_id, lens.$",
        ),
        ({"is_lens": [1, 0, 2, 0]}, "Column is_lens of labels must hold .*: '2'"),
        (
            {"is_lens": ["1", "0", "maybe", "0"]},
            "labels must hold .*: 'maybe' in row 2",
        ),
        (
            {"is_lens": [0, 0, 0, 0]},
            "^labels must label both lenses and non-lenses among its objects. "
            "Received: 0 lenses, 4 non-lenses.$",
        ),
        ({"is_lens": [np.nan] * 4}, "among its objects. Received: 0 lenses, 0 non"),
    ],
)
def test_what_is_no_label_is_refused(columns, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_labels(table(**columns))


def test_ids_are_there_and_there_once(tmp_path):
    file = tmp_path / "labels.csv"
    Table({"object_id": ["a", "b", "a"], "is_lens": [1, 0, 1]}).write(file)
    with pytest.raises(
        ValueError, match="labels.csv` must hold each object_id once.*a"
    ):
        read_labels(file)
    Table({"label": ["a", "b"], "is_lens": [1, 0]}).write(file, overwrite=True)
    with pytest.raises(ValueError, match="labels.csv` needs a column object_id"):
        read_labels(file)
    with pytest.raises(FileNotFoundError, match="There is no table .*none.csv"):
        read_labels(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="must end in .ecsv, .fits, .csv"):
        read_labels(tmp_path / "labels.xlsx")


def test_labels_of_other_objects_are_refused():
    found = read_labels(table(is_lens=[1, 0, 1, 0]))
    with pytest.raises(
        ValueError,
        match="^labels must hold labels of the cutouts in sky. Received: ids such as "
        "'a' there, such as 'x' among the cutouts.$",
    ):
        found.of(["x", "y"], "sky")
    with pytest.raises(
        ValueError,
        match="^labels must label both lenses and non-lenses among the 2 cutouts in "
        "sky. Received: 2 lenses, 0 non-lenses.$",
    ):
        found.of(["a", "c"], "sky")


def test_other_labels_than_the_runs_are_named():
    check_same([1, 0, 1], np.array([1, 0, 1]), IDS, "run", "l.csv")
    with pytest.raises(
        ValueError,
        match="^run must be resumed with the labels it was begun with. Received: "
        "l.csv, which differs for 2 of 3 objects, for example 'b', which was 0 and is "
        "now 1.$",
    ):
        check_same([1, 0, 1], np.array([1, 1, 0]), IDS, "run", "l.csv")


def test_labels_of_any_kind_become_bool():
    for labels in (
        [False, True],
        [0.0, 1.0],
        np.ma.masked_array([0, 1]),
        ["no", "yes"],
    ):
        found = check_labels(labels, n=2, both=True)
        assert found.dtype == bool
        assert found.tolist() == [False, True]
    assert check_labels([1, 1]).tolist() == [True, True]


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ([0, 1, 2], "`labels` must hold true and false .*Received: '2' in row 2"),
        ([0, 1, np.nan], "`labels` must be known .*Received: 1 masked, NaN or empty"),
        (["lens", "no", "no"], "`labels` must hold true .*Received: 'lens' in row 0"),
        ([1, 1, 1], "`labels` must hold both classes.* Received: 3 true, 0 false"),
        ([0, 1], r"`labels` must have shape \(3,\).* Received: shape \(2,\)"),
        ([[0], [1], [1]], r"`labels` must have shape \(3,\).* shape \(3, 1\)"),
        (np.ma.masked_array([0, 1, 1], [0, 0, 1]), "`labels` must be known .*: 1"),
    ],
)
def test_bad_labels_are_named(labels, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_labels(labels, n=3, both=True)
