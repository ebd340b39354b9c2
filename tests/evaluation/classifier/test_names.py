import numpy as np
import pytest
from astropy.table import MaskedColumn

from astroanomaly.evaluation.classifier import named_table, negatives_table

KINDS = ["spiral", "ring_galaxy", "spiral", "elliptical", "ring_galaxy", "spiral"]
OUTPUTS = [0.5, 0.9, 0.1, 0.2, 0.6, 0.3]


def test_rates_by_kind_the_worst_first():
    table = negatives_table(KINDS, OUTPUTS)
    assert table["kind"].tolist() == ["all", "ring_galaxy", "spiral", "elliptical"]
    assert table["n"].tolist() == [6, 2, 3, 1]
    assert table["n_flagged"].tolist() == [3, 2, 1, 0]
    np.testing.assert_allclose(table["false_positive_rate"], [1 / 2, 1, 1 / 3, 0])
    np.testing.assert_allclose(table["median_probability"], [0.4, 0.75, 0.3, 0.2])
    # Wilson's interval of 0 of 1 and of 2 of 2.
    z2 = 1.959963984540054**2
    assert table["high"][3] == pytest.approx(z2 / (1 + z2))
    assert table["low"][1] == pytest.approx(2 / (2 + z2))
    assert negatives_table(KINDS, OUTPUTS, 0.7)["n_flagged"][0] == 1
    assert table.meta["threshold"] == 0.5


def test_kinds_may_come_from_a_fits_table():
    table = negatives_table(np.array(KINDS, dtype="S"), OUTPUTS)
    assert table["kind"].tolist() == ["all", "ring_galaxy", "spiral", "elliptical"]


@pytest.mark.parametrize(
    ("kinds", "outputs", "message"),
    [
        (KINDS[:5], OUTPUTS, r"Received: shape \(5,\) for 6 probabilities"),
        ([], [], "at least one"),
        (MaskedColumn(KINDS, mask=[True] + [False] * 5), OUTPUTS, "1 missing"),
        (["", *KINDS[1:]], OUTPUTS, "`kinds` must be known for every object"),
        (KINDS, [*OUTPUTS[:5], 2.0], "`probabilities` must lie between 0 and 1"),
        (KINDS, [*OUTPUTS[:5], np.nan], "`probabilities` must not be NaN"),
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
