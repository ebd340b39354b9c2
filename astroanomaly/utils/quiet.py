"""TensorFlow without the lines that it writes when it starts."""

import os
import sys
import tempfile
from contextlib import contextmanager

from astroanomaly.utils.allocator import keep_memory


def load_tensorflow() -> None:
    """Import TensorFlow without its log lines; do nothing if it is imported already.

    TF_CPP_MIN_LOG_LEVEL in the environment, where it is set, stays as it is.
    """
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Before TensorFlow's first buffers.
    keep_memory()
    with silent_stderr():
        import tensorflow as tf
    tf.get_logger().setLevel("ERROR")


@contextmanager
def silent_stderr():
    """Hold back what is written to standard error; after an error it comes out."""
    # Libraries write to the file descriptor itself, before their own log level counts.
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as sink:
        os.dup2(sink.fileno(), 2)
        try:
            yield
        except BaseException:
            sink.seek(0)
            os.write(kept, sink.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
