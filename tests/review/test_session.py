import json
import struct
import threading

import numpy as np
import pytest
from astropy.table import Table
from reviewing import SIZE, FakeDetector, images_of, review, survey

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.data.reading import read_cutouts
from astroanomaly.data.write import write_cutouts
from astroanomaly.review import LabelStore, Review
from astroanomaly.review.neighbours import FeatureSpace


@pytest.fixture
def session(tmp_path):
    made = review(tmp_path / "labels.db")
    yield made
    made.store.close()


def unpack(data):
    (length,) = struct.unpack("<I", data[:4])
    heads, at = json.loads(data[4 : 4 + length]), 4 + length
    for head in heads:
        for part in head.get("parts", ()):
            size = 4 * int(np.prod(head["shape"]))
            head[part] = np.frombuffer(data[at : at + size], "<f4").reshape(
                head["shape"]
            )
            at += size
    assert at == len(data)
    return heads


def test_the_static_list_is_the_tables(session):
    _, table, _ = survey()
    found = session.cards("Ada", 0, 10)
    assert found["n"] == 60
    assert [c["id"] for c in found["cards"]] == table["object_id"][:10].tolist()
    first = found["cards"][0]
    assert (first["place"], first["source"]) == (0, "static")
    assert first["cells"]["anomaly_score"] == f"{table['anomaly_score'][0]:.4g}"
    assert first["sky"] == [table["ra"][0], 2.0]
    assert (first["label"], first["grade"], first["tags"]) == (None, None, [])
    assert [c["place"] for c in session.cards("Ada", 55, 20)["cards"]] == [
        *range(55, 60)
    ]


def test_pixels_are_linear_and_to_the_bit(session):
    detector, table, cutouts = survey()
    names = table["object_id"][[3, 0]].tolist()
    for whole in (False, True):
        found = unpack(session.pixels("Ada", names, whole))
        assert [one["id"] for one in found] == names
        for one in found:
            own = cutouts[one["id"]]
            np.testing.assert_array_equal(one["original"], own.images[0])
            assert one["parts"][1:] == ["reconstruction", "residual"] * whole
    # Stretched by ten: the reconstruction is linear again, the residual is not.
    assert one["reconstruction"][5, 5, 0] == 1.0
    explained = detector.explain(own)
    np.testing.assert_array_equal(one["residual"], explained["residual"][0])
    json.dumps(session.start("Ada"), allow_nan=False)


def test_labels_know_what_was_shown(session):
    first, second = (card["id"] for card in session.cards("Ada", 0, 2)["cards"])
    session.pixels("Ada", [first])
    session.label("Ada", first, label="interesting", source="static", place=0)
    reply = session.label("Ada", second, seen=True, source="static", place=1)
    assert reply["progress"]["classes"]["interesting"] == 1
    assert (reply["progress"]["seen"], reply["progress"]["labelled"]) == (2, 1)
    history = session.store.history("Ada")
    assert history["kind"].tolist() == ["label", "seen"]
    assert history["place"].tolist() == [0, 1]
    assert set(history["model"]) == {session.model}
    shown = json.loads(history["shown"][0])
    assert shown["anomaly_score"] == survey()[1]["anomaly_score"][0]
    assert session.start("Ada")["place"] == 2
    assert session.start("Ben")["place"] == 0
    undone = session.undo("Ada")
    assert undone["card"]["id"] == first
    assert undone["card"]["label"] is None
    assert session.undo("Ada")["card"] is None


def test_similar_objects_are_similar(session):
    _, _, cutouts = survey()
    odd = set(cutouts.object_ids[-6:])
    name = cutouts.object_ids[-1]
    found = session.similar("Ada", name, 5)
    assert {card["id"] for card in found["cards"]} == odd - {name}
    assert (found["done"], found["of"]) == (60, 60)


def test_search(session):
    found = [card["id"] for card in session.search("Ada", "GAL_00")["cards"]]
    assert sorted(found) == [f"gal_00{k}" for k in range(10)]
    assert session.search("Ada", "gal_007")["cards"][0]["id"] == "gal_007"
    assert session.search("Ada", " ")["cards"] == []


