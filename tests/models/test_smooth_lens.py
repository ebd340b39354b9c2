"""The smooth lens as a model: fits, substructure, saving, rows alone, resuming."""

import keras
import numpy as np
import pytest

import astroanomaly as aa
from astroanomaly.models import SmoothLens
from astroanomaly.models.smooth_lens.model import deconvolved
from astroanomaly.models.smooth_lens.ray_tracing import PARAMETERS
from astroanomaly.runs.callbacks import Checkpoint, load_checkpoint

SIZE, NOISE = 32, 0.02


def rows(n, seed):
    """Return parameters of lenses near one another."""
    rng = np.random.default_rng(seed)
    values = dict.fromkeys(PARAMETERS, np.zeros(n))
    values |= {"theta_E": rng.normal(8, 0.3, n), "e1": np.full(n, 0.1)}
    values |= {name: rng.normal(0, 0.7, n) for name in ("source_x", "source_y")}
    values |= {"log_radius": np.full(n, np.log(1.8)), "level": np.full(n, 0.1)}
    values |= {"log_brightness": np.full(n, np.log(0.15))}
    return np.stack([values[name] for name in PARAMETERS], 1).astype(np.float32)


def small(**changes):
    options = {"psf_fwhm": 1.5, "supersampling": 2, "n_steps": 10, "width": 4}
    model = SmoothLens((SIZE, SIZE, 1), theta_E=(0.2, 0.3), **{**options, **changes})
    model.compile(keras.optimizers.Adam(2e-3))
    return model


def drawn(model, n, seed):
    clean = model.tracer.draw(rows(n, seed)).numpy()
    noise = np.random.default_rng([seed, 1]).normal(0, NOISE, clean.shape)
    return (clean + noise).astype(np.float32)[..., None]


@pytest.fixture(scope="module")
def trained():
    model = small()
    # The middle of what is proposed is a lens like these: little is left to learn.
    images = drawn(model, 48, 1)
    model.fit(aa.dataset(images, batch_size=16, seed=1), epochs=1, verbose=0)
    return model


def test_a_smooth_lens_is_fitted_to_the_noise(trained):
    images = drawn(trained, 12, 2)
    residual = images - trained.reconstruct(images)
    chi_square = np.sum((residual / NOISE) ** 2, axis=(1, 2, 3)) / (SIZE**2 - 15)
    # Standard deviation 0.045 each; a proposal may lie in another valley.
    assert np.median(chi_square) == pytest.approx(1.0, abs=0.06)
    assert np.sum(np.abs(chi_square - 1) < 0.2) >= 10


def test_what_no_smooth_lens_explains_is_left_over(trained):
    images = drawn(trained, 4, 3)
    clump = np.zeros_like(images)
    # A knot of seven times the noise on the ring, as a clump splits an image.
    clump[:, 15:18, 23:26] = 7 * NOISE
    left, ordinary = (
        ((x - trained.reconstruct(x)) / NOISE)[:, 15:18, 23:26].numpy().mean((1, 2, 3))
        for x in (images + clump, images)
    )
    # The mean of nine pixels has a standard deviation of a third.
    assert np.median(left - ordinary) > 2


def test_evidence_is_the_score_of_a_detector(trained, tmp_path):
    images = drawn(trained, 3, 8)
    images[1, 9, 9] = np.nan
    detector = aa.AnomalyDetector(trained, aa.stretches.Linear(0, 1), score="evidence")
    found = aa.interpret.anomaly_output(detector, stretched=True)(images)
    np.testing.assert_array_equal(found, detector.images.of_images("evidence", images))
    assert np.isnan(found[1])
    assert np.isfinite(found[[0, 2]]).all()
    alone = trained.evidence(images[2:])
    np.testing.assert_array_equal(trained.evidence(images)[2:], alone)
    assert "evidence_score" in detector.score_columns


