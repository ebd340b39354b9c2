"""A score is the object's own: to the bit, whatever is scored with it, and how."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table, vstack
from blobs import blobs

from astroanomaly.data.write import write_cutouts
from astroanomaly.detector import AnomalyDetector, load_detector
from astroanomaly.detector.image_model import thread_count
from astroanomaly.latent import Mapping
from astroanomaly.models import DCAE

ROOT = Path(__file__).resolve().parents[2]
N = 100
SCORE = """
import sys
import astroanomaly as aa
from astroanomaly.runs.survey import score_survey
stream = aa.read_cutouts(sys.argv[2], stream=True, n_workers=int(sys.argv[3]))
detector = aa.load_detector(sys.argv[1])
score_survey(detector, stream, sys.argv[4], block=int(sys.argv[5]))
"""


@pytest.fixture(scope="module", params=["encoder", "dcae"])
def any_detector(request, parts):
    gan, stretch, encoder = parts
    model, search = (gan, encoder) if request.param == "encoder" else (None, None)
    model = model or DCAE((32, 32, 1), latent_dim=16)
    return AnomalyDetector(model, stretch, search).calibrate(blobs(60, 2), (90,))


def rows_of(detector, cutouts, block):
    found = [rows for rows, _ in detector.score_blocks(cutouts, block)]
    rows = vstack(found, metadata_conflicts="silent")
    return rows[np.argsort(rows["object_id"])]


def check_equal(found, expected):
    assert len(found) == len(expected)
    for name in expected.colnames:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def test_order_company_and_blocks_change_no_bit(any_detector):
    cutouts = blobs(N, 3)
    expected = rows_of(any_detector, cutouts, 512)
    order = np.random.default_rng(1).permutation(N)
    check_equal(rows_of(any_detector, cutouts[order], 512), expected)
    for block in (3, 32):
        check_equal(rows_of(any_detector, cutouts[order], block), expected)
    # Alone: enough objects to meet every place in a chunk.
    check_equal(rows_of(any_detector, cutouts[:40], 1), expected[:40])


def test_workers_and_threads_change_no_bit(any_detector, tmp_path):
    any_detector.save(tmp_path / "detector")
    write_cutouts(tmp_path / "cutouts", blobs(N, 3))
    tables = []
    for threads, workers, block in ((1, 1, 512), (3, 2, 33)):
        out = tmp_path / f"{threads}.ecsv"
        command = [sys.executable, "-c", SCORE, tmp_path / "detector"]
        command += [tmp_path / "cutouts", workers, out, block]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        environment |= {"TF_NUM_INTRAOP_THREADS": str(threads)}
        subprocess.run([str(word) for word in command], env=environment, check=True)
        tables.append(Table.read(out))
    check_equal(*tables)


def test_a_search_by_gradients_says_that_it_had_other_threads(parts, tmp_path, recwarn):
    gan, stretch, _ = parts
    detector = AnomalyDetector(gan, stretch, Mapping(gan, max_iterations=2))
    detector.calibrate(blobs(40, 2), (90,))
    assert detector.threads == thread_count() >= 1
    detector.save(tmp_path / "detector")
    again = load_detector(tmp_path / "detector")
    few = blobs(2, 3)
    again.score(few)
    assert not [w for w in recwarn if "TF_NUM_INTRAOP_THREADS" in str(w.message)]
    again.threads += 1
    wanted = f"TF_NUM_INTRAOP_THREADS={again.threads}"
    with pytest.warns(UserWarning, match=wanted):
        again.score(few)
    # One pass through a network gives the same bits with any number.
    other = AnomalyDetector(DCAE((32, 32, 1), latent_dim=16), stretch)
    other.calibrate(blobs(40, 2), (90,)).threads += 1
    recwarn.clear()
    other.score(few)
    assert not [w for w in recwarn if "TF_NUM_INTRAOP_THREADS" in str(w.message)]
