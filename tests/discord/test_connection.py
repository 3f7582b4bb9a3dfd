"""Connections to Discord's gateway that say nonsense or nothing: replaced soon, resumed, and never in a hot loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from adapters.discord.reconnect import CONNECTIONS, CONNECTIONS_EVERY, RESUMES
from sandbox.discord import DiscordServer
from sandbox.journal import Journal
from tests.discord.harness import Box, adapter_for, ask, calls, listening
from tests.discord.meddler import Frame, Meddler, Sent

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID, HELLO, ACK = 0, 1, 2, 6, 7, 9, 10, 11


def said(op: int, data: object = None) -> Frame:
    """A frame of Discord's that is no event."""
    return {"op": op, "d": data, "s": None, "t": None}


async def heard(server: DiscordServer, box: Box) -> None:
    """A mention reaches the inbox."""
    last = await ask(server, "still there?")
    await box.until(lambda: last in box.offered)


def asked_for(meddler: Meddler) -> tuple[int, int]:
    """How many new sessions were asked for, and how often an old one."""
    return meddler.count(IDENTIFY), meddler.count(RESUME)


# --- heartbeats ---------------------------------------------------------------------------------------------


async def test_a_silent_connection_is_replaced_and_resumed(box: Box) -> None:
    """One that stays open and answers nothing is known for what it is, and nothing written meanwhile is lost."""
    async with DiscordServer(Journal(), heartbeat=0.3) as server, listening(server, box):
        await server.silence_heartbeats()
        await ask(server, "into the void")
        await box.until(lambda: box.messages)
        assert calls(server, "GATEWAY IDENTIFY") == 1


async def test_a_connection_that_talks_and_answers_no_heartbeat_is_replaced(box: Box) -> None:
    """Events prove nothing: without the answers Discord takes our heartbeats for missing, and hangs up for good."""
    async with DiscordServer(Journal(), heartbeat=0.3) as server, Meddler(server) as meddler:
        talk = {"op": DISPATCH, "t": "TYPING_START", "s": None, "d": {"channel_id": "1"}}
        meddler.change = lambda frame: [talk if frame["op"] == ACK and not meddler.count(RESUME) else frame]
        async with listening(server, box):
            await meddler.until(lambda: meddler.count(RESUME))
            await heard(server, box)
            assert asked_for(meddler) == (1, 1)


@pytest.mark.parametrize("interval", [0, float("nan"), 10**400, "soon", None])
async def test_heartbeats_go_on_whatever_interval_is_named(server: DiscordServer, box: Box, interval: object) -> None:
    """An interval that cannot be one is no reason to send none, or a thousand."""
    async with Meddler(server) as meddler:
        odd = said(HELLO, {"heartbeat_interval": interval})
        meddler.change = lambda frame: [odd if frame["op"] == HELLO else frame]
        async with listening(server, box):
            await heard(server, box)
            assert meddler.count(HEARTBEAT) == 1


# --- sessions that begin ------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["no JSON", said(ACK), {"op": 99}, {"op": DISPATCH, "t": "X", "s": 1, "d": {}}])
async def test_a_session_is_asked_for_once_discord_says_hello(server: DiscordServer, box: Box, first: Sent) -> None:
    """Whatever comes before HELLO is not taken for it: heartbeats begin, and there is one session."""
    async with Meddler(server) as meddler:

        def change(frame: Frame) -> Iterator[Sent]:
            if frame["op"] == HELLO:
                yield first
                assert not meddler.said
            yield frame

        meddler.change = change
        async with listening(server, box):
            await heard(server, box)
            assert (meddler.count(HEARTBEAT), *asked_for(meddler)) == (1, 1, 0)


async def test_a_second_hello_is_no_beginning(server: DiscordServer, box: Box) -> None:
    """Heartbeats go on as they do, and no further session is asked for, over which Discord would hang up."""
    async with Meddler(server) as meddler:
        meddler.change = lambda frame: [frame, frame] if frame["op"] == HELLO else [frame]
        async with listening(server, box):
            await heard(server, box)
            assert (meddler.count(HEARTBEAT), *asked_for(meddler)) == (1, 1, 0)


