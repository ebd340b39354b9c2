"""Principal components as a model: against scikit-learn, by share, in blocks."""

import keras
import numpy as np
import pytest
from sklearn import decomposition

from astroanomaly import dataset
from astroanomaly.models import PCA
from astroanomaly.models.pca import model as module
from astroanomaly.runs.callbacks import Checkpoint, load_checkpoint

RNG = np.random.default_rng(3)
# Six patterns of falling strength, on noise.
PATTERNS = RNG.normal(size=(6, 32, 32, 1))
WEIGHTS = RNG.normal(size=(200, 6)) * [5, 4, 3, 2, 1, 0.5]
IMAGES = (
    np.tensordot(WEIGHTS, PATTERNS, 1) + 0.1 * RNG.normal(size=(200, 32, 32, 1))
).astype(np.float32)


def test_one_block_gives_the_components_of_scikit_learn():
    pca = PCA((32, 32, 1), n_components=6)
    history = pca.fit(IMAGES)
    exact = decomposition.PCA(6, svd_solver="full").fit(IMAGES.reshape(200, -1))
    rows = exact.inverse_transform(exact.transform(IMAGES.reshape(200, -1)))
    np.testing.assert_allclose(
        pca.reconstruct(IMAGES), rows.reshape(IMAGES.shape), atol=2e-4
    )
    scores = exact.transform(IMAGES.reshape(200, -1))
    np.testing.assert_allclose(np.abs(pca.features(IMAGES)), np.abs(scores), atol=2e-3)
    assert pca.explained == pytest.approx(exact.explained_variance_ratio_.sum())
    error = ((IMAGES.reshape(200, -1) - rows) ** 2).mean()
    assert history.history["loss"] == [pytest.approx(error, rel=1e-4)]


def test_blocks_come_close_to_all_at_once(monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 50)
    pca = PCA((32, 32, 1), n_components=6)
    pca.fit(dataset(IMAGES, batch_size=20, seed=1))
    exact = decomposition.PCA(6, svd_solver="full").fit(IMAGES.reshape(200, -1))
    # The cosine between the subspaces: 1 where they are the same.
    cosines = np.linalg.svd(pca.components.numpy() @ exact.components_.T)[1]
    assert cosines.min() > 0.9999
    assert int(pca.counts[0]) == 200


