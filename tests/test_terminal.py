import os

import pytest

from astroanomaly import _terminal


def test_an_error_is_one_line():
    assert _terminal.sentence(ValueError("two\n  lines")) == "two lines"
    error = OSError(28, "No space left on device", "/disk/table.csv")
    assert _terminal.sentence(error) == "No space left on device: /disk/table.csv"
    assert _terminal.sentence(FileNotFoundError("There is no x.")) == "There is no x."
    assert _terminal.sentence(TypeError()) == "TypeError"


def test_a_long_sentence_is_not_wrapped(capsys):
    assert _terminal.fail("word " * 60 + "end.") == 2
    error = capsys.readouterr().err
    assert error == "astroanomaly: " + "word " * 60 + "end.\n"


def test_a_warning_is_one_line_without_a_place(capsys):
    _terminal.show_warning(UserWarning("scores\n differ"), UserWarning, "x.py", 3)
    assert capsys.readouterr().err == "astroanomaly: warning: scores differ\n"


def test_the_noise_of_an_import_is_held_back(capfd):
    with _terminal._silent_stderr():
        os.write(2, b"noise")
    assert capfd.readouterr().err == ""
    with pytest.raises(ImportError):
        _fail_noisily()
    assert capfd.readouterr().err == "the reason"


def _fail_noisily():
    with _terminal._silent_stderr():
        os.write(2, b"the reason")
        raise ImportError
