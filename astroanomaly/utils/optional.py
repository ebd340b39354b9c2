"""Optional packages, imported where they are used."""

from importlib import import_module

_NEEDED_BY = {
    "sim": "The simulators need",
    "morphology": "Morphology needs",
    "export": "Coverage maps and SAMP need",
}


def require(name: str, extra: str = "sim"):
    """Import an optional package, or say how to install it.

    Parameters
    ----------
    name : str
        Module name, such as ``"galsim"``.
    extra : str
        The extra that installs it: ``"sim"`` or ``"morphology"``.

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
    >>> from astroanomaly.utils.optional import require
    >>> require("numpy").__name__
    'numpy'
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{_NEEDED_BY[extra]} `{name}`, which is not installed. "
            f'Install it with: pip install "astroanomaly[{extra}]"'
        ) from error
