from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table

from astroanomaly.cli import terminal


def test_an_error_is_one_line():
    assert terminal.sentence(ValueError("two\n  lines")) == "two lines"
    error = OSError(28, "No space left on device", "/disk/table.csv")
    assert terminal.sentence(error) == "No space left on device: /disk/table.csv"
    assert terminal.sentence(FileNotFoundError("There is no x.")) == "There is no x."
    assert terminal.sentence(TypeError()) == "TypeError"


def test_a_long_sentence_is_not_wrapped(capsys):
    assert terminal.fail("word " * 60 + "end.") == 2
    error = capsys.readouterr().err
    assert error == "astroanomaly: " + "word " * 60 + "end.\n"


def test_a_warning_is_one_line_without_a_place(capsys):
    terminal.show_warning(UserWarning("scores\n differ"), UserWarning, "x.py", 3)
    assert capsys.readouterr().err == "astroanomaly: warning: scores differ\n"


def test_a_finders_training_names_the_epoch_that_was_kept(tmp_path, capsys):
    rows = ["epoch,val_accuracy,val_loss", "1,0.5,0.7", "2,0.9,0.31234567", "3,0.8,0.4"]
    (tmp_path / "history.csv").write_text("\n".join(rows))
    run = SimpleNamespace(
        folder=tmp_path, bands=("VIS", "Y"), classifies=True, holds_out=False
    )
    terminal.show_run(run)
    assert capsys.readouterr().out.splitlines() == [
        f"Trained on bands VIS, Y: {tmp_path}",
        "Kept epoch 2 of 3: validation loss 0.3123, accuracy 0.900",
        f"Next: astroanomaly score {tmp_path} CUTOUTS --out TABLE",
    ]


@pytest.mark.parametrize("held_out", [False, True])
def test_what_was_held_out_needs_no_folder_to_calibrate(capsys, held_out):
    run = SimpleNamespace(folder="run", bands="i", classifies=False, holds_out=held_out)
    terminal.show_run(run)
    last = capsys.readouterr().out.splitlines()[-1]
    command = "Next: astroanomaly calibrate run"
    assert last == (command if held_out else f"{command} CUTOUTS")


@pytest.mark.parametrize("calibrated", [False, True])
def test_lenses_are_shown_with_their_probability(calibrated, capsys):
    columns = {
        "object_id": ["a", "b"],
        "anomaly_score": [2.0, -1.0],
        "p_lens": [0.8808, 0.2689],
        "is_lens": [True, False],
        "p_value": [np.nan, np.nan],
    }
    if calibrated:
        columns["p_lens_calibrated"] = [0.61, 0.32]
    terminal.show_scores(Table(columns, meta={"threshold": 0.5}), "t.csv")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    given = ["0.6100", "0.3200"] if calibrated else ["-", "-"]
    assert ["a", "2", "0.8808", given[0], "yes", "nan"] in lines
    assert ["b", "-1", "0.2689", given[1], "no", "nan"] in lines
    assert "called lenses, p_lens of 0.5 or above: 1 of 2".split() in lines
