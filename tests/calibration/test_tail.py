"""The generalised Pareto tail against scipy and against known tails."""

import doctest

import numpy as np
import pytest
from scipy.stats import expon, genpareto, norm

from astroanomaly.calibration import tail as _tail
from astroanomaly.calibration.tail import fit_pareto, fit_tail


def test_examples_run():
    assert doctest.testmod(_tail).failed == 0


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.3])
def test_fit_equals_scipy_and_finds_the_truth(shape):
    y = genpareto.rvs(shape, scale=2, size=2000, random_state=4)
    scale, fitted = fit_pareto(y)
    theirs, _, their_scale = genpareto.fit(y, floc=0)
    np.testing.assert_allclose([scale, fitted], [their_scale, theirs], atol=2e-3)
    np.testing.assert_allclose([scale, fitted], [2, shape], atol=0.1)


def test_log_likelihood_equals_scipy_and_is_minus_inf_outside():
    y = np.array([0.5, 1.0, 2.5])
    values = _tail._log_likelihood(y, [1.0, 1.0], [0.2, -0.45])
    assert values[0] == pytest.approx(genpareto.logpdf(y, 0.2).sum(), rel=1e-12)
    assert values[1] == -np.inf


@pytest.mark.parametrize(("law", "level"), [(expon, 99.99), (norm, 99.9)])
def test_threshold_and_interval_hold_the_true_percentile(law, level):
    # One sample in twenty misses; how often is tested below.
    scores = np.sort(law.rvs(size=1000, random_state=3))
    tail, truth = fit_tail(scores), law.ppf(level / 100)
    assert tail.n_above == 100
    assert tail.low(level) < truth < tail.high(level)
    assert tail.threshold(level) == pytest.approx(truth, rel=0.15)


def test_threshold_inverts_the_survival_function():
    tail = fit_tail(np.sort(expon.rvs(size=500, random_state=3)))
    z = (tail.threshold(99.9) - tail.start) / tail.scale
    assert 0.1 * genpareto.sf(z, tail.shape) == pytest.approx(0.001, rel=1e-6)


def test_interval_is_where_the_profile_falls_by_half_the_chi_square_quantile():
    tail = fit_tail(np.sort(expon.rvs(size=300, random_state=5)))
    y, returns = tail.high(99.9) - tail.start, 100.0
    # A grid of its own: scipy's density, scale fixed by the excess at each shape.
    shapes = np.linspace(-0.49, 0.99, 1481) + 1e-7
    scales = y * shapes / (returns**shapes - 1)
    pdf = genpareto.logpdf(tail.excesses, shapes[:, None], scale=scales[:, None])
    best = genpareto.logpdf(tail.excesses, tail.shape, scale=tail.scale).sum()
    assert best - pdf.sum(axis=1).max() == pytest.approx(1.9207, abs=5e-3)


def test_interval_covers_the_truth_as_often_as_it_says():
    rng, truth, hits = np.random.default_rng(0), -np.log(1e-3), 0
    for _ in range(25):
        tail = fit_tail(np.sort(rng.exponential(1, 400)))
        hits += tail.low(99.9) <= truth <= tail.high(99.9)
    # Fewer than 21 of 25 at 95 per cent has a chance of 1 per cent.
    assert hits >= 21


def test_interval_widens_with_confidence_and_level():
    tail = fit_tail(np.sort(expon.rvs(size=300, random_state=5)))
    assert tail.high(99.9, 0.68) < tail.high(99.9, 0.95) < tail.high(99.95, 0.95)


@pytest.mark.parametrize("fraction", [0, 0.6, -1])
def test_tail_fraction_outside_its_range(fraction):
    with pytest.raises(ValueError, match="`tail_fraction` must lie above 0 and at mo"):
        fit_tail(np.arange(500.0), fraction)


def test_too_few_excesses_say_how_many_objects_are_needed():
    with pytest.raises(ValueError, match="200 calibration objects .* Received: 100 "):
        fit_tail(np.arange(100.0))
    with pytest.raises(ValueError, match="400 calibration objects .* Received: 200 "):
        fit_tail(np.arange(200.0), 0.05)


def test_constant_scores_have_no_tail():
    with pytest.raises(ValueError, match="0 different scores above 3"):
        fit_tail(np.full(500, 3.0))
    with pytest.raises(ValueError, match="1 different scores above 3"):
        fit_tail(np.r_[np.full(470, 3.0), np.full(30, 4.0)])
