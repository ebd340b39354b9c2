import base64
import io

import numpy as np
from astropy.table import MaskedColumn, Table
from PIL import Image

from astroanomaly.report import html


def pixels(tag):
    content = tag.split("base64,")[1].split('"')[0]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def test_values_as_text():
    assert html.text(None) == html.text(np.nan) == html.text("") == html.DASH
    assert html.text("<a> & b") == "&lt;a&gt; &amp; b"
    assert html.text(12345) == "12,345"
    assert html.text(-0.00012345) == "\N{MINUS SIGN}0.0001234"
    assert html.text(np.inf) == "\N{INFINITY}"
    assert html.text(np.bool_(True)) == "yes"
    assert html.text([1, "<"]) == "1, &lt;"
    assert html.text(b"x") == "x"
    assert html.degrees(150.1) == "150.10000"


def test_a_table_is_escaped_and_aligned_by_column():
    source = Table({"a_name": ["<x>", "y"], "n": MaskedColumn([1, 2], mask=[0, 1])})
    text = html.astropy_table(source)
    assert '<th scope="col" class="text wide">a name</th><th scope="col">n</th>' in text
    assert '<td class="text wide">&lt;x&gt;</td><td>1</td>' in text
    assert f'<td class="text wide">y</td><td>{html.DASH}</td>' in text
    assert "<tbody>\n\n</tbody>" in html.table(("a", "b"), [])


def test_an_image_is_exact_and_stands_upright():
    image = np.array([[0.0, 0.5], [1.0, 2.0]])
    tag = html.image(image, 'of "x"')
    assert 'alt="of &quot;x&quot;"' in tag
    assert "data:image/png" in tag
    # The first row of an astronomical image is its lowest.
    np.testing.assert_array_equal(pixels(tag), [[255, 255], [0, 128]])


def test_a_large_image_is_compressed():
    noise = np.random.default_rng(1).random((128, 128, 3))
    tag = html.image(noise, "noise")
    assert "data:image/jpeg" in tag
    assert pixels(tag).shape == (128, 128, 3)


def test_options_are_escaped():
    assert html.options([('"', "<")]) == '<option value="&quot;">&lt;</option>'
