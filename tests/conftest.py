"""Fixtures that every test may use."""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest

# Networks of a test's size keep one core busy with their graphs, not two.
PROCESSES = 2
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk():
    """Leave out what matters in a power cut alone: thousands of waits take minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        if hasattr(os, "sync"):
            patch.setattr("os.sync", lambda: None)
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Run the whole suite in two processes, file by file, where xdist is installed."""
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    asked = getattr(config.option, "numprocesses", "no xdist") is not None
    # A worker gets the same command and must not share its part again.
    if whole and not asked and not hasattr(config, "workerinput"):
        config.option.numprocesses = PROCESSES
        # Fixtures of a module are made once, by the process that has its file.
        config.option.dist = "loadfile"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Start a SAMP hub of the test's own; give the module that talks to it."""
    samp = pytest.importorskip("pyvo.samp")
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{(tmp_path / '.samp').as_uri()}")
    hub = samp.SAMPHubServer(web_profile=False, lockfile=str(tmp_path / ".samp"))
    hub.start()
    yield samp
    hub.stop()


@pytest.fixture(scope="session")
def shared_data():
    """Return the folder of real survey files, or skip."""
    if not SHARED.is_dir():
        pytest.skip("the real survey files (../shared/data) are not on this machine")
    return SHARED


@pytest.fixture(scope="session")
def parts():
    """Train a small GAN, its stretch and its encoder on blobs."""
    import keras
    from blobs import blobs

    import astroanomaly as aa

    train = blobs(128, 1)
    stretch = aa.stretches.Asinh().adapt(train)
    gan = aa.models.WGANGP(
        (32, 32, 1), latent_dim=8, width=8, kernel_size=3, n_critic=2
    )
    gan.compile(*[keras.optimizers.Adam(2e-3, beta_1=0.0, beta_2=0.9) for _ in "gc"])
    gan.fit(aa.dataset(train, stretch, batch_size=16), epochs=40, verbose=0)
    encoder = aa.latent.Encoder(gan)
    encoder.compile()
    encoder.fit(aa.dataset(train, stretch, batch_size=16), epochs=15, verbose=0)
    return gan, stretch, encoder


@pytest.fixture(scope="session")
def detector(parts):
    """Calibrate a detector on blobs that its parts did not see."""
    from blobs import blobs

    import astroanomaly as aa

    gan, stretch, encoder = parts
    return aa.AnomalyDetector(gan, stretch, encoder).calibrate(blobs(250, 2))


@pytest.fixture(scope="session")
def test_set():
    """45 ordinary blobs, then 5 with a companion."""
    from blobs import blobs

    import astroanomaly as aa

    return aa.concatenate([blobs(45, 3), blobs(5, 4, companion=True)])


@pytest.fixture(scope="session")
def table(detector, test_set):
    """Score the test set."""
    return detector.score(test_set)
