"""Score a survey part by part, in this process or by the workers of a cluster."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from astropy.table import Table

from astroanomaly import __version__
from astroanomaly.runs.parts import FAILED, SKIPPED, PartScorer, ScoredParts, begin
from astroanomaly.runs.run import Run, load_run
from astroanomaly.runs.survey import check_scoring, cutouts_digest, detector_digest
from astroanomaly.tables.files import write_table
from astroanomaly.utils.optional import require
from astroanomaly.utils.parallel import shared_threads, usable_cores
from astroanomaly.utils.progress import Stages, progress_bar
from astroanomaly.utils.quiet import load_tensorflow

if TYPE_CHECKING:
    from astroanomaly.data.stream import CutoutStream

# Objects per part: 20 seconds of a core, beside which a task's ten milliseconds and a
# file's opening are nothing; a table of 10^8 objects is 10,000 files.
PART = 10_000
# A scheduler in the same network answers in milliseconds; its workers may take longer.
_CONNECT_SECONDS, _WORKER_SECONDS = 10, 120
# A disk that was away for a moment is there again; a broken file stays broken.
_RETRIES = 2
# Without one part done, so many that fail mean that all will.
_HOPELESS = 10
# The settings of dask for workers that this process starts.
_DASK = {
    # Its own would let no memory stay with a process: see `utils.allocator`.
    "distributed.nanny.pre-spawn-environ": {},
    # A part that ends two workers is tried once more, alone.
    "distributed.scheduler.allowed-failures": 1,
    # It would sample each worker's stack all the time, and keep what it saw.
    "distributed.worker.profile.enabled": False,
}


def score_parts(
    run: Run | str | Path,
    cutouts: CutoutStream | str | Path,
    out: str | Path,
    *,
    n_workers: int | None = None,
    scheduler: str | None = None,
    part: int = PART,
    method: str | None = None,
    features: str | None = None,
    scores: str = "ranking",
    resume: bool = False,
    progress: bool = False,
) -> ScoredParts:
    """Score a survey of any size into a folder of Parquet parts.

    A part appears whole or not at all, and is the same to the byte whatever process
    made it, with any number of workers. A part that cannot be scored, or whose files
    end the worker that reads them, is listed in ``OUT/_failed.ecsv`` and ends nothing.

    Parameters
    ----------
    run : Run, str or Path
        A calibrated run; a lens finder needs no calibration.
    cutouts : CutoutStream, str or Path
        What to score, in files: each worker opens them itself.
    out : str or Path
        The folder. With workers on other machines it lies, as run and cutouts, on a
        disk that all share.
    n_workers : int, optional
        Start so many processes here, by Dask; a script that does so needs the line
        ``if __name__ == "__main__":``. By default this process scores.
    scheduler : str, optional
        Address of a Dask scheduler, such as "tcp://10.0.0.1:8786", whose workers score.
    part : int, optional
        Objects per part.
    method, features : str, optional
        As for :meth:`Run.use`.
    scores : {"ranking", "all"}, optional
        As for :func:`score_survey`.
    resume : bool, optional
        Keep the parts that are there and whose files, run and settings are the same;
        begin where there is none.
    progress : bool, optional
        Show a bar with count, rate and time left, and the address of Dask's page.

    Returns
    -------
    ScoredParts
        Ranking, q-values and tables of the strangest.

    Raises
    ------
    ValueError
        If an argument is wrong, the detector is not calibrated, `out` holds other
        things, or workers lack the run, the folder or this version of the package.
    ConnectionError
        If there is no scheduler, it has no workers, or it goes away.
    ImportError
        Without pyarrow, or with workers and without dask.

    Examples
    --------
    >>> scored = score_parts("run", "survey/", "scores/", n_workers=4)
    >>> strangest = scored.table(top=1000)
    """
    require("pyarrow.parquet", "survey")
    _check_numbers(part, n_workers, scheduler)
    run = run if isinstance(run, Run) else load_run(run)
    detector = run.use(method, features)
    check_scoring(detector, None, scores)
    stream = cutouts if hasattr(cutouts, "chunks") else run.read(cutouts)
    if getattr(stream, "in_memory", True):
        raise ValueError(
            "`cutouts` must lie in files, which each worker opens by itself. "
            "Received: images in memory, or a form that is read as a whole."
        )
    detector.check_objects(stream.object_ids)
    # A worker reads with its one process, and shows no bar.
    stream.n_workers, stream.progress = 1, False
    # Workers may be in another folder.
    out, part, n = Path(out).absolute(), int(part), len(stream)
    digest = detector_digest(detector)
    manifest = {
        "format": 1,
        "cutouts": cutouts_digest(stream),
        "detector": digest,
        "method": detector.method,
        "part": part,
        "scores": scores,
        "n_objects": n,
        "score_columns": list(detector.score_columns),
    }
    begin(out, manifest, resume)
    place = run.folder.absolute()
    scorer = PartScorer(place, out, run.engine, method, features, scores, digest)
    numbers = range(-(-n // part))

    def objects(k: int):
        return stream.take(range(k * part, min((k + 1) * part, n)))

    if n_workers is None and scheduler is None:
        scorer.detector = detector
        results = _one_by_one(scorer.part, objects, numbers)
    else:
        say = Stages(0, progress).say
        results = _by_workers(scorer, objects, numbers, n_workers, scheduler, say)
    failed, warned, n_done = [], [], 0
    bar = progress_bar("Scoring", n, progress)
    # Closed at once where this ends early: workers must not outlive it.
    with closing(results), bar as advance:
        for k, found in results:
            rows = min(part, n - k * part)
            if isinstance(found, Exception):
                words = " ".join(str(found).split()) or type(found).__name__
                files = stream.inputs(k * part, k * part + rows)
                last = "" if len(files) == 1 else f" ... {files[-1]}"
                failed.append((k, f"{files[0]}{last}", words))
                # One store has one set of rights.
                refused = isinstance(found, PermissionError)
                if not n_done and (refused or len(failed) >= _HOPELESS):
                    raise found
            else:
                n_done += 1
                warned += [(k, warning) for warning in found["warnings"][:1]]
            advance(rows, rows if isinstance(found, Exception) else found["n_skipped"])
    return _finish(out, failed, warned, len(numbers))


def _check_numbers(part, n_workers, scheduler) -> None:
    """Raise if a number is below 1, or there are workers from two sides."""
    if int(part) != part or part < 1:
        raise ValueError(
            f"`part` (--block) must be a whole number >= 1. Received: {part}"
        )
    if n_workers is not None and scheduler is not None:
        raise ValueError(
            "`n_workers` (--workers) does not go with `scheduler` (--scheduler), which "
            f"has workers of its own. Received: {n_workers} and {scheduler}."
        )
    if n_workers is not None and n_workers < 1:
        raise ValueError(
            f"`n_workers` (--workers) must be at least 1. Received: {n_workers}."
        )


def _finish(out: Path, failed: list, warned: list, n_parts: int) -> ScoredParts:
    """List what failed or was skipped; return the scores."""
    (out / FAILED).unlink(missing_ok=True)
    if failed:
        names = ("part", "file", "reason")
        write_table(Table(rows=sorted(failed), names=names), out / FAILED)
    scored = ScoredParts(out)
    (out / SKIPPED).unlink(missing_ok=True)
    if len(scored.skipped):
        write_table(scored.skipped, out / SKIPPED)
    if warned:
        k, first = min(warned)
        warnings.warn(
            f"{len(warned)} of {n_parts} parts warn; part {k}: {first}",
            UserWarning,
            stacklevel=3,
        )
    return scored


def _one_by_one(score: Callable, objects: Callable, numbers) -> Iterator[tuple]:
    """Yield the number and the record, or the error, of each part."""
    for k in numbers:
        try:
            yield k, score(k, objects(k))
        # No part ends a run, whatever library complains.
        except Exception as error:
            yield k, error


def _by_workers(
    scorer: PartScorer, objects: Callable, numbers, n_workers, scheduler, say: Callable
) -> Iterator[tuple]:
    """Yield the same as the workers of a cluster finish, in any order."""
    distributed = require("distributed", "survey")
    config = require("dask", "survey").config
    name = f"astroanomaly-{scorer.digest[:12]}"

    # The optional package is known at run time alone.
    class Load(distributed.WorkerPlugin):  # type: ignore[name-defined]
        """Loads the detector once in each worker, as soon as there is one."""

        def __init__(self, scorer: PartScorer):
            self.scorer = scorer

        def setup(self, worker) -> None:
            # Sums depend on the number of threads in the last bit.
            with shared_threads(usable_cores()):
                if self.scorer.engine == "tf":
                    load_tensorflow()
                self.scorer.load()

    with ExitStack() as stack:
        if scheduler is None:
            stack.enter_context(shared_threads(usable_cores()))
            stack.enter_context(config.set(_DASK))
            scheduler = stack.enter_context(
                distributed.LocalCluster(
                    n_workers=n_workers,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address=":0",
                    # What a worker that died says is said in our own words.
                    silence_logs=50,
                )
            )
        try:
            client = stack.enter_context(
                distributed.Client(
                    scheduler, timeout=_CONNECT_SECONDS, set_as_default=False
                )
            )
        except (OSError, ValueError) as error:
            raise ConnectionError(
                "`scheduler` (--scheduler) must be the address of a Dask scheduler, "
                f"such as tcp://10.0.0.1:8786. Received: {scheduler}, where none "
                "answers."
            ) from error
        try:
            client.wait_for_workers(1, timeout=_WORKER_SECONDS)
        except TimeoutError as error:
            raise ConnectionError(
                f"The scheduler {scheduler} must have workers. Received: none within "
                f"{_WORKER_SECONDS} seconds; repeat with --resume when they are there."
            ) from error
        _check_versions(client)
        say(f"Dask's page: {client.dashboard_link}")
        # A worker that comes later gets it too.
        stack.callback(_forget, client, name)
        client.register_plugin(Load(scorer), name)
        yield from completed(distributed, client, name, objects, numbers)


def _check_versions(client) -> None:
    """Raise if a worker has another version of the package, or none."""
    found = client.get_versions(packages=["astroanomaly"])["workers"]
    for address, known in found.items():
        version = known["packages"].get("astroanomaly")
        if version != __version__:
            raise ValueError(
                f"Workers must have astroanomaly {__version__}. Received: "
                f"{version or 'none'} on {address}."
            )


def _forget(client, name: str) -> None:
    """Let the workers of a cluster that is not ours forget the detector."""
    with suppress(Exception):
        client.unregister_worker_plugin(name)


def completed(distributed, client, name: str, objects: Callable, numbers):
    """Yield the number and the record, or the error, of parts as they are done.

    `objects` gives the objects of a part, of `numbers`, for :func:`score_on_worker`.
    """
    waiting, running = list(numbers)[::-1], {}
    suspects, alone, done = [], set(), distributed.as_completed(loop=client.loop)

    def submit(k: int) -> None:
        future = client.submit(
            score_on_worker, name, k, objects(k), retries=_RETRIES, pure=False
        )
        running[future] = k
        done.add(future)

    def fill() -> None:
        # One part a thread and no queue: where a worker dies, one part is suspected.
        # Where all died and none is back yet, the one part that is asked for waits.
        while waiting and len(running) < max(1, sum(client.nthreads().values())):
            submit(waiting.pop())

    try:
        fill()
        for future in done:
            k, error = running.pop(future), future.exception()
            if isinstance(error, distributed.KilledWorker) and k not in alone:
                suspects.append(k)
            else:
                yield k, error or future.result()
            fill()
            if suspects and not running:
                # Some ran beside the part that ended their worker, and are innocent.
                alone.add(suspects[-1])
                submit(suspects.pop())
    except (OSError, distributed.client.FutureCancelledError) as error:
        raise ConnectionError(
            "The scheduler went away. Finished parts are kept: repeat the command with "
            f"--resume. Received: {type(error).__name__}."
        ) from error


def score_on_worker(name: str, k: int, stream) -> dict:
    """Score a part with what the plugin of this name loaded.

    Parameters
    ----------
    name : str
        The plugin.
    k : int
        Number of the part.
    stream : CutoutStream
        Its objects, which this worker opens.

    Returns
    -------
    dict
        The record of :meth:`PartScorer.part`.
    """
    from distributed import get_worker

    return get_worker().plugins[name].scorer.part(k, stream)
