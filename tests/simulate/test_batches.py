import os

import pytest

from astroanomaly.simulate import batches
from astroanomaly.simulate.batches import map_batches


def span(recipe, start, stop):
    return recipe, start, stop, os.getpid()


def test_batches_are_whole_and_in_order():
    found = [r[1:3] for r in map_batches(span, None, 150, 1)]
    assert found == [(0, 64), (64, 128), (128, 150)]


def test_few_objects_stay_in_this_process():
    assert {r[3] for r in map_batches(span, None, 127, 4)} == {os.getpid()}


def test_batches_of_another_size():
    found = [r[1:3] for r in map_batches(span, None, 7, 1, batch=3)]
    assert found == [(0, 3), (3, 6), (6, 7)]


def test_two_batches_go_to_workers_in_order(monkeypatch):
    # Workers import what they run: a function of a test they could not find.
    found = list(map_batches(slice, "recipe", 6, 2, batch=3))
    assert found == [slice("recipe", 0, 3), slice("recipe", 3, 6)]
    alone = list(map_batches(slice, None, 5, 2, batch=3))
    assert alone == [slice(None, 0, 3), slice(None, 3, 5)]
    # In place of the results, the number of workers that would make them.
    monkeypatch.setattr(batches, "parallel", lambda _, tasks, n: [n for _ in tasks])
    assert list(map_batches(slice, None, 6, 2, batch=3)) == [2, 2]
    assert list(map_batches(slice, None, 5, 2, batch=3)) == [1, 1]


def test_bar_reaches_the_end(capsys):
    list(map_batches(span, None, 100, 1, progress=True, label="Simulating"))
    assert "100/100" in capsys.readouterr().err


def test_no_workers_are_refused():
    with pytest.raises(ValueError, match=r"`n_workers` must be at least 1. .*=0\."):
        map_batches(span, None, 10, 0)
