"""Count page faults and system time, with and without the memory that glibc keeps.

Each figure is from a process of its own. "as glibc does it" leaves the C library as it
is, by a tunable of the user's at its default value. What is done before the first
counted step (imports, tracing) is in the last two columns alone.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
from harness import Report, parse, show

# A setting of the user's, which the package leaves alone; 0 is glibc's own.
_AS_IT_IS = {"GLIBC_TUNABLES": "glibc.malloc.perturb=0"}


def measure(work: str, width: int, size: int, n: int, steps: int, seed: int) -> dict:
    """Do some steps in this process and count what they cost."""
    import resource

    rng = np.random.default_rng(seed)
    if work == "quickstart":
        from astroanomaly.runs.demo import quickstart

        def step():
            with tempfile.TemporaryDirectory() as folder:
                quickstart(f"{folder}/try", seed=seed, scale="smoke")

        warm_up, steps = 0, 1
    elif work == "scoring":
        from detectors import untrained

        from astroanomaly import simulate

        some = simulate.galaxies(512, size=size, seed=seed)
        detector = untrained(some, width)

        def step():
            detector.score_block(some)

        warm_up = 1
    else:
        import keras
        from training_step import KerasContender

        batch = rng.random((n, size, size, 1), dtype="float32")
        step = KerasContender(width, size, batch, seed, xla=False).step
        # A generator's update is each fifth.
        warm_up = 5
        keras.utils.set_random_seed(seed)
    for _ in range(warm_up):
        step()
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    for _ in range(steps):
        step()
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    user = after.ru_utime - before.ru_utime
    system = after.ru_stime - before.ru_stime
    return {
        "faults per step": (after.ru_minflt - before.ru_minflt) / steps,
        "wall (s)": wall / steps,
        "user (s)": user / steps,
        "system (s)": system / steps,
        "system / user (%)": 100 * system / user,
        # Linux counts it in kB.
        "peak memory (MB)": after.ru_maxrss / 1000,
        "system / user of the process (%)": 100 * after.ru_stime / after.ru_utime,
    }


def in_child(kept: bool, *settings) -> dict:
    """Measure in a new process."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    environment.pop("GLIBC_TUNABLES", None)
    done = subprocess.run(
        [sys.executable, __file__, "--child", json.dumps(settings)],
        capture_output=True,
        text=True,
        check=True,
        env=environment if kept else environment | _AS_IT_IS,
    )
    return json.loads(done.stdout.splitlines()[-1])


def main(argv=None) -> dict:
    """Measure, write and show the result."""
    args = parse(
        argv,
        __doc__,
        works=(["training", "scoring", "quickstart"], ["scoring"]),
        width=(32, 4),
        size=(64, 32),
        batch_sizes=([64, 256], [8]),
        steps=(20, 2),
        rounds=(2, 1),
    )
    report = Report("allocator", "Page faults and system time", args)
    cases = [("training", n) for n in args.batch_sizes if "training" in args.works]
    cases += [(work, 0) for work in args.works if work != "training"]
    rows = []
    for work, n in cases:
        for _ in range(args.rounds):
            for kept in (False, True):
                found = in_child(
                    kept, work, args.width, args.size, n, args.steps, args.seed
                )
                name = work + (f", batch {n}" if n else "")
                how = "kept" if kept else "as glibc does it"
                rows.append({"work": name, "freed memory": how, **found})
    report.table(
        f"{args.size}x{args.size} pixels, {args.width} filters, {args.steps} steps "
        "(a quickstart of --smoke is one step)",
        rows,
    )
    return report.write()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        found = measure(*json.loads(sys.argv[2]))
        sys.stdout.write("\n" + json.dumps(found) + "\n")
    else:
        show(main())
