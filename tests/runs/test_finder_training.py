"""What a lens finder is trained on, with and how."""

import numpy as np
import pytest
from rings import rings

from astroanomaly.models import LensFinder
from astroanomaly.runs import config
from astroanomaly.runs.training import FinderTraining, parts
from astroanomaly.stretches import Asinh, Linear

TOYS = rings(24, 1)
LABELS = np.asarray(TOYS.table["is_lens"]).astype(np.int32)


def _settings(**tables):
    tables.setdefault("model", {})["name"] = "lens_finder"
    return config.resolve({"data": {"size": 58}}, tables)


def test_the_parts_hold_all_objects_and_the_same_share_of_lenses():
    labels = (np.arange(200) % 10 == 0).astype(np.int32)
    train, validation = parts(labels, 0.1, seed=3)
    assert sorted([*train, *validation]) == list(range(200))
    assert (len(validation), labels[validation].sum()) == (20, 2)
    assert (np.diff(train) > 0).all()
    again = parts(labels, 0.1, seed=3)
    np.testing.assert_array_equal(validation, again[1])
    assert validation.tolist() != parts(labels, 0.1, seed=4)[1].tolist()


@pytest.mark.parametrize(
    ("labels", "fraction"),
    [
        ([1] + 9 * [0], 0.5),  # One lens cannot be in both parts.
        ([1, 1] + 40 * [0], 0.1),  # Four for validation, none of them a lens.
        ([1, 0, 1, 0], 0.1),  # One for validation.
        ([1, 0, 1, 0], 0.9),
    ],
)
def test_a_part_without_a_class_is_refused(labels, fraction):
    n = sum(labels)
    with pytest.raises(
        ValueError,
        match=f"`validation_fraction` {fraction} must leave lenses and non-lenses both "
        f"for training and for validation. Received: {n} lenses, {len(labels) - n} ",
    ):
        parts(np.array(labels), fraction, seed=0)


def test_a_finder_is_made_as_the_settings_say(tmp_path):
    settings = _settings(
        model={"dropout": 0.4, "threshold": 0.7},
        training={"seed": 6, "learning_rate": 1e-3},
    )
    training = FinderTraining(tmp_path, settings, TOYS, LABELS, progress=False)
    model = training.model
    assert isinstance(model, LensFinder)
    assert (model.network_name, model.image_shape) == ("ou66", (58, 58, 1))
    assert (model.dropout, model.threshold, model.seed) == (0.4, 0.7, 6)
    assert float(model.optimizer.learning_rate) == np.float32(1e-3)
    # 24 objects, a tenth of which is rounded up.
    assert (len(training.train), len(training.validation)) == (21, 3)
    ours = LABELS[training.train]
    n_lenses = int(ours.sum())
    expected = [21 / (2 * (21 - n_lenses)), 21 / (2 * n_lenses)]
    assert model.get_compile_config()["class_weight"] == pytest.approx(expected)
    assert isinstance(training.stretch, Linear)
    assert (training.stretch.per_image, training.stretch.bands) == (True, ("VIS",))
    assert not list(tmp_path.iterdir())


def test_classes_may_count_as_they_are(tmp_path):
    settings = _settings(training={"class_weight": False})
    training = FinderTraining(tmp_path, settings, TOYS, LABELS, progress=False)
    assert training.model.get_compile_config()["class_weight"] is None


def test_validation_images_come_once_as_they_are(tmp_path):
    training = FinderTraining(tmp_path, _settings(), TOYS, LABELS, progress=False)
    ((images, labels),) = list(training.batches(training.validation, shuffle=False))
    expected = training.stretch(TOYS.images[training.validation])
    np.testing.assert_array_equal(images, expected)
    np.testing.assert_array_equal(labels, LABELS[training.validation])
    ((images, labels),) = list(training.batches())
    assert (len(images), int(labels.numpy().sum())) == (
        21,
        LABELS[training.train].sum(),
    )


def test_a_range_is_learned_from_the_training_part_alone(tmp_path):
    toys = rings(24, 1)
    settings = _settings(stretch={"name": "asinh", "per_image": False})
    training = FinderTraining(tmp_path, settings, toys, LABELS, progress=False)
    assert isinstance(training.stretch, Asinh)
    toys.images[training.validation[0]] += 100
    again = FinderTraining(tmp_path, settings, toys, LABELS, progress=False)
    assert again.stretch.vmax == training.stretch.vmax
    assert again.stretch.vmax[0] == pytest.approx(toys.images[again.train].max())


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        ({"model": {"network": "ou200"}}, "for 'ou200', at least 116 pixels a side"),
        ({"model": {"network": "vgg"}}, "`network` must be one of ou200, ou66"),
        ({"model": {"dropout": 1.0}}, r"`dropout` must be within \[0, 1\)"),
        ({"model": {"threshold": 1.5}}, r"`threshold` must be within \[0, 1\]"),
        ({"stretch": {"a": 0.1}}, "The stretch linear has no setting a."),
    ],
)
def test_bad_settings_are_refused_before_anything_is_written(
    tmp_path, tables, sentence
):
    with pytest.raises(ValueError, match=sentence):
        FinderTraining(tmp_path, _settings(**tables), TOYS, LABELS, progress=False)
    assert not list(tmp_path.iterdir())
