"""What the README and the pages in docs/ say can be done as they say it."""

import json
import re
import shlex
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from kernel import printed, run_cells

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "data" / "README.md", ROOT / "examples/README.md"]
PAGES += [ROOT / "CHANGELOG.md", ROOT / "benchmarks" / "README.md"]
PAGES += [ROOT / f"{name}.md" for name in ("CONTRIBUTING", "SECURITY")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))
PIP = {"pip", "python3", "pytest"}


def _id(path):
    return path.relative_to(ROOT).as_posix()


def _blocks(path, language):
    text = path.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.M | re.S)


def _commands(path):
    """Give every command of ours on a page, in blocks and between backticks."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    inline = re.findall(r"`((?:\S*/)?astroanomaly [^`]+)`", text)
    lines = [line for block in _blocks(path, "[a-z]*") for line in block.splitlines()]
    parts = [part.strip() for line in lines for part in line.split("&&")]
    starts = re.compile(r"^(?:\$ )?(?:\S*/)?astroanomaly( |$)")
    return [*inline, *(part for part in parts if starts.match(part))]


@pytest.fixture(scope="module")
def verbs():
    """Return the options of each verb, as the command line itself knows them."""
    import typer

    from astroanomaly import cli

    root = typer.main.get_command(cli.app)
    verbs = {}
    for name, command in root.commands.items():
        for deep, verb in getattr(command, "commands", {"": command}).items():
            key = f"{name} {deep}".strip()
            verbs[key] = {o for p in verb.params for o in p.opts if o.startswith("-")}
    return verbs


@pytest.mark.parametrize("path", PAGES, ids=_id)
def test_commands_exist(path, verbs):
    for command in _commands(path):
        words = shlex.split(command, comments=True)[1:]
        if not words or words[0].startswith("-"):
            continue
        verb = words[0] if words[0] in verbs else " ".join(words[:2])
        assert verb in verbs, f"{command!r} in {path}"
        options = {w.split("=")[0] for w in words if w.startswith("--")}
        unknown = options - verbs[verb] - {"--help", "--debug"}
        assert not unknown, f"{command!r} in {path} has unknown options {unknown}"


@pytest.mark.parametrize("path", PAGES, ids=_id)
def test_options_named_in_the_text_exist(path, verbs):
    known = set().union(*verbs.values()) | {"--help", "--debug", "--version"}
    # Studies and benchmarks are commands of their own: their options by their source.
    for folder in ("studies", "benchmarks"):
        for script in (ROOT / folder).rglob("*.py"):
            known |= set(re.findall(r'"(--[a-z-]+)"', script.read_text("utf-8")))
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.S)
    named = re.findall(r"`[^`]*?(--[a-z][a-z-]*)[^`]*`", text)
    assert set(named) <= known


@pytest.mark.parametrize("path", PAGES, ids=_id)
def test_links_are_alive(path):
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.S)
    for link, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)]+))?\)", text):
        if not link.startswith("http"):
            target = path.parent / link if link else path
            assert target.exists(), f"{link} in {path}"
            if anchor:
                assert anchor in _anchors(target), f"{link}#{anchor} in {path}"


def _anchors(path):
    """Return the addresses of headings, as code hosts and the site form them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), flags=re.M)
    return {
        re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in headings
    }


@pytest.mark.parametrize("path", PAGES, ids=_id)
def test_blocks_say_what_they_hold(path):
    opened = re.findall(
        r"^ *```+(.*)\n(?:.*\n)*? *```+$", path.read_text("utf-8"), re.M
    )
    known = {"python", "bash", "toml", "text"}
    assert {name for name in opened if not name.startswith("{")} <= known


def test_the_landing_page_leads_to_what_people_ask():
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    asked = "guide/reading guide/models scores guide/calibrate guide/cluster cite"
    assert set(asked.split()) <= set(re.findall(r"^:link: (\S+)$", text, re.M))


def test_the_readme_is_one_screen_with_two_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 70
    blocks = _blocks(ROOT / "README.md", "bash")
    set_up = [block for block in blocks if "venv" in block]
    assert [len(block.splitlines()) for block in set_up] == [1, 1]
    assert set_up[0].rstrip().endswith("astroanomaly quickstart")
    assert set_up[1].rstrip().endswith("pytest")
    figure = ROOT / "docs" / "figures" / "reconstructions.png"
    assert figure.stat().st_size < 300_000


