"""A picture of what a detector sees: the numbers by hand, and what is refused."""

import keras
import numpy as np
import pytest
from astropy.table import Table
from keras import layers

import astroanomaly as aa
from astroanomaly.data.cutouts import Cutouts
from astroanomaly.detector.lens import ClassifierDetector
from astroanomaly.runs import explanations
from astroanomaly.runs.explanations import check_request, explain
from astroanomaly.stretches import Linear

SIZE, ROW, COLUMN = 16, 5, 10


class OnePixel(keras.Model):
    """Call an image a lens by one pixel of its only band: logit 4 x - 2."""

    image_shape, threshold, last_convolution = (SIZE, SIZE, 1), 0.5, "last"

    def __init__(self):
        super().__init__()
        inputs = keras.Input(self.image_shape)
        maps = layers.Conv2D(1, 1, kernel_initializer="ones", name="last")(inputs)
        dense = layers.Dense(2)
        self.network = keras.Model(inputs, dense(layers.Flatten()(maps)))
        weights = np.zeros((SIZE * SIZE, 2), np.float32)
        weights[ROW * SIZE + COLUMN, 1] = 4
        dense.set_weights([weights, np.float32([2, 0])])

    def logit(self, images):
        logits = self.network(images, training=False)
        return logits[:, 1] - logits[:, 0]

    def probability(self, images):
        return keras.ops.sigmoid(self.logit(images))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.fixture(scope="module")
def finder():
    return ClassifierDetector(OnePixel(), Linear(vmin=0, vmax=2, bands=["VIS"]))


@pytest.fixture
def cutouts():
    """Three objects of two bands on a sky of 0.5; in VIS the pixel is 1, 1.5, 2."""
    images = np.full((3, SIZE, SIZE, 2), 0.5, np.float32)
    images[..., 0] = np.random.default_rng(1).random((3, SIZE, SIZE))
    images[:, ROW, COLUMN, 1] = [1.0, 1.5, 2.0]
    table = Table({"object_id": ["a", "b", "c"]})
    return Cutouts(images, table, bands=["H", "VIS"], pixel_scale=0.1)


def test_occlusion_by_hand(finder, cutouts, tmp_path):
    out = tmp_path / "new" / "why.png"
    found = explain(finder, cutouts, out, object_id="c")
    assert (found.object_id, found.method, found.path) == ("c", "occlusion", out)
    # Stretched, the pixel is 1 and the sky that hides it 0.25.
    assert found.output_name == "P(lens)"
    assert found.output == pytest.approx(sigmoid(2))
    assert found.summary == "c: P(lens) 0.881"
    expected = np.full((SIZE, SIZE), sigmoid(2))
    expected[4:8, 8:12] = sigmoid(-1)
    np.testing.assert_allclose(found.result.map, expected, atol=1e-6)
    assert out.read_bytes()[:4] == b"\x89PNG"
    assert [path.name for path in out.parent.iterdir()] == ["why.png"]


def test_the_logit_moves_where_the_probability_cannot(finder, cutouts, tmp_path):
    found = explain(finder, cutouts[2:], tmp_path / "why.png", logit=True)
    assert found.summary == "c: logit 2"
    assert found.result.map.min() == pytest.approx(-1, abs=1e-5)


def test_masks_steps_and_bands(finder, cutouts, tmp_path):
    found = explain(
        finder, cutouts[:1], tmp_path / "a.png", mask_size=3, stride=2, per_band=True
    )
    assert (found.result.mask_size, found.result.stride) == (3, 2)
    assert found.result.bands == ["VIS"]
    found = explain(finder, cutouts[:1], tmp_path / "a.png", mask_size=8)
    assert found.result.stride == 8


def test_a_dream_by_hand(finder, cutouts, tmp_path):
    found = explain(finder, cutouts[:1], tmp_path / "dream.png", "dream", steps=2)
    # The gradient is that of one pixel, stretched 0.5; each step moves it by 0.1.
    non_lens, lens = found.result
    assert found.output == pytest.approx(0.5)
    np.testing.assert_allclose(lens.history, sigmoid(4 * np.array([0.5, 0.6, 0.7]) - 2))
    assert non_lens.image[ROW, COLUMN, 0] == pytest.approx(0.3, abs=1e-6)
    assert non_lens.image[0, 0, 0] == 0.25


def test_a_dream_from_noise_needs_no_object(finder, tmp_path):
    given = {"method": "dream", "from_noise": True, "steps": 1}
    one, again, other = (
        explain(finder, None, tmp_path / f"{k}.png", seed=seed, **given)
        for k, seed in enumerate((3, 3, 4))
    )
    assert (one.object_id, one.summary[:15]) == ("", "noise: P(lens) ")
    np.testing.assert_array_equal(one.result[0].image, again.result[0].image)
    assert np.abs(one.result[0].start - other.result[0].start).max() > 0.01
    pictures = [(tmp_path / f"{k}.png").read_bytes() for k in range(3)]
    assert pictures[0] == pictures[1] != pictures[2]


