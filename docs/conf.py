"""Settings of the documentation site.

    sphinx-build -W --keep-going docs build/site

builds it into `build/site`. The pages are Markdown that a code host shows too, so their
links lead to files of the repository; here these links become links within the site.
The notebooks are shown with the outputs that they have: nothing is executed.
"""

import base64
import importlib
import inspect
import json
import os
import re
import shutil
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent

project = "astroanomaly"
author = "The astroanomaly authors"
copyright = f"2026, {author}"
version = re.search(
    r'__version__ = "(.*)"', (ROOT / "astroanomaly/__init__.py").read_text("utf-8")
)[1]
release = version

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_design",
]
# README.md is the list of pages for the reader of the repository; here index.md is.
exclude_patterns = ["README.md", "_build", "Thumbs.db", ".DS_Store"]
templates_path = ["_templates"]

html_theme = "pydata_sphinx_theme"
html_title = f"astroanomaly {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "astroanomaly"},
    "header_links_before_dropdown": 8,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
}
# The landing page has nothing to list beside it.
html_sidebars = {"index": [], "tutorial": [], "comparison": []}

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
nb_execution_mode = "off"

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc has them in its sections
autodoc_inherit_docstrings = False
autodoc_default_options = {
    "members": True,
    # Methods of our own base classes; not those of Keras, scikit-learn and Python.
    "inherited-members": "Model, Layer, Callback, Loss, LearningRateSchedule, "
    "BaseEstimator, OutlierMixin, tuple, dict, Exception",
    "member-order": "bysource",
    # What Keras calls, with Keras's meaning.
    "exclude-members": "build, call, close, compile_from_config, compute_output_shape, "
    "from_config, get_compile_config, get_config, on_epoch_begin, on_epoch_end, "
    "on_train_begin, on_train_batch_end, on_train_end, train_step, test_step",
}
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False

# Pages whose text lies elsewhere in the repository, where people look for it.
ELSEWHERE = {
    "changelog": ROOT / "CHANGELOG.md",
    "contributing": ROOT / "CONTRIBUTING.md",
    "conduct": ROOT / "CODE_OF_CONDUCT.md",
    "security": ROOT / "SECURITY.md",
    "cutouts": ROOT / "data" / "README.md",
    "examples": ROOT / "examples" / "README.md",
}
# Pages below a page, in the order of the menu. The Markdown itself has no such lists.
BELOW = {
    "guide": [
        "commands",
        "cutouts",
        "guide/reading",
        "guide/models",
        "guide/pretrained",
        "guide/calibrate",
        "guide/cluster",
        "scale",
        "review",
        "guide/evaluate",
        "guide/explain",
        "guide/lens_finder",
        "guide/painted_lenses",
        "guide/simulate",
        "guide/contamination",
        "run_folder",
        "faq",
    ],
    "concepts": ["scores", "calibration"],
    "results/README": [
        "results/quickstart",
        "results/quick_detectors",
        "results/cosmos_acs",
        "results/galaxy_mergers",
        "results/deeplense",
        "results/lens_finder",
        "results/real_lenses",
        "results/contamination",
        "final_report",
        "results/review",
        "results/benchmarks",
    ],
    "project": [
        "cite",
        "comparison",
        "changelog",
        "contributing",
        "conduct",
        "security",
    ],
}
ROOMS = (
    "data tables stretches models latent features scores calibration detector "
    "evaluation interpret morphology simulate plots report runs pretrained review utils"
).split()
LINK = re.compile(r"(!?)\[([^][]*)\]\(([^)#\s:]+)(#[^)\s]*)?\)")


def notebooks():
    """Copy the notebooks with their last figures, as pictures for the gallery."""
    folder = DOCS / "gallery"
    folder.mkdir(exist_ok=True)
    for path in (ROOT / "examples").glob("*.ipynb"):
        shutil.copyfile(path, folder / path.name)
        cells = json.loads(path.read_text("utf-8"))["cells"]
        outputs = [o.get("data", {}) for c in cells for o in c.get("outputs", [])]
        picture = [data["image/png"] for data in outputs if "image/png" in data][-1]
        (folder / f"{path.stem}.png").write_bytes(base64.b64decode(picture))


def public(name):
    """Yield the names of a room, and of the modules it names, by module."""
    module = importlib.import_module(name)
    values = {key: getattr(module, key) for key in module.__all__}
    yield module, {k: v for k, v in values.items() if not inspect.ismodule(v)}
    for value in values.values():
        if inspect.ismodule(value):
            yield from public(value.__name__)


def api():
    """Write the pages of the API: one for each room, with a table of its names."""
    folder = DOCS / "api"
    folder.mkdir(exist_ok=True)
    for room in ROOMS:
        text = f"{room}\n{'=' * len(room)}\n"
        for module, values in public(f"astroanomaly.{room}"):
            name, called = module.__name__, []
            title = name.removeprefix("astroanomaly.")
            if title != room:
                text += f"\n{title}\n{'-' * len(title)}\n"
            text += f"\n.. currentmodule:: {name}\n\n{inspect.cleandoc(module.__doc__)}"
            text += "\n\n"
            for key, value in values.items():
                if inspect.isclass(value) or inspect.isfunction(value):
                    called.append(key)
                else:
                    text += f".. autodata:: {key}\n   :no-value:\n\n"
            text += ".. autosummary::\n   :toctree: generated\n\n"
            text += "".join(f"   {key}\n" for key in sorted(called, key=str.lower))
        (folder / f"{room}.rst").write_text(text, encoding="utf-8")


def read_source(app, docname, source):
    """Turn links to files of the repository into links of the site; add menus."""
    path = ELSEWHERE.get(docname, Path(app.env.doc2path(docname)))
    if path.suffix not in (".md", ".ipynb"):
        return
    text = path.read_text("utf-8") if docname in ELSEWHERE else source[0]
    if path.parent == DOCS / "gallery":
        path = ROOT / "examples" / path.name
    here = (DOCS / docname).parent
    pages = {file: DOCS / f"{page}.md" for page, file in ELSEWHERE.items()}

    def link(found):
        picture, words, target, anchor = found.groups()
        file = (path.parent / target).resolve()
        file = pages.get(file, file)
        if file.suffix == ".ipynb":
            file = DOCS / "gallery" / file.name
        if file.is_dir():
            file = file / "README.md"
            if DOCS not in file.parents:
                return words  # a folder of the source has no page
        if file == DOCS / "README.md":
            file = DOCS / "index.md"
        if not file.is_file():
            return found[0]
        return f"{picture}[{words}]({os.path.relpath(file, here)}{anchor or ''})"

    text = LINK.sub(link, text)
    if docname in BELOW:
        listed = "\n".join(f"/{page}" for page in BELOW[docname])
        text += f"\n\n```{{toctree}}\n:hidden:\n\n{listed}\n```\n"
    source[0] = text


def skip(app, what, name, value, skipped, options):
    """Leave out the methods that Keras and scikit-learn define, in any base class."""
    module = str(getattr(value, "__module__", ""))
    return skipped or module.split(".")[0] in ("keras", "sklearn", "tensorflow")


def setup(app):
    """Make what the pages are built from, and connect the reading of pages."""
    # Else the first lines of TensorFlow go to the log of the build.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    notebooks()
    api()
    app.connect("source-read", read_source)
    app.connect("autodoc-skip-member", skip)
