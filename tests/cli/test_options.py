from dataclasses import fields

import pytest

from astroanomaly import cli
from astroanomaly.cli import options
from astroanomaly.data.options import ReadOptions


@pytest.mark.parametrize("verb", ["train", "calibrate", "score", "report"])
def test_every_verb_that_reads_takes_the_readers_options(verb, capsys):
    assert cli.main([verb, "--help"]) == 0
    shown = capsys.readouterr().out
    for option in ("catalog", "bands", "band-pattern", "pixel-scale", "workers"):
        assert f"--{option}" in shown


def test_the_reader_gets_one_object():
    """Of every option of the reader; the size has a default of its own."""

    @options.reads(preparing=True)
    def verb(reading: dict):
        return reading

    named = set(options.READING | options.PREPARING)
    assert named | {"size", "on_error", "shape", "scale"} == {
        field.name for field in fields(ReadOptions)
    }
    found = verb(catalog="c.csv", workers=2, bands=[], edge="error", pixel_scale=0.1)
    asked = ReadOptions(pixel_scale=0.1, edge="error")
    assert found == {"catalog": "c.csv", "n_workers": 2, "options": asked}
    assert found["options"].given == ("pixel_scale", "edge")
    with pytest.raises(ValueError, match="`nan`.*Received: 'drop'"):
        verb(nan="drop")


def test_several_values_after_one_option():
    words = ["RUN", "X", "--levels", "90", "95", "99.9", "--method", "refine"]
    repeated = ["RUN", "X", "--levels", "90", "--levels", "95", "--levels", "99.9"]
    assert options.repeat_options(words) == [*repeated, "--method", "refine"]
    assert options.repeat_options(["--bins", "-1", "0", "--by", "x", "y"]) == [
        *("--bins", "-1", "--bins", "0", "--by", "x", "y")
    ]
    assert options.repeat_options(["--bands", "VIS", "J", "--resume", "a"]) == [
        *("--bands", "VIS", "--bands", "J", "--resume", "a")
    ]


def test_bins_are_numbers_or_words():
    assert options.numbers(["0.1", "1"]) == [0.1, 1.0]
    assert options.numbers(["spiral", "1"]) == ["spiral", "1"]
    assert options.numbers(None) is None
