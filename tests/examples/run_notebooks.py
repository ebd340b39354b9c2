"""Run the notebooks and store their outputs, with small figures and no paths.

    pip install nbclient ipykernel
    python tests/examples/run_notebooks.py examples/*.ipynb

Each runs in an empty folder. Warnings and logs are dropped: they hold paths.
"""

import base64
import io
import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

# Seven notebooks with all their figures stay under 2.5 MB.
WIDEST = 900  # pixels
COLORS = 128


def small(png: str) -> str:
    """Return a PNG with fewer pixels and colors, both in base64."""
    image = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    image.thumbnail((WIDEST, 4 * WIDEST))
    # Maximum coverage keeps rare colors; dithering would add noise and bytes.
    image = image.quantize(COLORS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, format="png", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def run(path: Path) -> None:
    """Run a notebook and write it back with its outputs."""
    notebook = nbformat.read(path, 4)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # The kernel draws into its cells.
    os.environ.pop("MPLBACKEND", None)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        NotebookClient(notebook, timeout=None, resources=resources).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        # Bars of progress are widgets, which no page can show.
        cell.outputs = [
            o
            for o in cell.outputs
            if o.get("name") != "stderr"
            and "application/vnd.jupyter.widget-view+json" not in o.get("data", {})
            and o.get("text", "-").strip()
        ]
        for data in (o.data for o in cell.outputs if "data" in o):
            if "text/html" in data:
                # Astropy names each table by its address in memory.
                data["text/html"] = re.sub(' id="table\\d+"', "", data["text/html"])
            if "image/png" in data:
                data["image/png"] = small(data["image/png"])
                data.pop("text/plain", None)
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python", "version": "3.11"}
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        run(Path(name))