@pytest.mark.parametrize(
    "lacking", [{"session_id": None}, {"session_id": 5}, {"user": None}, {"user": {"id": "1"}}, {"user": []}]
)
async def test_a_session_that_begins_oddly_is_begun_again(
    server: DiscordServer, box: Box, lacking: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """A READY that lacks what it is for costs one new session, and no traceback."""
    async with Meddler(server) as meddler:

        def change(frame: Frame) -> list[Sent]:
            odd = frame["t"] == "READY" and meddler.count(IDENTIFY) == 1
            return [{**frame, "d": {**frame["d"], **lacking}} if odd else frame]

        meddler.change = change
        async with listening(server, box):
            await heard(server, box)
            assert asked_for(meddler) == (2, 0)
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_session_cannot_begin_twice(server: DiscordServer, box: Box) -> None:
    """A second READY on a connection is odd: the session that is there is the one that is resumed."""
    async with Meddler(server) as meddler:

        def change(frame: Frame) -> Iterator[Sent]:
            yield frame
            if frame["t"] == "READY":
                yield {**frame, "d": {**frame["d"], "session_id": "another"}}

        meddler.change = change
        async with listening(server, box):
            await heard(server, box)
            await meddler.close(4000)
            await heard(server, box)
            assert asked_for(meddler) == (1, 1)


# --- sessions that are resumed ------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["ws://127.0.0.1:1/", "http://x", "ws:///", "ws://x:99999", "", 5, None, [], {}])
async def test_an_address_to_resume_at_that_leads_nowhere_is_not_the_only_one(
    server: DiscordServer, box: Box, address: object
) -> None:
    """The usual address is tried in turn with it, and the session goes on."""
    async with Meddler(server) as meddler:

        def change(frame: Frame) -> list[Sent]:
            odd = frame["t"] == "READY"
            return [{**frame, "d": {**frame["d"], "resume_gateway_url": address}} if odd else frame]

        meddler.change = change
        async with listening(server, box):
            await meddler.close(4000)
            await heard(server, box)
            assert asked_for(meddler) == (1, 1)


async def test_a_session_is_resumed_where_discord_says(server: DiscordServer, box: Box) -> None:
    """READY names the address; the usual one is for sessions that are new."""
    other, usual = Meddler(server), Meddler(server)
    async with other, usual:

        def change(frame: Frame) -> list[Sent]:
            ready = frame["t"] == "READY"
            return [{**frame, "d": {**frame["d"], "resume_gateway_url": other.address}} if ready else frame]

        usual.change = change
        async with listening(server, box):
            await usual.close(4000)
            await heard(server, box)
            assert (asked_for(usual), asked_for(other)) == ((1, 0), (0, 1))


@pytest.mark.parametrize(
    "broken", [b"\x00\x00\xff\xff", b"\xff" * 50 + b"\x00\x00\xff\xff", b"\x78\x9c\x00\x00\xff\xff"], ids=bytes.hex
)
async def test_damaged_data_costs_no_session(server: DiscordServer, box: Box, broken: bytes) -> None:
    """A stream that cannot be unpacked any more is given up, and the session is resumed on another."""
    async with Meddler(server, compressed=True) as meddler, listening(server, box):
        await meddler.send(broken)
        await heard(server, box)
        assert meddler.count(IDENTIFY) == 1


@pytest.mark.parametrize("data", [None, [], "x", {"_trace": 5}])
async def test_whatever_the_end_of_a_replay_says_the_session_goes_on(
    server: DiscordServer, box: Box, data: object
) -> None:
    """RESUMED says all by its name."""
    async with Meddler(server) as meddler, listening(server, box) as adapter:
        meddler.change = lambda frame: [{**frame, "d": data} if frame["t"] == "RESUMED" else frame]
        for _ in range(2):
            await meddler.close(4000)
            await heard(server, box)  # before RESUMED
            await heard(server, box)
            assert adapter.connected
        assert asked_for(meddler) == (1, 2)


@pytest.mark.parametrize("code", [1000, 1001, 1012, 4000, 4001, 4002, 4005, 4008])
async def test_a_session_outlives_its_connection(server: DiscordServer, box: Box, code: int) -> None:
    """Whatever Discord closes with that does not end it, the session is resumed."""
    async with Meddler(server) as meddler, listening(server, box):
        await meddler.close(code)
        await heard(server, box)
        assert asked_for(meddler) == (1, 1)


@pytest.mark.parametrize("end", [4003, 4007, 4009, said(INVALID, data=False)])
async def test_a_session_that_is_over_is_not_resumed(server: DiscordServer, box: Box, end: Sent) -> None:
    """After a close that says so a new session is begun; to resume again and again would leave the bot deaf."""
    async with Meddler(server) as meddler, listening(server, box):
        await meddler.send(end)
        await heard(server, box)
        assert asked_for(meddler) == (2, 0)


@pytest.mark.parametrize("answer", [4000, said(RECONNECT), said(INVALID, data=True), said(INVALID, data="x")])
async def test_a_session_that_is_never_resumed_is_given_up(server: DiscordServer, box: Box, answer: Sent) -> None:
    """A gateway that hangs up on every RESUME is asked for a new session before long."""
    async with Meddler(server) as meddler, listening(server, box):
        meddler.change = lambda frame: [answer if frame["t"] == "RESUMED" else frame]
        await meddler.close(4000)
        await meddler.until(lambda: meddler.count(IDENTIFY) == 2)
        await heard(server, box)
        assert asked_for(meddler) == (2, RESUMES)


async def test_a_session_that_cannot_be_resumed_is_begun_anew(server: DiscordServer, box: Box) -> None:
    """Where Discord says so in answer to RESUME, nothing more is tried."""
    async with Meddler(server) as meddler, listening(server, box):
        meddler.change = lambda frame: [said(INVALID, data=False) if frame["t"] == "RESUMED" else frame]
        await meddler.close(4000)
        await meddler.until(lambda: meddler.count(IDENTIFY) == 2)
        await heard(server, box)
        assert asked_for(meddler) == (2, 1)


@pytest.mark.parametrize("end", [said(RECONNECT), said(INVALID, data=True), 4000])
async def test_being_told_to_go_without_end_makes_no_hot_loop(server: DiscordServer, box: Box, end: Sent) -> None:
    """Each connection is told to go at once: few are made, few sessions begun, and the next mention is heard."""
    further = 2
    async with Meddler(server) as meddler, listening(server, box):
        meddler.change = lambda frame: [frame, end] if frame["t"] in {"READY", "RESUMED"} else [frame]
        await meddler.send(end)
        await meddler.until(lambda: len(meddler.connected_at) == CONNECTIONS + further)
        assert meddler.connected_at[-1] - meddler.connected_at[0] >= further * CONNECTIONS_EVERY - 0.1
        assert meddler.count(IDENTIFY) == 1
        meddler.change = lambda frame: [frame]
        await heard(server, box)


# --- the end ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("withheld", [HELLO, DISPATCH, None])
async def test_intake_that_stops_hangs_up(server: DiscordServer, box: Box, withheld: int | None) -> None:
    """However far a connection has come, it is closed, with a word where Discord may keep a session for it."""
    async with Meddler(server) as meddler:
        meddler.change = lambda frame: [] if frame["op"] == withheld else [frame]
        adapter = adapter_for(server)
        await adapter.start()
        try:
            listening = asyncio.create_task(adapter.listen(box))
            await meddler.until(lambda: meddler.connections if withheld == HELLO else meddler.count(IDENTIFY))
            if withheld is None:
                await listening
            await adapter.stop_intake()
            await asyncio.wait({listening})
            await meddler.until(lambda: not meddler.connections)
            assert meddler.closed_with == [1000] or withheld == HELLO
            assert not {"discord gateway", "discord heartbeat"} & {task.get_name() for task in asyncio.all_tasks()}
        finally:
            await adapter.close()