def test_a_detector_fits_each_lens_once(trained, monkeypatch):
    # Of a linear stretch that leaves pixels as they are.
    stretch = aa.stretches.Linear(-1, 1)
    images = drawn(trained, 40, 8)
    detector = aa.AnomalyDetector(trained, stretch, score="evidence", views=2)
    detector.measure_noise(images)
    fits, refine = [], trained.refine

    def counted(some):
        fits.append(len(some))
        return refine(some)

    monkeypatch.setattr(trained, "refine", counted)
    table = detector.score_block(aa.Cutouts(images[:3]), "all")
    # One chunk of 32 for each view.
    assert fits == [32, 32]
    expected = trained.evidence(detector.images.stretched(aa.Cutouts(images[:3])))
    np.testing.assert_array_equal(table["evidence_score"], expected)
    assert np.isnan(table["latent_norm"]).all()


def test_evidence_of_a_model_without_one_is_refused():
    model, stretch = aa.models.DCAE((32, 32, 1)), aa.stretches.Linear(0, 1)
    words = "`score`.*evidence.*Received: DCAE"
    with pytest.raises(ValueError, match=words):
        aa.AnomalyDetector(model, stretch, score="evidence")
    detector = aa.AnomalyDetector(model, stretch)
    with pytest.raises(ValueError, match=words):
        aa.interpret.anomaly_output(detector, "evidence")


def test_the_survey_teaches_its_noise_and_its_prior(trained):
    noise = trained.noise.numpy()
    assert noise[0] == pytest.approx(NOISE**2, rel=0.15)
    assert trained.prior_mean.numpy()[0] == pytest.approx(8, abs=0.2)
    spread = np.sqrt(np.diag(np.linalg.inv(trained.prior_precision.numpy())))
    assert spread[0] == pytest.approx(0.3, abs=0.12)


def test_no_row_knows_of_another(trained):
    images = drawn(trained, 3, 4)
    whole = trained.refine(images)
    alone = trained.refine(images[1:2])
    for one, other in zip(whole, alone, strict=True):
        np.testing.assert_array_equal(one[1], other[0])
    broken = images.copy()
    broken[0, 5, 5] = np.nan
    found = trained.reconstruct(broken).numpy()
    assert np.isnan(found[0]).all()
    np.testing.assert_array_equal(found[1:], whole[0][1:])


def test_a_saved_model_gives_the_same_bits(trained, tmp_path):
    trained.save(tmp_path / "lens.keras")
    other = keras.models.load_model(tmp_path / "lens.keras")
    images = drawn(trained, 2, 5)
    np.testing.assert_array_equal(
        trained.reconstruct(images), other.reconstruct(images)
    )
    assert other.get_config() == trained.get_config()
    assert other.optimizer.get_config() == trained.optimizer.get_config()


def test_a_training_that_resumes_is_one_that_never_stopped(tmp_path):
    def train(model, start, epochs, callbacks=()):
        data = aa.dataset(drawn(model, 8, 6), batch_size=4, seed=2)
        model.fit(
            data, initial_epoch=start, epochs=epochs, verbose=0, callbacks=[*callbacks]
        )
        return model

    options = {"n_steps": 2, "supersampling": 1}
    whole = train(small(**options), 0, 2)
    path = tmp_path / "lens.keras"
    train(small(**options), 0, 1, [Checkpoint(path)])
    model = load_checkpoint(path)[0]
    for one, other in zip(
        whole.get_weights(), train(model, 1, 2).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_law_is_found_behind_known_errors():
    rng = np.random.default_rng(7)
    truth = rng.multivariate_normal([1.0, -2.0], [[4.0, 1.0], [1.0, 1.0]], 4000)
    errors = rng.uniform(0.5, 2.0, (4000, 2))
    matrices = np.stack([np.diag(one**-2) for one in errors])
    mean, covariance = deconvolved(truth + rng.normal(0, errors), matrices)
    np.testing.assert_allclose(mean, [1.0, -2.0], atol=0.12)
    np.testing.assert_allclose(covariance, [[4.0, 1.0], [1.0, 1.0]], atol=0.3)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("image_shape", {"image_shape": (32, 32, 2)}),
        ("psf_fwhm", {"psf_fwhm": 0.0}),
        ("theta_E", {"theta_E": (0.3, 0.2)}),
        ("n_steps", {"n_steps": 1}),
    ],
)
def test_an_argument_out_of_range_is_refused(name, options):
    with pytest.raises(ValueError, match=f"`{name}`.*Received"):
        SmoothLens(**{"image_shape": (32, 32, 1), **options})