def test_the_list_learns_and_older_lists_stay_for_a_while(session):
    _, _, cutouts = survey()
    odd = set(cutouts.object_ids[-6:])
    with pytest.raises(ValueError, match="labels.*none"):
        session.rerank("Ada")
    session.label("Ada", cutouts.object_ids[-1], grade=5)
    before = session.start("Ada")
    found = session.rerank("Ada")
    assert found["learned_from"] == 1
    cards = session.cards("Ada", 0, 10, found["list"])["cards"]
    assert {card["id"] for card in cards[:5]} == odd - {cutouts.object_ids[-1]}
    assert [card["source"] for card in cards] == ["learned"] * 9 + ["random"]
    # Another browser still has the older list; another reviewer never sees it.
    old = session.cards("Ada", 0, 1, before["list"])["cards"][0]
    assert old["source"] == "static"
    assert session.start("Ben")["kind"] == "static"
    with pytest.raises(LookupError):
        session.cards("Ben", 0, 1, found["list"])
    session.restart("Ada")
    assert session.start("Ada")["kind"] == "static"


def test_what_was_drawn_at_random_estimates_what_is_missed(session):
    names = [card["id"] for card in session.cards("Ada", 0, 20)["cards"]]
    for k, name in enumerate(names):
        label = "interesting" if k < 5 else "ordinary"
        session.label("Ada", name, label=label, source="random" if k % 2 else "learned")
    found = session.progress("Ada")
    # Of ten drawn two were interesting; 40 objects have no label.
    assert (found["random"]["k"], found["random"]["n"]) == (2, 10)
    assert found["random"]["missing"] == [8, 2, 20]
    assert found["recent"] == [5, 20]
    assert found["curve"][0] == [0, 0]
    assert found["curve"][-1] == [20, 5]
    assert [n for n, _ in found["curve"]] == sorted(n for n, _ in found["curve"])


def test_planted_anomalies_and_repeats(tmp_path):
    plant = Cutouts(
        images_of(8, 9, odd=8),
        Table({"object_id": [f"known {k}" for k in range(8)]}),
        ["V", "I"],
    )
    session = review(tmp_path / "labels.db", plant=plant)
    real = set(survey()[1]["object_id"])
    n, kinds = session.start("Ada")["n"], []
    for place in range(n):
        (card,) = session.cards("Ada", place, 1)["cards"]
        # Nothing tells a test from any other object.
        assert card["id"].startswith("gal_")
        assert card["sky"] is None
        assert "rank" not in card["cells"]
        assert card["label"] is None
        kind = session._found(card["id"])[3]
        kinds.append(kind)
        assert (card["id"] in real) == (kind == "label")
        (pixels,) = unpack(session.pixels("Ada", [card["id"]]))
        label = "interesting" if pixels["original"][2, 9, 1] > 1 else "ordinary"
        # Of the planted ones every other is overlooked.
        if kind == "planted" and kinds.count("planted") % 2:
            label = "ordinary"
        session.label("Ada", card["id"], label=label, source="static", place=place)
    assert kinds.count("label") == 60
    assert kinds.count("repeat") >= 2
    check = session.progress("Ada")["check"]
    planted = kinds.count("planted")
    assert check["completeness"]["n"] == planted >= 3
    assert check["completeness"]["k"] == planted // 2
    assert check["consistency"]["k"] == check["consistency"]["n"]
    # The tests are no labels: neither learned from nor exported.
    assert set(session.store.labels("Ada")) == real
    assert session.progress("Ada")["classes"]["interesting"] == 6
    # A test can be undone, also by a later start that made its list anew.
    last = max(k for k, kind in enumerate(kinds) if kind != "label")
    again = review(tmp_path / "other.db", plant=plant)
    card = again.cards("Ada", last, 1)["cards"][0]
    again.label("Ada", card["id"], label="unsure")
    later = review(tmp_path / "other.db", plant=plant)
    assert later.undo("Ada")["card"]["id"] == card["id"]


