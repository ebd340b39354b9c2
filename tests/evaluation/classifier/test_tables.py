"""Tables of a lens finder by data set, kind of non-lens and name of lens."""

import numpy as np
import pytest
from astropy.table import MaskedColumn

from astroanomaly.evaluation.classifier import (
    PUBLISHED_OUTPUTS,
    PUBLISHED_SETS,
    metrics_at,
    named_table,
    negatives_table,
    set_table,
    trivial_recall,
)

TEST = ([0.9, 0.8, 0.5, 0.1, 0.7, 0.5, 0.3, 0.2, 0.2, 0.0], [1] * 4 + [0] * 6)
ARCS = ([0.9, 0.8, 0.6, 0.4], None)


def test_published_numbers_are_consistent():
    # F1 of the sets of lenses alone follows from recall; the poster cuts digits.
    for name in ("compound arcs", "compound rings", "real lenses"):
        f1, recall = PUBLISHED_SETS[name]
        assert 2 * recall / (1 + recall) == pytest.approx(f1, abs=1e-3)
    assert len(PUBLISHED_OUTPUTS) == 4
    assert min(PUBLISHED_OUTPUTS.values()) == 0.7104


def test_table_one_by_hand():
    table = set_table({"Single_Test": TEST, "compound arcs": ARCS, "mine": ARCS})
    first, arcs, mine = table
    found = metrics_at(TEST[1], TEST[0])
    counts = ("n_lenses", "n_found", "n_negatives", "n_false", "own_negatives")
    assert tuple(first[name] for name in counts) == (4, 3, 6, 2, True)
    for name in ("recall", "f1", "precision", "false_positive_rate"):
        row = tuple(first[f"{name}{end}"] for end in ("", "_low", "_high"))
        assert row == getattr(found, name)
    assert first["excess"] == pytest.approx(0.75 - 1 / 3)
    assert first["lens_fraction"] == 0.4
    assert (first["published_f1"], first["published_recall"]) == (0.580, 0.473)
    # Lenses alone, with nothing beside them.
    assert tuple(arcs[name] for name in counts) == (4, 3, 0, 0, False)
    assert arcs["f1"] == pytest.approx(2 * 0.75 / 1.75)
    for name in ("precision", "false_positive_rate", "excess"):
        assert np.isnan(arcs[name])
    assert arcs["published_recall"] == 0.751
    assert np.isnan(mine["published_f1"])
    assert table.meta["threshold"] == 0.5


def test_sets_of_lenses_are_held_against_negatives():
    sets = {"test": TEST, "compound arcs": ARCS}
    by_name = set_table(sets, negatives="test")
    given = set_table(sets, negatives=np.array(TEST[0])[4:])
    for table in (by_name, given):
        arcs = table[1]
        assert (arcs["n_negatives"], arcs["n_false"]) == (6, 2)
        assert not arcs["own_negatives"]
        # Its F1 stays that of lenses alone; precision is 0.75 / (0.75 + 1/3).
        assert arcs["f1"] == pytest.approx(2 * 0.75 / 1.75)
        assert arcs["precision"] == pytest.approx(9 / 13)
        assert arcs["lens_fraction"] == 0.5
    rare = set_table(sets, negatives="test", lens_fraction=0.01)[1]
    assert rare["precision"] == pytest.approx(0.0075 / (0.0075 + 0.33))
    # The other set keeps its own.
    assert set_table(sets, negatives=[1.0])["n_false"].tolist() == [2, 1]


def test_a_finder_that_says_lens_to_everything_is_told_apart():
    yes = {"test": ([1.0] * 200, [1] * 100 + [0] * 100), "arcs": ([1.0] * 80, None)}
    table = set_table(yes, negatives="test")
    assert table["recall"].tolist() == [1, 1]
    assert table["f1"][1] == 1
    assert table["excess"].tolist() == [0, 0]
    notes = table.meta["notes"]
    assert all("at random would do as well" in note for note in notes[:2])
    assert "F1 of a set of lenses alone" in notes[2]


def test_what_the_sentence_says():
    good = trivial_recall("arcs", 90, 100, 10, 100)
    assert good.startswith("arcs: 90 of 100 lenses are found (90.0%) and 10 of 100")
    assert good.endswith("the finder's own.")
    wrong = trivial_recall("arcs", 10, 100, 90, 100)
    assert wrong.endswith("non-lenses are preferred to these.")
    alone = trivial_recall("arcs", 4, 4, 0, 0)
    assert alone.startswith("arcs: 4 of 4 lenses are found (100.0%);")
    # Newcombe (1998): 56/70 less 48/80 is 0.0524 to 0.3339.
    assert "+20.0 points (+5.2 to +33.4)" in trivial_recall("a", 56, 70, 48, 80)
    with pytest.raises(ValueError, match="`n_lenses` must be at least 1. Received: 0"):
        trivial_recall("arcs", 0, 0, 1, 2)
    with pytest.raises(ValueError, match="`k` must lie between 0 and `n`"):
        trivial_recall("arcs", 5, 4, 1, 2)


