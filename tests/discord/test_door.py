"""What Discord's gateway never sends, and what becomes of it: nothing breaks, and nobody is left deaf."""

from __future__ import annotations

import json
import math

import pytest

from adapters.discord.payloads import BEAT_USUAL, OddFrame, checked
from sandbox.discord import DiscordServer
from tests.discord.harness import Box, ask, listening
from tests.fuzz import gateway

WRITTEN = {
    "id": "1", "channel_id": "2", "author": {"id": "3", "username": "ada"}, "content": "hi", "type": 0,
    "timestamp": "2026-01-01T00:00:00+00:00", "mentions": [], "mention_roles": [], "attachments": [], "embeds": [],
}  # fmt: skip


def frame(**fields: object) -> dict[str, object]:
    return {"op": 0, "t": "MESSAGE_CREATE", "s": 5, "d": WRITTEN, **fields}


async def test_odd_frames_do_no_harm() -> None:
    """Hundreds of odd frames: no traceback, few sessions, and a mention is taken in right after."""
    assert await gateway.fuzz(600, seed=3) == []


@pytest.mark.parametrize(
    "data",
    [
        {**WRITTEN, "content": 5},
        {**WRITTEN, "mentions": {}},
        {**WRITTEN, "id": ["1"]},
        {**WRITTEN, "author": None},
        {name: value for name, value in WRITTEN.items() if name != "author"},
        {**WRITTEN, "mentions": [{"id": {}}]},
        {**WRITTEN, "attachments": [{"id": "1", "filename": 5, "size": 1}]},
        "x",
        [],
    ],
)
def test_a_message_of_another_shape_is_odd(data: object) -> None:
    """What is missing or of another type than Discord says is found before discord.py reads it."""
    with pytest.raises(OddFrame, match=r"^MESSAGE_CREATE: "):
        checked(frame(d=data), 4)


def test_what_discord_sends_is_not_odd() -> None:
    """An ordinary message passes as it came, with whatever is new in it; an update may lack nearly all."""
    assert checked(frame(d={**WRITTEN, "new": 1}), 4) == frame(d={**WRITTEN, "new": 1})
    update = frame(t="MESSAGE_UPDATE", d={"id": "1", "channel_id": "2"})
    assert checked(update, 4) == update


def test_a_session_is_only_resumed_where_there_was_one() -> None:
    """RESUMED without a session is odd, and what it says besides is nothing: no shape of it is."""
    resumed = frame(t="RESUMED", d=None)
    with pytest.raises(OddFrame, match="no session"):
        checked(resumed, None)
    assert checked(resumed, 4) == {**resumed, "d": {}}


@pytest.mark.parametrize("address", ["http://x", "x", "", "ws://", "ws://x:99999", 5, None, [], {}])
def test_an_address_to_resume_at_that_cannot_be_one_is_left_empty(address: object) -> None:
    """The session begins all the same; one that can be an address is kept."""
    ready = {"session_id": "s", "user": {"id": "1"}, "guilds": []}
    odd = checked(frame(t="READY", d={**ready, "resume_gateway_url": address}), None)
    assert odd["d"] == {**ready, "resume_gateway_url": ""}
    named = {**ready, "resume_gateway_url": "wss://resume.example:443/"}
    assert checked(frame(t="READY", d=named), None)["d"] == named


@pytest.mark.parametrize("number", ["x", -1, 3, 10**9, 1.5, True, [], math.nan])
def test_a_number_that_does_not_follow_is_left_out(number: object) -> None:
    """A sequence number that cannot be one is not remembered; the event that bears it is still heard."""
    assert checked(frame(s=number), 4) == frame(s=None)


@pytest.mark.parametrize("interval", [0, -5, math.nan, math.inf, "x", None, 10**12, True])
def test_an_interval_that_cannot_be_one_is_replaced(interval: object) -> None:
    """Heartbeats go on as usual, whatever interval is named."""
    hello = {"op": 10, "d": {"heartbeat_interval": interval}, "s": None, "t": None}
    assert checked(hello, None)["d"] == {"heartbeat_interval": BEAT_USUAL}


async def test_a_wrong_sequence_number_leaves_nobody_deaf(server: DiscordServer, box: Box) -> None:
    """After an event whose number is no number the next mention is heard, on the same session."""
    async with listening(server, box):
        [session] = server.sessions
        assert session.link is not None
        for number in ("x", -7, 10**18):
            session.link.send(json.dumps({"op": 0, "t": "TYPING_START", "s": number, "d": {"channel_id": "1"}}))
        last = await ask(server, "still there?")
        await box.until(lambda: last in box.offered)
        assert [it.id for it in server.sessions] == [session.id]
