"""Files behind a URL, by fsspec: https://, s3://, gs:// and what else it knows."""

import os
import re
import tempfile
import time
from pathlib import Path

from astroanomaly.data.options import BadCutout
from astroanomaly.utils.optional import require

# Servers fail for a moment, and seldom three times: the waits are 0.5 and 1 s.
TRIES = 3
FIRST_WAIT = 0.5
# Seconds that one request may take; a block of a mosaic takes a few.
TIMEOUT = 60
# A file up to here is fetched at once; of a larger one, the blocks that are read.
_WHOLE = 2**23
_BLOCK = 2**20
# Blocks kept of one file: a cutout of 64 rows reaches over a few of a mosaic's.
_KEPT = 16
# Begins the reason for a file of a store that does not know the reader.
NOT_ALLOWED = "may not be read without credentials"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def is_remote(path) -> bool:
    """Return whether a path is a URL.

    Parameters
    ----------
    path : str or Path
        A path.

    Returns
    -------
    bool
        True for a name that begins with a protocol such as https://.

    Examples
    --------
    >>> is_remote("s3://bucket/a.fits"), is_remote("C:/a.fits")
    (True, False)
    """
    return isinstance(path, str) and _URL.match(path) is not None


def _store(url: str):
    """Return the file system of a URL, and the URL as that file system has it."""
    fsspec = require("fsspec", "io")
    protocol = url.partition("://")[0].lower()
    settings = {}
    if protocol in ("http", "https"):
        aiohttp = require("aiohttp", "io")
        settings["client_kwargs"] = {"timeout": aiohttp.ClientTimeout(total=TIMEOUT)}
    elif protocol == "s3":
        times = {"connect_timeout": TIMEOUT, "read_timeout": TIMEOUT}
        settings["config_kwargs"] = times
    try:
        return fsspec.core.url_to_fs(url, **settings)
    except ImportError as error:
        # fsspec names the package of the store: s3fs, gcsfs, adlfs.
        raise ImportError(
            f"Reading {protocol}:// needs another package: {error}"
        ) from error
    except ValueError as error:
        raise ValueError(
            f"`path` must have a protocol that fsspec knows. Received: {url!r} "
            f"({error})."
        ) from error


def _try(call, url: str):
    """Return what `call` does, tried again where the server may have recovered."""
    for k in range(TRIES):
        try:
            return call()
        except Exception as error:
            # fsspec reports whatever fails while it asks for the size so.
            if isinstance(error, FileNotFoundError) and error.__cause__ is not None:
                error = error.__cause__
            status, kind = getattr(error, "status", 0) or 0, type(error).__name__
            if isinstance(error, FileNotFoundError) or status == 404:
                raise BadCutout("does not exist on the server (404)") from error
            # Of botocore and gcsfs, which may not be installed.
            if (
                status in (401, 403)
                or "Credential" in kind
                or "Forbidden" in kind
                or (isinstance(error, PermissionError))
            ):
                raise BadCutout(
                    f"{NOT_ALLOWED}, which fsspec takes from the environment "
                    f"({kind}{f' {status}' if status else ''})"
                ) from error
            # Too many requests, and a request that took too long, may pass.
            if 400 <= status < 500 and status not in (408, 429):
                raise BadCutout(f"is refused by the server ({status})") from error
            last = error
        if k < TRIES - 1:
            time.sleep(FIRST_WAIT * 2**k)
    text = " ".join(str(last).split())[:200]
    raise BadCutout(
        f"could not be fetched in {TRIES} tries ({type(last).__name__}: {text})"
    ) from last