def test_an_object_that_is_gone_is_one_sentence(tmp_path):
    detector, table, cutouts = survey()
    write_cutouts(tmp_path / "cutouts", cutouts)
    stream = read_cutouts(tmp_path / "cutouts", stream=True)
    session = Review(detector, table, stream, tmp_path / "labels.db")
    (tmp_path / "cutouts" / "gal_003.fits").unlink()
    gone, there = unpack(session.pixels("Ada", ["gal_003", "gal_004"]))
    assert "gal_003" in gone["error"]
    np.testing.assert_array_equal(there["original"], cutouts["gal_004"].images[0])
    session.label("Ada", "gal_003", note="file gone")
    with pytest.raises(ValueError, match=r"`id`.*'gal_999'"):
        session.label("Ada", "gal_999", grade=1)
    session.space.compute()
    row = session.objects.ids.index("gal_003")
    assert np.isnan(session.space.matrix[row]).all()
    assert session.similar("Ada", "gal_003")["cards"] == []


def test_features_are_kept_beside_the_labels(tmp_path):
    detector, table, cutouts = survey()
    write_cutouts(tmp_path / "cutouts", cutouts)
    first, again = (
        Review(
            detector,
            table,
            read_cutouts(tmp_path / "cutouts", stream=True),
            tmp_path / "labels.db",
        )
        for _ in range(2)
    )
    first.space.compute()
    (kept,) = tmp_path.glob("labels.features.*.npz")
    with np.load(kept) as file:
        assert file["object_id"].tolist() == table["object_id"].tolist()
        np.testing.assert_array_equal(file["features"], first.space.matrix)
    again.space._features = None
    again.space.compute()
    assert again.space.ready
    np.testing.assert_array_equal(again.space.matrix, first.space.matrix)
    # A file that is broken is made anew.
    kept.write_bytes(b"PK nothing")
    first.space.compute()
    np.testing.assert_array_equal(again.space.matrix, first.space.matrix)


def test_tables_and_cutouts_that_do_not_belong_together(tmp_path):
    detector, table, cutouts = survey()
    other = table.copy()
    other["object_id"] = [f"x{k}" for k in range(len(other))]
    with pytest.raises(ValueError, match=r"`cutouts`.*'x0'"):
        Review(detector, other, cutouts, tmp_path / "a.db")
    with pytest.raises(ValueError, match="`table`.*none"):
        Review(detector, table[:0], cutouts, tmp_path / "a.db")
    with pytest.warns(UserWarning, match="10 of the 60 objects"):
        some = Review(
            detector, table, cutouts[table["object_id"][10:]], tmp_path / "a.db"
        )
    (found,) = unpack(some.pixels("Ada", [table["object_id"][0]]))
    assert "no cutout" in found["error"]
    with LabelStore(tmp_path / "b.db") as store:
        store.add("elsewhere", "Ada", grade=1)
        with pytest.raises(ValueError, match=r"b\.db.*'elsewhere'"):
            Review(detector, table, cutouts, store)
        store.add(table["object_id"][0], "Ada", grade=1)
        with pytest.warns(UserWarning, match="1 objects that are not"):
            Review(detector, table, cutouts, store)
        assert len(store.rows()) == 2


def test_a_detector_that_draws_nothing_shows_the_originals(tmp_path):
    class Finder(FakeDetector):
        calibration = None

        def explain(self, cutouts):
            return {"original": cutouts.images}

    _, table, cutouts = survey()
    session = Review(Finder(), table, cutouts, tmp_path / "labels.db", ranker=None)
    (found,) = unpack(session.pixels("Ada", [table["object_id"][0]]))
    assert found["parts"] == ["original"]
    assert session.pictures.residual_limit == 1.0
    session.label("Ada", table["object_id"][0], grade=5)
    with pytest.raises(ValueError, match="0 of 60"):
        session.rerank("Ada")


def test_features_may_be_any_callable(tmp_path):
    means = []

    def plug(images):
        means.append(images.shape[1:])
        return images.mean(axis=(1, 2))

    session = review(tmp_path / "labels.db", features=plug)
    assert set(means) == {(SIZE, SIZE, 2)}
    assert session.space.matrix.shape == (60, 2)


