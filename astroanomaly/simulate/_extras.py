"""Optional packages of the simulators, imported where they are used."""

from importlib import import_module


def require(name: str):
    """Import an optional package, or say how to install it.

    Parameters
    ----------
    name : str
        Module name, such as ``"galsim"``.

    Returns
    -------
    module
        The imported package.

    Raises
    ------
    ImportError
        If the package is missing.

    Examples
    --------
    >>> from astroanomaly.simulate._extras import require
    >>> require("numpy").__name__
    'numpy'
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            f"The simulators need `{name}`, which is not installed. "
            'Install it with: pip install "astroanomaly[sim]"'
        ) from error
