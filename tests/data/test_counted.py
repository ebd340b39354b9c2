import pickle
import tracemalloc

import numpy as np
import pytest
from numpy.lib.format import open_memmap

from astroanomaly.data.reading import read_cutouts
from astroanomaly.data.sources.counted import Counted, Repeated, chosen, named


@pytest.mark.parametrize(
    "rows", [range(2, 7), range(0), [5, 0, 5, -1], np.array([9, 1]), range(8, 2, -3)]
)
@pytest.mark.parametrize(
    "items",
    [
        [f"g{k}" for k in range(10)],
        range(10),
        range(30, 0, -3),
        np.arange(10) ** 2,
        Counted("g{}".format, range(10)),
        Counted("g{:03d}".format, np.arange(10) ** 2),
        Repeated("cube.fits", 10),
    ],
    ids=lambda items: type(items).__name__,
)
def test_some_items_are_those_of_the_list(items, rows):
    expected = [list(items)[row] for row in rows]
    found = chosen(items, rows)
    assert list(found) == expected
    assert list(pickle.loads(pickle.dumps(found))) == expected
    assert [found[k] for k in range(len(expected))] == expected


def test_a_row_outside_is_an_error():
    for items in (Counted(str, range(3)), Repeated("a", 3)):
        assert items[-1] == items[2]
        with pytest.raises(IndexError):
            items[3]
        with pytest.raises(IndexError):
            chosen(items.numbers if isinstance(items, Counted) else range(3), [3])


def test_an_item_for_each_is_equal_to_a_list():
    names = named("a{b}_", range(3))
    assert names == ["a{b}_0", "a{b}_1", "a{b}_2"]
    assert names != ["a{b}_0"]
    assert names != "a{b}_0"
    assert names[1:] == ["a{b}_1", "a{b}_2"]


def test_a_survey_in_one_array_takes_no_memory_for_an_object(tmp_path):
    n = 300_000
    open_memmap(tmp_path / "survey{1}.npy", "w+", np.uint8, (n, 2, 2)).flush()
    tracemalloc.start()
    try:
        stream = read_cutouts(tmp_path / "survey{1}.npy", stream=True, size=2)
        part = stream.take(range(200_000, 250_000))
        # A list of so many names, and no more, has 20 MB.
        assert tracemalloc.get_traced_memory()[1] < 2e6
    finally:
        tracemalloc.stop()
    assert part.object_ids[3] == "survey{1}_200003"
    assert part._places[3] == f"{tmp_path}/survey{{1}}.npy[200003]"
    # What a worker is sent.
    assert len(pickle.dumps(part)) < 5000
