"""Commands that sentences name work as they are printed, however the program was started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bot.app.invocation import invocation

HOME = Path("/home/me/bot")
SCRIPT = "/home/me/bot/.venv/bin/firsttoken"
PYTHON = "/home/me/bot/.venv/bin/python"
MODULE = "/home/me/bot/bot/__main__.py"


@pytest.mark.parametrize(
    ("started", "python", "directory", "on_path", "command"),
    [
        (".venv/bin/firsttoken", PYTHON, HOME, {}, ".venv/bin/firsttoken"),
        ("../bot/.venv/bin/firsttoken", PYTHON, Path("/home/me/else"), {}, "../bot/.venv/bin/firsttoken"),
        (SCRIPT, PYTHON, HOME, {}, SCRIPT),
        (SCRIPT, PYTHON, HOME, {"firsttoken": SCRIPT}, "firsttoken"),
        (SCRIPT, PYTHON, HOME, {"firsttoken": "/usr/bin/firsttoken"}, SCRIPT),
        ("/my bots/bin/firsttoken", PYTHON, HOME, {}, "'/my bots/bin/firsttoken'"),
        (MODULE, PYTHON, HOME, {}, ".venv/bin/python -m bot"),
        (MODULE, PYTHON, HOME, {"python": "/usr/bin/python"}, ".venv/bin/python -m bot"),
        (MODULE, PYTHON, HOME, {"python": PYTHON}, "python -m bot"),
        (MODULE, PYTHON, Path("/home/me/bot/.venv"), {"python": "bin/python"}, "python -m bot"),
        (MODULE, PYTHON, Path("/srv"), {}, f"{PYTHON} -m bot"),
        (MODULE, "/my envs/bin/python", Path("/srv"), {}, "'/my envs/bin/python' -m bot"),
    ],
)
def test_the_command_is_the_one_that_was_typed(
    started: str, python: str, directory: Path, on_path: dict[str, str], command: str
):
    """The console script as it was typed, else the interpreter as reached from here, plain where PATH finds it."""
    assert invocation(started, python, directory, on_path.get) == command


def test_the_command_in_a_message_works(tmp_path):
    """A command that a message names starts this program when it is typed into a shell, without its environment."""
    bare = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2])}
    asked = subprocess.run(
        [sys.executable, "-m", "bot", "run"], cwd=tmp_path, env=bare, capture_output=True, text=True, check=False
    )
    assert asked.returncode == 2
    command = next(words for words in asked.stderr.split("`") if words.endswith("chat --sandbox"))
    again = subprocess.run(  # noqa: S602 - as a person would type it
        f"{command} --help", shell=True, cwd=tmp_path, env=bare, capture_output=True, text=True, check=False
    )
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.startswith(f"usage: {command.removesuffix(' --sandbox')} ")


def test_a_venv_is_not_taken_for_the_python_it_is_made_of(tmp_path):
    """A venv's `python` is a link to the system's, which PATH finds and which does not have this program."""
    (tmp_path / "python").touch()
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "python").symlink_to(tmp_path / "python")
    found = {"python": str(tmp_path / "python")}
    assert invocation(MODULE, str(tmp_path / "venv" / "python"), tmp_path, found.get) == "venv/python -m bot"
