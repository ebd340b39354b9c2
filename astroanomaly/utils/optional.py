"""Optional packages, imported where they are used."""

from importlib import import_module
from types import ModuleType

_NEEDED_BY = {
    "sim": "The simulators need",
    "morphology": "Morphology needs",
    "survey": "Parquet tables and clusters need",
    "io": "Reading this form needs",
    "export": "Coverage maps and SAMP need",
    "features": "Features of this kind need",
    "maps": "Maps by UMAP need",
    "review": "The review page needs",
    "fast": "Scoring by ONNX needs",
}


def require(name: str, extra: str = "sim") -> ModuleType:
    """Import an optional package, or say how to install it.

    Parameters
    ----------
    name : str
        Module name, such as ``"galsim"`` or ``"pyarrow.parquet"``.
    extra : str
        The extra that installs it: ``"sim"``, ``"morphology"``, ``"survey"``,
        ``"io"``, ``"export"``, ``"features"``, ``"maps"``, ``"review"`` or ``"fast"``.

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
        # From the source tree: the package is in no registry under its name.
        raise ImportError(
            f"{_NEEDED_BY[extra]} `{name.partition('.')[0]}`, which is not installed. "
            "Install it, in the source tree of astroanomaly, with: "
            f'pip install ".[{extra}]"'
        ) from error
