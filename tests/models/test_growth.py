"""When a level begins, and how latent vectors are drawn and compared."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from astroanomaly.data.batches import dataset
from astroanomaly.models.common.training import stateless_seed
from astroanomaly.models.progressive.growth import Grow, GrowthSchedule, LatentPrior

SEED = stateless_seed(5, 0, 0)
RNG = np.random.default_rng(2)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def test_levels_begin_and_end_by_hand():
    # 7 is not used: there is nothing that 4x4 pixels could fade in from.
    schedule = GrowthSchedule(3, (7, 20, 30), (10, 0, 5))
    seen = [0, 9, 10, 29, 30, 64, 65, 1000]
    assert [schedule.level(n) for n in seen] == [0, 0, 1, 1, 2, 2, 2, 2]
    assert [schedule.fade_of(k) for k in range(3)] == [(0, 0), (10, 20), (30, 30)]
    assert schedule.total == 65


def test_one_number_holds_for_every_level():
    schedule = GrowthSchedule(3, 4, 6)
    assert (schedule.ends, schedule.fades) == ([6, 16, 26], (0, 4, 4))
    # A configuration keeps what was given; JSON makes lists of tuples.
    assert (schedule.fade_images, schedule.stable_images) == (4, 6)
    assert GrowthSchedule(2, [1, 2], [3, 4]).fade_images == (1, 2)


@pytest.mark.parametrize(
    ("fade", "stable", "sentence"),
    [
        (
            (10, 10),
            20,
            "`fade_images` must have 3 numbers, one for each level from 4 to 16 "
            r"pixels; this schedule ends before the last level. Received: 2 numbers, "
            r"\(10, 10\)",
        ),
        (
            10,
            (9, 9, 9, 9),
            r"`stable_images` must have 3 .* goes beyond the last level. "
            r"Received: 4 numbers, \(9, 9, 9, 9\)",
        ),
        (10, (), "`stable_images` must have 3 .* ends before .* Received: 0 numbers"),
        (-1, 20, "`fade_images` must be integers >= 0.* Received: -1"),
        (10, (1, -2, 3), r"`stable_images` must be .* Received: \(1, -2, 3\)"),
        (0.5, 20, "`fade_images` must be integers >= 0.* Received: 0.5"),
        (10, "123", "`stable_images` must be integers >= 0.* Received: 123"),
        (10, None, "`stable_images` must be integers >= 0.* Received: None"),
        (0, (9, 0, 9), "must give every level some images. Received: none for 8 pix"),
        (10, 0, "must give every level some images. Received: none for 4 pixels"),
    ],
)
def test_schedules_that_leave_a_level_out_are_refused(fade, stable, sentence):
    with pytest.raises(ValueError, match=sentence):
        GrowthSchedule(3, fade, stable)


def test_epochs_are_those_that_the_schedule_needs():
    schedule = GrowthSchedule(3, 20, 20)  # 100 images.
    data = dataset(np.zeros((26, 4, 4, 1)), batch_size=8)  # 24 of them an epoch.
    assert schedule.epochs(data, None) == 5
    assert schedule.epochs(data, 9) == 9
    sentence = (
        "`epochs` must be at least 5: the schedule needs 100 images, .* Received: "
        "4 epochs of 24 images"
    )
    with pytest.raises(ValueError, match=sentence):
        schedule.epochs(data, 4)


def test_batches_must_hold_whole_groups():
    schedule = GrowthSchedule(3, 20, 20)
    sentence = "`batch_size` must be a multiple of 4, .* Received: {}"
    with pytest.raises(ValueError, match=sentence.format(6)):
        schedule.epochs(dataset(np.zeros((12, 4, 4, 1)), batch_size=6), None)
    unknown = tf.data.Dataset.from_tensor_slices(np.zeros((12, 4, 4, 1))).batch(4)
    with pytest.raises(ValueError, match=sentence.format("None")):
        schedule.epochs(unknown, None)


def test_each_new_level_begins_once():
    begun = []
    model = SimpleNamespace(level=1, grow=lambda: begun.append(model.level))
    grow = Grow()
    grow.set_model(model)
    # It goes on at level 1: that is nothing new.
    for after in (1, 1, 2, 2, 3):
        grow.on_train_batch_begin(0)
        model.level = after
        grow.on_train_batch_end(0)
    assert begun == [2, 3]


def test_gaussian_vectors():
    prior = LatentPrior("gaussian", 20, 10)
    z = prior.draw(2000, SEED).numpy()
    assert z.shape == (2000, 20)
    assert stats.kstest(z.ravel() / 0.1, "norm").pvalue > 0.01
    np.testing.assert_array_equal(prior.draw(2000, SEED), z)
    assert not np.array_equal(prior.draw(2000, stateless_seed(5, 1, 0)), z)


def test_cluster_vectors_hold_one_class_each_of_equal_frequency():
    z = LatentPrior("cluster", 40, 10).draw(5000, SEED).numpy()
    continuous, one_hot = z[:, :30], z[:, 30:]
    assert stats.kstest(continuous.ravel() / 0.1, "norm").pvalue > 0.01
    assert set(np.unique(one_hot)) == {0, 1}
    np.testing.assert_array_equal(one_hot.sum(axis=1), 1)
    counts = one_hot.sum(axis=0)
    assert stats.chisquare(counts).pvalue > 0.01
    # The class and the rest are drawn apart.
    means = one_hot.T @ continuous / counts[:, None]
    assert np.abs(means).max() < 5 * 0.1 / np.sqrt(counts.min())


def test_vectors_of_an_encoder_hold_probabilities():
    output = normal(6, 7)
    found = np.asarray(LatentPrior("cluster", 7, 3).vectors(output))
    np.testing.assert_array_equal(found[:, :4], output[:, :4])
    expected = special.softmax(output[:, 4:], axis=1)
    np.testing.assert_allclose(found[:, 4:], expected, rtol=1e-5)
    np.testing.assert_array_equal(LatentPrior("gaussian", 7, 3).vectors(output), output)


def test_latent_loss_by_hand():
    z, output = normal(6, 7), normal(6, 7)
    gaussian = LatentPrior("gaussian", 7, 3).loss(z, output)
    assert float(gaussian) == pytest.approx(10 * np.mean((z - output) ** 2), rel=1e-5)
    which = np.array([0, 2, 1, 1, 0, 2])
    z[:, 4:] = np.eye(3)[which]
    squares = np.mean((z[:, :4] - output[:, :4]) ** 2)
    logs = special.log_softmax(output[:, 4:], axis=1)
    entropy = -np.mean(logs[np.arange(6), which])
    found = float(LatentPrior("cluster", 7, 3).loss(z, output))
    assert found == pytest.approx(10 * squares + 10 * entropy, rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("normal", 8, 3), "`latent` must be one of gaussian, cluster. Received: norm"),
        (("cluster", 3, 3), "`latent_dim` must be above the 3 clusters. Received: 3"),
    ],
)
def test_bad_priors_are_named(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        LatentPrior(*arguments)


def test_data_that_do_not_fit_are_refused():
    schedule = GrowthSchedule(3, 16, 16)
    images = np.zeros((32, 16, 16, 1), "float32")
    with pytest.raises(TypeError, match="`x` must be a tf.data.Dataset.* ndarray"):
        schedule.epochs(images, None)
    endless = tf.data.Dataset.from_tensor_slices(images).batch(8, True).repeat()
    with pytest.raises(ValueError, match="not repeated. Received: a cardinality of -1"):
        schedule.epochs(endless, 3)
    with pytest.raises(ValueError, match="Received: 16 images for 4 pixels.* of 32"):
        schedule.check(32, 1, 5)
