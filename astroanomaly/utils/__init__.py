"""Small tools that any room uses: files, processes, progress, versions."""

from astroanomaly.utils.files import atomic_dir, atomic_path, new_folder, restore_dir
from astroanomaly.utils.installed import versions
from astroanomaly.utils.optional import require
from astroanomaly.utils.parallel import process_count, shared_threads, usable_cores
from astroanomaly.utils.progress import Stages, bar_or_lines, count_bar, progress_bar

__all__ = [
    "Stages",
    "atomic_dir",
    "atomic_path",
    "bar_or_lines",
    "count_bar",
    "new_folder",
    "process_count",
    "progress_bar",
    "require",
    "restore_dir",
    "shared_threads",
    "usable_cores",
    "versions",
]
