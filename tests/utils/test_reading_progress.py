import io

from rich.console import Console

from astroanomaly.utils.reading_progress import reading_bar


def test_the_bar_counts_objects_and_skipped_ones():
    text = io.StringIO()
    console = Console(file=text, width=120, force_terminal=True)
    with reading_bar(10, console) as bar:
        bar.advance(4, 0)
        bar.advance(6, 2)
    last = text.getvalue()
    assert "10/10" in last
    assert "/s" in last
    assert "2 skipped" in last
