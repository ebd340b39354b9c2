"""Shared by the benchmarks: settings, alternating timings, results on disk."""

import argparse
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

# TensorFlow's start-up messages would drown the results.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from astroanomaly.utils.files import atomic_path
from astroanomaly.utils.installed import versions

OUT = Path(__file__).resolve().parent / "out"
# Compared with, or used by a benchmark alone: `versions` does not list them.
_MORE_PACKAGES = ("torch", "fitsio", "scipy")
# Options whose values are paths, of which results keep only the last part.
_PATHS = ("--out", "--detector")


def parse(argv, description: str, **defaults) -> argparse.Namespace:
    """Read a benchmark's settings from its command line.

    Parameters
    ----------
    argv : list of str or None
        Arguments; None takes those of the process.
    description : str
        What ``--help`` says.
    **defaults : tuple
        Each setting's (full, quick) values, of the same type; a list accepts
        several values on the command line.

    Returns
    -------
    argparse.Namespace
        The settings, with `out`, `quick`, `seed` and `command`.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the results")
    parser.add_argument("--quick", action="store_true", help="the smallest setting")
    parser.add_argument("--seed", type=int, default=1)
    for name, (full, quick) in defaults.items():
        several = isinstance(full, list)
        one = full[0] if several else full
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=str if one is None else type(one),
            nargs="+" if several else None,
            help=f"default {full}, with --quick {quick}",
        )
    args = parser.parse_args(argv)
    for name, values in defaults.items():
        if getattr(args, name) is None:
            setattr(args, name, values[1 if args.quick else 0])
    args.command = _command(sys.argv[1:] if argv is None else list(argv))
    return args


def _command(arguments: list[str]) -> str:
    """Write the command without the names of this machine's folders."""
    words = [str(word) for word in arguments]
    for k, word in enumerate(words[:-1]):
        if word in _PATHS:
            words[k + 1] = Path(words[k + 1]).name
    return shlex.join(words)


def alternate(
    contenders: dict[str, Callable],
    rounds: int,
    warm_up: int = 1,
    clock: Callable = time.perf_counter,
) -> dict[str, np.ndarray]:
    """Time functions in turn, A B A B, so that a busy minute affects all of them.

    Parameters
    ----------
    contenders : dict of callable
        Name to a function without arguments.
    rounds : int
        Timed calls of each.
    warm_up : int, optional
        Untimed calls of each before that.
    clock : callable, optional
        Gives the seconds, by default of wall-clock time.

    Returns
    -------
    dict of ndarray of shape (rounds,)
        Seconds.
    """
    for _ in range(warm_up):
        for function in contenders.values():
            function()
    seconds = {name: np.zeros(rounds) for name in contenders}
    for k in range(rounds):
        for name, function in contenders.items():
            start = clock()
            function()
            seconds[name][k] = clock() - start
    return seconds


def ratio(numerator, denominator) -> str:
    """Write the median of the ratios, round by round, and their range."""
    ratios = np.asarray(numerator) / np.asarray(denominator)
    low, high = ratios.min(), ratios.max()
    return f"{np.median(ratios):.3g} ({low:.3g} to {high:.3g})"


def machine() -> dict:
    """Describe the machine, without its name."""
    # The cores that this process may use, which a container can limit; not on macOS.
    cores = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))(0)
    found = {
        "cpu": _cpu_model(),
        "cpu_count": len(cores),
        "system": platform.system(),
        "load_average": round(os.getloadavg()[0], 2),
    }
    return found


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def all_versions() -> dict[str, str]:
    """Return the versions of the package, its dependencies and what is compared."""
    found = versions()
    for package in _MORE_PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


class Report:
    """Tables and notes of one benchmark, written as JSON and as markdown.

    Parameters
    ----------
    name : str
        Name of the script and of the files.
    title : str
        Heading.
    args : argparse.Namespace
        Result of :func:`parse`.
    """

    def __init__(self, name: str, title: str, args: argparse.Namespace):
        self.name, self.title, self.args = name, title, args
        self.machine, self.started = machine(), time.perf_counter()
        self.tables: list[dict] = []
        self.notes: list[str] = []

    def table(self, title: str, rows: list[dict]) -> None:
        """Add a table; the columns are the keys of its first row."""
        self.tables.append({"title": title, "rows": rows})

    def note(self, text: str) -> None:
        """Add a sentence below the tables."""
        self.notes.append(text)

    def write(self) -> dict:
        """Write NAME.json and NAME.md into the folder ``--out``; return the JSON."""
        command = f"python benchmarks/{self.name}.py {self.args.command}".strip()
        result = {
            "name": self.name,
            "title": self.title,
            "command": command,
            "seed": self.args.seed,
            "seconds": round(time.perf_counter() - self.started, 1),
            "machine": self.machine,
            "versions": all_versions(),
            "tables": self.tables,
            "notes": self.notes,
        }
        for ending, text in (
            ("json", json.dumps(result, indent=1, default=float) + "\n"),
            ("md", markdown(result)),
        ):
            with atomic_path(self.args.out / f"{self.name}.{ending}") as partial:
                partial.write_text(text, encoding="utf-8")
        return result


def markdown(result: dict) -> str:
    """Write one benchmark's result as a section of markdown."""
    lines = [f"## {result['title']}", ""]
    for table in result["tables"]:
        lines += [f"**{table['title']}**", "", *_rows(table["rows"]), ""]
    lines += [f"- {note}" for note in result["notes"]]
    lines += [
        f"- `{result['command']}`, seed {result['seed']}, {result['seconds']:.0f} s, "
        f"{result['machine']['cpu_count']} CPU cores, load average at the start "
        f"{result['machine']['load_average']}",
        "",
    ]
    return "\n".join(lines)


def _rows(rows: list[dict]) -> list[str]:
    columns = list(rows[0])
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    for row in rows:
        cells = " | ".join(_cell(row.get(column, "")) for column in columns)
        lines.append(f"| {cells} |")
    return lines


def _cell(value) -> str:
    if isinstance(value, float | np.floating):
        # Three digits, but no 1.23e+04.
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)


def show(result: dict) -> None:
    """Write a result's markdown to the terminal."""
    sys.stdout.write(markdown(result) + "\n")