def test_grad_cam_weighs_each_pixel_by_its_own_gradient(finder, cutouts, tmp_path):
    found = explain(finder, cutouts[1:2], tmp_path / "heat.svg", "gradcam")
    heat, guided = found.result
    # Gradient 4 times the pixel's stretched 0.75; a mean gradient would spread it.
    assert heat[ROW, COLUMN] == pytest.approx(3)
    assert np.delete(heat, ROW, axis=0)[:, :COLUMN].max() == 0
    assert guided[ROW, COLUMN, 0] == pytest.approx(3 * 4)
    assert found.output == pytest.approx(sigmoid(1))
    assert b"<svg" in found.path.read_bytes()[:500]


def test_an_anomaly_detector_is_asked_for_its_score(tmp_path):
    model = aa.models.DCAE((32, 32, 1), latent_dim=4)
    stretch = Linear(vmin=0, vmax=4)
    detector = aa.AnomalyDetector(model, stretch, score="mse")
    images = 4 * np.random.default_rng(2).random((1, 32, 32, 1), dtype="float32")
    found = explain(detector, Cutouts(images), tmp_path / "why.pdf", mask_size=16)
    x = images / 4
    residual = x - np.asarray(model.reconstruct(x))
    assert found.output == pytest.approx(np.mean(residual**2), rel=1e-4)
    assert found.output_name == "mse score"
    assert found.result.grid.shape == (2, 2)
    assert found.path.read_bytes()[:4] == b"%PDF"


def test_a_bar_shows_what_is_done(finder, cutouts, tmp_path, capsys):
    explain(finder, cutouts[:1], tmp_path / "a.png", progress=True)
    assert "16/16" in capsys.readouterr().err
    explain(finder, cutouts[:1], tmp_path / "a.png", "dream", steps=3, progress=True)
    shown = capsys.readouterr().err
    assert "Toward non-lens" in shown
    assert shown.count("3/3") >= 2


def test_one_object_is_meant(finder, cutouts, tmp_path):
    out = tmp_path / "why.png"
    both = r"one of the 3 objects of `cutouts` \(a, b, c\). Received: "
    with pytest.raises(ValueError, match=both + "none"):
        explain(finder, cutouts, out)
    with pytest.raises(ValueError, match=both + "d"):
        explain(finder, cutouts, out, object_id="d")
    with pytest.raises(ValueError, match="`cutouts` .* must hold the object to expl"):
        explain(finder, None, out, "dream")
    with pytest.raises(TypeError, match="must be Cutouts where `run` .*: str"):
        explain(finder, "a.fits", out)
    assert not out.exists()


def test_an_object_of_a_stream(finder, cutouts, tmp_path):
    images = cutouts.images.copy()
    images[1] = np.nan
    stream = aa.read_cutouts(images, bands=["H", "VIS"], stream=True, n_workers=1)
    last, out = stream.object_ids[2], tmp_path / "why.png"
    found = explain(finder, stream, out, object_id=last)
    assert (found.object_id, found.output) == (last, pytest.approx(sigmoid(2)))
    with pytest.raises(ValueError, match="None of the 1 objects could be read. Rec"):
        explain(finder, stream, out, object_id=stream.object_ids[1])


def test_what_fits_no_detector(finder, cutouts, tmp_path):
    out = tmp_path / "why.png"
    with pytest.raises(ValueError, match="VIS"):
        explain(finder, cutouts.select_bands(["H"]), out, object_id="a")
    small = Cutouts(cutouts.images[:1, :8], bands=["H", "VIS"])
    for method in explanations.METHODS:
        with pytest.raises(ValueError, match=r"images of shape \(16, 16, 1\)"):
            explain(finder, small, out, method)
    detector = aa.AnomalyDetector(aa.models.DCAE((32, 32, 1)), Linear(vmin=0, vmax=1))
    one = Cutouts(np.zeros((1, 32, 32, 1)))
    with pytest.raises(ValueError, match="'peak' needs the residual noise"):
        explain(detector, one, out)
    for method in ("dream", "gradcam"):
        with pytest.raises(ValueError, match=f'be "occlusion" for .* Rec.*: {method}'):
            explain(detector, one, out, method)
    with pytest.raises(ValueError, match="`logit` must be False for an anomaly det"):
        explain(detector, one, out, logit=True)


def test_what_is_refused_before_any_work(tmp_path):
    known = "`method` must be one of occlusion, dream, gradcam. Received: saliency"
    with pytest.raises(ValueError, match=known):
        explain("no run", "no file", tmp_path / "why.png", "saliency")
    with pytest.raises(ValueError, match=r"end in .png, .pdf, .svg. Rec.*why.jpg"):
        explain("no run", "no file", "why.jpg")
    assert check_request("dream", "WHY.PNG").name == "WHY.PNG"


def test_a_picture_appears_whole_or_not_at_all(finder, cutouts, tmp_path):
    kept = tmp_path / "kept.png"
    kept.write_bytes(b"before")
    for out in (kept, tmp_path / "new" / "why.png"):
        with pytest.raises(ValueError, match="`mask_size` must be .* Received: 0"):
            explain(finder, cutouts, out, object_id="a", mask_size=0)
    assert kept.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [kept]
    with pytest.raises(OSError, match="kept.png"):
        explain(finder, cutouts, kept / "why.png", object_id="a")
