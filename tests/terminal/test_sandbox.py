"""`python -m bot sandbox` as a person runs it: an address, and nothing else, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
import time

import aiohttp
import pytest

from bot.app import first_run
from bot.app.settings import read
from bot.errors import SettingsError
from sandbox.__main__ import CONNECTING
from tests.terminal.program import PATIENCE, ROOT, Program, piped


async def ask(program: Program, platform: str) -> dict:
    """Ask the bot in a channel through the page; returns the answer once it stands still and whole."""
    page = program.output.split()[4]
    async with aiohttp.ClientSession(page) as session, asyncio.timeout(PATIENCE):
        async with session.get("/api/state") as answer:
            side = next(each for each in (await answer.json())["platforms"] if each["name"] == platform)
        room = side["rooms"][0]
        body = {"room": room["id"], "user": room["people"][0], "text": "a short one", "mention": True}
        async with session.get("/api/changes") as changes:
            await changes.content.readline()
            async with session.post(f"/api/{platform}/say", json=body) as answer:
                assert answer.status == 200
            async for line in changes.content:
                if line.startswith(b"data:") and b'"bot": true' in line and b'.", "at"' in line:
                    break
        async with session.get(f"/api/{platform}/messages?room={room['id']}") as answer:
            return (await answer.json())["messages"][-1]


async def test_it_is_open_when_it_says_so(claude, environment, tmp_path):
    """It prints the page's address once the bot is connected, and who answers; Ctrl-C ends it with one more line."""
    claude.answer("Spoken by the one who is asked.", times=9)
    real = {**environment, "HTTP_PORT": "0", "ALLOWED_CHANNELS": "C0ELSEWHERE"}
    async with (
        piped(tmp_path / "one" / "data", "sandbox", "--port", "0") as program,
        piped(tmp_path / "two" / "data", "sandbox", "--port", "0", **real) as other,
    ):
        await program.shows("The sandbox is open: http://127.0.0.1:")
        await program.shows("Answered by the stand-in for Claude")
        await other.shows("Answered by Claude (claude-sonnet-5-5 at 127.0.0.1).")
        began = time.time()
        answer = await ask(program, "slack")
        assert answer["versions"] > 1
        assert answer["changed"] - began > 0.5  # at a human pace
        assert (await ask(other, "discord"))["text"] == "Spoken by the one who is asked."
        for each in (program, other):
            each.process.send_signal(signal.SIGINT)
            assert await each.ends() == 0
            assert len(each.output.splitlines()) == 3
            assert each.output.endswith("\nThe sandbox is closed.\n")
            assert each.errors == ""


async def test_a_port_that_is_taken_is_one_clear_line():
    """The line names the option and how to take any free port; it is a SettingsError, so the status is 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            SettingsError, match=rf"^--port: .*{port} \(Address already in use\); .*sandbox --port 0` takes any"
        ):
            await first_run.sandbox(lambda **more: read(_env_file=None, **more), port)


async def test_the_lines_that_connect_a_bot_to_the_stand_ins_work_as_they_are_copied(tmp_path):
    """The three lines of shell in the README and in the help of `python -m sandbox` start a bot that reaches them."""
    lines = CONNECTING.split(":\n", 1)[1].replace("  ", "")
    assert f"```sh\n{lines}\n```" in (ROOT / "README.md").read_text()
    script = lines.replace(".venv/bin/python", sys.executable)
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", script.replace(".venv/bin/firsttoken run", f"{sys.executable} -m bot check; kill $!; wait $!"),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        cwd=tmp_path, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    out, err = await process.communicate()
    assert re.fullmatch(r"# the page: http://\S+\neverything needed works\n", out.decode()), err
