"""Code of notebooks and pages, run in a Jupyter kernel as a reader would."""

import inspect
import os
import textwrap
from pathlib import Path


def run_cells(cells: list[str], folder: Path, check=None) -> list[dict]:
    """Run cells in a kernel that starts in a folder; return all their outputs.

    `check` is a function of the names that the cells leave; it runs in the kernel too,
    from its source alone, and fails the test if an assertion of it fails.
    """
    import nbformat
    from nbclient import NotebookClient

    cells = list(cells)
    if check is not None:
        source = textwrap.dedent(inspect.getsource(check))
        cells.append(f"{source}\n{check.__name__}(globals())")
    v4 = nbformat.v4
    notebook = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])
    # The kernel draws into its cells, where the tests' own backend draws nowhere.
    env = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}
    client = NotebookClient(
        notebook, timeout=900, resources={"metadata": {"path": str(folder)}}
    )
    client.execute(env=env)
    return [output for cell in notebook.cells for output in cell.outputs]


def printed(outputs: list[dict], stream: str = "stdout") -> str:
    """Return what was written to a stream."""
    return "".join(o.text for o in outputs if o.get("name") == stream)


def figures(outputs: list[dict]) -> int:
    """Return the number of pictures."""
    return sum("image/png" in o.get("data", {}) for o in outputs)
