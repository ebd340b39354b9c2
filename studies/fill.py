"""Fill the tables of a results page from ECSV files.

    python studies/fill.py docs/results/deeplense.md
    python studies/fill.py --check docs/results/*.md

The sentences of a page are written by hand. Its tables stand between two marks,

    <!-- table: deeplense/published.ecsv -->
    <!-- end -->

and this script replaces what is between them by the table in that file, whose path
counts from the page. With --check nothing is written, and a page that differs from
its files makes the exit status 1.
"""

import argparse
import re
from pathlib import Path

from astropy.table import Table

from astroanomaly.tables import markdown

BLOCK = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: Path) -> str:
    """Return the text of a page with its tables read anew."""

    def block(found):
        table = Table.read(page.parent / found[2], format="ascii.ecsv")
        return f"{found[1]}\n{markdown(table)}\n\n{found[3]}"

    return BLOCK.sub(block, page.read_text("utf-8"))


def main(arguments=None) -> int:
    """Fill or check pages; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args(arguments)
    stale = []
    for page in options.pages:
        text = filled(page)
        if text == page.read_text("utf-8"):
            continue
        stale.append(page)
        if not options.check:
            page.write_text(text, "utf-8")
    if options.check and stale:
        parser.exit(1, "".join(f"{page} differs from its tables\n" for page in stale))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
