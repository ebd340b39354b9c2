"""Bits of the column `flag`: what was repaired in an image, or went wrong."""

from typing import NamedTuple


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
    Flag(64, "odd_frame", "whole frame unlike those of the training"),
)
(
    FLAG_NAN_FILLED,
    FLAG_PADDED,
    FLAG_CLIPPED,
    FLAG_NOT_CONVERGED,
    FLAG_TRAINED_ON,
    FLAG_CALIBRATED_ON,
    FLAG_ODD_FRAME,
) = (f.bit for f in FLAGS)
# The column `status` of the table of a detector that reconstructs nothing.
NOT_TRAINED = "not trained"


def not_trained(table) -> bool:
    """Return whether a score table is that of a detector that is not trained."""
    # A .csv file keeps no meta, but the column.
    column = table["status"] if "status" in table.colnames else ()
    return table.meta.get("status") == NOT_TRAINED or NOT_TRAINED in map(str, column)


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
