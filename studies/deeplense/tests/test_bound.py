"""The ideal observers: closed forms, drawn likelihood ratios, gains by lenstronomy."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.stats import norm

from astroanomaly import simulate
from astroanomaly.evaluation.roc_auc import auc
from astroanomaly.simulate.lenses import lens_light
from astroanomaly.simulate.lenses.lens_light import Lens
from astroanomaly.simulate.lenses.settings import LENSTRONOMY
from studies.deeplense import bound

SOURCE = ("x", "y", "radius", "n", "e1", "e2", "brightness")


@pytest.mark.parametrize("d", [0.0, 1.0, 2.5])
def test_a_known_signal_has_the_area_of_its_detectability(d):
    pairs = bound.told_the_clumps(np.full(3, d**2))
    np.testing.assert_allclose(pairs, norm.cdf(d / np.sqrt(2)))


def test_told_the_clumps_is_the_area_of_drawn_likelihood_ratios():
    rng = np.random.default_rng(1)
    gain = rng.exponential(4.0, 20_000)
    # Half of the lenses are smooth and are asked for clumps that they lack.
    with_clumps = np.arange(20_000) < 10_000
    ratio = np.where(with_clumps, gain / 2, -gain / 2)
    ratio += np.sqrt(gain) * rng.standard_normal(20_000)
    drawn = auc(with_clumps, ratio, n_bootstrap=0).value
    closed = bound.told_the_clumps(gain[:1000]).mean()
    # The area of 10,000 pairs of lenses has a standard error of 0.003.
    assert closed == pytest.approx(drawn, abs=0.012)


def test_told_nothing_is_the_area_of_drawn_chi_squares():
    rng = np.random.default_rng(2)
    gain, freedom, n = 9.0, 12, 40_000
    smooth = rng.chisquare(freedom, n)
    other = rng.noncentral_chisquare(freedom, gain, n)
    labels = np.repeat([False, True], n)
    drawn = auc(labels, np.concatenate([smooth, other]), n_bootstrap=0).value
    found = bound.told_nothing(np.array([gain, 0.0]), np.array([freedom, freedom]))
    assert found == pytest.approx([drawn, 0.5], abs=0.006)


def test_gains_are_those_of_a_fit_by_lenstronomy():
    setting = LENSTRONOMY.replace(theta_E=0.8)
    lenses = simulate.lenses(
        2, setting=setting, substructure="subhalos", size=44, noise=False, seed=5
    )
    camera = LENSTRONOMY.camera
    table = bound.gains(lenses, camera, ring_varies=True)
    for row, image, found in zip(
        lenses.table, lenses.images[..., 0], table, strict=True
    ):
        smooth = Lens(
            *(row[name] for name in ("z_lens", "z_source", "theta_E", "slope")),
            *(row[name] for name in ("e1", "e2", "gamma1", "gamma2")),
            {name: row[f"source_{name}"] for name in SOURCE},
        )
        sigma = np.sqrt(camera.variance(image))

        def residual(values, smooth=smooth, image=image, sigma=sigma):
            source = dict(zip(("x", "y", "e1", "e2"), values[:4], strict=True))
            lens = replace(
                smooth, theta_E=values[4], source={**smooth.source, **source}
            )
            return ((image - lens_light.draw(lens, camera, 44)[1]) / sigma).ravel()

        start = [smooth.source[name] for name in ("x", "y", "e1", "e2")]
        best = least_squares(
            residual, [*start, smooth.theta_E], diff_step=1e-4, x_scale=0.01
        )
        assert found["own_frame"] == pytest.approx(2 * best.cost, rel=0.01)
        # More freedom explains more.
        assert found["general_frame"] < found["own_frame"]


def test_areas_grow_with_exposure_and_hold_their_intervals():
    rng = np.random.default_rng(3)
    table = bound.Table({"own_frame": rng.exponential(3.0, 50)})
    table["own_arcs"], table["own_n_arcs"] = table["own_frame"] * 0.9, 300
    table["n_frame"], table["own_free"] = 2000, 5
    once, thrice = bound.areas(table, "own"), bound.areas(table, "own", 3.0)
    for name in bound.OBSERVERS:
        value, low, high = once[name]
        assert 0.5 < low < value < high < thrice[name][0] + 0.1
        assert value < thrice[name][0]
    assert once["told"][0] > once["arcs"][0] > once["frame"][0]