class RemoteFile:
    """The bytes of a remote file, with as much of a file's face as reading needs.

    Parameters
    ----------
    url : str
        Where it is.
    max_bytes : int
        The most that is fetched at once of a server that gives no parts of files.

    Attributes
    ----------
    size : int
        In bytes.

    Raises
    ------
    BadCutout
        If it cannot be fetched in three tries, does not exist, or needs credentials.
    """

    def __init__(self, url: str, max_bytes: int):
        self._store, self._path = _store(url)
        self._url, self._at, self._blocks = url, 0, {}
        self._data = None
        info = _try(lambda: self._store.info(self._path), url)
        if info.get("type") == "directory":
            raise BadCutout("is a folder")
        self.size = info.get("size")
        if self.size is None or self.size <= _WHOLE or info.get("partial") is False:
            if (self.size or 0) > max_bytes:
                raise BadCutout(
                    f"has {self.size} bytes, more than the {max_bytes} that "
                    "`max_bytes` allows, and the server gives no parts of files"
                )
            self._data = _try(lambda: self._fetch(max_bytes), url)
            self.size = len(self._data)

    def _fetch(self, max_bytes: int) -> bytes:
        """Return the whole file; raise if it ends early or is too long."""
        pieces, n = [], 0
        with self._store.open(self._path, "rb") as file:
            while piece := file.read(_BLOCK):
                pieces.append(piece)
                n += len(piece)
                if n > max_bytes:
                    raise BadCutout(
                        f"has more than the {max_bytes} bytes that `max_bytes` allows"
                    )
        if self.size is not None and n < self.size:
            raise OSError(f"{n} of {self.size} bytes arrived")
        return b"".join(pieces)

    def seek(self, at: int) -> None:
        """Go to a byte."""
        self._at = at

    def read(self, n: int = -1) -> bytes:
        """Return up to `n` bytes from here on; all that follow by default."""
        stop = self.size if n < 0 else min(self._at + n, self.size)
        start, self._at = self._at, max(stop, self._at)
        if self._data is not None:
            return self._data[start:stop]
        blocks = [self._block(k) for k in range(start // _BLOCK, -(-stop // _BLOCK))]
        first = start - start // _BLOCK * _BLOCK
        return b"".join(blocks)[first : first + max(stop - start, 0)]

    def _block(self, k: int) -> bytes:
        if k not in self._blocks:
            start, stop = k * _BLOCK, min((k + 1) * _BLOCK, self.size)

            def fetch():
                data = self._store.cat_file(self._path, start=start, end=stop)
                # A server that knows no ranges sends the file from its beginning.
                data = data[start:stop] if len(data) == self.size else data
                if len(data) != stop - start:
                    raise OSError(f"{len(data)} of {stop - start} bytes arrived")
                return data

            while len(self._blocks) >= _KEPT:
                del self._blocks[next(iter(self._blocks))]
            self._blocks[k] = _try(fetch, self._url)
        return self._blocks[k]

    def close(self) -> None:
        """Forget what was fetched."""
        self._blocks = {}


def list_remote(url: str, accept) -> list[str]:
    """Return the files that a URL names: a folder, a pattern or a file.

    Parameters
    ----------
    url : str
        A folder ends in "/"; ``*`` makes a pattern, where the server lists its
        folders.
    accept : callable
        Of a name, whether a file of a folder is wanted.

    Returns
    -------
    list of str
        URLs, sorted by name; a file is not looked for.

    Raises
    ------
    ValueError
        If nothing matches, or the server lists nothing.
    """
    folder = url.endswith("/")
    if "*" not in url and not folder:
        return [url]
    store, path = _store(url)
    try:
        found = _try(
            lambda: store.glob(path) if "*" in url else store.ls(path, detail=False),
            url,
        )
    except BadCutout as error:
        raise ValueError(f"{url} {error}. Received: that folder.") from error
    files = sorted(
        # A web server gives URLs, an object store its keys without the protocol.
        name if is_remote(name) else store.unstrip_protocol(name)
        for name in found
    )
    files = [name for name in files if not folder or accept(name)]
    if not files:
        raise ValueError(
            f"No file matches {url!r} on the server. Received: zero files."
        )
    return files


_folder: tempfile.TemporaryDirectory | None = None


def local_copy(url: str, max_bytes: int) -> str:
    """Fetch a file for what reads files of this machine alone.

    Parameters
    ----------
    url : str
        Where it is.
    max_bytes : int
        The most that is fetched.

    Returns
    -------
    str
        A file of the same name, which is removed when the process ends.

    Raises
    ------
    ValueError
        If it cannot be fetched, or is larger than `max_bytes`.
    """
    global _folder
    if _folder is None:
        _folder = tempfile.TemporaryDirectory(prefix="astroanomaly-")
    try:
        file = RemoteFile(url, max_bytes)
        if file.size > max_bytes:
            raise BadCutout(
                f"has {file.size} bytes, more than the {max_bytes} that `max_bytes` "
                "allows"
            )
        # A folder for each, since two files may have one name.
        place = Path(tempfile.mkdtemp(dir=_folder.name))
        name = os.path.basename(url.partition("?")[0].rstrip("/")) or "file"
        with open(place / name, "wb") as copy:
            while piece := file.read(_BLOCK):
                copy.write(piece)
    except BadCutout as error:
        raise ValueError(f"{url} {error}. Received: that URL.") from error
    return str(place / name)
