"""Run every benchmark, one after another, and write one page of results."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from harness import OUT, all_versions, machine, markdown

from astroanomaly.utils.files import atomic_path

HERE = Path(__file__).resolve().parent
NAMES = (
    "training_step",
    "allocator",
    "mapping",
    "scoring",
    "occlusion",
    "ray_tracing",
    "reading",
    "memory",
    "simulate",
    "levels",
    "merge_parts",
    "cluster",
    "rivals",
    "reranking",
    "quick_start",
    "next_picture",
)


def run(name: str, args: argparse.Namespace) -> dict:
    """Run one benchmark in a new process and read its result."""
    command = [sys.executable, str(HERE / f"{name}.py"), "--out", str(args.out)]
    command += ["--seed", str(args.seed), *["--quick"] * args.quick]
    # No other benchmark needs a trained detector.
    if name == "mapping" and args.detector:
        command += ["--detector", str(args.detector)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    text = (args.out / f"{name}.json").read_text(encoding="utf-8")
    return json.loads(text)


def page(results: list[dict], command: str) -> str:
    """Write the results of all benchmarks as one markdown page."""
    here = machine()
    versions = ", ".join(f"{name} {number}" for name, number in all_versions().items())
    seconds = sum(result["seconds"] for result in results)
    head = [
        "# Benchmarks",
        "",
        f"Made by `{command}` in {seconds / 60:.0f} minutes on {here['cpu']}, "
        f"{here['cpu_count']} CPU cores. {versions}.",
        "",
        "Compared methods were timed in one process, in turn. Ratios are medians over "
        "the rounds, with the range in brackets. Warm-up is not counted.",
        "",
    ]
    return "\n".join(head + [markdown(result) for result in results])


def main(argv=None) -> Path:
    """Run the benchmarks and return the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--detector", type=Path, help="Trained detector for the latent searches."
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    args = parser.parse_args(argv)
    results = []
    for name in args.only:
        sys.stderr.write(f"{name} ...\n")
        results.append(run(name, args))
    options = f" --seed {args.seed}" + " --quick" * args.quick
    options += " --detector RUN/detector" * bool(args.detector)
    with atomic_path(args.out / "results.md") as partial:
        partial.write_text(
            page(results, f"python benchmarks/run_all.py{options}"), encoding="utf-8"
        )
    return args.out / "results.md"


if __name__ == "__main__":
    sys.stdout.write(f"{main()}\n")
