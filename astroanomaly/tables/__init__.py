"""Tables: columns, files, labels, flags, and Markdown for a results page."""

from astroanomaly.tables.export import export, match_known, select, send
from astroanomaly.tables.files import check_ending, read_table, write_table
from astroanomaly.tables.labels import Labels, check_labels, read_labels
from astroanomaly.tables.markdown import interval, markdown

__all__ = [
    "Labels",
    "check_ending",
    "check_labels",
    "export",
    "interval",
    "markdown",
    "match_known",
    "read_labels",
    "read_table",
    "select",
    "send",
    "write_table",
]
