"""What the sentences of the page on contamination are made of."""

from typing import NamedTuple

from pages import span

from contaminated import shown

WORKED, FAILED, OPEN = "worked", "failed", "open"
OUTCOME = {"yes": WORKED, "no": FAILED}
# Fewer trainings than this say little of how far two trainings differ.
FEW_SEEDS = 3


class Finding(NamedTuple):
    """What was found, in full and in a sentence of the report.

    Attributes
    ----------
    outcome : {"worked", "failed", "open"}
        The head under which the report has it.
    text : str
        With its numbers, markdown.
    brief : str
        The sentence of the report.
    """

    outcome: str
    text: str
    brief: str


def name_of(data: str) -> str:
    """Return a data set as a sentence begins with it."""
    return shown.SETS.get(data, data).capitalize()


def seeds(n: int) -> str:
    """Return a number of seeds in words."""
    return f"{n} seed" if n == 1 else f"{n} seeds"


def area(row, form: str = ".3f") -> str:
    """Return an AUC with its interval."""
    return span(row["auc"], row["low"], row["high"], form)


def signed(row, name: str = "difference", low: str = "", high: str = "") -> str:
    """Return a difference with its sign and its interval."""
    ends = (low or f"{name}_low", high or f"{name}_high")
    return span(row[name], *(row[end] for end in ends), "+.3f")


def steps() -> str:
    """Return the two contaminations between which AUC is lost, in words."""
    return f"from {shown.percent(shown.CLEAN)} to {shown.percent(shown.DIRTY)}"


def joined(names) -> str:
    """Return names with commas and an "and"."""
    *most, last = map(str, names)
    return f"{', '.join(most)} and {last}" if most else last
