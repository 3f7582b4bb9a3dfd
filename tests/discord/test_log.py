"""What the log says of the gateway, through the real discord.py."""

from __future__ import annotations

import logging

import pytest

from bot.app.logs import set_up
from sandbox.discord import DiscordServer
from sandbox.faults import Fault
from tests.discord.harness import Box, listening


async def test_a_lost_connection_is_one_line(
    server: DiscordServer, box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    """A gateway that is away for a while is one warning: why, and that it is tried again; nothing is missed."""
    set_up("warning", "console")
    async with listening(server, box):
        server.faults.add(Fault("GATEWAY connect", "status", status=503))
        await server.drop_sockets()
        await server.say(server.channel("general"), server.user("ada"), f"<@{server.bot_id}> hello")
        await box.until(lambda: box.messages)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "[warning" in lines[0]
    assert "the connection to Discord was lost: 503, " in lines[0]
    assert "; trying again" in lines[0]


def test_other_errors_of_discord_py_keep_their_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """An error in a handler is an error, with where it came from."""
    set_up("warning", "console")
    try:
        raise LookupError("100% wrong")
    except LookupError:
        logging.getLogger("discord.client").exception("Ignoring exception in %s", "on_message")
    out = capsys.readouterr().err
    assert "[error" in out
    assert "Traceback" in out
    assert "100% wrong" in out