def test_a_feature_space_that_fails_says_so():
    def broken(rows):
        raise ValueError("no features here")

    space = FeatureSpace(broken, 5)
    space.start()
    space._thread.join()
    assert space.error == "no features here"
    assert not space.ready


def test_the_similar_ones_against_scikit_learn():
    from sklearn.neighbors import NearestNeighbors

    points = np.random.default_rng(3).normal(size=(200, 5))
    space = FeatureSpace(lambda rows: (rows, points[rows]), 200)
    space.compute()
    scaled = (points - points.mean(axis=0)) / points.std(axis=0)
    near = NearestNeighbors(n_neighbors=7).fit(scaled).kneighbors(scaled)[1]
    for row in range(0, 200, 20):
        assert space.similar(row, 6) == near[row, 1:].tolist()


def test_two_browsers_of_one_reviewer_lose_nothing(session):
    names = session.objects.ids[:20]

    def work(tag):
        for name in names:
            session.label("Ada", name, tags={tag: True})

    threads = [threading.Thread(target=work, args=(tag,)) for tag in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in names:
        assert sorted(session.store.current(name, "Ada")["tags"]) == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "body", "match"),
    [
        ("store", {}, "'store'"),
        ("label", {"shown": "gal_001", "label": "fine"}, "`label`.*fine"),
        ("label", {"label": "ordinary"}, "shown"),
        ("label", {"shown": "gal_001", "wrong": 1}, "wrong"),
        ("cards", [1], "'cards'"),
        ("export", {"ending": ".exe"}, "exe"),
    ],
)
def test_questions_that_make_no_sense(session, name, body, match):
    with pytest.raises(ValueError, match=match):
        session.call("Ada", name, body)
    assert not len(session.store.history())


def test_export_holds_the_own_labels_alone(session, tmp_path):
    session.label("Ada", "gal_001", label="ordinary")
    session.label("Ben", "gal_001", label="artefact")
    text = session.call("Ada", "export", {"ending": ".csv"}).decode()
    assert "ordinary" in text
    assert "artefact" not in text


def test_samp_sends_what_is_interesting(session, monkeypatch):
    sent = []
    monkeypatch.setattr(
        "astroanomaly.tables.send",
        lambda table, path, name: sent.append((table, path)) or ["TOPCAT"],
    )
    with pytest.raises(ValueError, match="SAMP.*none"):
        session.send("Ada")
    session.label("Ada", "gal_001", grade=4)
    session.label("Ada", "gal_002", grade=1)
    assert session.send("Ada") == {"n": 1, "reached": ["TOPCAT"]}
    assert session.send("Ada", "gal_002")["n"] == 1
    assert [t["object_id"].tolist() for t, _ in sent] == [["gal_001"], ["gal_002"]]
    assert sent[0][1].name == "labels.samp.vot"


@pytest.mark.parametrize("n", [70, 2300])
def test_the_features_of_an_object_are_computed_once(n):
    points, asked = np.random.default_rng(3).normal(size=(n, 6)), []

    def features(rows):
        asked.extend(rows)
        # Every seventh object cannot be read.
        rows = rows[rows % 7 != 0]
        return rows, points[rows]

    space = FeatureSpace(features, n)
    space.compute()
    assert sorted(asked) == list(range(n))
    assert space.ready
    unread = np.arange(n) % 7 == 0
    np.testing.assert_array_equal(np.isnan(space.matrix).all(axis=1), unread)
    # All six components of standardized features keep every distance.
    read = points[~unread]
    first = ((read[1:] - read[0]) ** 2 / read.std(axis=0) ** 2).sum(axis=1)
    kept = space.matrix[~unread]
    found = ((kept[1:] - kept[0]) ** 2).sum(axis=1)
    # Spreads are those of a sample where there are more than 2000 objects.
    np.testing.assert_allclose(found, first, rtol=1e-4 if n < 2000 else 0.05)