@pytest.mark.parametrize(
    ("sets", "options", "message"),
    [
        ({}, {}, "`outputs` must hold at least one set"),
        ({"a": [0.1, 0.2]}, {}, r"a pair \(probabilities, labels or None\).*list"),
        ({"a": ([], None)}, {}, "The set 'a' must hold objects"),
        (
            {"a": ([0.1, 0.2], [1, 1])},
            {},
            "`a: labels` must hold both classes.* Received: 2 true, 0",
        ),
        (
            {"a": ([0.1, 0.2], [1])},
            {},
            r"`a: labels` must have shape.* Received: shape \(1,\)",
        ),
        (
            {"a": ([0.1, 0.2], [1, 7])},
            {},
            "`a: labels` must hold true and false.* Received: '7'",
        ),
        ({"a": ([0.1, np.nan], None)}, {}, "`a: probabilities` must not be NaN"),
        ({"a": ([1.5], None)}, {}, "`a: probabilities` must lie between 0 and 1"),
        (
            {"a": ARCS, "b": TEST},
            {"negatives": "a"},
            r"Received: 'a'; sets with labels are \['b'\]",
        ),
        ({"a": ARCS}, {"negatives": [-1.0]}, "`negatives` must lie between 0 and 1"),
        ({"a": ARCS}, {"threshold": 2}, "`threshold` must lie between 0 and 1"),
        ({"a": ARCS}, {"lens_fraction": 0}, "`lens_fraction` must lie strictly"),
    ],
)
def test_set_table_refuses(sets, options, message):
    with pytest.raises(ValueError, match=message):
        set_table(sets, **options)


# --- kinds of non-lenses, and named lenses ---------------------------------------

KINDS = ["spiral", "ring_galaxy", "spiral", "elliptical", "ring_galaxy", "spiral"]
KIND_OUTPUTS = [0.5, 0.9, 0.1, 0.2, 0.6, 0.3]


def test_rates_by_kind_the_worst_first():
    table = negatives_table(KINDS, KIND_OUTPUTS)
    assert table["kind"].tolist() == ["all", "ring_galaxy", "spiral", "elliptical"]
    assert table["n"].tolist() == [6, 2, 3, 1]
    assert table["n_flagged"].tolist() == [3, 2, 1, 0]
    np.testing.assert_allclose(table["false_positive_rate"], [1 / 2, 1, 1 / 3, 0])
    np.testing.assert_allclose(table["median_probability"], [0.4, 0.75, 0.3, 0.2])
    # Wilson's interval of 0 of 1 and of 2 of 2.
    z2 = 1.959963984540054**2
    assert table["high"][3] == pytest.approx(z2 / (1 + z2))
    assert table["low"][1] == pytest.approx(2 / (2 + z2))
    assert negatives_table(KINDS, KIND_OUTPUTS, 0.7)["n_flagged"][0] == 1
    assert table.meta["threshold"] == 0.5


def test_kinds_may_come_from_a_fits_table():
    table = negatives_table(np.array(KINDS, dtype="S"), KIND_OUTPUTS)
    assert table["kind"].tolist() == ["all", "ring_galaxy", "spiral", "elliptical"]


@pytest.mark.parametrize(
    ("kinds", "outputs", "message"),
    [
        (KINDS[:5], KIND_OUTPUTS, r"Received: shape \(5,\) for 6 probabilities"),
        ([], [], "at least one"),
        (MaskedColumn(KINDS, mask=[True] + [False] * 5), KIND_OUTPUTS, "1 missing"),
        (["", *KINDS[1:]], KIND_OUTPUTS, "`kinds` must be known for every object"),
        (KINDS, [*KIND_OUTPUTS[:5], 2.0], "`probabilities` must lie between 0 and 1"),
        (KINDS, [*KIND_OUTPUTS[:5], np.nan], "`probabilities` must not be NaN"),
    ],
)
def test_negatives_table_refuses(kinds, outputs, message):
    with pytest.raises(ValueError, match=message):
        negatives_table(kinds, outputs)


def test_named_lenses_stand_beside_the_published_ones():
    names = ["sdss j0946+1006", "SL2S J02176\N{MINUS SIGN}0513", "COSMOS-Web ring"]
    bands = ["I", ("VIS", "Y", "J"), ["J"]]
    table = named_table(names, [0.4, 0.9, 0.5], bands)
    assert table["name"][:3].tolist() == names
    assert table["bands"].tolist() == ["I", "VIS,Y,J", "J", "", ""]
    assert table["found"].tolist() == [False, True, True, False, False]
    np.testing.assert_array_equal(
        table["published_output"], [0.8228, 0.9580, np.nan, 0.7104, 0.9953]
    )
    assert table["name"][3:].tolist() == ["HSC J142449-005322", "SDSS J1148+1930"]
    assert np.isnan(table["output"][3:]).all()
    first, second = table.meta["notes"]
    assert first == "2 of 3 named lenses have an output of 0.5 or more."
    assert second.endswith("not given: HSC J142449-005322, SDSS J1148+1930.")


def test_named_lenses_without_bands_or_publication():
    table = named_table(["mine"], [0.7], threshold=0.8, published={})
    assert len(table) == 1
    assert table["bands"][0] == ""
    assert not table["found"][0]
    assert table.meta["notes"] == ["0 of 1 named lenses have an output of 0.8 or more."]


@pytest.mark.parametrize(
    ("names", "outputs", "options", "message"),
    [
        (["a", "A "], [0.1, 0.2], {}, r"each lens once. Received: \['A', 'a'\] again"),
        (["a", "b"], [0.1], {}, r"`names` must hold one name.*shape \(2,\) for 1"),
        (["a"], [0.1], {"bands": ["I", "J"]}, "bands of each of the 1 lenses"),
        (["a"], [0.1], {"bands": "I"}, "Received: 'I'"),
        (["a"], [np.nan], {}, "`probabilities` must not be NaN"),
        (["a"], [0.1], {"threshold": -1}, "`threshold` must lie between 0 and 1"),
    ],
)
def test_named_table_refuses(names, outputs, options, message):
    with pytest.raises(ValueError, match=message):
        named_table(names, outputs, **options)
