"""A survey's strangest objects as one self-contained page for the browser."""

from astroanomaly.report.page import write

__all__ = ["write"]
