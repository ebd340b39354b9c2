"""Features made elsewhere: tables by object_id and ONNX networks."""

import numpy as np
import pytest
from astropy.table import Table
from blobs import blobs

import astroanomaly as aa
from astroanomaly import runs
from astroanomaly.cli import main
from astroanomaly.features import Onnx, neighbors
from astroanomaly.features import Table as Embeddings

RNG = np.random.default_rng(1)
CUTOUTS = blobs(40, 1)
VECTORS = RNG.normal(size=(40, 3))


def _table(ids=None, **columns):
    ids = CUTOUTS.object_ids if ids is None else ids
    return Table({"object_id": ids, "ra": np.zeros(len(ids)), **columns})


@pytest.mark.parametrize(
    "columns",
    [
        {"embedding": VECTORS},
        {f"f_{k}": VECTORS[:, k] for k in range(3)},
        {"embedding": VECTORS, "z1": np.zeros(40)},
    ],
)
@pytest.mark.parametrize("ending", [None, "fits", "ecsv", "parquet"])
def test_rows_are_found_by_id_whatever_their_order(columns, ending, tmp_path):
    order = RNG.permutation(40)
    table = _table(**columns)[order]
    if ending:
        aa.tables.write_table(table, tmp_path / f"e.{ending}")
        table = tmp_path / f"e.{ending}"
    found = Embeddings(table).of(CUTOUTS[5:9])
    np.testing.assert_array_equal(found, VECTORS[5:9])


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (Table({"name1": [1]}), "features table.*object_id"),
        (_table(), "`features`.*Received: none among object_id, ra"),
        (_table(f_0=np.r_[np.nan, np.ones(39)]), "finite.*1 of 40.*'1-0'"),
        (_table(["a", "a"], f_0=[1, 2]), "'a'"),
        (_table(f_0=np.full(40, "x")), "Received: none among"),
    ],
)
def test_tables_that_do_not_fit_are_one_sentence(table, words):
    with pytest.raises(ValueError, match=words):
        Embeddings(table)


def test_objects_that_are_not_there_and_pixels_are_refused(tmp_path):
    known = Embeddings(_table(embedding=VECTORS)[:30])
    with pytest.raises(ValueError, match=r"`features`.*none for 10 of 40.*'1-30'"):
        known.of(CUTOUTS)
    detector = aa.FeatureDetector(known).fit(CUTOUTS[:20])
    detector.calibrate(CUTOUTS[20:30], levels=(90,))
    with pytest.raises(ValueError, match="`features` of a table.*Received: images"):
        detector.score_images(CUTOUTS.images)
    detector.save(tmp_path)
    # The table is in the folder: no other file is opened.
    again = aa.load_detector(tmp_path)
    np.testing.assert_array_equal(
        again.score_samples(CUTOUTS[20:30]), detector.score_samples(CUTOUTS[20:30])
    )


def test_a_run_over_a_table(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    aa.write_cutouts("cutouts", CUTOUTS)
    aa.tables.write_table(_table(embedding=VECTORS)[:30], "e.fits")
    words = "train cutouts --size 32 --model mahalanobis --features table:e.fits --out"
    assert main([*words.split(), "run"]) == 2
    assert "none for 10 of 40" in capsys.readouterr().err.splitlines()[-1]
    aa.tables.write_table(_table(embedding=VECTORS), "f.fits")
    assert main([*words.replace("e.fits", "f.fits").split(), "run"]) == 0
    # A survey has a table of its own.
    survey = blobs(5, 2)
    aa.write_cutouts("survey", survey)
    words = "score run survey --out s.ecsv"
    assert main("calibrate run cutouts".split()) == 0
    assert main(words.split()) == 2
    assert "none for 5 of 5" in capsys.readouterr().err.splitlines()[-1]
    table = _table(survey.object_ids, embedding=VECTORS[:5])
    aa.tables.write_table(table, "g.fits")
    assert main([*words.split(), "--features", "table:g.fits"]) == 0
    scores = aa.tables.read_table("s.ecsv")
    found = dict(zip(scores["object_id"], scores["anomaly_score"], strict=True))
    own = runs.load_run("run").detector.score_samples(CUTOUTS[:5])
    np.testing.assert_array_equal([found[name] for name in survey.object_ids], -own)
    table["embedding"][2] += 1
    table["object_id"][2] = "1-2"
    aa.tables.write_table(table, "g.fits")
    assert main([*words.split(), "--features", "table:g.fits"]) == 2
    assert "1 of them, the first '1-2'" in capsys.readouterr().err.splitlines()[-1]
    assert main([*words.split(), "--features", "profiles"]) == 2
    assert "must be table:PATH" in capsys.readouterr().err.splitlines()[-1]


def _network(path, shape, axes=(2, 3), kind="FLOAT", inputs=1):
    """Write a network that takes means over two axes."""
    onnx = pytest.importorskip("onnx")
    kind = getattr(onnx.TensorProto, kind)
    entries = [
        onnx.helper.make_tensor_value_info(f"in{k}", kind, shape) for k in range(inputs)
    ]
    out = onnx.helper.make_tensor_value_info("means", kind, [None, None])
    node = onnx.helper.make_node(
        "ReduceMean", ["in0"], ["means"], axes=axes, keepdims=0
    )
    graph = onnx.helper.make_graph([node], "g", entries, [out])
    opset = [onnx.helper.make_opsetid("", 13)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        (["n", 2, 32, 32], (2, 3)),
        (["n", 32, 32, 2], (1, 2)),
        ([1, 2, 32, 32], (2, 3)),
        ([7, 2, "h", "w"], (2, 3)),
    ],
)
def test_a_network_from_elsewhere_sees_standardized_pixels(shape, axes, tmp_path):
    images = blobs(20, 2, bands=("r", "i")).images
    path = _network(tmp_path / "e.onnx", shape, axes)
    features = Onnx(path, mean=[0.1, 0.2], std=[0.5, 2.0]).fit(images)
    expected = (np.asarray(features.stretch(images)) - [0.1, 0.2]) / [0.5, 2.0]
    found = features(images)
    np.testing.assert_allclose(found, expected.mean((1, 2)), atol=1e-5)
    np.testing.assert_array_equal(features(images[3:4]), found[3:4])
    (tmp_path / "kept").mkdir()
    features.save(tmp_path / "kept")
    path.unlink()
    np.testing.assert_array_equal(aa.features.load(tmp_path / "kept")(images), found)