# More pixels than rows in a block, and fewer.
@pytest.mark.parametrize("ends", [(60, 120, 200), (1300, 2600)])
def test_blocks_merge_as_those_of_scikit_learn(ends, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", ends[0])
    noise = np.random.default_rng(5).normal(size=(ends[-1], 32, 32, 1))
    images = (np.resize(IMAGES, noise.shape) + noise).astype(np.float32)
    pca = PCA((32, 32, 1), n_components=6)
    pca.fit(images)
    other, rows = decomposition.IncrementalPCA(6), images.reshape(ends[-1], -1)
    for start, end in zip((0, *ends), ends, strict=False):
        other.partial_fit(rows[start:end].astype(float))
    np.testing.assert_allclose(pca.mean, other.mean_, atol=1e-12)
    np.testing.assert_allclose(pca.variance, other.var_, rtol=1e-9)
    np.testing.assert_allclose(pca.singular_values, other.singular_values_, rtol=1e-9)
    np.testing.assert_allclose(pca.components, other.components_, atol=1e-8)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_a_share_of_the_variance_takes_as_few_components_as_reach_it(share):
    pca = PCA((32, 32, 1), n_components=share)
    pca.fit(IMAGES)
    exact = decomposition.PCA(svd_solver="full").fit(IMAGES.reshape(200, -1))
    reached = np.cumsum(exact.explained_variance_ratio_)
    assert pca.n_used == np.searchsorted(reached, share) + 1
    assert pca.explained >= share


def test_a_saved_model_reconstructs_the_same(tmp_path):
    pca = PCA((32, 32, 1), n_components=0.9)
    pca.fit(IMAGES)
    pca.save(tmp_path / "pca.keras")
    again = keras.saving.load_model(tmp_path / "pca.keras")
    np.testing.assert_array_equal(again.reconstruct(IMAGES), pca.reconstruct(IMAGES))
    assert (again.n_used, again.explained) == (pca.n_used, pca.explained)


def test_a_stopped_fit_resumes_to_the_bit_and_rows_stand_alone(tmp_path):
    data = dataset(IMAGES, batch_size=16, seed=1, augment=True)
    whole, stopped = (PCA((32, 32, 1), n_components=6) for _ in range(2))
    for model in (whole, stopped):
        model.compile()
    whole.fit(data, epochs=2)
    checkpoint = Checkpoint(tmp_path / "pca.keras")
    stopped.fit(data, epochs=1, callbacks=[checkpoint])
    again, done, _ = load_checkpoint(tmp_path / "pca.keras")
    again.fit(data, epochs=2, initial_epoch=done)
    for one, other in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    broken = IMAGES[:3].copy()
    broken[1, 5, 5] = np.nan
    found = np.isfinite(whole.reconstruct(broken)).all(axis=(1, 2, 3))
    assert found.tolist() == [True, False, True]


def hidden(n=400, share=0.1, seed=7):
    """Return images of six patterns, a share of them with one of four others too."""
    rng = np.random.default_rng(seed)
    others = rng.normal(size=(4, 32, 32, 1))
    weights = rng.normal(size=(n, 6)) * [5, 4, 3, 2, 1, 0.5]
    images = np.tensordot(weights, PATTERNS, 1) + 0.1 * rng.normal(size=(n, 32, 32, 1))
    odd = np.arange(n) < share * n
    images[odd] += others[np.arange(odd.sum()) % 4]
    return images[rng.permutation(n)].astype(np.float32), others


def test_a_trimmed_fit_forgets_what_few_images_have():
    images, others = hidden()
    plain, trimmed = PCA((32, 32, 1), 10), PCA((32, 32, 1), 10, trimmed=0.15)
    for model in (plain, trimmed):
        model.fit(images)
    assert int(plain.counts[0]) == 400
    assert int(trimmed.counts[0]) == 340
    flat = (
        others.reshape(4, -1) / np.linalg.norm(others.reshape(4, -1), axis=1)[:, None]
    )
    shares = [
        (np.linalg.norm(flat @ model.components.numpy().T, axis=1) ** 2).min()
        for model in (plain, trimmed)
    ]
    # The share of a hidden pattern that the components draw: all of it, or that of ten
    # directions among 1,024 at random.
    assert shares[0] > 0.95
    assert shares[1] < 0.1
    # What it draws is the fit of scikit-learn to the images without the hidden ones.
    clean = hidden(share=0.0)[0]
    exact = decomposition.PCA(6).fit(clean.reshape(400, -1)).components_
    cosines = np.linalg.svd(trimmed.components.numpy() @ exact.T)[1]
    assert cosines[:5].min() > 0.99


def test_a_trimmed_fit_resumes_to_the_bit_and_is_saved_with_its_settings(tmp_path):
    data = dataset(hidden()[0], batch_size=16, seed=1, augment=True)
    whole, stopped = (PCA((32, 32, 1), 6, trimmed=0.2, rounds=2) for _ in range(2))
    for model in (whole, stopped):
        model.compile()
    whole.fit(data, epochs=2)

    def stop(epoch, logs):
        stopped.stop_training = True

    callbacks = [Checkpoint(tmp_path / "pca.keras")]
    callbacks.append(keras.callbacks.LambdaCallback(on_epoch_end=stop))
    stopped.fit(data, epochs=2, callbacks=callbacks)
    # Images are left out at the very end, of the last epoch's views.
    assert int(stopped.counts[0]) == 400
    again, done, _ = load_checkpoint(tmp_path / "pca.keras")
    assert (again.trimmed, again.rounds) == (0.2, 2)
    again.fit(data, epochs=2, initial_epoch=done)
    assert int(again.counts[0]) == 320
    for one, other in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("name", "value"), [("trimmed", -0.1), ("trimmed", 1.0), ("rounds", 0)]
)
def test_a_share_or_rounds_out_of_range_are_refused(name, value):
    with pytest.raises(ValueError, match=rf"`{name}`.*Received: {value}"):
        PCA((32, 32, 1), **{name: value})


def test_images_without_variance_are_their_mean():
    pca = PCA((32, 32, 1), n_components=3)
    pca.fit(np.full((20, 32, 32, 1), 0.25, np.float32))
    assert pca.n_used == 0
    np.testing.assert_array_equal(pca.reconstruct(IMAGES[:2]), 0.25)


@pytest.mark.parametrize("value", [0, -1, 1.5, 1025, float("nan")])
def test_components_out_of_range_are_refused(value):
    with pytest.raises(ValueError, match=rf"`n_components`.*Received: {value}"):
        PCA((32, 32, 1), n_components=value)


def test_too_few_images_and_nan_are_refused():
    with pytest.raises(ValueError, match=r"`x` must hold at least.*60\. Received: 20"):
        PCA((32, 32, 1)).fit(IMAGES[:20])
    bad = IMAGES.copy()
    bad[3, 0, 0] = np.nan
    with pytest.raises(ValueError, match="`x` must be finite"):
        PCA((32, 32, 1)).fit(bad)
