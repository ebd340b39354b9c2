"""Known anomalies and repeats, mixed in among the objects to test a reviewer."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# One place in so many tests the reviewer, with a known anomaly and a repeat in turn.
_EVERY = 10
# A repeat this soon is remembered, not judged again.
_APART = 15


@dataclass(frozen=True)
class Test:
    """An object that tests the reviewer.

    Attributes
    ----------
    alias : str
        The name it is shown under.
    kind : {"planted", "repeat"}
        A known anomaly, or an object that comes again.
    object_id : str
        Its own name.
    row : int
        Of the planted objects, or of the table.
    number : int
        Place among the tests.
    """

    alias: str
    kind: str
    object_id: str
    row: int
    number: int


class Tests:
    """The tests of one review; the same labels and objects always give the same names.

    Parameters
    ----------
    uid : str
        Of the labels.
    object_ids : sequence of str
        The objects of the table: tests get names that look like theirs.
    planted : sequence of str
        The ids of known anomalies.
    """

    def __init__(
        self, uid: str, object_ids: Sequence[str], planted: Sequence[str] = ()
    ):
        self._uid, self._ids, self._taken = uid, object_ids, set(object_ids)
        self.named: dict[str, Test] = {}
        self.numbered: list[Test] = []
        self.planted = [self.add("planted", k, row) for row, k in enumerate(planted)]

    def _rng(self, *words):
        digest = hashlib.sha256(
            " ".join(map(str, (self._uid, *words))).encode()
        ).digest()
        return np.random.default_rng(np.frombuffer(digest, np.uint64))

    def add(self, kind: str, object_id: str, row: int) -> Test:
        """Return the test of an object, under a name that no other object has."""
        count = 0
        while True:
            rng = self._rng(kind, object_id, count)
            pattern = self._ids[rng.integers(len(self._ids))]
            digits = iter(rng.integers(10, size=len(pattern)))
            alias = re.sub("[0-9]", lambda _, new=digits: str(next(new)), pattern)
            if alias == pattern:
                alias = f"{pattern}_{rng.integers(100)}"
            known = self.named.get(alias)
            if known and (known.kind, known.object_id) == (kind, object_id):
                return known
            if not known and alias not in self._taken:
                found = Test(alias, kind, object_id, row, len(self.numbered))
                self.named[alias] = found
                self.numbered.append(found)
                return found
            count += 1

    def mixed(self, reviewer: str, rows, drawn, seen, labelled, again) -> tuple:
        """Return a list of rows with tests at random places.

        Parameters
        ----------
        reviewer : str
            Whose list it is.
        rows : ndarray of int
            Rows of the table.
        drawn : ndarray of bool
            Which of them were drawn at random.
        seen : set of str
            Ids of planted objects, among others, that the reviewer saw already.
        labelled : list of int
            Rows that the reviewer labelled, in order.
        again : list of int
            Rows that came again already.

        Returns
        -------
        rows : ndarray of int
            Below zero where a test stands: -1 is the one with number 0.
        drawn : ndarray of bool
            Never true of a test.
        """
        rng = self._rng(reviewer)
        left = [test for test in self.planted if test.object_id not in seen]
        left = [left[k] for k in rng.permutation(len(left))]
        found, chance, used = rows.tolist(), drawn.tolist(), set(again)
        for turn, place in enumerate(range(_EVERY, len(found) + len(left), _EVERY)):
            if not left or place > len(found):
                break
            here = place - int(rng.integers(_EVERY))
            if turn % 2 == 0:
                test = left.pop()
            else:
                # What was labelled long ago, or stands well before in this list.
                pool = labelled[:-_APART] + found[: max(here - _APART, 0)]
                pool = [row for row in pool if row >= 0 and row not in used]
                if not pool:
                    continue
                row = pool[rng.integers(len(pool))]
                used.add(row)
                test = self.add("repeat", self._ids[row], row)
            found.insert(here, -1 - test.number)
            chance.insert(here, False)
        return np.array(found), np.array(chance, bool)
