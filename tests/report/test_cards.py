import json

import numpy as np
import pytest
from astropy.table import Table

from astroanomaly.report.cards import Objects


@pytest.fixture
def objects():
    table = Table(
        {
            "object_id": ["a", "</script>", "c"],
            "anomaly_score": [1.0, 3.0, 2.0],
            "p_value": [0.5, np.nan, 0.25],
            "is_anomaly_95": [False, True, True],
            "is_anomaly_99": [False, True, False],
        }
    )
    return Objects(table, "anomaly_score", 2)


def test_the_data_of_the_browser_is_safe_json(objects):
    text = objects.data()
    assert "</script>" not in text
    data = json.loads(text)
    assert data["columns"] == ["rank", "object_id", "anomaly_score", "p_value", "level"]
    assert data["rows"][0] == {
        "id": "</script>",
        "level": 99.0,
        "flag": 0,
        "values": [1.0, "</script>", 3.0, None, 99.0],
    }
    assert [row["id"] for row in data["rows"]] == ["</script>", "c"]


def test_rows_and_cards_show_the_same_values(objects):
    first, second = objects.rows().split("\n")
    assert "<td>1</td>" in first
    assert "&lt;/script&gt;" in first
    assert "<td>3</td><td>\N{EN DASH}</td><td>99</td>" in first
    assert "<td>2</td><td>0.25</td><td>95</td>" in second
    plane = np.zeros((2, 4, 4, 1), np.float32)
    plane[0, 1, 1] = 1.0
    cards = objects.cards(
        {"original": plane, "reconstruction": 0 * plane, "residual": plane}
    )
    assert cards.count("<article") == 2
    assert cards.count("<img") == 6
    assert "<dt>anomaly</dt><dd>3</dd>" in cards
    assert "RA" not in cards


def test_columns_of_the_head_can_be_sorted(objects):
    head = objects.head()
    assert head.count("aria-sort") == head.count("<button") == 5


@pytest.mark.parametrize("levels", [False, True])
def test_a_finders_cards_show_its_bands(levels):
    table = Table(
        {
            "object_id": ["a", "b"],
            "anomaly_score": [3.0, -2.0],
            "feature_score": [np.nan, np.nan],
            "p_lens": [0.9526, 0.1192],
            "is_lens": [True, False],
            "p_value": [np.nan, np.nan],
        }
    )
    if levels:
        table["is_anomaly_90"] = [True, False]
    objects = Objects(table, "anomaly_score", 2)
    images = np.random.default_rng(1).random((2, 4, 4, 2))
    first, second = objects.cards({"original": images}, ["<V>", "Y"]).split("\n")
    assert first.count("<img") == 2
    assert 'alt="band &lt;V&gt; of a"' in first
    assert "<figcaption>&lt;V&gt;</figcaption>" in first
    assert "<dt>p lens</dt><dd>0.9526</dd>" in first
    # A column without a single value is none that a finder has.
    assert "feature" not in first
    called = "called a lens, above 90%" if levels else "called a lens"
    assert f">{called}</span>" in first
    other = "not called a lens, not flagged" if levels else "not called a lens"
    assert f">{other}</span>" in second
    assert 'alt="band 1 of b"' in objects.cards({"original": images})
