"""A score is the object's own: to the bit, whatever is scored with it, and how."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table, vstack
from blobs import blobs

import astroanomaly as aa
from astroanomaly.data.write import write_cutouts
from astroanomaly.detector import AnomalyDetector
from astroanomaly.latent import Mapping, Refine
from astroanomaly.models import AAE, CVAE, DCAE, PCA, RBM, ProgressiveGAN

ROOT = Path(__file__).resolve().parents[2]
N = 100
SCORE = """
import sys
import astroanomaly as aa
from pathlib import Path
from astroanomaly.runs.survey import score_survey
folder, workers, block, end = Path(sys.argv[1]), *sys.argv[2:]
for name in sys.stdin.read().split():
    stream = aa.read_cutouts(folder / "cutouts", stream=True, n_workers=int(workers))
    detector = aa.load_detector(folder / name)
    score_survey(detector, stream, folder / f"{name}{end}", block=int(block))
"""


def _models(parts):
    """Return one model and search of every kind that scores images."""
    gan, stretch, encoder = parts
    shape, small = (32, 32, 1), {"latent_dim": 8}
    pca = PCA(shape, n_components=8)
    pca.compile()
    pca.fit(aa.dataset(blobs(64, 4), stretch, batch_size=64), verbose=0)
    progressive = ProgressiveGAN(shape, **small, fmap_base=16, fmap_max=4)
    return {
        "encoder": (gan, encoder),
        "refine": (gan, Refine(encoder, n_steps=3)),
        "mapping": (gan, Mapping(gan, max_iterations=4, patience=2)),
        "progressive": (progressive, None),
        "dcae": (DCAE(shape, **small), None),
        "cvae": (CVAE(shape, **small), None),
        "aae": (AAE(shape, **small), None),
        "rbm": (RBM(shape, n_hidden=8), None),
        "pca": (pca, None),
    }


@pytest.fixture(scope="module")
def detectors(parts):
    stretch, chosen = parts[1], _models(parts)
    return {
        name: AnomalyDetector(model, stretch, search).calibrate(blobs(60, 2), (90,))
        for name, (model, search) in chosen.items()
    }


def rows_of(detector, cutouts, block):
    found = [rows for rows, _ in detector.score_blocks(cutouts, block)]
    rows = vstack(found, metadata_conflicts="silent")
    return rows[np.argsort(rows["object_id"])]


def check_equal(found, expected):
    assert len(found) == len(expected)
    for name in expected.colnames:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


@pytest.mark.parametrize("name", ["encoder", "mapping", "dcae", "pca"])
def test_order_company_and_blocks_change_no_bit(detectors, name):
    detector, cutouts = detectors[name], blobs(N, 3)
    expected = rows_of(detector, cutouts, 512)
    order = np.random.default_rng(1).permutation(N)
    for block in (3, 32, 512):
        check_equal(rows_of(detector, cutouts[order], block), expected)
    few = np.isin(expected["object_id"], cutouts.object_ids[:10])
    check_equal(rows_of(detector, cutouts[:10], 1), expected[few])


def test_workers_and_threads_change_no_bit(detectors, tmp_path):
    write_cutouts(tmp_path / "cutouts", blobs(N, 3))
    for name, detector in detectors.items():
        detector.save(tmp_path / name)
    for threads, workers, block, end in (
        ("1", "1", "512", "_one.ecsv"),
        ("8", "2", "33", "_eight.ecsv"),
    ):
        subprocess.run(
            [sys.executable, "-c", SCORE, str(tmp_path), workers, block, end],
            input=" ".join(detectors),
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "TF_NUM_INTRAOP_THREADS": threads,
            },
            check=True,
        )
    for name in detectors:
        tables = (Table.read(tmp_path / f"{name}_{k}.ecsv") for k in ("one", "eight"))
        check_equal(*tables)
