"""Sequences as long as a survey that hold none of their items."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import repeat
from operator import eq

import numpy as np


class Counted(Sequence):
    """Items that are made from their numbers whenever they are asked for.

    Parameters
    ----------
    make : callable
        From a number to its item; it travels to worker processes.
    numbers : range or ndarray of int
        The number of each item.

    Examples
    --------
    >>> names = Counted("cube_{:06d}".format, range(10**8))
    >>> names[-1], len(names)
    ('cube_99999999', 100000000)
    """

    def __init__(self, make: Callable[[int], object], numbers):
        self.make, self.numbers = make, numbers

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.numbers)

    def __getitem__(self, row):
        """Return an item; of a slice, its items in the same form."""
        if isinstance(row, slice):
            return Counted(self.make, self.numbers[row])
        return self.make(int(self.numbers[row]))

    def __iter__(self) -> Iterator:
        """Iterate over the items."""
        return map(self.make, map(int, self.numbers))

    def __eq__(self, other) -> bool:
        """Whether another sequence, such as a list, has the same items."""
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None


class Repeated(Sequence):
    """One value for all of `n` items.

    Parameters
    ----------
    value : object
        What each item is.
    n : int
        How many there are.

    Examples
    --------
    >>> Repeated("cube.fits", 3)[1]
    'cube.fits'
    """

    def __init__(self, value, n: int):
        self.value, self.n = value, n

    def __len__(self) -> int:
        """Return the number of items."""
        return self.n

    def __getitem__(self, row):
        """Return the value; of a slice, the items in the same form."""
        rows = range(self.n)[row]
        return Repeated(self.value, len(rows)) if isinstance(row, slice) else self.value

    def __iter__(self) -> Iterator:
        """Iterate over the items."""
        return repeat(self.value, self.n)


def named(before: str, numbers, after: str = "", digits: int = 1) -> Counted:
    """Return names that differ by a number alone.

    Parameters
    ----------
    before, after : str
        What stands around the number.
    numbers : range or ndarray of int
        The number of each name.
    digits : int, optional
        How many it is filled up to with zeros.

    Returns
    -------
    Counted
        Of str.

    Examples
    --------
    >>> list(named("cube.fits[", range(2), "]"))
    ['cube.fits[0]', 'cube.fits[1]']
    """
    return Counted(partial(_name, before, after, digits), numbers)


def _name(before: str, after: str, digits: int, number: int) -> str:
    return f"{before}{number:0{digits}d}{after}"


def chosen(items: Sequence, rows: Sequence[int]):
    """Return some items in the form of them all.

    Parameters
    ----------
    items : list, range, ndarray, Counted or Repeated
        All items.
    rows : sequence of int
        Their places, in any order.

    Returns
    -------
    list, range, ndarray, Counted or Repeated
        The items at these places; a range becomes an array where `rows` is none.

    Examples
    --------
    >>> chosen(range(100, 200), range(3, 6))
    range(103, 106)
    >>> list(chosen(Counted("g{}".format, range(100)), [7, 3]))
    ['g7', 'g3']
    """
    if isinstance(rows, range) and rows.step == 1 and rows.start >= 0:
        return items[rows.start : rows.stop]
    if isinstance(items, Counted):
        return Counted(items.make, chosen(items.numbers, rows))
    if isinstance(items, Repeated):
        return Repeated(items.value, len(rows))
    found = [items[row] for row in rows]
    return found if isinstance(items, list) else np.array(found, int)
