import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from astropy.table import Table

from astroanomaly.review import LabelStore, agreement, fleiss_kappa
from astroanomaly.review.reviewers import check_of
from astroanomaly.tables import read_table


@pytest.fixture
def store(tmp_path):
    with LabelStore(tmp_path / "labels.db") as opened:
        yield opened


def test_what_is_not_given_stays_and_undo_takes_back_one_step(store):
    store.add("a", "Ada", label="interesting", position=(150.0, 2.0))
    store.add("a", "Ada", grade=4, tags={"tail ": True, "ring": True})
    now = store.add("a", "Ada", note="two\nlines", tags={"ring": False, "blue": True})
    assert now == {
        "label": "interesting",
        "grade": 4,
        "tags": ["tail", "blue"],
        "note": "two\nlines",
    }
    assert store.current("a", "Ada") == now
    assert store.undo("Ada") == {"object_id": "a", "kind": "label"}
    assert store.current("a", "Ada")["tags"] == ["tail", "ring"]
    store.undo("Ada")
    assert store.labels("Ada") == {"a": "interesting"}
    store.undo("Ada")
    assert store.undo("Ada") is None
    assert store.labels() == {}
    # Nothing is lost: three labels and three undos, which name them.
    history = store.history()
    assert history["kind"].tolist() == ["label"] * 3 + ["undo"] * 3
    assert history["undoes"].tolist()[3:] == [3, 2, 1]


def test_events_are_neither_changed_nor_deleted(store):
    store.add("a", "Ada", label="ordinary")
    for statement in ("UPDATE events SET label = 'unsure'", "DELETE FROM events"):
        other = sqlite3.connect(store.path)
        with pytest.raises(sqlite3.IntegrityError, match="never"):
            other.execute(statement)
        other.close()
    assert store.labels() == {"a": "ordinary"}


def test_an_event_that_is_sent_twice_is_kept_once(store):
    for _ in range(2):
        store.add("a", "Ada", grade=2, key="one")
    store.add("b", "Ada", grade=3, key="two")
    for _ in range(2):
        assert store.undo("Ada", key="three")["object_id"] == "b"
    assert store.labels("Ada") == {"a": 2}
    assert len(store.history()) == 3


def test_what_was_shown_and_in_which_order(store):
    store.add("b", "Ada", kind="seen", source="static", place=0)
    store.add("a", "Ada", label="artefact", source="random", place=1, model="f00")
    history = store.history()
    assert history["object_id"].tolist() == ["b", "a"]
    assert history["source"].tolist() == ["static", "random"]
    assert history["place"].tolist() == [0, 1]
    assert history["model"].tolist() == ["", "f00"]
    assert history["time"][0] <= history["time"][1]
    assert store.seen("Ada") == {"a", "b"}
    # What was only seen has no label, and an undo passes it over.
    store.add("c", "Ada", kind="seen")
    assert store.undo("Ada")["object_id"] == "a"


def test_reviewers_are_blind_to_each_other(store):
    store.add("a", "Ada", label="interesting")
    store.add("a", "Ben", label="artefact")
    assert store.labels("Ada") == {"a": "interesting"}
    assert store.current("a", "Ben")["label"] == "artefact"
    # Together they are split; a third one decides.
    assert store.labels() == {"a": "unsure"}
    store.add("a", "Cid", grade=5)
    assert store.labels() == {"a": "interesting"}
    store.undo("Ben")
    assert store.labels("Ada") == {"a": "interesting"}


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"reviewer": "<b>Ada</b>"}, "`reviewer`.*<b>Ada"),
        ({"reviewer": " "}, "`reviewer`"),
        ({"reviewer": "A\x00"}, "`reviewer`"),
        ({"label": "nice"}, "`label`.*nice"),
        ({"grade": 6}, "`grade`.*6"),
        ({"grade": True}, "`grade`.*True"),
        ({"tags": {"a;b": True}}, "`tags`.*a;b"),
        ({"note": "x" * 10_001}, "`note`.*10001"),
    ],
)
def test_bad_values_are_one_sentence_and_keep_nothing(store, values, match):
    given = {"reviewer": "Ada", "label": "ordinary"} | values
    with pytest.raises(ValueError, match=match):
        store.add("a", **given)
    assert not len(store.history())


def test_files_that_are_no_label_database_stay_as_they_are(tmp_path):
    text = tmp_path / "text.db"
    text.write_text("object_id,label\n" * 100)
    other = tmp_path / "other.db"
    made = sqlite3.connect(other)
    made.execute("CREATE TABLE t (x)")
    made.commit()
    made.close()
    newer = tmp_path / "newer.db"
    LabelStore(newer).close()
    made = sqlite3.connect(newer)
    made.execute("PRAGMA user_version = 2")
    made.close()
    for path, match in ((text, "not a data"), (other, "another"), (newer, "version 2")):
        before = path.read_bytes()
        with pytest.raises(ValueError, match=f"{path.name}.*Received.*{match}"):
            LabelStore(path)
        assert path.read_bytes() == before
    with pytest.raises(FileNotFoundError, match=r"gone\.db"):
        LabelStore(tmp_path / "gone.db", read_only=True)
    assert not (tmp_path / "gone.db").exists()


