"""Freed memory stays with the process, where glibc is there."""

import ctypes
import os
import platform
import subprocess
import sys

import pytest

from astroanomaly.utils import allocator

# Five times 40 MiB, freed and taken again: the C library's own functions, as numpy asks
# the kernel for large pages and so counts fewer faults.
_CODE = """
import ctypes, resource
from astroanomaly.utils.allocator import keep_memory
keep_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
for k in range(6):
    if k == 1:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = libc.malloc(ctypes.c_size_t(40 * 2**20))
    ctypes.memset(block, 1, 40 * 2**20)
    libc.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(**more):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", _CODE],
        capture_output=True,
        text=True,
        check=True,
        env=environment | more,
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_a_freed_block_is_taken_again_without_a_page_fault():
    # By itself glibc maps blocks beyond 32 MiB anew: 10240 pages of 4 kB, five times.
    # A tunable of the user's, here at its default, leaves all as it is.
    assert _faults(GLIBC_TUNABLES="glibc.malloc.perturb=0") > 50_000
    assert _faults() < 20


@pytest.mark.parametrize("error", [AttributeError, OSError, TypeError])
def test_another_c_library_is_left_alone(monkeypatch, error):
    def library(_):
        raise error

    monkeypatch.setattr(ctypes, "CDLL", library)
    for name in [n for n in os.environ if n.startswith("MALLOC_")]:
        monkeypatch.delenv(name)
    assert allocator.keep_memory() is None
