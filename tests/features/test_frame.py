"""The check of whole frames, on frames whose faults are known."""

import copy

import numpy as np
import pytest
from blobs import blobs

import astroanomaly as aa
from astroanomaly.detector import base
from astroanomaly.features import FrameCheck

RNG = np.random.default_rng(3)


def _frames(n, seed, companion=False):
    """Give small galaxies in two bands on a sky whose level varies, its color not."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-24:24, -24:24]
    images = 60 * np.exp(-(x**2 + y**2) / rng.uniform(4, 8, (n, 1, 1)))
    if companion:
        images = images + 30 * np.exp(-((x - 14) ** 2 + (y - 9) ** 2) / 12)
    images = images[..., None] + rng.normal(0, 1, (n, 48, 48, 2))
    return (images + rng.normal(0, 5, (n, 1, 1, 1))).astype(np.float32)


USUAL = _frames(200, 1)


def _spoiled():
    """Give every kind of artefact that the check has a name for."""
    images, found = _frames(40, 2), {}
    color = images.copy()
    color[..., 1] += 15
    found["sky color of band 2"] = color
    level = images + 90
    found["sky level of band 1"] = level
    flat = np.broadcast_to(images.mean((1, 2), keepdims=True), images.shape).copy()
    found["repeated pixels of band 1"] = flat
    blank = images.copy()
    blank[:, :10, :, 1] = -30.0
    # Pixels at the lowest value are equal to each other too; both names are right.
    found["blank pixels of band 2"] = blank
    bright = np.minimum(images, np.percentile(images, 90, (1, 2), keepdims=True))
    found["saturated pixels of band 1"] = bright
    noisy = images + RNG.normal(0, 9, images.shape)
    found["sky noise of band 1"] = noisy
    edge = images.copy()
    edge[:, :, 30:, 1] += 3
    found["edge of band 2"] = edge
    return found


@pytest.mark.parametrize(("name", "images"), _spoiled().items())
def test_each_artefact_is_found_and_named(name, images):
    check = FrameCheck().fit(USUAL)
    scores, worst = check.score(images.astype(np.float32))
    kind = name.split(" of ")[0]
    # The galaxies have steps of their own.
    assert (scores > check.limit).mean() >= (0.7 if kind == "edge" else 1)
    both = {"blank pixels": "repeated pixels", "saturated pixels": "repeated pixels"}
    same = {kind, both.get(kind, kind)}
    assert {words.split(" of ")[0] for words in worst} <= same
    if kind in ("sky color", "edge", "blank pixels"):
        assert {words[-1] for words in worst} == {"2"}


def test_ordinary_frames_and_their_companions_are_not_flagged():
    check = FrameCheck().fit(USUAL)
    for images in (_frames(300, 5), _frames(300, 6, companion=True)):
        assert (check.score(images)[0] < check.limit).all()


def test_the_numbers_are_what_a_hand_computes():
    frame = np.arange(100.0).reshape(1, 10, 10, 1)
    frame[0, 0, :5] = 0
    found, names = FrameCheck().measure(frame)
    by_name = dict(zip(names, found[0], strict=True))
    # Of the sorted pixels 0, 0, 0, 0, 0, 5, 6, ... 99 the numbers 15 and 30.
    noise = (30 - 15) / (1.0364334 - 0.5244005)
    np.testing.assert_allclose(by_name["sky noise:0"], np.log(noise), rtol=1e-6)
    np.testing.assert_allclose(by_name["sky level:0"], 30 + 0.5244005 * noise)
    assert by_name["saturated pixels:0"] == 0.01
    assert by_name["blank pixels:0"] == 0.05
    assert by_name["repeated pixels:0"] == 4 / 99
    # Sixteen percentiles of sigma: the mean of rows grows by 10, but for the clip.
    assert by_name["edge:0"] == pytest.approx(10 * np.sqrt(10) / noise, rel=0.1)


def test_a_sixth_of_artefacts_in_the_training_do_no_harm():
    spoiled = USUAL.copy()
    spoiled[:30] += 300
    check = FrameCheck().fit(spoiled)
    assert (check.score(_frames(20, 7))[0] < 5).all()
    assert (check.score(spoiled[:30])[0] > 20).all()


def test_frames_without_noise_or_with_nan(tmp_path):
    smooth = np.exp(-np.hypot(*np.mgrid[-16:16, -16:16]) / 4)[None, ..., None]
    smooth = np.repeat(smooth, 30, 0) * RNG.uniform(1, 2, (30, 1, 1, 1))
    check = FrameCheck().fit(smooth)
    assert np.isfinite(check.score(smooth)[0]).all()
    assert (check.score(np.zeros((2, 32, 32, 1)))[0] > check.limit).all()
    bad = smooth[:2].copy()
    bad[0, 3, 3] = np.nan
    scores, worst = check.score(bad)
    assert np.isnan(scores).tolist() == [True, False]
    assert worst[0] == ""
    with pytest.raises(ValueError, match="`images`.*none of 1"):
        FrameCheck().fit(bad[:1])
    check.save(tmp_path)
    again = FrameCheck.load(tmp_path, 1)
    np.testing.assert_array_equal(again.score(smooth)[0], check.score(smooth)[0])
    with pytest.raises(ValueError, match="frame.npz must hold 13 positive"):
        FrameCheck.load(tmp_path, 2)


def test_beside_a_detector_it_adds_columns_and_changes_no_score(detector, tmp_path):
    plain = detector.score(blobs(30, 8))
    assert "frame_score" not in plain.colnames
    checking = copy.copy(detector).check_frames(blobs(100, 1))
    test = blobs(30, 8)
    test.images[4] = np.repeat(np.repeat(test.images[4, ::2, ::2], 2, 0), 2, 1)
    rows = checking.score_block(test)
    assert rows["frame_problem"].tolist() == [
        "repeated pixels" if k == 4 else "" for k in range(30)
    ]
    assert (rows["flag"] & 64 > 0).tolist() == [k == 4 for k in range(30)]
    others = np.arange(30) != 4
    np.testing.assert_array_equal(
        rows["anomaly_score"][others],
        detector.score_block(test)["anomaly_score"][others],
    )
    checking.save(tmp_path / "kept")
    again = aa.load_detector(tmp_path / "kept").score_block(test)
    for name in ("frame_score", "frame_problem", "flag"):
        np.testing.assert_array_equal(again[name], rows[name])


def test_a_stream_is_read_where_it_teaches(detector, tmp_path, monkeypatch):
    monkeypatch.setattr(base, "_FRAMES", 10)
    cutouts = blobs(25, 1)
    aa.write_cutouts(tmp_path, cutouts)
    stream = aa.read_cutouts(tmp_path, stream=True)
    sizes, read = [], aa.CutoutStream.read
    monkeypatch.setattr(
        aa.CutoutStream, "read", lambda self: sizes.append(len(self)) or read(self)
    )
    found = copy.copy(detector).check_frames(stream)
    # Every third of the 25, at most ten.
    assert sizes == [9]
    rows = [cutouts.object_ids.index(name) for name in stream.object_ids[::3]]
    expected = FrameCheck().fit(cutouts[rows].images)
    for name, array in expected.arrays().items():
        np.testing.assert_array_equal(found.frame.arrays()[name], array)