def test_networks_of_another_input_are_one_sentence(tmp_path):
    images, path = CUTOUTS.images, tmp_path / "e.onnx"
    with pytest.raises(ValueError, match=r"`features`.*e\.onnx, which is not there"):
        Onnx(path)
    path.write_bytes(b"no network")
    with pytest.raises(ValueError, match=r"`features` onnx:PATH must be an ONNX net"):
        Onnx(path)
    features = Onnx(_network(path, ["n", 3, 224, 224]))
    words = r"`features`.*\(3, 224, 224\).*Received: \(32, 32, 1\)"
    with pytest.raises(ValueError, match=words):
        aa.FeatureDetector(features).fit(images)
    for wrong in (
        _network(path, ["n", 3], (0, 1)),
        _network(path, ["n", 1, 32, 32], kind="DOUBLE"),
        _network(path, ["n", 1, 32, 32], inputs=2),
    ):
        with pytest.raises(ValueError, match="one input of float32 images"):
            Onnx(wrong)
    _network(path, ["n", 1, 32, 32])
    with pytest.raises(ValueError, match="`output`.*means. Received: cls"):
        Onnx(path, output="cls")
    with pytest.raises(ValueError, match="`std`.*Received"):
        Onnx(path, std=[0.0])
    with pytest.raises(ValueError, match="`mean` and `std`.*1 bands"):
        Onnx(path, mean=[0.1, 0.1]).fit(images)(images)


def test_neighbors_are_the_nearest_in_units_of_the_spread():
    features = VECTORS * [1, 10, 100] + 5
    found = neighbors(features, CUTOUTS, "1-7", n=4)
    units = (features - features.mean(0)) / features.std(0)
    distance = np.linalg.norm(units - units[7], axis=1)
    order = [k for k in np.argsort(distance) if k != 7][:4]
    assert found["object_id"].tolist() == [f"1-{k}" for k in order]
    np.testing.assert_allclose(found["distance"], distance[order])
    other = blobs(10, 2)
    other.images[4] = CUTOUTS.images[7]
    found = neighbors("profiles", CUTOUTS, "1-7", among=other)
    assert len(found) == 10
    assert found["object_id"][0] == "2-4"
    assert found["distance"][0] == 0
    with pytest.raises(ValueError, match="'1-99' is not in"):
        neighbors(features, CUTOUTS, "1-99")
    with pytest.raises(ValueError, match="`n`.*Received: 0"):
        neighbors(features, CUTOUTS, "1-7", n=0)
    with pytest.raises(ValueError, match="`among`"):
        neighbors(features, CUTOUTS, "1-7", among=other)


def test_morphology_is_what_measure_gives_band_by_band():
    pytest.importorskip("statmorph")
    from astroanomaly.morphology import FEATURES, measure

    y, x = np.mgrid[-24:24, -24:24]
    images = 80 * np.exp(-(x**2 / 20 + y**2 / [[[9]], [[14]], [[1e9]]]))
    images = np.stack([images, images[::-1]], axis=-1)
    # The third is no source: it is measured in neither band, and says so.
    images[2] = 0
    images += np.random.default_rng(1).normal(0, 1, images.shape)
    with pytest.warns(aa.morphology.MorphologyWarning):
        found = aa.features.Morphology()(images)
    with pytest.warns(aa.morphology.MorphologyWarning):
        table = measure(aa.Cutouts(images), band="band_1")
    expected = np.stack([np.asarray(table[name]) for name in FEATURES], axis=1)
    np.testing.assert_array_equal(found[:, 5:], expected)
    assert np.isnan(found).all(axis=1).tolist()[-1]
    assert np.isfinite(found).any(axis=1).sum() == 2
