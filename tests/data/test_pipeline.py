"""Batches: order, turns, names."""

import numpy as np
import pytest

from astroanomaly import stretches
from astroanomaly.data.batches import dataset
from astroanomaly.data.cutouts import Cutouts

IMAGES = np.arange(10 * 9, dtype=np.float32).reshape(10, 3, 3, 1)


def values(data):
    return [batch.numpy() for batch in data]


def firsts(data):
    return [int(image[0, 0, 0]) // 9 for batch in values(data) for image in batch]


def test_unshuffled_batches_are_the_images_in_order():
    assert firsts(dataset(IMAGES, batch_size=5, shuffle=False)) == list(range(10))


def test_incomplete_batch_is_left_out_unless_it_is_the_only_one():
    assert len(firsts(dataset(IMAGES, batch_size=4))) == 8
    assert len(firsts(dataset(IMAGES, batch_size=64))) == 10


def test_order_is_a_function_of_seed_and_epoch():
    data = dataset(IMAGES, batch_size=5, seed=3)
    epochs = [firsts(data) for _ in range(3)]
    assert epochs[0] != epochs[1]
    assert sorted(epochs[0]) == list(range(10))
    again = dataset(IMAGES, batch_size=5, seed=3)
    again.set_epoch(2)
    assert firsts(again) == epochs[2]
    assert firsts(dataset(IMAGES, batch_size=5, seed=4)) != epochs[0]


def test_turns_are_the_eight_symmetries():
    one = np.arange(9, dtype=np.float32).reshape(1, 3, 3, 1)
    data = dataset(np.repeat(one, 200, axis=0), batch_size=200, augment=True)
    seen = {image.tobytes() for image in values(data)[0]}
    image = one[0, ..., 0]
    group = [np.rot90(image, k) for k in range(4)]
    group += [np.flipud(turned) for turned in group]
    assert seen == {np.ascontiguousarray(g).tobytes() for g in group}


def test_stretch_picks_its_bands_by_name():
    pair = np.stack([np.zeros((4, 3, 3)), np.ones((4, 3, 3))], axis=-1)
    pair[:, 0, 0] += 1
    stretch = stretches.Linear().adapt(Cutouts(pair[..., 1:], bands=["r"]))
    batch = values(dataset(Cutouts(pair, bands=["i", "r"]), stretch, batch_size=4))[0]
    assert batch.shape == (4, 3, 3, 1)
    assert batch[:, 0, 0, 0].tolist() == [1, 1, 1, 1]
    with pytest.raises(ValueError, match="r"):
        dataset(Cutouts(pair, bands=["i", "z"]), stretch)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="`batch_size` must be at least 1"):
        dataset(IMAGES, batch_size=0)
    with pytest.raises(ValueError, match="at least one image"):
        dataset(IMAGES[:0])