def test_the_settings_page_names_every_key_and_default():
    from astroanomaly.runs.config import SCHEMA

    text = (ROOT / "docs" / "run_folder.md").read_text(encoding="utf-8")
    for table, keys in SCHEMA.items():
        (row,) = re.findall(rf"^\| `\[{table}\]` \| (.*) \|$", text, flags=re.M)
        named = re.findall(r"`(\w+)`(?: (\[[^]]*\]|[^,`(]+))?", row)
        assert [name for name, _ in named] == list(keys), table
        for name, shown in named:
            default = keys[name][0]
            if default is None:
                assert not shown, f"[{table}] {name}"
            else:
                assert json.loads(shown) == default, f"[{table}] {name}"


def test_numbers_in_the_pages_are_those_of_the_code():
    from astroanomaly.calibration import required_size
    from astroanomaly.models.common.training import FEWEST_UPDATES
    from astroanomaly.scores.explained import N_COMPONENTS
    from astroanomaly.scores.modes import ResidualModes

    modes = ResidualModes().n_modes
    sizes = [required_size(level) for level in (90, 95, 99, 99.9)]
    for page, sentence in (
        ("run_folder", f"{modes} components removed by the orthogonal score"),
        ("scores", f"`n_modes` ({modes}) principal components"),
        (
            "guide/calibrate",
            "A level takes {} objects for 90, {} for 95, {} for 99, {} for 99.9",
        ),
        ("guide", f"warns under {FEWEST_UPDATES}: more epochs"),
        ("guide", f"mean image and with {N_COMPONENTS} principal components"),
    ):
        text = " ".join((ROOT / "docs" / f"{page}.md").read_text("utf-8").split())
        assert sentence.format(*sizes) in text, page


# --- the snippets run, as typed apart from sizes ------------------------------


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    """Return a folder with simulated FITS files, ordinary ones and a survey."""
    pytest.importorskip("galsim")
    import astroanomaly as aa

    folder = tmp_path_factory.mktemp("sky")
    aa.write_cutouts(folder / "cutouts", aa.simulate.galaxies(1300, size=32, seed=1))
    # Another seed may not give the ids of the first set again.
    survey = aa.simulate.galaxies(40, size=32, companion_fraction=0.4, seed=2)
    survey.table["object_id"] = [f"survey_{i}" for i in range(40)]
    aa.write_cutouts(folder / "survey", survey)
    return folder


def _tiny(code):
    for typed, small in {
        "64": "32",
        "epochs=100": "epochs=1, verbose=0",
        "epochs=50": "epochs=1, verbose=0",
        "WGANGP(": "WGANGP(width=4, ",
        "(train, stretch)": "(train, stretch, batch_size=32)",
        "mergers(100": "mergers(3",
        "galaxies(500": "galaxies(32",
    }.items():
        code = code.replace(typed, small)
    return code


def _exec(code, names, where):
    exec(compile(code, where, "exec"), names)
    return names


def _check_readme(names):
    import numpy as np

    table, aa = names["table"], names["aa"]
    assert len(table) == 40
    assert np.all(np.diff(table["anomaly_score"]) <= 0)
    assert {"p_value", "is_anomaly_90", "is_anomaly_95", "is_anomaly_99"} <= set(
        table.colnames
    )
    # The rest of DESIGN section 1: keep the detector, open it again, write the page.
    names["detector"].save("run/detector")
    again = aa.load_detector("run/detector").score(names["test"])
    aa.report.write("run/report.html", names["detector"], names["test"], table)
    np.testing.assert_array_equal(again["object_id"], table["object_id"])
    np.testing.assert_allclose(
        again["anomaly_score"], table["anomaly_score"], rtol=1e-5
    )


def test_the_readme_snippet_runs_in_a_kernel(sky, tmp_path):
    (code,) = _blocks(ROOT / "README.md", "python")
    assert len(code.splitlines()) < 18
    for name in ("cutouts", "survey"):
        (tmp_path / name).symlink_to(sky / name)
    outputs = run_cells([_tiny(code)], tmp_path, _check_readme)
    assert (tmp_path / "run" / "report.html").is_file()
    # TensorFlow's own lines would drown what the package says.
    lines = printed(outputs, "stderr").splitlines()
    assert [line for line in lines if "tensorflow" in line.lower()] == []


