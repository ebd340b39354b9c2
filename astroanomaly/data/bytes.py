"""The bytes of a file: plain or packed, on the disk, in memory or far away."""

import bz2
import gzip
import io
import lzma
import os
import stat
import zlib

from astroanomaly.data.options import BadCutout
from astroanomaly.data.remote import RemoteFile, is_remote

# By the first three bytes of a file.
_UNPACKERS = {b"BZh": bz2.BZ2File, b"\xfd7z": lzma.LZMAFile}
# A file up to here is read at once, which is quicker than asking for its parts.
SMALL = 2**20
_PIECE = 2**20


class MemoryFile(str):
    """The name of a file whose bytes are in memory, for whatever takes a path.

    Parameters
    ----------
    name : str
        Its name.
    data : bytes
        What it holds.
    """

    def __new__(cls, name: str, data: bytes):
        """Return the name, which carries the bytes."""
        made = super().__new__(cls, name)
        made.data = data
        return made

    def __getnewargs__(self):
        """Return the arguments that make it again in another process."""
        return str(self), self.data


def exists(path: str) -> bool:
    """Return whether a path is there, so far as that is known without fetching it."""
    return isinstance(path, MemoryFile) or is_remote(path) or os.path.lexists(path)


class FileBytes:
    """The bytes of a regular file, plain or packed, read as they are asked for.

    A packed file is unpacked no further than it is read, and never beyond
    `max_bytes`: a file of a kilobyte may unpack to a gigabyte.

    Parameters
    ----------
    path : str
        The file.
    max_bytes : int
        The most that a packed file may unpack to.

    Raises
    ------
    BadCutout
        If there is no such file, or it is a pipe, a device or a folder.
    """

    def __init__(self, path: str, max_bytes: int):
        self._max_bytes, self._packed = max_bytes, None
        try:
            if isinstance(path, MemoryFile):
                self._file, self._size = io.BytesIO(path.data), len(path.data)
            elif is_remote(path):
                self._file = RemoteFile(path, max_bytes)
                self._size = self._file.size
            else:
                found = os.stat(path)
                # A pipe would be waited for without end.
                if not stat.S_ISREG(found.st_mode):
                    raise BadCutout("is no regular file: a folder, pipe or device")
                # Without a buffer, which would be filled for the header alone.
                self._file = open(path, "rb", buffering=0)
                self._size = found.st_size
            # One byte more shows the end of the file without a second call.
            small = self._size <= SMALL
            self._held = self._file.read(self._size + 1) if small else b""
            start = self._held[:3] or self._file.read(3)
        except FileNotFoundError as error:
            raise BadCutout(
                "is a link to a file that does not exist"
                if os.path.islink(path)
                else "does not exist"
            ) from error
        except OSError as error:
            raise BadCutout(f"cannot be opened ({error.strerror or error})") from error
        if start.startswith(b"\x1f\x8b") or start in _UNPACKERS:
            source = io.BytesIO(self._held) if self._held else self._file
            source.seek(0)
            # The ending does not matter: services send gzip under the name .fits.
            if start in _UNPACKERS:
                self._packed = _UNPACKERS[start](source)
            else:
                self._packed = gzip.GzipFile(fileobj=source)
            self._held = bytearray()
        if self._size <= SMALL:
            self._file.close()

    @property
    def packed(self) -> bool:
        """Whether the file is gzip, bzip2 or xz."""
        return self._packed is not None

    def read(self, start: int, n: int) -> bytes:
        """Return up to `n` bytes from `start` on, fewer at the end of the file."""
        if self._packed is not None:
            self.has(start + n)
            return bytes(self._held[start : start + n])
        if self._size <= SMALL:
            return self._held[start : start + n]
        try:
            self._file.seek(start)
            return self._file.read(n)
        except OSError as error:
            raise BadCutout(f"cannot be read ({error.strerror or error})") from error

    def has(self, n: int) -> bool:
        """Return whether the file has `n` bytes, unpacking no more than these."""
        if self._packed is None:
            return n <= self._size
        while len(self._held) < min(n, self._max_bytes):
            try:
                piece = self._packed.read(min(_PIECE, n - len(self._held)))
            except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
                raise BadCutout(
                    f"is a truncated or damaged compressed file ({error})"
                ) from error
            if not piece:
                return False
            self._held += piece
        if n > self._max_bytes:
            raise BadCutout(
                f"unpacks to more than {self._max_bytes} bytes, which `max_bytes` "
                "allows"
            )
        return True

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __del__(self):
        """Close the file: cubes and mosaics keep theirs open between objects."""
        if hasattr(self, "_file"):
            self._file.close()
