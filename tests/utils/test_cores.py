import os

import pytest

from astroanomaly.utils import cores as _cores


def test_only_the_cores_of_this_process_count(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 5}, raising=False)
    assert _cores.usable_cores() == 2


@pytest.mark.parametrize(("known", "cores"), [(6, 6), (None, 1)])
def test_without_that_knowledge_the_machines_count(monkeypatch, known, cores):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: known)
    assert _cores.usable_cores() == cores
