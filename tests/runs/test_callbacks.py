import csv
import io

import keras
import numpy as np
import pytest
from rich.console import Console

from astroanomaly import plots
from astroanomaly.data.batches import dataset
from astroanomaly.models import WGANGP
from astroanomaly.runs import callbacks


@pytest.fixture(scope="module")
def gan():
    gan = WGANGP((32, 32, 1), width=4, latent_dim=8, seed=3)
    gan.compile()
    return gan


@pytest.fixture(scope="module")
def data():
    images = np.random.default_rng(1).random((8, 32, 32, 1)).astype("f4")
    return dataset(images, batch_size=4)


def test_a_checkpoint_holds_model_epoch_and_losses_in_one_keras_file(gan, tmp_path):
    rows = [{"epoch": 1, "critic_loss": 0.1}, {"epoch": 2, "critic_loss": 1 / 3}]
    path = tmp_path / "gan.keras"
    callbacks.save_checkpoint(path, gan, 2, rows)
    model, epoch, found = callbacks.load_checkpoint(path)
    assert (epoch, found) == (2, rows)
    for plain in (model, keras.saving.load_model(path)):
        for one, other in zip(plain.get_weights(), gan.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    assert [p.name for p in tmp_path.iterdir()] == ["gan.keras"]


def test_a_file_that_is_no_checkpoint_is_refused(gan, tmp_path):
    gan.save(tmp_path / "plain.keras")
    with pytest.raises(
        ValueError, match="plain.keras must be a .keras file that holds"
    ):
        callbacks.load_checkpoint(tmp_path / "plain.keras")
    (tmp_path / "text.keras").write_text("no")
    with pytest.raises(ValueError, match="text.keras must be a .keras file"):
        callbacks.load_checkpoint(tmp_path / "text.keras")


def test_checkpoint_goes_on_where_it_was(gan, data, tmp_path):
    seen = []
    before = [{"epoch": 1, "critic_loss": 5.0}]
    checkpoint = callbacks.Checkpoint(
        tmp_path / "gan.keras", before, on_saved=lambda rows: seen.append(len(rows))
    )
    history = gan.fit(
        data, epochs=3, initial_epoch=1, verbose=0, callbacks=[checkpoint]
    )
    assert [row["epoch"] for row in checkpoint.rows] == [1, 2, 3]
    assert seen == [2, 3]
    assert checkpoint.rows[2]["critic_loss"] == history.history["critic_loss"][1]
    assert callbacks.load_checkpoint(tmp_path / "gan.keras")[1] == 3
    assert before == [{"epoch": 1, "critic_loss": 5.0}]


def test_sample_grid_draws_the_same_latent_vectors(gan, tmp_path):
    grid = callbacks.SampleGrid(tmp_path, n=4, seed=5)
    grid.set_model(gan)
    grid.on_epoch_end(0)
    grid.on_epoch_end(9)
    first, tenth = sorted(tmp_path.iterdir())
    assert (first.name, tenth.name) == ("samples_0001.png", "samples_0010.png")
    assert first.read_bytes()[:4] == b"\x89PNG"
    assert first.read_bytes() == tenth.read_bytes()


def test_sample_grid_needs_an_image(tmp_path):
    with pytest.raises(ValueError, match="`n` must be at least 1. Received: 0"):
        callbacks.SampleGrid(tmp_path, n=0)


class Halves(keras.Model):
    """Reconstructs every image at half its brightness."""

    def reconstruct(self, images):
        return images / 2


def test_reconstructions_stand_beside_their_images(tmp_path, monkeypatch):
    drawn = []
    plain = plots.sample_grid

    def seen(images, columns):
        drawn.append((images, columns))
        return plain(images, columns)

    monkeypatch.setattr(plots, "sample_grid", seen)
    images = np.random.default_rng(1).random((5, 8, 8, 1)).astype("f4")
    grid = callbacks.ReconstructionGrid(tmp_path, images)
    grid.set_model(Halves())
    grid.on_epoch_end(0)
    grid.on_epoch_end(9)
    first, tenth = sorted(tmp_path.iterdir())
    assert first.name == "reconstructions_0001.png"
    assert tenth.name == "reconstructions_0010.png"
    assert first.read_bytes()[:4] == b"\x89PNG"
    shown, columns = drawn[0]
    assert columns % 2 == 0
    np.testing.assert_array_equal(shown[::2], images)
    np.testing.assert_array_equal(shown[1::2], images / 2)


def test_reconstructions_need_an_image(tmp_path):
    with pytest.raises(ValueError, match="`images` must hold at least one image. Rec"):
        callbacks.ReconstructionGrid(tmp_path, np.zeros((0, 8, 8, 1)))


def test_progress_names_epoch_and_losses(gan, data):
    text = io.StringIO()
    console = Console(file=text, width=100, force_terminal=False)
    bar = callbacks.TrainingProgress("GAN", console)
    history = gan.fit(data, epochs=2, verbose=0, callbacks=[bar])
    last = text.getvalue().strip().splitlines()[-1]
    assert last.startswith("GAN 2/2")
    assert f"critic {history.history['critic_loss'][-1]:.4g}" in last


def test_history_joins_trainings_by_epoch(tmp_path):
    gan = [{"epoch": 1, "critic_loss": 0.1}, {"epoch": 2, "critic_loss": 1 / 3}]
    encoder = [{"epoch": 1, "encoder_loss": 7.0}]
    callbacks.write_history(tmp_path / "history.csv", gan, encoder)
    rows = list(csv.DictReader((tmp_path / "history.csv").read_text().splitlines()))
    assert rows[0] == {"epoch": "1", "critic_loss": "0.1", "encoder_loss": "7.0"}
    assert float(rows[1]["critic_loss"]) == 1 / 3
    assert rows[1]["encoder_loss"] == ""


def test_a_nan_leaves_the_last_good_checkpoint(data, tmp_path):
    class Poison(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                weight = self.model.critic.trainable_variables[0]
                weight.assign(np.full(weight.shape, np.nan))

    gan = WGANGP((32, 32, 1), width=4, latent_dim=8)
    gan.compile()
    checkpoint = callbacks.Checkpoint(tmp_path / "gan.keras")
    with pytest.raises(FloatingPointError, match="stopped at epoch 3, batch 1"):
        gan.fit(data, epochs=5, verbose=0, callbacks=[Poison(), checkpoint])
    model, epoch, rows = callbacks.load_checkpoint(tmp_path / "gan.keras")
    assert (epoch, len(rows)) == (2, 2)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
