"""Workers make the parts that one process makes, whatever happens to them."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from surveyed import BROKEN, PART, N, content, make
from surveyed import score as score_here

from astroanomaly import runs
from astroanomaly.runs import cluster

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore:.*parts warn")
ROOT = Path(__file__).resolve().parents[2]


class Reading(distributed.WorkerPlugin):
    """Makes the reading in a worker slow, and deadly where it meets an object."""

    def __init__(self, seconds, deadly=()):
        self.seconds, self.deadly = seconds, deadly

    def setup(self, worker):
        from astroanomaly.data import stream

        self.plain, read = stream.read_batch, stream.read_batch

        def slowly(source, *arguments):
            time.sleep(self.seconds)
            if set(self.deadly) & set(source.object_ids):
                os._exit(1)
            return read(source, *arguments)

        stream.read_batch = slowly

    def teardown(self, worker):
        from astroanomaly.data import stream

        stream.read_batch = self.plain


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    make(folder)
    score_here(folder, folder / "here")
    return folder


@pytest.fixture(scope="module")
def client():
    # As `score_parts` starts its own.
    settings = {"distributed.nanny.pre-spawn-environ": {}}
    settings["distributed.scheduler.allowed-failures"] = 1
    import dask

    with (
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=":0",
            silence_logs=50,
        ) as local,
        distributed.Client(local, set_as_default=False) as client,
    ):
        yield client


def score(folder, client, out, **options):
    return score_here(folder, out, scheduler=client.scheduler.address, **options)


@pytest.fixture
def reading(client):
    """Change how workers read; undone after the test."""

    def change(*arguments):
        client.register_plugin(Reading(*arguments), "reading")

    yield change
    client.unregister_worker_plugin("reading")


def test_parts_are_the_same_to_the_byte(folder, client, tmp_path):
    found = score(folder, client, tmp_path / "scores")
    assert content(tmp_path / "scores") == content(folder / "here")
    assert found.n_rows == N - len(BROKEN)
    assert not any(client.run(lambda: "tensorflow" in sys.modules).values())
    # The cluster is not ours: nothing of us stays with it.
    names = client.run(lambda dask_worker: list(dask_worker.plugins))
    assert not [n for of in names.values() for n in of if n.startswith("astro")]


def test_dask_knows_each_setting_that_is_changed():
    import dask

    for name in cluster._DASK:
        assert dask.config.get(name, "unknown") != "unknown"


def test_as_many_workers_are_started_as_asked_for(folder, tmp_path, monkeypatch):
    plain, threads = cluster.completed, []

    def watched(module, client, *arguments):
        threads.extend(client.nthreads().values())
        return plain(module, client, *arguments)

    monkeypatch.setattr(cluster, "completed", watched)
    # Dask's own number is that of the cores.
    score_here(folder, tmp_path / "scores", n_workers=1)
    assert threads == [1]
    assert content(tmp_path / "scores") == content(folder / "here")


def test_a_worker_that_is_killed_costs_nothing(folder, client, tmp_path, reading):
    reading(0.3)
    out = tmp_path / "scores"
    processes = list(client.run(os.getpid).values())

    def kill():
        for _ in range(1000):
            if list(out.glob("*.parquet")):
                break
            time.sleep(0.05)
        os.kill(processes[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    found = score(folder, client, out)
    killer.join()
    assert len(found.failed) == 0
    assert content(out) == content(folder / "here")
    assert processes[0] not in client.run(os.getpid).values()


def test_no_part_is_forgotten_while_there_is_no_worker(
    folder, client, tmp_path, monkeypatch
):
    monkeypatch.setattr(type(client), "nthreads", lambda self: {})
    assert len(score(folder, client, tmp_path / "scores").failed) == 0
    assert content(tmp_path / "scores") == content(folder / "here")


@pytest.mark.slow
def test_a_file_that_ends_its_worker_is_listed(folder, client, tmp_path, reading):
    reading(0.0, ("survey_000045",))
    out = tmp_path / "scores"
    found = score(folder, client, out)
    assert list(found.failed["part"]) == [45 // PART]
    assert found.failed["file"][0].endswith("survey.npy")
    expected = content(folder / "here")
    assert content(out).items() == expected.items() - {
        (name, part) for name, part in expected.items() if name == "part-00005.parquet"
    }
    client.unregister_worker_plugin("reading")
    reading(0.0)
    assert len(score(folder, client, out, resume=True).failed) == 0
    assert content(out) == expected


def test_workers_that_lack_something_are_refused(folder, client, tmp_path, monkeypatch):
    gone = shutil.copytree(folder / "run", tmp_path / "run")
    run = runs.load_run(gone, "onnx")
    arguments = (run, folder / "survey.npy", tmp_path / "scores")
    options = {"scheduler": client.scheduler.address, "part": PART}
    # Loaded here before it goes.
    assert run.detector.calibration is not None
    hidden = gone.rename(tmp_path / "hidden")
    with pytest.raises(ValueError, match=f"see the run {gone}.*Received"):
        runs.score_parts(*arguments, **options)
    hidden.rename(gone)
    np.save(tmp_path / "few.npy", np.load(folder / "survey.npy")[24:])
    runs.calibrate(gone, tmp_path / "few.npy", levels=(90,), onnx=True)
    with pytest.raises(ValueError, match=f"same detector in {gone}"):
        runs.score_parts(*arguments, **options, resume=True)
    monkeypatch.setattr(cluster, "__version__", "9.9")
    with pytest.raises(ValueError, match="must have astroanomaly 9.9. Received: 0"):
        runs.score_parts(*arguments, **options, resume=True)


def test_a_scheduler_that_is_not_there(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 1)
    for address in ("tcp://127.0.0.1:9", "nonsense"):
        with pytest.raises(ConnectionError, match=f"`scheduler`.*Received: {address}"):
            score_here(folder, tmp_path / "scores", scheduler=address, resume=True)


@pytest.mark.slow
def test_killed_and_resumed_equals_never_stopped(folder, tmp_path):
    out = tmp_path / "scores"
    command = [sys.executable, "-m", "astroanomaly", "score", str(folder / "run")]
    command += [str(folder / "survey.npy"), "--out", str(out), "--workers", "2"]
    command += ["--block", str(PART)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with open(tmp_path / "log", "w") as log:
        child = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    while not list(out.glob("*.parquet")) and child.poll() is None:
        time.sleep(0.02)
    child.kill()
    assert child.wait() == -signal.SIGKILL, (tmp_path / "log").read_text()
    done = subprocess.run(
        [*command, "--resume"], env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert content(out) == content(folder / "here")
    assert not list(out.glob(".*"))
