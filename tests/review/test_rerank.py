"""`rerank`: from files to a sorted table whose calibrated columns stay as they are."""

import numpy as np
import pytest
from astropy.table import Table

from astroanomaly import cli, tables
from astroanomaly.review import LabelStore, rerank


@pytest.fixture
def survey(tmp_path):
    """Return a score table, its interesting objects, and a folder with its features."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(300, 3))
    x[:30, 0] += 5
    ids = np.array([f"{k:05d}" for k in range(300)])
    table = Table(
        {
            "object_id": ids,
            "anomaly_score": rng.normal(size=300),
            "p_value": rng.uniform(size=300),
            "is_anomaly_90": rng.uniform(size=300) < 0.1,
            "flag": rng.integers(0, 4, 300),
        },
        meta={"score": "peak"},
    )
    turn = rng.permutation(300)
    np.savez(tmp_path / "both.npz", object_id=ids[turn], latents=x[turn], noise=x[:, 2])
    own = Table({"object_id": ids[turn], "x": x[turn, 0], "more": x[turn, 1:]})
    tables.write_table(own, tmp_path / "latents.ecsv")
    tables.write_table(table, tmp_path / "scores.ecsv")
    return table, set(ids[:30].tolist()), tmp_path


def told(n=40):
    """Return labels of the first interesting objects and of some ordinary ones."""
    names = [f"{k:05d}" for k in (*range(10), *range(100, 100 + n - 10))]
    return Table(
        {"object_id": names, "label": ["interesting"] * 10 + ["ordinary"] * 30}
    )


@pytest.mark.parametrize("file", ["both.npz", "latents.ecsv"])
def test_the_command_sorts_by_labels_and_changes_no_column(survey, file, capsys):
    table, interesting, folder = survey
    tables.write_table(told(), folder / "labels.csv")
    words = ["rerank", folder / "scores.ecsv", "--labels", folder / "labels.csv"]
    words += ["--features", folder / file, "--out", folder / "learned.ecsv"]
    assert cli.main([str(word) for word in words]) == 0
    assert "40 labels" in capsys.readouterr().out
    found = tables.read_table(folder / "learned.ecsv")
    own = ~np.asarray(found["drawn_at_random"])
    left = interesting - set(told()["object_id"].tolist())
    # By chance the first 20 of 260 hold one or two of the 20.
    assert len(left & set(found["object_id"][own][:20].tolist())) >= 10
    back = found[np.argsort(found["object_id"])]
    for name in table.colnames:
        np.testing.assert_array_equal(back[name], table[name])
    assert found.meta["score"] == "peak"
    np.testing.assert_array_equal(found["learned_rank"], np.arange(1, 301))
    # A list that is sorted again forgets the old one.
    again = rerank(found, told(), [folder / file])
    assert again["object_id"].tolist() == found["object_id"].tolist()
    assert again.colnames == found.colnames


def test_a_database_of_labels_and_its_table_teach_the_same(survey):
    table, _, folder = survey
    with LabelStore(folder / "labels.db") as store:
        for place, row in enumerate(told()):
            source = "random" if place % 10 == 9 else "learned"
            store.add(row["object_id"], "Ada", label=row["label"], source=source)
        store.add("00200", "Ben", grade=5)
        own = store.table()
    lists = [
        rerank(table, given, [folder / "both.npz"], reviewer="Ada")
        for given in (folder / "labels.db", own)
    ]
    for found in lists:
        missed = found.meta["learned"]["missed"]
        # Of places 9, 19, 29 and 39 the first is the tenth interesting object.
        assert (missed["n_drawn"], missed["n_interesting"]) == (4, 1)
        assert missed["n_unlabelled"] == 260
    np.testing.assert_array_equal(lists[0]["object_id"], lists[1]["object_id"])
    all_labels = rerank(table, folder / "labels.db")
    assert all_labels.meta["learned"]["n_labels"] == 41


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": Table({"object_id": ["x"], "label": ["ordinary"]})}, "'x'"),
        ({"labels": Table({"object_id": ["00001"], "label": ["nice"]})}, "'nice'"),
        ({"labels": Table({"object_id": [], "label": []})}, "labels must"),
        ({"features": ["few.ecsv"]}, r"few.ecsv .* 299 of 300, .* '00001'"),
        ({"features": ["words.ecsv"]}, r"words.ecsv must hold columns of numbers"),
        ({"features": ["no_ids.npz"]}, r"no_ids.npz must hold `object_id`"),
        ({"features": ["short.npz"]}, r"short.npz must hold 300 rows of 'x'.* 2\."),
    ],
)
def test_bad_input_is_one_sentence(survey, change, message, monkeypatch):
    table, _, folder = survey
    monkeypatch.chdir(folder)
    tables.write_table(Table({"object_id": ["00000"], "x": [1.0]}), "few.ecsv")
    words = Table({"object_id": table["object_id"], "word": ["a"] * 300})
    tables.write_table(words, "words.ecsv")
    np.savez("no_ids.npz", x=np.zeros((300, 2)))
    np.savez("short.npz", object_id=table["object_id"], x=np.zeros((2, 2)))
    with pytest.raises(ValueError, match=message):
        rerank(table, **({"labels": told()} | change))