def test_read_only_shows_what_another_program_writes(store):
    reader = LabelStore(store.path, read_only=True)
    store.add("a", "Ada", grade=1)
    assert reader.labels() == {"a": 1}
    with pytest.raises(ValueError, match=r"labels\.db.*reading only"):
        reader.add("b", "Ada", grade=1)
    with pytest.raises(ValueError, match="reading only"):
        reader.undo("Ada")
    reader.close()


def test_labels_of_another_table(store):
    table = Table({"object_id": ["a", "b"], "ra": [150.0, 151.0], "dec": [2.0, 2.0]})
    assert store.check_table(table) == 0
    store.add("a", "Ada", grade=1, position=(150.0, 2.0))
    store.add("b", "Ada", grade=1, position=(151.0, np.nan))
    assert store.check_table(table) == 0
    # One object is gone: its label stays.
    assert store.check_table(table[:1]) == 1
    with pytest.raises(ValueError, match="2 others, such as 'a'.*such as 'x'"):
        store.check_table(Table({"object_id": ["x"]}))
    # One degree of declination is 3600 arcsec.
    table["dec"] = [3.0, 3.0]
    with pytest.raises(ValueError, match=r"another table: 'a' was 3600\.0 arcsec"):
        store.check_table(table)
    assert len(store.labels()) == 2


@pytest.mark.parametrize("ending", ["ecsv", "csv", "vot", "parquet", "fits"])
def test_export_and_import_keep_every_label(store, tmp_path, ending):
    store.add("00012", "Ada", label="interesting", tags={"tail": True, "blue": True})
    store.add("b", "Ada", grade=2, note='=1+1, "ring" \N{GREEK SMALL LETTER ALPHA}')
    store.add("c", "Ben", label="unsure")
    path = store.export(tmp_path / f"labels.{ending}", "Ada")
    table = read_table(path)
    assert table["object_id"].tolist() == ["00012", "b"]
    assert table["tags"].tolist() == ["tail; blue", ""]
    with LabelStore(tmp_path / "other.db") as other:
        assert other.read(path, "Ada") == 2
        assert other.read(path, "Ada") == 0
        for name in ("00012", "b"):
            assert other.current(name, "Ada") == store.current(name, "Ada")
        assert other.history()["kind"].tolist() == ["import", "import"]


def test_import_of_truth_is_whole_or_nothing(store):
    truth = Table({"object_id": ["a", "b"], "is_lens": [True, False]})
    assert store.read(truth, "Ada", ids=["a", "b", "c"]) == 2
    assert store.labels() == {"a": "interesting", "b": "ordinary"}
    graded = Table({"object_id": ["a", "b"], "grade": [3, 9]})
    for table, ids, match in (
        (graded, None, "`grade`.*9"),
        (truth, ["a"], "1 of 2 others, such as 'b'"),
        (Table({"object_id": ["a"]}), None, "column label"),
        (
            Table({"object_id": ["a", "a"], "grade": [1, 1]}),
            None,
            "each object_id once",
        ),
    ):
        with pytest.raises(ValueError, match=match):
            store.read(table, "Ada", ids=ids)
    assert len(store.history()) == 2


def test_agreement_of_two(store):
    # Counts of Cohen's kappa by hand: 20, 5, 10 and 15 of 50 agree by chance in 0.5.
    answers = [("interesting", "interesting")] * 20 + [("interesting", "ordinary")] * 5
    answers += [("ordinary", "interesting")] * 10 + [("ordinary", "ordinary")] * 15
    for k, (a, b) in enumerate(answers):
        store.add(str(k), "Ada", label=a)
        store.add(str(k), "Ben", label=b)
    store.add("alone", "Ada", label="unsure")
    (row,) = agreement(store)
    assert (row["measure"], row["reviewers"], row["n"]) == ("cohen", "Ada, Ben", 50)
    assert row["agree"] == pytest.approx(0.7)
    assert row["kappa"] == pytest.approx(0.4)


def test_agreement_of_three_and_of_grades(store):
    for name, grades in {"A": (5, 1, 4), "B": (5, 2, 3), "C": (4, 1, 5)}.items():
        for k, grade in enumerate(grades):
            store.add(str(k), name, grade=grade)
    found = agreement(store)
    assert found["measure"].tolist() == ["cohen"] * 3 + ["cohen, grades"] * 3 + [
        "fleiss"
    ]
    # Classes iii ooo iui: observed 7 / 9, chance (25 + 9 + 1) / 81.
    assert found["agree"][-1] == pytest.approx(2 / 3)
    assert found["kappa"][-1] == pytest.approx((7 / 9 - 35 / 81) / (1 - 35 / 81))
    # Squared distances 0, 1, 1; by chance those of all pairs of the two columns.
    a, b = np.array([5, 1, 4]), np.array([5, 2, 3])
    chance = np.mean((a[:, None] - b) ** 2)
    assert found["kappa"][3] == pytest.approx(1 - (2 / 3) / chance)


