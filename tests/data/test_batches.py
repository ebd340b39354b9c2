"""Batches: order, turns, names; labels stay with their images."""

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from astroanomaly import stretches
from astroanomaly.data.batches import class_weights, dataset, labelled_dataset
from astroanomaly.data.cutouts import Cutouts

# Image i starts with pixel 9 i.
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


# A lens where i is a multiple of three.
LABELS = np.arange(10) % 3 == 0


def pairs(data):
    return [(x.numpy(), y.numpy()) for x, y in data]


def numbers(found):
    """Give the numbers of the images, told by their lowest pixels in any turn."""
    return [int(image.min()) // 9 for batch, _ in found for image in batch]


@pytest.mark.parametrize("augment", [False, True])
def test_a_label_stays_with_its_image(augment):
    data = labelled_dataset(IMAGES, LABELS, batch_size=5, seed=3, augment=augment)
    for _ in range(3):
        found = pairs(data)
        assert [len(labels) for _, labels in found] == [5, 5]
        labels = np.concatenate([labels for _, labels in found])
        assert labels.dtype == np.int32
        assert labels.tolist() == [int(i % 3 == 0) for i in numbers(found)]


def test_order_and_turns_are_those_of_dataset():
    arguments = {"batch_size": 4, "seed": 7, "augment": True}
    plain = dataset(IMAGES, **arguments)
    labelled = labelled_dataset(IMAGES, LABELS, **arguments)
    for _ in range(2):
        expected = [batch.numpy() for batch in plain]
        found = [batch for batch, _ in pairs(labelled)]
        np.testing.assert_array_equal(found, expected)


def test_set_epoch_goes_on_where_an_unbroken_run_would_be():
    data = labelled_dataset(IMAGES, LABELS, batch_size=5, seed=3)
    epochs = [pairs(data) for _ in range(3)]
    again = labelled_dataset(IMAGES, LABELS, batch_size=5, seed=3)
    again.set_epoch(2)
    for (x, y), (images, labels) in zip(pairs(again), epochs[2], strict=True):
        np.testing.assert_array_equal(x, images)
        np.testing.assert_array_equal(y, labels)
    assert numbers(epochs[0]) != numbers(epochs[2])


def test_a_validation_set_is_every_image_once_and_in_order():
    arguments = {"batch_size": 4, "shuffle": False, "augment": False}
    data = labelled_dataset(IMAGES, LABELS, **arguments)
    assert int(data.cardinality()) == 3
    assert [len(labels) for _, labels in pairs(data)] == [4, 4, 2]
    assert numbers(pairs(data)) == list(range(10))


@pytest.mark.parametrize("shuffle", [False, True])
def test_chosen_rows_give_what_a_copy_of_them_would(shuffle):
    rows = [9, 2, 3, 5, 8]
    arguments = {"batch_size": 2, "seed": 4, "shuffle": shuffle, "augment": shuffle}
    data = labelled_dataset(IMAGES, LABELS, rows=rows, **arguments)
    copied = labelled_dataset(IMAGES[rows], LABELS[rows], **arguments)
    for _ in range(2):
        for found, expected in zip(pairs(data), pairs(copied), strict=True):
            np.testing.assert_array_equal(found[0], expected[0])
            np.testing.assert_array_equal(found[1], expected[1])
    assert int(data.cardinality()) == (2 if shuffle else 3)
    with pytest.raises(
        ValueError, match="`labels` .*both classes.*Received: 0 true, 2 false"
    ):
        labelled_dataset(IMAGES, LABELS, rows=[1, 2])


def test_an_incomplete_batch_is_left_out_of_a_shuffled_epoch():
    assert len(numbers(pairs(labelled_dataset(IMAGES, LABELS, batch_size=4)))) == 8
    assert len(numbers(pairs(labelled_dataset(IMAGES, LABELS, batch_size=64)))) == 10


def test_bands_are_picked_by_name_and_stretched_per_image():
    pair = np.concatenate([IMAGES, 1000 - 5 * IMAGES], axis=-1)
    stretch = stretches.Linear(per_image=True, bands=["J"])
    cutouts = Cutouts(pair, bands=["VIS", "J"])
    arguments = {"batch_size": 10, "shuffle": False, "augment": False}
    [(batch, _)] = pairs(labelled_dataset(cutouts, LABELS, stretch, **arguments))
    # (max - x) / (max - min) of nine pixels in equal steps, downward.
    expected = np.broadcast_to(1 - np.arange(9).reshape(1, 3, 3, 1) / 8, batch.shape)
    np.testing.assert_allclose(batch, expected, atol=1e-6)


def test_bad_labels_are_named():
    for labels in ([0, 1, 2], [1, 1, 1], [0, 1], [[0], [1], [1]]):
        with pytest.raises(ValueError, match="`labels` must"):
            labelled_dataset(IMAGES[:3], labels)


def test_pixels_that_are_no_numbers_are_named():
    bad = np.zeros((300, 3, 3, 2), np.float32)
    bad[270, 1, 1, 1] = np.inf
    sentence = "`cutouts` must have finite pixels.* infinity in image 270"
    with pytest.raises(ValueError, match=sentence):
        labelled_dataset(bad, np.arange(300) % 2)


def test_other_bad_arguments_are_named():
    with pytest.raises(ValueError, match="`batch_size` must be at least 1.*: 0"):
        labelled_dataset(IMAGES, LABELS, batch_size=0)
    sentence = r"`augment` must be False .*not square. Received: shape \(10, 3, 2, 1\)"
    with pytest.raises(ValueError, match=sentence):
        labelled_dataset(IMAGES[:, :, :2], LABELS)
    with pytest.raises(ValueError, match="at least one image"):
        labelled_dataset(IMAGES[:0], LABELS[:0])


def test_class_weights_by_hand_and_by_scikit_learn():
    labels = [0] * 6 + [1] * 2
    assert class_weights(labels) == {0: 8 / (2 * 6), 1: 8 / (2 * 2)}
    theirs = compute_class_weight("balanced", classes=np.array([0, 1]), y=labels)
    assert list(class_weights(labels).values()) == theirs.tolist()
    # Their mean over the images is 1, so that a loss keeps its size.
    weights = class_weights(labels)
    assert np.mean([weights[label] for label in labels]) == 1
    with pytest.raises(ValueError, match="both classes"):
        class_weights([0, 0])


def test_shifts_move_an_image_with_mirrored_edges():
    one = np.arange(25, dtype=np.float32).reshape(1, 5, 5, 1)
    many = np.repeat(one, 300, axis=0)
    options = {"batch_size": 300, "augment": False, "shift": 2}
    data = labelled_dataset(many, np.arange(300) % 2, None, **options)
    seen = {image.tobytes() for batch, _ in data for image in batch.numpy()}
    wide = np.pad(one[0, ..., 0], 2, "symmetric")
    places = [(y, x) for y in range(5) for x in range(5)]
    want = {wide[y : y + 5, x : x + 5].tobytes() for y, x in places}
    assert seen == want
    for shift in (-1, 5):
        with pytest.raises(ValueError, match="`shift` must be from 0"):
            labelled_dataset(many, np.arange(300) % 2, shift=shift)
