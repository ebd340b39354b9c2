"""Bits of the column `flag` and their words."""

from astroanomaly.data import cutouts
from astroanomaly.tables import flags


def test_bits_are_powers_of_two_and_the_names_of_the_constants():
    for k, flag in enumerate(flags.FLAGS):
        assert flag.bit == 1 << k
        assert getattr(flags, f"FLAG_{flag.name.upper()}") == flag.bit
        assert getattr(cutouts, f"FLAG_{flag.name.upper()}") == flag.bit


def test_flag_bits_in_words():
    assert flags.flag_words(0) == []
    assert flags.flag_words(9) == [
        "NaN pixels filled",
        "latent search did not converge",
    ]
    assert flags.flag_words(64) == ["whole frame unlike those of the training"]
    assert flags.flag_words(128) == ["flag 128"]
