"""Fixtures that every test may use."""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data():
    """Return the folder of real survey files, or skip."""
    if not SHARED.is_dir():
        pytest.skip("the real survey files (../shared/data) are not on this machine")
    return SHARED
