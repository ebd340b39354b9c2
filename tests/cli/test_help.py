"""Help: summaries whole, defaults shown, examples that run, completion, -h."""

import os
import re
import shlex
import subprocess
import sys

import pytest
import typer

from astroanomaly.cli import app, main, options

COMMANDS = typer.main.get_command(app).commands
VERBS = {
    f"{name} {deep}".strip(): verb
    for name, command in COMMANDS.items()
    for deep, verb in getattr(command, "commands", {"": command}).items()
}


@pytest.mark.parametrize("verb", ["", "simulate"])
def test_summaries_are_not_cut(verb, capsys):
    assert main([*verb.split(), "-h"]) == 0
    listed = capsys.readouterr().out.split("Commands:")[1]
    assert "..." not in listed
    names = set(getattr(COMMANDS.get(verb), "commands", COMMANDS))
    assert names == set(re.findall(r"^  ([\w-]+)", listed, re.MULTILINE))


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_examples_whose_options_it_knows(name):
    verb = VERBS[name]
    lines = re.findall(r"^  astroanomaly (.*)$", verb.epilog or "", re.MULTILINE)
    assert lines
    known = {o for p in verb.params for o in [*p.opts, *p.secondary_opts]}
    for line in lines:
        words = shlex.split(line.split(" > ")[0])
        assert " ".join(words).startswith(name)
        assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("name", VERBS)
def test_no_default_hides_in_a_sentence(name):
    for parameter in VERBS[name].params:
        text = getattr(parameter, "help", None) or ""
        assert not re.search(r"; [\d.]+\.$|\(default\)", text), parameter.name


def test_the_shell_completes_verbs():
    asked = {"COMP_WORDS": "astroanomaly cal", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "astroanomaly"],
        env={**os.environ, **asked, "_ASTROANOMALY_COMPLETE": "complete_bash"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["calibrate"]


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("run --levels 90 95 cutouts", "run --levels 90 --levels 95 cutouts"),
        ("--levels 90,99.5 run", "--levels 90 --levels 99.5 run"),
        ("--levels=90,95 run", "--levels 90 --levels 95 run"),
        ("--bands g r survey/", "--bands g --bands r survey/"),
        ("--bands g,r *.fits", "--bands g --bands r *.fits"),
        ("--magnitude -2 -1.5 --n 3", "--magnitude -2 --magnitude -1.5 --n 3"),
        ("--bins -1,0,2 --by x", "--bins -1 --bins 0 --bins 2 --by x"),
        ("--bins early late --by x", "--bins early --bins late --by x"),
        ("--levels", "--levels"),
    ],
)
def test_list_options_do_not_swallow_arguments(given, taken):
    assert options.repeat_options(given.split()) == taken.split()


def test_a_folder_that_is_there_ends_a_list_of_bands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "survey").mkdir()
    assert options.repeat_options(["--bands", "g", "survey"]) == [
        "--bands",
        "g",
        "survey",
    ]


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "-1/2"])
def test_a_shard_is_one_of_so_many(text):
    with pytest.raises(ValueError, match=rf"`--shard`.*Received: {text}"):
        options.fraction(text)
