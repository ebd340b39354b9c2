"""The command line: each verb is a thin call of one library function."""

from astroanomaly.cli.verbs import app, main

__all__ = ["app", "main"]
