"""Files that appear whole or not at all, also where the power fails."""

import errno
import glob
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Before a file's own name: the process that writes it, and some letters.
_PARTIAL = re.compile(r"\.(\d+)-[0-9a-f]+\.partial\.")
# HDF5 says in words which error of the system it met.
_ERRNO = re.compile(r"errno = (\d+)")
CHECKSUMS = "checksums.json"
# Of a large file this many pieces are hashed; small files as a whole.
_PIECES, _PIECE = 16, 4096


def beside(path: Path) -> Path:
    """Return the file beside another in which that is written; `sweep` knows it.

    Parameters
    ----------
    path : Path
        The file to appear.

    Examples
    --------
    >>> beside(Path("table.csv")).suffix
    '.csv'
    """
    # The ending stays last: writers choose their format by it.
    letters = uuid.uuid4().hex[:8]
    return path.with_name(f".{os.getpid()}-{letters}.partial.{path.name}")


def sweep(folder: str | Path, name: str | None = None) -> None:
    """Remove the unfinished files that killed processes left in a folder.

    Parameters
    ----------
    folder : str or Path
        The folder.
    name : str, optional
        Only what was to become the file of this name.

    Examples
    --------
    >>> sweep("run")
    """
    ending = "*" if name is None else glob.escape(name)
    for path in list(Path(folder).glob(f".*.partial.{ending}")):
        written = _PARTIAL.match(path.name)
        # Windows cannot be asked whether a process is there.
        if written is None or os.name == "nt":
            continue
        try:
            os.kill(int(written[1]), 0)
            # Another command is writing beside this one.
            continue
        except ProcessLookupError:
            pass
        except OSError:
            # It is there, and somebody else's.
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def sync(path: str | Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk.

    Parameters
    ----------
    path : str or Path
        File or folder.

    Notes
    -----
    Without it a power cut can leave a renamed file whose content never arrived.

    Examples
    --------
    >>> _ = Path("a.txt").write_text("abc")
    >>> sync("a.txt")
    """
    folder = os.path.isdir(path)
    if folder and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network disks have no such call for folders.
        if not (folder and error.errno in (errno.EINVAL, errno.ENOTSUP, errno.EBADF)):
            raise
    finally:
        os.close(descriptor)


@contextmanager
def _naming(path: Path, partial: Path) -> Iterator[None]:
    """Let an error of writing, such as a full disk, name the file that was meant."""
    try:
        yield
    except OSError as error:
        if error.errno is None and (code := _ERRNO.search(str(error))):
            number = int(code[1])
            raise OSError(number, os.strerror(number), str(path)) from error
        if error.errno is not None and error.filename in (None, str(partial), partial):
            error.filename = str(path)
        raise


@contextmanager
def atomic_path(path: str | Path, durable: bool = True) -> Iterator[Path]:
    r"""Give a temporary path beside `path` that takes its place on success.

    Parameters
    ----------
    path : str or Path
        The file to appear. Its folder is made when it does not exist.
    durable : bool, optional
        Wait until the file is on the disk, so that it is whole after a power cut too.
        False for thousands of small files that the same command makes again.

    Yields
    ------
    Path
        Write here. When the block ends without an error the file replaces
        `path` in one step; on an error it is removed and `path` stays as it was.

    Raises
    ------
    OSError
        If the folder cannot be made or written; the error names `path`.

    Examples
    --------
    >>> with atomic_path("table.csv") as partial:
    ...     _ = partial.write_text("a,b\\n")
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if durable:
        sweep(path.parent, path.name)
    partial = beside(path)
    try:
        with _naming(path, partial):
            yield partial
            if durable:
                sync(partial)
            os.replace(partial, path)
            if durable:
                sync(path.parent)
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
        If the folder cannot be made or written; the error names `path`.

    Examples
    --------
    >>> with atomic_dir("run/detector") as partial:
    ...     _ = (partial / "detector.json").write_text("{}")
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    restore_dir(path)
    sweep(path.parent, path.name)
    partial, previous = beside(path), _previous(path)
    partial.mkdir()
    try:
        with _naming(path, partial):
            yield partial
            # The files before the folders that list them.
            for written in sorted(partial.rglob("*"), reverse=True):
                sync(written)
            sync(partial)
            if path.exists():
                os.replace(path, previous)
            os.replace(partial, path)
            sync(path.parent)
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


def read_json(path: str | Path) -> dict:
    """Read an object {...} from a JSON file, or say which file is broken.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    dict
        Its content.

    Raises
    ------
    ValueError
        If it is not JSON or holds something else.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> _ = Path("a.json").write_text('{"size": 64}')
    >>> read_json("a.json")
    {'size': 64}
    """
    try:
        found = json.loads(Path(path).read_bytes())
    # Brackets a thousand deep end in a RecursionError.
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} must be a JSON file. Received: {error}.") from None
    if not isinstance(found, dict):
        kind = type(found).__name__
        raise ValueError(f"{path} must hold an object {{...}}. Received: {kind}.")
    return found


def checksums(folder: str | Path, names: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of files.

    Parameters
    ----------
    folder : str or Path
        Their folder.
    names : iterable of str
        Their names in it.

    Returns
    -------
    dict of str
        In the order of the names.

    Examples
    --------
    >>> _ = Path("a.txt").write_text("abc")
    >>> checksums(".", ["a.txt"])["a.txt"][:8]
    'ba7816bf'
    """
    found = {}
    for name in names:
        with open(Path(folder) / name, "rb") as file:
            found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def file_digest(path: str | Path) -> tuple[str, int]:
    """Return a text that changes when a file does, at the cost of a short look.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    str
        BLAKE2b of size, time of the last change in ns, and the bytes: all of a file
        up to 64 KiB, sixteen evenly spaced pieces of 4 KiB of a longer one.
    int
        The time of the last change, ns.

    Raises
    ------
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> _ = Path("a.txt").write_text("abc")
    >>> file_digest("a.txt") == file_digest("a.txt")
    True
    """
    with open(path, "rb", buffering=0) as file:
        about = os.fstat(file.fileno())
        digest = hashlib.blake2b(digest_size=16)
        digest.update(f"{about.st_size}:{about.st_mtime_ns}".encode())
        if about.st_size <= _PIECES * _PIECE:
            digest.update(file.read())
        else:
            for k in range(_PIECES):
                # The first piece begins the file, the last one ends it.
                file.seek(k * (about.st_size - _PIECE) // (_PIECES - 1))
                digest.update(file.read(_PIECE))
    return digest.hexdigest(), about.st_mtime_ns


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

    Examples
    --------
    >>> with new_folder(Path("out")):
    ...     _ = Path("out/a.txt").write_text("abc")
    >>> Path("out").is_dir()
    True
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
