"""The best epoch: which it is, and what survives a stop."""

import math

import keras
import numpy as np
import pytest

from astroanomaly.runs.callbacks import KeepBest, load_checkpoint


def one_weight():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile("sgd", "mse")
    return model


def play(path, losses, start=0):
    """Pretend epochs with these validation losses; weight k belongs to epoch k."""
    keep = KeepBest(path)
    keep.set_model(one_weight())
    keep.on_train_begin()
    for epoch, loss in enumerate(losses, start):
        keep.on_epoch_begin(epoch)
        keep.model.set_weights([np.full((1, 1), epoch + 1.0)])
        keep.on_epoch_end(epoch, {"loss": 0.1, "val_loss": loss})
    return keep


def kept(keep):
    return float(keep.load().get_weights()[0][0, 0])


def test_the_lowest_validation_loss_is_kept_the_first_of_equals(tmp_path):
    path = tmp_path / "sub" / "best.keras"
    keep = play(path, [0.7, math.nan, 0.5, 0.9, 0.5])
    assert (keep.best, keep.best_epoch) == (0.5, 3)
    assert kept(keep) == 3
    model, epoch, rows = load_checkpoint(path)
    assert epoch == 3
    assert rows == [{"epoch": 3, "loss": 0.1, "val_loss": 0.5}]
    assert model.compiled
    assert [p.name for p in path.parent.iterdir()] == ["best.keras"]


LOSSES = [0.7, 0.4, 0.6, 0.5, 0.3, 0.35]


@pytest.mark.parametrize("stop", range(1, len(LOSSES)))
def test_stop_and_go_on_keeps_the_epoch_of_an_unbroken_training(stop, tmp_path):
    path = tmp_path / "best.keras"
    play(path, LOSSES[:stop])
    keep = play(path, LOSSES[stop:], start=stop)
    assert (keep.best, keep.best_epoch, kept(keep)) == (0.3, 5, 5)


def test_an_epoch_that_comes_once_more_changes_nothing(tmp_path):
    # The machine stopped after the best epoch was kept, before its checkpoint was.
    path = tmp_path / "best.keras"
    play(path, LOSSES[:2])
    keep = play(path, LOSSES[1:4], start=1)
    assert (keep.best, keep.best_epoch, kept(keep)) == (0.4, 2, 2)


def test_a_new_training_begins_from_nothing(tmp_path):
    path = tmp_path / "best.keras"
    play(path, [0.1])
    keep = play(path, [0.9, 0.8])
    assert (keep.best, keep.best_epoch, kept(keep)) == (0.8, 2, 2)


def test_a_missing_validation_loss_and_a_missing_file_are_named(tmp_path):
    keep = KeepBest(tmp_path / "best.keras")
    with pytest.raises(
        ValueError, match="`validation_data` must .* Received: loss, acc"
    ):
        keep.on_epoch_end(0, {"loss": 0.5, "acc": 1.0})
    with pytest.raises(ValueError, match="Received: no losses"):
        keep.on_epoch_end(0)
    with pytest.raises(OSError, match="best.keras"):
        keep.load()
