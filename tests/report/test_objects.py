import base64
import io

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from PIL import Image

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.report.objects import DASH, Objects, linear, text
from astroanomaly.report.page import astropy_table, cells
from astroanomaly.utils.notebook import picture


def cutouts_of(images, pixel_scale=None):
    ids = Table({"object_id": [str(k) for k in range(len(images))]})
    bands = [f"b{k}" for k in range(images.shape[-1])]
    return Cutouts(images.astype(np.float32), ids, bands, pixel_scale)


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


def test_the_data_of_the_browser_have_no_nan(objects):
    data = objects.data(drawn=True)
    assert data["columns"] == ["rank", "object_id", "anomaly_score", "p_value", "level"]
    assert data["rows"][0] == {
        "id": "</script>",
        "level": 99.0,
        "flag": 0,
        "values": [1.0, "</script>", 3.0, None, 99.0],
    }
    assert [row["id"] for row in data["rows"]] == ["</script>", "c"]


def test_rows_and_cards_show_the_same_values(objects):
    first, second = objects.rows()
    assert [*first["cells"].values()] == ["1", "</script>", "3", DASH, "99"]
    assert [*second["cells"].values()] == ["2", "c", "2", "0.25", "95"]
    plane = np.zeros((2, 4, 4, 1), np.float32)
    plane[0, 1, 1] = 1.0
    explained = {"original": plane, "reconstruction": 0 * plane, "residual": plane}
    cards = objects.cards(explained, cutouts_of(plane, pixel_scale=0.5))
    assert [card["cells"] for card in cards] == [first["cells"], second["cells"]]
    assert [len(card["images"]) for card in cards] == [3, 3]
    assert "ra" not in cards[0]["cells"]
    # Of 2 arcsec at most a third: 0.5 arcsec, a quarter of the width.
    assert cards[0]["images"][0]["bar"] == {"words": '0.5"', "share": 25.0}
    assert cards[0]["images"][1]["bar"] is None


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
    cutouts = cutouts_of(images)
    first, second = objects.cards({"original": images}, cutouts, ["<V>", "Y"])
    assert [image["alt"] for image in first["images"]] == [
        "band <V> of a",
        "band Y of a",
    ]
    assert first["images"][0]["name"] == "<V>"
    assert first["cells"]["p_lens"] == "0.9526"
    assert "feature_score" not in first["cells"]
    assert first["badge"] == "called a lens" + ", above 90%" * levels
    assert second["badge"] == "not called a lens" + ", not flagged" * levels
    unnamed = objects.cards({"original": images}, cutouts)[1]["images"][1]
    assert unnamed["alt"] == "band 1 of b"


def test_values_as_text():
    assert text(None) == text(np.nan) == text("") == text([]) == DASH
    assert text("<a> & b") == "<a> & b"
    assert text(12345) == "12,345"
    assert text(-0.00012345) == "\N{MINUS SIGN}0.0001234"
    assert text(np.inf) == "\N{INFINITY}"
    assert text(np.bool_(True)) == "yes"
    assert text([1, "<"]) == "1, <"
    assert text(b"x") == "x"


def test_columns_of_words_are_known():
    source = Table({"a_name": ["<x>", "y"], "n": MaskedColumn([1, 2], mask=[0, 1])})
    found = astropy_table(source)
    assert found["names"] == ["a_name", "n"]
    assert found["wordy"] == [True, False]
    assert [text(value) for value in found["rows"][1]] == ["y", DASH]
    assert cells(("a", "b"), [])["wordy"] == [True, True]


def test_the_smallest_p_value_is_a_bound():
    table = Table({"object_id": ["a", "b"], "anomaly_score": [2.0, 1.0]})
    table["p_value"] = [0.01, 0.02]
    objects = Objects(table, "anomaly_score", 2, n_calibration=99)
    cells = [row["cells"]["p_value"] for row in objects.rows()]
    assert cells == ["\N{LESS-THAN OR EQUAL TO} 0.01", "0.02"]


def test_linear_pixels_survive_the_page():
    image = np.random.default_rng(1).normal(size=(6, 9, 2)) * [1.0, 1e4]
    packed = linear(image, 1)
    red, green, _ = np.moveaxis(pixels(packed).astype(int), -1, 0)
    planes = (256 * red + green).reshape(2, 6, 9)[:, ::-1]
    low, high = (np.array(packed[name])[:, None, None] for name in ("low", "high"))
    back = np.moveaxis(low + (high - low) * planes / 65535, 0, -1)
    np.testing.assert_allclose(back, image, atol=np.ptp(image) / 65535)
    # Binned by 2: rows and columns that do not fill a bin are left out.
    assert pixels(linear(image, 2)).shape == (6, 4, 3)
    assert linear(image[::-1], 2)["low"][0] == pytest.approx(
        image[::-1][:6, :8, 0].reshape(3, 2, 4, 2).mean(axis=(1, 3)).min()
    )


def pixels(image):
    content = base64.b64decode(image["uri"].split("base64,")[1])
    return np.asarray(Image.open(io.BytesIO(content)))


def test_an_image_is_exact_and_stands_upright():
    image = picture(np.array([[0.0, 0.5, 0.0], [1.0, 2.0, 0.0]]))
    assert image["uri"].startswith("data:image/png")
    assert (image["width"], image["height"]) == (3, 2)
    # The first row of an astronomical image is its lowest.
    np.testing.assert_array_equal(pixels(image), [[255, 255, 0], [0, 128, 0]])


def test_a_large_image_is_compressed():
    image = picture(np.random.default_rng(1).random((128, 128, 3)))
    assert image["uri"].startswith("data:image/jpeg")
    assert pixels(image).shape == (128, 128, 3)
