"""Labels of reviewers in a database that only grows and that no kill can harm."""

import json
import sqlite3
import threading
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from astropy.coordinates import angular_separation
from astropy.table import MaskedColumn, Table

from astroanomaly.tables import columns
from astroanomaly.tables.files import read_table, write_table
from astroanomaly.tables.labels import check_labels
from astroanomaly.tables.positions import sky_columns

LABELS = ("interesting", "artefact", "ordinary", "unsure")
# 1 is dull and 5 the best there is, as in Astronomaly; from here on it is interesting.
INTERESTING_GRADE = 4
# Of the file; a change that this code could not read raises it.
FORMAT = 1
# "aalb": by it the file says whose it is, as SQLite foresees.
_APPLICATION = 0x61616C62
# Another browser's label takes milliseconds; a disk that sleeps takes seconds.
_WAIT_SECONDS = 10.0
_MOST_LETTERS = 80
# An object that moved farther than this is another one: cutouts are larger.
_SAME_ARCSEC = 5.0
# A note is a sentence or two; more is a mistake, or somebody else's program.
_LONGEST_NOTE = 10_000
# Columns of truth in tables of labels, and of the words of `LABELS`.
_TRUTHS = ("is_interesting", "is_lens", "is_anomaly")
_SCHEMA = (
    "CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE objects (object_id TEXT PRIMARY KEY, ra REAL, dec REAL, pixels TEXT)",
    f"""CREATE TABLE events (
        event INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL
            CHECK (kind IN ('label', 'import', 'planted', 'repeat', 'seen', 'undo')),
        object_id TEXT NOT NULL,
        reviewer TEXT NOT NULL,
        label TEXT CHECK (label IN {LABELS}),
        grade INTEGER CHECK (grade BETWEEN 1 AND 5),
        tags TEXT NOT NULL DEFAULT '[]',
        note TEXT NOT NULL DEFAULT '',
        time TEXT NOT NULL,
        source TEXT NOT NULL DEFAULT '',
        place INTEGER,
        model TEXT NOT NULL DEFAULT '',
        shown TEXT NOT NULL DEFAULT '{{}}',
        undoes INTEGER UNIQUE REFERENCES events (event))""",
    "CREATE INDEX by_reviewer ON events (reviewer, object_id)",
    """CREATE TRIGGER no_change BEFORE UPDATE ON events
        BEGIN SELECT RAISE(ABORT, 'an event is never changed'); END""",
    """CREATE TRIGGER no_loss BEFORE DELETE ON events
        BEGIN SELECT RAISE(ABORT, 'an event is never deleted'); END""",
    """CREATE VIEW standing AS SELECT * FROM events AS e
        WHERE kind NOT IN ('undo', 'seen')
        AND NOT EXISTS (SELECT 1 FROM events AS u WHERE u.undoes = e.event)""",
    """CREATE VIEW current_labels AS SELECT * FROM standing WHERE event IN (
        SELECT MAX(event) FROM standing WHERE kind IN ('label', 'import')
        GROUP BY reviewer, object_id)""",
)
_MARKS = ("application_id", "user_version")


def check_reviewer(name: str) -> str:
    """Return the name of a reviewer without blanks at its ends, or raise."""
    plain = " ".join(str(name).split())
    if (
        not 1 <= len(plain) <= _MOST_LETTERS
        or not plain.isprintable()
        or set("<>") & set(plain)
    ):
        raise ValueError(
            f"`reviewer` must be a name of 1 to {_MOST_LETTERS} letters without < and "
            f">. Received: {str(name)[:_MOST_LETTERS]!r}."
        )
    return plain