def test_readme_and_guide_run_on_201_real_cutouts(shared_data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("cutouts", "survey"):
        (tmp_path / name).symlink_to(shared_data / "cosmos_acs_f814w")
    codes = _blocks(ROOT / "README.md", "python")
    # In the guide what follows needs other images: simulated ones of another band.
    codes += ["\n".join(_blocks(ROOT / "docs" / "guide.md", "python")[:4])]
    for code in codes:
        with pytest.warns(UserWarning, match=r"41 .* levels 99 \(99 objects\)"):
            names = _exec(_tiny(code), {}, "snippet")
        assert len(names["table"]) == 201
        assert len(names["detector"].calibration) == 41
        assert names["detector"].levels == (90, 95)


# Every page whose code runs on the same sky, in an order in which names are known.
CODE = ["guide", "guide/reading", "review"]
CODE += [f"guide/{page}" for page in ("cluster", "models", "pretrained")]
CODE += [
    f"guide/{page}" for page in ("simulate", "lens_finder", "painted_lenses", "explain")
]
CODE += ["scores", "calibration", "guide/calibrate", "guide/evaluate"]
CODE += ["guide/contamination"]
# Run below and in tests/examples.
ELSEWHERE = {"README.md", "CONTRIBUTING.md", "data/README.md"}


def test_no_page_with_code_is_left_out():
    with_code = {_id(path) for path in PAGES if _blocks(path, "python")}
    assert with_code == {f"docs/{page}.md" for page in CODE} | ELSEWHERE


@pytest.mark.slow
# Some objects cannot be measured, mergers score unlike ordinary galaxies, and this
# survey's ordinary objects are few.
@pytest.mark.filterwarnings("ignore:.*could not be measured")
@pytest.mark.filterwarnings("ignore:The new scores come from a visibly different")
@pytest.mark.filterwarnings("ignore:16 calibration objects are too few")
def test_the_code_of_the_pages_runs(sky, tmp_path, monkeypatch, capsys):
    pytest.importorskip("statmorph")
    monkeypatch.chdir(tmp_path)
    mosaic = np.random.default_rng(1).normal(scale=0.004, size=(300, 300))
    fits.writeto(tmp_path / "mosaic.fits", mosaic)
    for name in ("cutouts", "survey"):
        (tmp_path / name).symlink_to(sky / name)
    names = {}
    for page in CODE:
        for code in _blocks(ROOT / "docs" / f"{page}.md", "python"):
            _exec(_tiny(code), names, page)
    assert (tmp_path / "scores.fits").is_file()
    assert (tmp_path / "report.html").is_file()
    assert names["low"] < names["threshold"] < names["high"]
    assert names["detector"].method == "encoder"
    assert len(names["merging"]) == len(names["mergers"]) == 27
    assert set(names["rates"]["sample"]) == {"isolated", "mergers"}
    assert sum(names["by_size"]["n"]) == len(names["fresh"])
    assert names["mocks"].images.std() > 0.003
    said = capsys.readouterr().out
    assert "AUC" in said
    check = names["aa"].evaluation.false_positive_check(names["rates"])
    assert check.meta["verdict"] in said


def test_the_worked_examples_of_contributing_pass(tmp_path):
    names = {}
    for code in _blocks(ROOT / "CONTRIBUTING.md", "python"):
        _exec(code, names, "CONTRIBUTING.md")
    names["test_a_planted_companion_ranks_first"]()
    names["test_the_brightest_score"]()
    names["test_files_of_my_survey"](tmp_path)


def test_the_settings_on_the_pages_are_settings(tmp_path):
    from astroanomaly.runs.config import read_config

    pages = [path for path in PAGES if _blocks(path, "toml")]
    assert len(pages) > 1
    for path in pages:
        for number, block in enumerate(_blocks(path, "toml")):
            (tmp_path / f"{number}.toml").write_text(block, encoding="utf-8")
            read_config(tmp_path / f"{number}.toml")


@pytest.mark.slow
def test_the_commands_of_the_tutorial_run(tmp_path, monkeypatch):
    pytest.importorskip("galsim")
    from typer.testing import CliRunner

    from astroanomaly import cli

    monkeypatch.chdir(tmp_path)
    for command in _commands(ROOT / "docs" / "tutorial.md"):
        for typed, small in {"--n 1500": "--n 120", "300": "40", "64": "32"}.items():
            command = command.replace(typed, small)
        with warnings.catch_warnings():
            # 36 objects carry no level of 99, and few were trained on.
            warnings.simplefilter("ignore", UserWarning)
            done = CliRunner().invoke(cli.app, shlex.split(command)[1:])
        assert done.exit_code == 0, (command, done.output)
    assert {"report.html", "run", "scores.ecsv"} <= {p.name for p in tmp_path.iterdir()}
