"""Bits of the column `flag`: what was repaired in an image, or went wrong."""

from typing import NamedTuple

import numpy as np


class Flag(NamedTuple):
    """A bit of the column `flag`, its name and its meaning in a report."""

    bit: int
    name: str
    words: str


# Saved tables hold these bits: a new flag takes the next power of 2, none changes.
FLAGS = (
    Flag(1, "nan_filled", "NaN pixels filled"),
    Flag(2, "padded", "padded at an edge"),
    Flag(4, "clipped", "clipped by the stretch"),
    Flag(8, "not_converged", "latent search did not converge"),
    Flag(16, "trained_on", "the detector was trained on it"),
    Flag(32, "calibrated_on", "the detector was calibrated on it"),
    # Of the detector and so on every row: a .csv file keeps no other mark of it.
    Flag(64, "not_trained", "the detector is not trained"),
)
(
    FLAG_NAN_FILLED,
    FLAG_PADDED,
    FLAG_CLIPPED,
    FLAG_NOT_CONVERGED,
    FLAG_TRAINED_ON,
    FLAG_CALIBRATED_ON,
    FLAG_NOT_TRAINED,
) = (f.bit for f in FLAGS)


def not_trained(table) -> bool:
    """Return whether a score table is that of a detector that is not trained."""
    if getattr(table, "meta", {}).get("status") == "not trained":
        return True
    if "flag" not in getattr(table, "colnames", ()) or not len(table):
        return False
    # A .csv file keeps no meta, but the flags.
    return bool(np.all(np.asarray(table["flag"], np.int64) & FLAG_NOT_TRAINED))


def flag_words(flag: int) -> list[str]:
    """Return the meaning of each bit of a flag; an unknown bit by its value.

    Parameters
    ----------
    flag : int
        The sum of the bits of one object.

    Returns
    -------
    list of str
        One entry per bit, the lowest first.

    Examples
    --------
    >>> flag_words(3)
    ['NaN pixels filled', 'padded at an edge']
    """
    flag, known = int(flag), {f.bit: f.words for f in FLAGS}
    bits = (1 << k for k in range(flag.bit_length()))
    return [known.get(bit, f"flag {bit}") for bit in bits if flag & bit]
