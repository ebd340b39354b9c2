"""The lazy door to tensorflow-probability."""

import sys
import warnings

import numpy as np
import pytest
from scipy.stats import genpareto

from astroanomaly.utils.distributions import distributions


def test_distributions_are_those_of_tensorflow_probability():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = distributions()
        pareto = found.GeneralizedPareto(np.float64(0), np.float64(2), np.float64(0.3))
    assert found is distributions()
    assert found.__name__ in sys.modules
    x = np.array([0.1, 1.0, 7.0])
    expected = genpareto(0.3, scale=2).logpdf(x)
    assert pareto.log_prob(x).numpy() == pytest.approx(expected)
