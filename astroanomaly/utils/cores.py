"""How many processor cores there are to use."""

import os


def usable_cores() -> int:
    """Return how many processor cores this process may use.

    Returns
    -------
    int
        At least 1; honors the limits that a batch system sets.

    Examples
    --------
    >>> usable_cores() >= 1
    True
    """
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:
        return os.cpu_count() or 1
