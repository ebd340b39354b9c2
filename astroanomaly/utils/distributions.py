"""tensorflow-probability's distributions, loaded when they are first used."""

import warnings
from typing import Any


def distributions() -> Any:
    """Return ``tensorflow_probability.distributions``, whose loading takes seconds.

    Returns
    -------
    module
        The distributions.

    Examples
    --------
    >>> float(distributions().Normal(1.0, 2.0).mean())
    1.0
    """
    # Version 0.25 compares versions through distutils, which warns when it loads.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from tensorflow_probability import distributions as found

        _ = found.Normal  # It loads the rest on the first look.
    return found
