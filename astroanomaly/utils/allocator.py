"""Memory that a step frees and the next one takes again stays with the process."""

import ctypes
import os

# Of <malloc.h>: glibc alone gives them these numbers.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
# Blocks below it come from the heap. No buffer of a training step at 64 x 64 pixels is
# larger, and a block that is has work enough to pay for its pages.
_LARGEST_BLOCK = 2**30
# Older releases of glibc refuse more.
_LARGEST_BLOCK_BEFORE = 2**25
# What the heap takes at once. Pages that nobody touches cost nothing.
_PAD = 2**28


def keep_memory() -> None:
    """Let glibc keep freed memory for the next step; do nothing with another C library.

    By default it hands large blocks back to the kernel when they are freed, which then
    clears every page anew when the next step asks for them. A user's own setting
    (``MALLOC_..._`` or ``GLIBC_TUNABLES`` in the environment) stays as it is.

    Examples
    --------
    >>> keep_memory()
    """
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    if "glibc.malloc." in tunables or any(
        name.startswith("MALLOC_") and name.endswith("_") for name in os.environ
    ):
        return
    try:
        libc = ctypes.CDLL(None)
        # Others may have a `mallopt` with other numbers.
        libc.gnu_get_libc_version  # noqa: B018
    # Windows has no library of the process itself.
    except (AttributeError, OSError, TypeError):
        return
    # The largest int: never give the top of the heap back.
    libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    libc.mallopt(_TOP_PAD, _PAD)
    if not libc.mallopt(_MMAP_THRESHOLD, _LARGEST_BLOCK):
        libc.mallopt(_MMAP_THRESHOLD, _LARGEST_BLOCK_BEFORE)
