"""A training whose pixels stay on the disk."""

import tracemalloc

import numpy as np
import pytest

from astroanomaly import runs
from astroanomaly.data.cutouts import Cutouts

SETTINGS = {"data": {"size": 32}, "stretch": {"name": "linear"}}


def images(path, n):
    np.save(path, np.random.default_rng(1).normal(size=(n, 32, 32)).astype("f4"))
    return path


@pytest.mark.parametrize("hold_out", [None, 0.25])
def test_the_same_bits_as_from_memory(tmp_path, hold_out):
    survey, cache = images(tmp_path / "survey.npy", 160), tmp_path / "cache.npy"
    settings = SETTINGS | {"training": {"batch_size": 40}}
    options = {"model": "pca", "hold_out": hold_out}
    here = runs.train(survey, tmp_path / "here", settings, **options)
    runs.train(survey, tmp_path / "there", settings, **options, cache=cache)
    # A finished training is read again, and left as it is.
    there = runs.train(
        survey, tmp_path / "there", settings, **options, cache=cache, resume=True
    )
    for name in ("training_objects.json", "history.csv"):
        first, second = (r.folder / name for r in (here, there))
        assert first.read_bytes() == second.read_bytes()
    cutouts = Cutouts(np.load(survey))
    pair = [r.detector.score_block(cutouts)["whitened_score"] for r in (here, there)]
    np.testing.assert_array_equal(*pair)
    found = sorted(file.name for file in tmp_path.glob("cache*"))
    parts = ["cache.held_out.npy", "cache.npy", "cache.trained.npy"]
    assert found == (parts if hold_out else ["cache.npy"])
    assert len(np.load(tmp_path / found[-1])) == (120 if hold_out else 160)


def test_pixels_do_not_fill_the_memory(tmp_path):
    n, peaks = 4000, []
    for k in (1, 4):
        survey, out = images(tmp_path / f"{k}.npy", k * n), tmp_path / f"run{k}"
        tracemalloc.start()
        try:
            runs.train(
                survey,
                out,
                SETTINGS | {"training": {"batch_size": 64, "sample_grid": 1}},
                model="pca",
                hold_out=0.2,
                cache=tmp_path / "cache.npy",
            )
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    # Four times the images are 47 MB more; names and digests of objects are not pixels.
    assert peaks[1] - peaks[0] < 12e6, peaks


def test_auto_takes_no_cache(tmp_path):
    survey = images(tmp_path / "survey.npy", 20)
    with pytest.raises(ValueError, match="`cache`|cache.*Received"):
        runs.train(survey, tmp_path / "r", model="auto", cache=tmp_path / "c.npy")
