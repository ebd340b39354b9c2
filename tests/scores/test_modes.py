"""The residual's usual directions, against hand-made ones and scikit-learn."""

import json

import numpy as np
import pytest
from sklearn.decomposition import PCA

from astroanomaly.scores.modes import ResidualModes

RNG = np.random.default_rng(3)
SHAPE = (12, 12, 2)


def errors(n, noise=0.01, seed=0):
    """Residuals along two known directions, with a mean and white noise."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(np.random.default_rng(9).normal(size=(288, 2)))[0].T
    size = rng.normal(size=(n, 2)) * [3.0, 2.0]
    residual = 0.1 + size @ axes + rng.normal(0, noise, (n, 288))
    return residual.reshape(n, *SHAPE).astype(np.float32), axes


def test_usual_errors_do_not_count_and_others_do():
    train, axes = errors(400)
    modes = ResidualModes(2).fit(train)
    # The two planes are one: principal angles of 0.
    overlap = np.linalg.svd(modes.modes.reshape(2, -1) @ axes.T)[1]
    assert overlap == pytest.approx([1, 1], abs=1e-4)
    fresh, _ = errors(50, seed=1)
    usual = modes.score(fresh)
    # White noise of 0.01 in 286 of 288 directions.
    assert usual.mean() == pytest.approx(1e-4 * 286 / 288, rel=0.05)
    strange = fresh.copy()
    strange[:, 3, 4, 0] += 0.5
    larger = modes.score(strange)
    assert (larger - usual).mean() == pytest.approx(0.25 / 288, rel=0.1)


def test_score_is_the_error_of_scikit_learns_components():
    # A gap after the fifth component, which both solvers must find.
    falling = np.where(np.arange(288) < 5, 1.0, 0.05).reshape(SHAPE)
    train = (RNG.normal(size=(200, *SHAPE)) * falling).astype(np.float32)
    modes = ResidualModes(5).fit(train)
    flat = train.reshape(200, -1).astype(float)
    pca = PCA(5, svd_solver="full").fit(flat)
    rebuilt = pca.inverse_transform(pca.transform(flat))
    expected = ((flat - rebuilt) ** 2).mean(axis=1)
    assert modes.score(train) == pytest.approx(expected, rel=1e-3)


def test_a_score_depends_on_its_own_image_alone():
    train, _ = errors(100)
    modes = ResidualModes(2).fit(train)
    whole = modes.score(train)
    part = modes.score(train[17:23][::-1])
    np.testing.assert_array_equal(part[::-1], whole[17:23])
    train[2, 0, 0, 0] = np.nan
    assert np.isnan(modes.score(train[:4])).tolist() == [
        False,
        False,
        True,
        False,
    ]


def test_modes_survive_json_bit_by_bit():
    train, _ = errors(100)
    modes = ResidualModes(2).fit(train)
    again = ResidualModes.from_dict(json.loads(json.dumps(modes.to_dict())))
    np.testing.assert_array_equal(again.modes, modes.modes)
    np.testing.assert_array_equal(again.mean, modes.mean)
    assert again.n_modes == 2


def test_few_images_give_few_modes():
    train, _ = errors(20)
    assert len(ResidualModes(60).fit(train).modes) == 5


def test_refusals():
    train, _ = errors(8)
    with pytest.raises(ValueError, match="`n_modes` must be .* Received: 0"):
        ResidualModes(0)
    with pytest.raises(ValueError, match="not measured yet"):
        ResidualModes().score(train)
    with pytest.raises(ValueError, match="at least 4 images. Received: 3"):
        ResidualModes().fit(train[:3])
    modes = ResidualModes().fit(train)
    with pytest.raises(ValueError, match=r"shape \(n, 12, 12, 2\).* Received: \(8, 6"):
        modes.score(train[:, :6])
