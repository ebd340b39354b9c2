"""Which backend Keras runs on, checked before anything else imports Keras."""

import os

from astroanomaly.utils.allocator import keep_memory


def check_backend() -> None:
    """Raise if Keras runs on another backend than TensorFlow.

    Raises
    ------
    ImportError
        If `KERAS_BACKEND`, or the file keras.json, names another one, whether its
        package is installed or not.

    Examples
    --------
    >>> check_backend()
    """
    try:
        import keras

        name = keras.config.backend()
    except ImportError as error:
        # Keras imports the package of its backend, which may be missing.
        name = os.environ.get("KERAS_BACKEND", error.name)
    if name != "tensorflow":
        raise ImportError(
            "`KERAS_BACKEND` must be tensorflow, with which the models compute: set "
            "it in the environment, or in ~/.keras/keras.json, before Keras is "
            f"imported. Received: {name}"
        )


# On import, so that a room can do it before its own modules import Keras, and before
# TensorFlow's first buffers.
keep_memory()
check_backend()
