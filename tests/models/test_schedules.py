"""The one-cycle schedule against numbers worked out by hand."""

import keras
import numpy as np
import pytest

from astroanomaly.models.common.schedules import OneCycle


def rates(schedule, steps):
    return [float(schedule(step)) for step in steps]


def test_values_by_hand():
    # 101 steps of which 31 rise: the peak is at step 30, the end at step 100.
    schedule = OneCycle(1.0, 101, pct_start=31 / 101, div_factor=5, final_div_factor=10)
    # Halfway a half cosine is at the mean of its ends; after a third of its way it
    # has gone a quarter of the difference, (1 - cos 60) / 2.
    expected = {
        0: 0.2,
        10: 0.2 + 0.25 * 0.8,
        15: 0.6,
        20: 0.2 + 0.75 * 0.8,
        30: 1.0,
        65: 0.51,
        100: 0.02,
    }
    np.testing.assert_allclose(
        rates(schedule, expected), list(expected.values()), rtol=1e-5
    )


def test_defaults_are_those_of_pytorch():
    # 10 steps: the peak, 2e-3, at 0.3 * 10 - 1 = 2; first 2e-3 / 25; last that / 1e4.
    schedule = OneCycle(2e-3, 10)
    first, last = 8e-5, 8e-9
    fall = [last + (2e-3 - last) * (1 + np.cos(np.pi * k / 7)) / 2 for k in range(8)]
    expected = [first, (first + 2e-3) / 2, *fall]
    np.testing.assert_allclose(
        rates(schedule, range(10)), expected, rtol=1e-4, atol=1e-10
    )


def test_the_peak_may_lie_between_steps():
    # 5 steps: the peak at 0.5, the end at 4.
    schedule = OneCycle(1.0, 5, div_factor=2, final_div_factor=5)
    expected = 0.1 + 0.9 * (1 + np.cos(np.pi * 0.5 / 3.5)) / 2
    assert rates(schedule, [0, 1, 4]) == pytest.approx([0.5, expected, 0.1])


@pytest.mark.parametrize(("n_steps", "peak"), [(2, -0.4), (3, -0.1)])
def test_a_very_short_cycle_only_falls(n_steps, peak):
    schedule = OneCycle(1.0, n_steps)
    end = n_steps - 1
    fall = (1 + np.cos(np.pi * -peak / (end - peak))) / 2
    assert rates(schedule, [0, end]) == pytest.approx([fall, 4e-6], abs=2e-6)


def test_a_rise_of_one_step_starts_at_the_peak():
    assert rates(OneCycle(1.0, 4, pct_start=0.25), [0]) == [1.0]


def test_the_last_rate_holds():
    assert len(set(rates(OneCycle(1.0, 10), [9, 10, 500]))) == 1


def test_an_optimizer_follows_it_and_keeps_it():
    adam = keras.optimizers.Adam(OneCycle(0.5, 10, 0.4, 20.0, 100.0))
    weight = keras.Variable(1.0)
    for step in range(4):
        assert float(adam.learning_rate) == float(OneCycle(0.5, 10, 0.4, 20, 100)(step))
        adam.apply([keras.ops.ones(())], [weight])
    config = keras.saving.serialize_keras_object(adam)
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == adam.get_config()
    schedule = again._learning_rate
    assert type(schedule) is OneCycle
    assert schedule.get_config() == {
        "max_learning_rate": 0.5,
        "n_steps": 10,
        "pct_start": 0.4,
        "div_factor": 20.0,
        "final_div_factor": 100.0,
    }


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"n_steps": 1}, "`n_steps` must be an integer >= 2. Received: 1"),
        ({"n_steps": 9.5}, "`n_steps` must be an integer >= 2. Received: 9.5"),
        ({"pct_start": 0}, r"`pct_start` must be within \(0, 1\). Received: 0"),
        ({"pct_start": 1}, r"`pct_start` must be within \(0, 1\). Received: 1"),
        ({"max_learning_rate": 0}, "`max_learning_rate` must be finite and above 0"),
        ({"div_factor": -2}, "`div_factor` must be finite and above 0. Received: -2"),
        ({"final_div_factor": np.nan}, "`final_div_factor` must be finite and above 0"),
    ],
)
def test_bad_arguments_are_named(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        OneCycle(**{"max_learning_rate": 1.0, "n_steps": 10} | arguments)