class LabelStore:
    """The labels of one table's objects, by several reviewers.

    Every label, grade, tag, note and undo is one more row of the table ``events`` of
    an SQLite database (write-ahead log, each row on the disk before the call returns);
    none is ever changed. The view ``current_labels`` has what holds now. Several
    programs and threads may write at the same time.

    Parameters
    ----------
    path : str or Path
        The database; it is made when it does not exist.
    read_only : bool, optional
        Open what exists and refuse to write.

    Raises
    ------
    ValueError
        If the file is no label database, or one of another version.
    FileNotFoundError
        If there is none and `read_only` is set.

    Examples
    --------
    >>> store = LabelStore("labels.db")
    >>> _ = store.add("galaxy 7", "Ada", label="interesting", grade=5)
    >>> store.labels("Ada")
    {'galaxy 7': 5}
    """

    def __init__(self, path: str | Path, read_only: bool = False) -> None:
        self.path, self.read_only = Path(path), read_only
        self._lock = threading.RLock()
        if read_only and not self.path.is_file():
            raise FileNotFoundError(f"There is no label database {str(path)!r}.")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        name = self.path.resolve().as_uri() + ("?mode=ro" if read_only else "")
        try:
            self._connection = sqlite3.connect(
                name,
                uri=True,
                timeout=_WAIT_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            self._connection.row_factory = sqlite3.Row
            self._open()
        except sqlite3.DatabaseError as error:
            raise ValueError(
                f"{self.path} must be a label database of astroanomaly. "
                f"Received: {error}."
            ) from error

    def _open(self) -> None:
        """Check whose file it is, and make the tables of a new one."""
        ask = self._connection.execute
        # In this order: another program may be making the tables just now.
        tables = ask("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
        found = [ask(f"PRAGMA {name}").fetchone()[0] for name in _MARKS]
        if tables and found[0] != _APPLICATION:
            raise sqlite3.DatabaseError("a database of another program")
        if tables and found[1] != FORMAT:
            raise sqlite3.DatabaseError(
                f"version {found[1]}, where this astroanomaly reads version {FORMAT}; "
                "nothing was changed"
            )
        if self.read_only:
            return
        ask("PRAGMA journal_mode = WAL")
        # The write-ahead log alone would lose the last labels in a power cut.
        ask("PRAGMA synchronous = FULL")
        if tables:
            return
        with self._writing():
            # Two programs may begin with the same new file.
            if not ask("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
                for statement in _SCHEMA:
                    ask(statement)
                for mark, value in zip(_MARKS, (_APPLICATION, FORMAT), strict=True):
                    ask(f"PRAGMA {mark} = {value}")
                ask("INSERT INTO about VALUES ('uid', ?)", (uuid.uuid4().hex,))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Run a block as one transaction: all of it is kept, or none."""
        if self.read_only:
            raise ValueError(f"{self.path} is open for reading only: nothing is kept.")
        with self._lock:
            if self._connection.in_transaction:
                # Ours, since we hold the lock: part of a larger step.
                yield
                return
            try:
                # At once the only writer: what is read first still holds later.
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield
                    self._connection.execute("COMMIT")
                finally:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
            except sqlite3.OperationalError as error:
                raise OSError(
                    f"{self.path} must be a file that can be written. "
                    f"Received: {error}; nothing of this step was kept."
                ) from error

    def _ask(self, question: str, values=()) -> list[dict]:
        with self._lock:
            found = self._connection.execute(question, values).fetchall()
        return [dict(row) for row in found]

    def close(self) -> None:
        """Close the database; the log becomes part of the file."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> "LabelStore":
        """Return the store itself."""
        return self

    def __exit__(self, *error) -> None:
        """Close the database."""
        self.close()

    @property
    def uid(self) -> str:
        """A random text that only this database has."""
        return self._ask("SELECT value FROM about WHERE name = 'uid'")[0]["value"]

    @property
    def reviewers(self) -> list[str]:
        """The names of all who labelled, in order."""
        found = self._ask("SELECT DISTINCT reviewer FROM events ORDER BY reviewer")
        return [row["reviewer"] for row in found]

    def check_table(self, table: Table, name: str = "the table") -> int:
        """Raise where the labels are those of another table.

        Parameters
        ----------
        table : Table
            With `object_id` and, where known, positions.
        name : str, optional
            What to call it in a message.

        Returns
        -------
        int
            How many labelled objects the table no longer holds; their labels stay.

        Raises
        ------
        ValueError
            If no labelled object is in the table, or one lies elsewhere on the sky.
        """
        known = self._ask(
            "SELECT * FROM objects WHERE object_id IN "
            "(SELECT object_id FROM current_labels) ORDER BY object_id"
        )
        if not known:
            return 0
        ids = columns.texts(table)
        rows = {object_id: row for row, object_id in enumerate(ids)}
        here = [k for k in known if k["object_id"] in rows]
        if not here:
            raise ValueError(
                f"{self.path} must hold labels of objects in {name}. Received: labels "
                f"of {len(known)} others, such as {known[0]['object_id']!r}, where the "
                f"table has such as {ids[0] if ids else 'none'!r}."
            )
        sky = sky_columns(table)
        if sky is not None:
            ra, dec = np.radians(sky)
            for one in here:
                row = rows[one["object_id"]]
                if one["ra"] is None or not np.isfinite(ra[row]):
                    continue
                old = np.radians((one["ra"], one["dec"]))
                apart = angular_separation(*old, ra[row], dec[row])
                if (apart := float(np.degrees(apart) * 3600)) > _SAME_ARCSEC:
                    raise ValueError(
                        f"{self.path} must hold labels of objects in {name}. Received: "
                        f"those of another table: {one['object_id']!r} was {apart:.1f} "
                        "arcsec away when it was labelled."
                    )
        return len(known) - len(here)

    def current(self, object_id: str, reviewer: str, kind: str = "label") -> dict:
        """Return what holds for one object and reviewer.

        Parameters
        ----------
        object_id : str
            The object.
        reviewer : str
            Who labelled.
        kind : {"label", "planted", "repeat"}, optional
            Labels, or answers in a test of the reviewer.

        Returns
        -------
        dict
            `label`, `grade` (None where there is none), `tags` and `note`.
        """
        kinds = ("label", "import") if kind == "label" else (kind, kind)
        found = self._ask(
            "SELECT label, grade, tags, note FROM standing WHERE object_id = ? AND "
            "reviewer = ? AND kind IN (?, ?) ORDER BY event DESC LIMIT 1",
            (object_id, reviewer, *kinds),
        )
        if not found:
            return {"label": None, "grade": None, "tags": [], "note": ""}
        return {**found[0], "tags": json.loads(found[0]["tags"])}

    def add(
        self,
        object_id: str,
        reviewer: str,
        *,
        label: str | None = None,
        grade: int | None = None,
        tags: Mapping[str, bool] | None = None,
        note: str | None = None,
        kind: str = "label",
        key: str | None = None,
        source: str = "",
        place: int | None = None,
        model: str = "",
        shown: Mapping | None = None,
        position: tuple[float, float] | None = None,
        pixels: str | None = None,
    ) -> dict:
        """Add one event; what is not given stays as it was.

        Parameters
        ----------
        object_id, reviewer : str
            What was labelled, and by whom.
        label : {"interesting", "artefact", "ordinary", "unsure"}, optional
            The class.
        grade : int, optional
            1 (dull) to 5.
        tags : dict of str to bool, optional
            Tags to set (True) and to take away (False).
        note : str, optional
            Free text; "" takes it away.
        kind : {"label", "import", "planted", "repeat", "seen"}, optional
            "seen" is an object that was looked at and passed over; the answers to
            "planted" and "repeat" test the reviewer and are no labels.
        key : str, optional
            A text that only this event has: sent twice, it is kept once.
        source : str, optional
            The list in which it was shown: "static", "learned", "random", ...
        place : int, optional
            Its place there, from 0.
        model : str, optional
            Hash of the detector that made the list.
        shown : dict, optional
            How it was shown: stretch, band, score, the list's number.
        position : tuple of float, optional
            Right ascension and declination, degrees.
        pixels : str, optional
            Hash of its pixels.

        Returns
        -------
        dict
            What holds now, as :meth:`current`.

        Raises
        ------
        ValueError
            If a value is none of those, the name of the reviewer holds markup, or the
            store is read-only.
        OSError
            If the file cannot be written.
        """
        reviewer, kept_as = check_reviewer(reviewer), kind
        if label is not None and label not in LABELS:
            raise ValueError(
                f"`label` must be one of {', '.join(LABELS)}. Received: {label!r}."
            )
        if grade is not None and (isinstance(grade, bool) or grade not in range(1, 6)):
            raise ValueError(f"`grade` must be 1, 2, 3, 4 or 5. Received: {grade!r}.")
        for word in tags or ():
            if len(word) > _MOST_LETTERS or ";" in word:
                raise ValueError(
                    f"`tags` must be words of at most {_MOST_LETTERS} letters without "
                    f"semicolons. Received: {word[:_MOST_LETTERS]!r}."
                )
        if note is not None and len(note) > _LONGEST_NOTE:
            raise ValueError(
                f"`note` must have at most {_LONGEST_NOTE} letters. "
                f"Received: {len(note)}."
            )
        if kind == "import":
            kept_as = "label"
        with self._writing():
            asked = (key,) if key is not None else ("",)
            known = self._ask("SELECT 1 FROM events WHERE key = ?", asked)
            state = self.current(object_id, reviewer, kept_as)
            if known:
                return state
            if kind != "seen":
                plain = {" ".join(tag.split()): on for tag, on in (tags or {}).items()}
                held = dict.fromkeys(state["tags"], True) | plain
                state["tags"] = [tag for tag, on in held.items() if on and tag]
                given = {"label": label, "grade": grade, "note": note}
                state |= {n: v for n, v in given.items() if v is not None}
            if kind in ("label", "import"):
                at = [float(x) for x in position or (np.nan, np.nan)]
                at = at if np.isfinite(at).all() else (None, None)
                self._ask(
                    "INSERT OR IGNORE INTO objects VALUES (?, ?, ?, ?)",
                    (object_id, *at, pixels),
                )
            self._append(
                key=key,
                kind=kind,
                object_id=object_id,
                reviewer=reviewer,
                source=source,
                place=place,
                model=model,
                shown=json.dumps(dict(shown or {})),
                **(
                    {}
                    if kind == "seen"
                    else state | {"tags": json.dumps(state["tags"])}
                ),
            )
        return state

    def _append(self, key: str | None, **values) -> None:
        values |= {
            "key": key or uuid.uuid4().hex,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        self._ask(
            f"INSERT INTO events ({names}) VALUES ({marks})", tuple(values.values())
        )

    def undo(self, reviewer: str, key: str | None = None) -> dict | None:
        """Take back the reviewer's last event that still holds.

        Parameters
        ----------
        reviewer : str
            Whose.
        key : str, optional
            As for :meth:`add`.

        Returns
        -------
        dict or None
            `object_id` and `kind` of what was undone; None where nothing was left.
        """
        with self._writing():
            if key is not None:
                done = self._ask(
                    "SELECT object_id, kind FROM events WHERE event = "
                    "(SELECT undoes FROM events WHERE key = ?)",
                    (key,),
                )
                if done:
                    return done[0]
            last = self._ask(
                "SELECT event, object_id, kind FROM standing WHERE reviewer = ? "
                "ORDER BY event DESC LIMIT 1",
                (reviewer,),
            )
            if not last:
                return None
            self._append(
                key,
                kind="undo",
                object_id=last[0]["object_id"],
                reviewer=reviewer,
                undoes=last[0]["event"],
            )
        return {"object_id": last[0]["object_id"], "kind": last[0]["kind"]}

    def rows(self, reviewer: str | None = None, kind: str = "label") -> list[dict]:
        """Return what holds now, object by object in the order of labelling.

        Parameters
        ----------
        reviewer : str, optional
            Whose; everybody's by default.
        kind : {"label", "planted", "repeat"}, optional
            Labels, or answers in a test of the reviewer.

        Returns
        -------
        list of dict
            The columns of ``events``; `tags` is a list.
        """
        found = self._last("*", reviewer, kind)
        return [{**row, "tags": json.loads(row["tags"])} for row in found]

    def answers(self, reviewer: str) -> list[dict]:
        """Return label, grade and source of what holds now, in the order of labelling.

        Parameters
        ----------
        reviewer : str
            Whose.

        Returns
        -------
        list of dict
            A part of :meth:`rows`, in a fraction of its time.
        """
        return self._last("object_id, label, grade, source", reviewer, "label")

    def _last(self, names: str, reviewer: str | None, kind: str) -> list[dict]:
        """Return columns of the last event of each object that still holds."""
        kinds = ("label", "import") if kind == "label" else (kind, kind)
        own = "" if reviewer is None else "AND reviewer = ?"
        return self._ask(
            f"SELECT {names} FROM events WHERE event IN (SELECT MAX(event) FROM "
            f"standing WHERE kind IN (?, ?) {own} GROUP BY reviewer, object_id) "
            "ORDER BY event",
            kinds if reviewer is None else (*kinds, reviewer),
        )

    def seen(self, reviewer: str) -> set[str]:
        """Return the ids of the objects that a reviewer saw or labelled."""
        asked = "SELECT DISTINCT object_id FROM events WHERE reviewer = ?"
        return {row["object_id"] for row in self._ask(asked, (reviewer,))}

    def labels(self, reviewer: str | None = None) -> dict[str, str | int]:
        """Return what a ranking learns from.

        Parameters
        ----------
        reviewer : str, optional
            Whose labels; by default what most reviewers of an object say, "unsure"
            where they are split.

        Returns
        -------
        dict
            From object id to grade (1 to 5) where there is one, else to the label; an
            artefact stays one whatever its grade.
        """
        given: dict[str, list] = {}
        for row in self.rows(reviewer):
            if answer_of(row) is not None:
                given.setdefault(row["object_id"], []).append(row)
        found = {}
        for object_id, rows in given.items():
            # Words and grades of several reviewers meet in the words.
            votes = Counter(map(class_of, rows)).most_common(2)
            split = len(votes) > 1 and votes[0][1] == votes[1][1]
            many = "unsure" if split else votes[0][0]
            found[object_id] = answer_of(rows[0]) if len(rows) == 1 else many
        return found

    def table(self, reviewer: str | None = None) -> Table:
        """Return the labels that hold now.

        Parameters
        ----------
        reviewer : str, optional
            Whose; everybody's by default.

        Returns
        -------
        Table
            A row per object and reviewer: `object_id`, `reviewer`, `label`, `grade`
            (masked where there is none), `tags` (joined by semicolons), `note`,
            `time` (UTC), `source`, `place` (masked), `model`.
        """
        return _table(self.rows(reviewer))

    def history(self, reviewer: str | None = None) -> Table:
        """Return every event, what was passed over and undone too.

        Parameters
        ----------
        reviewer : str, optional
            Whose; everybody's by default.

        Returns
        -------
        Table
            The columns of :meth:`table`, and `event`, `kind`, `shown` (JSON) and
            `undoes` (masked).
        """
        own = "" if reviewer is None else " WHERE reviewer = ?"
        asked = () if reviewer is None else (reviewer,)
        rows = self._ask(f"SELECT * FROM events{own} ORDER BY event", asked)
        found = _table([{**row, "tags": json.loads(row["tags"])} for row in rows])
        for name in ("event", "undoes"):
            found[name] = _whole(rows, name)
        for name in ("kind", "shown"):
            found[name] = np.array([row[name] for row in rows], str)
        return found

    def export(self, path: str | Path, reviewer: str | None = None) -> Path:
        """Write the labels that hold now as a table.

        Parameters
        ----------
        path : str or Path
            A file that ends in .ecsv, .csv, .vot, .parquet or .fits.
        reviewer : str, optional
            Whose; everybody's by default.

        Returns
        -------
        Path
            The file.
        """
        write_table(self.table(reviewer), path)
        return Path(path)

    def read(
        self,
        labels: Table | str | Path,
        reviewer: str,
        ids: Iterable[str] | None = None,
    ) -> int:
        """Take in a table of labels, all of it or, on an error, nothing.

        Parameters
        ----------
        labels : Table, str or Path
            With `object_id` and at least one of `label` (the four words), `grade`,
            `tags` (joined by semicolons), `note` and is_interesting, is_lens or
            is_anomaly (true is "interesting", false "ordinary").
        reviewer : str
            Whose labels they are.
        ids : sequence of str, optional
            The objects that there are; another one in the table is an error.

        Returns
        -------
        int
            Rows that changed something; a table that is read twice changes nothing.

        Raises
        ------
        ValueError
            If a column is missing, or holds something else.
        """
        table, name = labels, "labels"
        if not isinstance(labels, Table):
            table, name = read_table(labels), str(labels)
        reviewer = check_reviewer(reviewer)
        found = columns.object_ids(table, name)
        known = [c for c in ("label", "grade", "tags", "note") if c in table.colnames]
        truth = [c for c in _TRUTHS if c in table.colnames][:1]
        if not known + truth:
            raise ValueError(
                f"{name} must have a column label, grade, tags, note or "
                f"{' or '.join(_TRUTHS)}. Received: columns "
                f"{', '.join(table.colnames)}."
            )
        if ids is not None and len(lost := np.setdiff1d(found, np.asarray(ids, str))):
            raise ValueError(
                f"{name} must hold labels of the objects under review. Received: "
                f"{len(lost)} of {len(found)} others, such as {str(lost[0])!r}."
            )
        given: list[dict] = [{} for _ in found]
        if truth and "label" not in known:
            present = ~columns.is_missing(table[truth[0]])
            values = check_labels(table[truth[0]][present], truth[0])
            for row, value in zip(np.flatnonzero(present), values, strict=True):
                given[row]["label"] = "interesting" if value else "ordinary"
        for column in known:
            present = ~columns.is_missing(table[column])
            if column == "grade":
                values = columns.numbers(table, column)
                values = [int(v) if v == int(v) else v for v in values[present]]
            else:
                values = columns.words(table[column])[present].tolist()
            for row, value in zip(np.flatnonzero(present), values, strict=True):
                given[row][column] = value
        sky, n_changed = sky_columns(table), 0
        with self._writing():
            for row, (object_id, own) in enumerate(zip(found, given, strict=True)):
                words = own.pop("tags", "").split(";")
                own["tags"] = {word.strip(): True for word in words if word.strip()}
                before = self.current(str(object_id), reviewer)
                after = {**before, **own, "tags": before["tags"]}
                if after == before and set(own["tags"]) <= set(before["tags"]):
                    continue
                at = None if sky is None else (sky[0][row], sky[1][row])
                self.add(str(object_id), reviewer, **own, kind="import", position=at)
                n_changed += 1
        return n_changed


def answer_of(row: Mapping) -> str | int | None:
    """Return what a row of labels says: artefact, else the grade, else the label."""
    if row["label"] == "artefact" or row["grade"] is None:
        return row["label"]
    return row["grade"]


def class_of(row: Mapping) -> str | None:
    """Return what a row of labels says as one of the four words, grades too."""
    answer = answer_of(row)
    if not isinstance(answer, int):
        return answer
    if answer >= INTERESTING_GRADE:
        return "interesting"
    # The grade in the middle says neither.
    return "unsure" if answer == INTERESTING_GRADE - 1 else "ordinary"


def _table(rows: list[dict]) -> Table:
    """Return rows of events as a table; missing numbers are masked."""
    found = Table()
    for name in ("object_id", "reviewer", "label", "tags", "note", "time", "source"):
        words = [row[name] if row[name] is not None else "" for row in rows]
        if name == "tags":
            words = ["; ".join(tags) for tags in words]
        found[name] = np.array(words, str)
    for place, name in ((3, "grade"), (8, "place")):
        found.add_column(_whole(rows, name), place, name)
    found["model"] = np.array([row["model"] for row in rows], str)
    return found


def _whole(rows: list[dict], name: str) -> MaskedColumn:
    missing = [row[name] is None for row in rows]
    values = [0 if row[name] is None else row[name] for row in rows]
    return MaskedColumn(np.array(values, np.int64), mask=missing)
