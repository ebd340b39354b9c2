"""Files that appear whole or not at all."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def _beside(path: Path) -> Path:
    # The ending stays last: writers choose their format by it.
    return path.with_name(f".{uuid.uuid4().hex[:8]}.partial.{path.name}")


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    r"""Give a temporary path beside `path` that takes its place on success.

    Parameters
    ----------
    path : str or Path
        The file to appear. Its folder is made when it does not exist.

    Yields
    ------
    Path
        Write here. When the block ends without an error the file replaces
        `path` in one step; on an error it is removed and `path` stays as it was.

    Raises
    ------
    OSError
        If the folder cannot be made or written.

    Examples
    --------
    >>> with atomic_path("table.csv") as partial:
    ...     _ = partial.write_text("a,b\\n")
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _beside(path)
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_dir(path: str | Path) -> Iterator[Path]:
    """Give a temporary folder beside `path` that takes its place on success.

    Parameters
    ----------
    path : str or Path
        The folder to appear; one that exists is replaced as a whole.

    Yields
    ------
    Path
        An empty folder to fill.

    Raises
    ------
    OSError
        If the folder cannot be made or written.

    Examples
    --------
    >>> with atomic_dir("run/detector") as partial:
    ...     _ = (partial / "detector.json").write_text("{}")
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    restore_dir(path)
    partial, previous = _beside(path), _previous(path)
    partial.mkdir()
    try:
        yield partial
        if path.exists():
            os.replace(path, previous)
        os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        restore_dir(path)


def _previous(path: Path) -> Path:
    return path.with_name(f".{path.name}.previous")


def restore_dir(path: str | Path) -> None:
    """Finish or undo a replacement that was broken off between its two steps.

    Parameters
    ----------
    path : str or Path
        A folder that :func:`atomic_dir` writes. No system call replaces a full
        folder in one step: the old one is set aside first. If the new one never
        came, the old one takes its place again; if it came, the old one goes.

    Examples
    --------
    >>> restore_dir("run/detector")
    """
    path = Path(path)
    previous = _previous(path)
    if previous.is_dir() and not path.exists():
        os.replace(previous, path)
    shutil.rmtree(previous, ignore_errors=True)


@contextmanager
def new_folder(out: Path) -> Iterator[None]:
    """Make a folder before the work, which may be long; undo it if nothing comes.

    Parameters
    ----------
    out : Path
        The folder. With those above it that were made, it goes again where an
        exception leaves it empty.

    Yields
    ------
    None
        The folder exists.
    """
    made = [path for path in (out, *out.parents) if not path.exists()]
    out.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        # What holds files stays, and so do the folders above it.
        for path in made:
            with suppress(OSError):
                path.rmdir()
        raise
