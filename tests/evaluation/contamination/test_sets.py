"""Counts by hand and by exact fractions, nested draws, and what is refused."""

from fractions import Fraction

import numpy as np
import pytest
from planted import objects, sets

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.evaluation.contamination import contaminate, n_contaminating


@pytest.mark.parametrize(
    ("p", "n_normal", "n"),
    [
        (0, 900, 0),
        (0.005, 995, 5),
        (0.01, 990, 10),
        (0.02, 500, 10),
        (0.05, 1900, 100),
        (0.1, 2700, 300),
        (0.2, 4000, 1000),
        (0.2, 3999, 999),
        (0.005, 100, 0),
    ],
)
def test_counts_by_hand(p, n_normal, n):
    assert n_contaminating(p, n_normal) == n


def test_counts_equal_exact_fractions():
    for share in ("0.005", "0.01", "0.02", "0.05", "0.1", "0.2", "0.3", "0.7", "0.99"):
        p = Fraction(share)
        exact = [int(p * n / (1 - p)) for n in range(1, 5000)]
        assert [n_contaminating(float(share), n) for n in range(1, 5000)] == exact


@pytest.mark.parametrize("p", [-0.1, 1, 1.5, float("nan")])
def test_a_contamination_outside_its_range_is_refused(p):
    with pytest.raises(ValueError, match=rf"`p`, .* in \[0, 1\)\. Received: {p}"):
        n_contaminating(p, 10)


def test_no_normal_objects_are_refused():
    with pytest.raises(ValueError, match="`n_normal` must be at least 1. Received: 0"):
        n_contaminating(0.1, 0)


def odd_ones(cutouts):
    return [name for name in cutouts.object_ids if name.startswith("a")]


def test_draws_are_nested_and_the_order_stays():
    normal, anomalous, *_ = sets()
    found = [contaminate(normal, anomalous, p, seed=3) for p in (0, 0.05, 0.1, 0.2)]
    assert [len(odd_ones(one)) for one in found] == [0, 4, 10, 22]
    for small, large in zip(found, found[1:], strict=False):
        inside = set(small.object_ids)
        assert [n for n in large.object_ids if n in inside] == small.object_ids


def test_seeds_draw_and_order_differently_and_repeat_themselves():
    normal, anomalous, *_ = sets()
    one, same, other = (contaminate(normal, anomalous, 0.1, s) for s in (1, 1, 2))
    assert one.object_ids == same.object_ids
    np.testing.assert_array_equal(one.images, same.images)
    assert set(odd_ones(one)) != set(odd_ones(other))
    assert [n for n in one.object_ids if n[0] == "n"] != normal.object_ids
    # No half of the set holds all anomalies: they are mixed in, not appended.
    places = [name.startswith("a") for name in one.object_ids]
    assert 0 < sum(places[:50]) < 10


def test_draws_are_even_over_the_pool():
    normal, anomalous, *_ = sets()
    counts = dict.fromkeys(anomalous.object_ids, 0)
    for seed in range(300):
        for name in odd_ones(contaminate(normal, anomalous, 0.1, seed)):
            counts[name] += 1
    # 10 of 30 each time: 100 expected, binomial standard deviation 8.2.
    assert abs(np.array(list(counts.values())) - 100).max() < 4 * 8.2


def test_pixels_follow_their_ids_and_the_truth_does_not():
    normal, anomalous, *_ = sets()
    mixed = contaminate(normal, anomalous, 0.1, seed=0)
    pixels = {
        name: image
        for one in (normal, anomalous)
        for name, image in zip(one.object_ids, one.images, strict=True)
    }
    for name, image in zip(mixed.object_ids, mixed.images, strict=True):
        np.testing.assert_array_equal(image, pixels[name])
    assert mixed.table.colnames[:5] == ["object_id", "file", "ra", "dec", "flag"]
    assert "is_anomaly" not in mixed.table.colnames
    assert "is_anomaly" in normal.table.colnames


def test_a_pool_too_small_is_refused():
    normal, anomalous, *_ = sets(n_pool=9)
    with pytest.raises(ValueError, match=r"`p` must .* 10 at 0\.1\. Received: 9\."):
        contaminate(normal, anomalous, 0.1, 0)


def test_pools_of_other_shapes_are_refused():
    small = Cutouts(np.zeros((20, 6, 6)), objects(20, "a", 1).table)
    with pytest.raises(ValueError, match="same image shape"):
        contaminate(objects(90, "n", 0), small, 0.1, 0)
