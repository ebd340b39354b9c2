"""Versions of what a result was made with."""

import platform
from importlib import metadata

from astroanomaly import __version__

_PACKAGES = ("tensorflow", "keras", "numpy", "astropy", "scikit-learn", "galsim")


def versions() -> dict[str, str]:
    """Give the versions that a result depends on.

    Returns
    -------
    dict of str
        Of astroanomaly, Python and the packages that are installed.

    Examples
    --------
    >>> "numpy" in versions()
    True
    """
    found = {"astroanomaly": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