def test_fleiss_kappa_of_the_published_example():
    # Ten subjects, fourteen raters, five classes: kappa 0.210.
    counts = """0 0 0 0 14  0 2 6 4 2  0 0 3 5 6  0 3 9 2 0  2 2 8 1 1
                7 7 0 0 0   3 2 6 3 0  2 5 3 2 2  6 5 2 1 0  0 2 2 3 7"""
    counts = np.array(counts.split(), int).reshape(10, 5)
    assert fleiss_kappa(counts) == pytest.approx(0.2099, abs=1e-4)
    assert np.isnan(fleiss_kappa(np.array([[3, 0], [3, 0]])))
    with pytest.raises(ValueError, match="`counts`.*2 to 3"):
        fleiss_kappa(np.array([[3, 0], [1, 1]]))


def test_completeness_and_consistency(store):
    for name, label in (("p1", "interesting"), ("p2", "ordinary"), ("p3", None)):
        kind = "planted" if label else "seen"
        store.add(name, "Ada", label=label, kind=kind)
    for name, first, again in (("a", 5, 4), ("b", 1, 5), ("c", 2, 1)):
        store.add(name, "Ada", grade=first)
        store.add(name, "Ada", grade=again, kind="repeat")
    store.add("d", "Ada", grade=1, kind="repeat")
    found = check_of(store, "Ada")
    assert (found["completeness"]["k"], found["completeness"]["n"]) == (1, 2)
    assert (found["consistency"]["k"], found["consistency"]["n"]) == (2, 3)
    # Wilson's interval of 1 of 2 with z = 1.959964.
    z2 = 1.959964**2
    half = (z2 / (2 + z2) * (1 + z2 / 4) * 2 / z2) ** 0.5
    half = 1.959964 / (2 + z2) * (2 * 0.25 + z2 / 4) ** 0.5
    assert found["completeness"]["low"] == pytest.approx(0.5 - half, abs=1e-6)
    # A second answer is no label: the first one holds.
    assert store.labels("Ada") == {"a": 5, "b": 1, "c": 2}
    assert check_of(store, "Ben")["consistency"]["n"] == 0


def test_threads_and_programs_write_at_the_same_time(store):
    def work(name):
        with LabelStore(store.path) as own:
            for k in range(20):
                own.add("shared", name, tags={f"{name}{k}": True})
                store.add("same", "Ada", tags={f"{name}{k}": True})

    threads = [threading.Thread(target=work, args=(name,)) for name in "AB"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.current("same", "Ada")["tags"]) == 40
    for name in "AB":
        wanted = [f"{name}{k}" for k in range(20)]
        assert store.current("shared", name)["tags"] == wanted


WRITER = """
import sys
from astroanomaly.review.labels import LabelStore
store, k = LabelStore(sys.argv[1]), len(LabelStore(sys.argv[1]).rows("Ada"))
while k < int(sys.argv[2]):
    store.add(f"o{k}", "Ada", grade=1 + k % 5, key=f"k{k}")
    print(k, flush=True)
    k += 1
"""


def killed_again_and_again(path, n_labels, n_kills, seconds):
    """Write labels in processes that are killed; return the last one each reported."""
    command, reported = [sys.executable, "-c", WRITER, str(path), str(n_labels)], []
    rng = random.Random(1)
    for kill in range(n_kills + 1):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = process.stdout.readline()
        if kill < n_kills:
            time.sleep(rng.uniform(*seconds))
            os.kill(process.pid, signal.SIGKILL)
        rest = [line, *process.stdout.readlines()]
        process.stdout.close()
        process.wait()
        whole = [line for line in rest if line.endswith("\n")]
        reported.append(int(whole[-1]) if whole else -1)
        with LabelStore(path, read_only=True) as store:
            # Every label that was reported is there, in order and without a gap.
            held = [row["object_id"] for row in store.rows("Ada")]
            assert held == [f"o{k}" for k in range(len(held))]
            assert len(held) > reported[-1]
    return reported


def test_a_kill_at_any_moment_loses_no_label(tmp_path):
    n = 400
    reported = killed_again_and_again(tmp_path / "labels.db", n, 2, (0.0, 0.05))
    assert max(reported) == n - 1
    with LabelStore(tmp_path / "labels.db") as store:
        assert store.labels() == {f"o{k}": 1 + k % 5 for k in range(n)}
