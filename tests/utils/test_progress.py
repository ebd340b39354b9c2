import io

import pytest
from rich.console import Console

from astroanomaly.utils import progress
from astroanomaly.utils.progress import Stages, count_bar, progress_bar


def test_stages_are_announced_and_timed():
    text = io.StringIO()
    stages = Stages(2, True, Console(file=text, width=80))
    with stages.stage("Reading [all]"):
        pass
    with stages.stage("Scoring"):
        pass
    lines = text.getvalue().splitlines()
    assert lines[0].startswith("[1/2] Reading [all] (0 s")
    assert lines[1].startswith("[2/2] Scoring")
    assert list(stages.seconds) == ["Reading [all]", "Scoring"]
    assert min(stages.seconds.values()) >= 0


def test_a_broken_stage_is_not_counted():
    stages = Stages(1, False)
    with pytest.raises(KeyError), stages.stage("Reading"):
        raise KeyError
    assert stages.seconds == {}


def test_a_bar_counts_what_is_done():
    text = io.StringIO()
    with count_bar(True, Console(file=text, width=80)) as bar:
        bar.advance(bar.add_task("Cells", total=4), 3)
    assert "3/4" in text.getvalue()
    with count_bar(False) as bar:
        assert bar is None


def test_the_bar_counts_from_where_a_resumed_run_begins():
    text = io.StringIO()
    console = Console(file=text, width=120, force_terminal=True)
    with progress_bar("Scoring", 100, True, start=40, console=console) as advance:
        advance(30)
        advance(30, skipped=3)
    assert "100/100" in text.getvalue()
    assert "/s" in text.getvalue()
    assert "3 skipped" in text.getvalue()


def test_a_bar_that_is_not_shown_is_silent(capsys):
    with progress_bar("Reading", 2, show=False) as advance:
        advance(2, skipped=1)
    assert capsys.readouterr() == ("", "")


def test_by_default_a_bar_waits_for_three_seconds_and_a_person(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    shown = {}
    for terminal, seconds in ((True, 2.9), (True, 3.1), (False, 100.0)):
        text = io.StringIO()
        console = Console(file=text, width=120, force_terminal=terminal)
        with progress_bar("Reading", 4, console=console) as advance:
            now[0] += seconds
            advance(2)
            with progress_bar("Inner", 4, console=console) as inner:
                now[0] += seconds
                inner(4)
            advance(2)
        shown[terminal, seconds] = text.getvalue()
    assert "Reading" in shown[True, 3.1]
    assert "4/4" in shown[True, 3.1]
    assert shown[False, 100.0] == ""


def test_a_log_file_gets_one_line_a_minute_and_the_last(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    text = io.StringIO()
    with progress_bar(
        "Scoring", 1000, show=True, start=100, console=Console(file=text)
    ) as step:
        for _ in range(9):
            now[0] += 25.0
            step(100, skipped=1)
    lines = text.getvalue().splitlines()
    # After 75, 150 and 225 s; the end says nothing new.
    expected = ["400/1,000", "700/1,000", "1,000/1,000"]
    assert [line.split()[1].strip(",") for line in lines] == expected
    assert all(" left, " in line for line in lines[:2])
    assert lines[-1].endswith("9 skipped")
