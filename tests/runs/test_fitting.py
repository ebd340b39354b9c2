"""Trainings from checkpoints."""

import keras
import numpy as np
import pytest

from astroanomaly.runs.training import Fitting

SETTINGS = {"training": {"seed": 0}}
X = np.linspace(-1, 1, 8, dtype=np.float32)[:, None]


class Note(keras.callbacks.Callback):
    """Counts epochs, and is told when a training ends, however it ends."""

    def __init__(self):
        super().__init__()
        self.epochs, self.closed = [], 0

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(epoch)

    def close(self):
        self.closed += 1


class Noted(Fitting):
    def __init__(self, folder):
        super().__init__(folder, SETTINGS, progress=False)
        self.note = Note()

    def _before_checkpoint(self, name):
        return [self.note]


def _model():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.set_weights([np.zeros((1, 1))])
    return model


def _batches():
    import tensorflow as tf

    return tf.data.Dataset.from_tensors((X, 2 * X))


def test_a_training_goes_on_from_its_checkpoint(tmp_path):
    first = Noted(tmp_path)
    assert first.loaded("line") is None
    first.fit("line", _model(), 2, _batches, shuffle=False)
    again = Noted(tmp_path)
    model = again.loaded("line")
    assert again.rows["line"] == first.rows["line"]
    again.fit("line", model, 5, _batches, validation_data=_batches(), shuffle=False)
    assert again.note.epochs == [2, 3, 4]
    assert again.note.closed == 1
    assert [row["epoch"] for row in again.rows["line"]] == [1, 2, 3, 4, 5]
    # Gradient descent by hand: w falls short of 2 by 1 - 0.2 mean(x^2) more each time.
    expected = 2 - 2 * (1 - 0.2 * float(np.mean(X**2))) ** 5
    assert float(model.get_weights()[0][0, 0]) == pytest.approx(expected, rel=1e-5)
    header, *rows = (tmp_path / "history.csv").read_text().split()
    assert (header, len(rows)) == ("epoch,loss,val_loss", 5)
    again.draw_curves()
    assert (tmp_path / "figures" / "training_curves.png").is_file()


def test_a_finished_training_is_left_as_it_is(tmp_path):
    fitting = Noted(tmp_path)
    fitting.loaded("line")
    fitting.fit("line", _model(), 1, _batches, shuffle=False)
    fitting.fit("line", None, 1, None)
    assert fitting.note.epochs == [0]


def test_a_bar_is_closed_when_a_training_breaks_off(tmp_path):
    def stop():
        raise KeyboardInterrupt

    fitting = Noted(tmp_path)
    fitting.loaded("line")
    fitting.note.on_epoch_end = lambda *a: stop()
    with pytest.raises(KeyboardInterrupt):
        fitting.fit("line", _model(), 1, _batches, shuffle=False)
    assert fitting.note.closed == 1
    assert not fitting.checkpoint("line").exists()


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("encoder", "Encoder, epoch"),
        ("lens_finder", "Lens finder, epoch"),
        ("gan", "GAN, epoch"),
    ],
)
def test_a_bar_says_what_is_trained(tmp_path, name, title):
    fitting = Fitting(tmp_path, SETTINGS, progress=True)
    fitting.loaded(name)
    assert fitting.watchers(name)[-1].title == title
