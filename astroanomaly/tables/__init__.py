"""Tables: columns, files, labels, flags, and Markdown for a results page."""

from astroanomaly.tables.markdown import interval, markdown

__all__ = ["interval", "markdown"]
