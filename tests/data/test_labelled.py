"""Labelled batches: pairs stay pairs, orders are those of `dataset`."""

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from astroanomaly import stretches
from astroanomaly.data.batches import dataset
from astroanomaly.data.cutouts import Cutouts
from astroanomaly.data.labelled import check_labels, class_weights, labelled_dataset

# Image i starts with pixel 9 i, and is a lens where i is a multiple of three.
IMAGES = np.arange(10 * 9, dtype=np.float32).reshape(10, 3, 3, 1)
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
    with pytest.raises(ValueError, match="hold both classes.*Received: 2 labels"):
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


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ([0, 1, 2], r"`labels` must be 0 .* or 1 .*Received: \[0, 1, 2\]"),
        ([0, 1, np.nan], r"`labels` must be 0 .*Received: \[0.0, 1.0, nan\]"),
        (["lens", "no", "no"], r"`labels` must be 0 .*Received: \['lens', 'no'\]"),
        ([1, 1, 1], r"both classes, 0 and 1. Received: 3 labels, all \[1\]"),
        ([0, 1], r"`labels` must have shape \(3,\).* Received: shape \(2,\)"),
        ([[0], [1], [1]], r"`labels` must have shape \(3,\).* shape \(3, 1\)"),
        (np.ma.masked_array([0, 1, 1], [0, 0, 1]), "`labels` must not be masked"),
    ],
)
def test_bad_labels_are_named(labels, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_labels(labels, 3)
    with pytest.raises(ValueError, match=sentence):
        labelled_dataset(IMAGES[:3], labels)


def test_good_labels_become_whole_numbers():
    for labels in ([False, True], [0.0, 1.0], np.ma.masked_array([0, 1])):
        found = check_labels(labels)
        assert found.dtype == np.int32
        assert found.tolist() == [0, 1]


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
