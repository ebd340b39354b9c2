import pytest

from astroanomaly import cli
from astroanomaly.cli import options


@pytest.mark.parametrize("verb", ["train", "calibrate", "score", "report"])
def test_every_verb_that_reads_takes_the_readers_options(verb, capsys):
    assert cli.main([verb, "--help"]) == 0
    shown = capsys.readouterr().out
    for option in ("catalog", "bands", "band-pattern", "pixel-scale", "workers"):
        assert f"--{option}" in shown


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
