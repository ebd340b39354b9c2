"""What a run remembers of the objects that it is trained on."""

import json

import numpy as np
import pytest

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.data.write import write_cutouts
from astroanomaly.runs import config
from astroanomaly.runs.objects import TrainingObjects, pixel_hashes

GAN = config.resolve({"data": {"size": 8}})
FINDER = config.resolve({"data": {"size": 8}, "model": {"name": "lens_finder"}})


@pytest.fixture
def sky(tmp_path):
    images = np.random.default_rng(1).normal(size=(4, 8, 8)).astype("f4")
    cutouts = Cutouts(images, bands=["J"])
    cutouts.table["is_lens"] = [True, False, False, True]
    write_cutouts(tmp_path / "sky", cutouts)
    (tmp_path / "sky" / "000003.fits").write_bytes(b"broken")
    return tmp_path / "sky"


def _resume(folder, record):
    folder.mkdir()
    (folder / "training_objects.json").write_text(json.dumps(record))
    return folder


def test_the_record_names_objects_pixels_and_what_was_skipped(sky, tmp_path):
    found = TrainingObjects(tmp_path / "run", GAN, sky, None)
    assert found.labels is None
    assert found.record["object_id"] == ["000000", "000001", "000002"]
    assert found.record["pixels"] == pixel_hashes(found.cutouts)
    assert (found.record["n"], found.record["bands"]) == (3, ["J"])
    assert found.record["skipped"]["file"] == [str(sky / "000003.fits")]
    assert "labels" not in found.record


def test_a_finders_record_holds_the_labels_in_the_objects_order(sky, tmp_path):
    found = TrainingObjects(tmp_path / "run", FINDER, sky, sky / "catalog.ecsv")
    assert found.labels.tolist() == found.record["labels"] == [1, 0, 0]
    # A run that goes on knows its labels.
    out = _resume(tmp_path / "run", found.record)
    again = TrainingObjects(out, FINDER, sky, None)
    assert again.record == found.record
    np.testing.assert_array_equal(again.labels, found.labels)


def test_pixels_alone_make_the_hash():
    images = np.random.default_rng(2).normal(size=(3, 8, 8)).astype("f4")
    one = pixel_hashes(Cutouts(images))
    assert len(set(one)) == 3
    assert pixel_hashes(Cutouts(images[::-1])) == one[::-1]
    images[1, 0, 0] += 1e-3
    assert [
        a == b for a, b in zip(pixel_hashes(Cutouts(images)), one, strict=True)
    ] == [
        True,
        False,
        True,
    ]


def test_labels_are_looked_at_before_the_long_reading(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no table .*labels.csv"):
        TrainingObjects(tmp_path, FINDER, "nowhere", tmp_path / "labels.csv")
    with pytest.raises(
        ValueError, match=r"learns from labels: give .*Received: neither"
    ):
        TrainingObjects(tmp_path, FINDER, "nowhere", None)


def test_a_resume_with_other_images_is_refused(sky, tmp_path):
    record = TrainingObjects(tmp_path / "run", GAN, sky, None).record
    out = _resume(tmp_path / "run", record | {"pixels": ["0", "1", "2"]})
    with pytest.raises(
        ValueError,
        match="run must be resumed with the cutouts it was begun with: 3 of .*sky. "
        "Received: 3 of .*sky, which are not the same images",
    ):
        TrainingObjects(out, GAN, sky, None)
