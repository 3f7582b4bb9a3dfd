"""Histories of a form that nobody foresaw: reading them ends, and what can be read beside them is asked."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from adapters.slack.closed import ClosedChannels
from adapters.slack.fields import Identity
from adapters.slack.intake import Intake
from adapters.slack.missed import REACH, Missed
from sandbox.journal import Journal
from tests.slack.memory_inbox import MemoryInbox
from tests.slack.serving import serving

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]

US = Identity("T1", "UBOT", "BBOT", "bot")
NOW = 1_700_000_000.0


def said(seconds_ago: float, text: str, **more: Any) -> dict[str, Any]:
    """A message of a history."""
    return {"type": "message", "user": "U1", "team": "T1", "ts": f"{NOW - seconds_ago:.6f}", "text": text, **more}


GOOD = [said(10, "<@UBOT> hello")]
"""What the channel CGOOD holds, whatever else is answered."""


class Odd:
    """A Web API that answers `answers` by method for every channel but CGOOD, or raises them if they are responses."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.calls = 0
        self.inbox = MemoryInbox(Journal())

    async def respond(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        method, channel = request.match_info["method"].rpartition(".")[2], request.query.get("channel")
        if method == "conversations":
            public = request.query["types"] == "public_channel"
            given = self.answers.get("conversations") or {"channels": [{"id": "CODD"}, {"id": "CGOOD"}]}
            return web.json_response({"ok": True, **(given if public else {"channels": []})})
        answer = {"messages": GOOD} if channel == "CGOOD" else self.answers.get(method, {"messages": []})
        if isinstance(answer, str):
            return web.Response(text=answer, content_type="application/json")
        if isinstance(answer, int):
            return web.Response(status=answer)
        return web.json_response({"ok": True, **answer})

    async def read(self) -> list[str]:
        """Read the last hour; returns what was asked."""

        def clock() -> float:
            return NOW + asyncio.get_running_loop().time()

        intake = Intake(US, self.inbox, "all", ClosedChannels())
        async with serving(self.respond) as api:
            missed = Missed(api, US, None, intake.missed, self.inbox.takes_part, clock=clock)
            await missed.read(NOW - REACH, ())
        return self.inbox.texts


DEEP = "[" * 3_000 + "]" * 3_000

ODD_LISTS = [
    None,
    "text",
    {"C1": {}},
    [None, 1, "CODD", [], {}],
    [
        {"id": None},
        {"id": 5},
        {"id": ["C1"]},
        {"id": "not an id"},
        {"id": "C" * 5_000},
        {"id": "CODD", "is_ext_shared": 1},
    ],
]
"""In place of a list of channels."""

ODD_MESSAGES = [
    None,
    "text",
    {"0": {}},
    [None, 1, "x", [], {}],
    [
        {"ts": None},
        {"ts": 5.0},
        {"ts": "x"},
        {"ts": "9" * 400},
        {"ts": "-1.000000"},
        {"ts": "nan"},
        {"ts": ["1.000000"]},
    ],
    [said(10, "<@UBOT> of an odd author", user={"id": "U1"})],
    [said(10, "<@UBOT> of nobody", user=None)],
    [said(10, "<@UBOT> of us", user="UBOT")],
    [said(10, "<@UBOT> of another bot", bot_id="B2")],
    [said(10, "<@UBOT> of an odd kind", subtype="channel_topic")],
    [said(10, "<@UBOT> no message", type="reaction")],
    [said(10, "<@UBOT> in an odd thread", thread_ts="x", latest_reply=[])],
    [said(9_000, "<@UBOT> edited oddly", edited=edited) for edited in (None, "x", [], {"ts": 5}, {"ts": "x"})],
    [said(9_000, "<@UBOT> replied to oddly", latest_reply="9" * 12 + ".x")],
]
"""In place of messages, none of which is a question."""


@pytest.mark.parametrize("channels", ODD_LISTS, ids=repr)
async def test_odd_lists_of_channels(channels: Any) -> None:
    """What is no channel is passed over, and those beside it are read."""
    listed = [*channels, {"id": "CGOOD"}] if isinstance(channels, list) else channels
    odd = Odd(conversations={"channels": listed})
    assert await odd.read() == (["hello"] if isinstance(channels, list) else [])


@pytest.mark.parametrize("method", ["history", "replies"])
@pytest.mark.parametrize("messages", ODD_MESSAGES, ids=lambda messages: repr(messages)[:60])
async def test_odd_messages(method: str, messages: Any) -> None:
    """What is no question is not handed in as one, and the other channel is read."""
    root = said(5_000, "a talk", thread_ts=f"{NOW - 5_000:.6f}", latest_reply=f"{NOW - 5:.6f}")
    odd = Odd(**{"history": {"messages": [root]}, method: {"messages": messages}})
    assert await odd.read() == ["hello"]


@pytest.mark.parametrize("answer", ["", "[]", "null", "<html>", DEEP, 500, 502, 404, 302, 200])
async def test_odd_answers(answer: Any) -> None:
    """What is no answer of Slack's is asked for again until it is out of reach, and the other channel is read."""
    odd = Odd(history=answer)
    async with asyncio.timeout(2 * REACH):
        assert await odd.read() == ["hello"]
    assert odd.calls < 1_000


@pytest.mark.parametrize("cursor", ["same", {"next": 1}, 5, None])
async def test_a_list_that_never_ends(cursor: Any) -> None:
    """A page that names itself as the next is given up at last."""
    odd = Odd(history={"messages": [said(20, "<@UBOT> first")], "response_metadata": {"next_cursor": cursor}})
    assert await odd.read() == ["first", "hello"]
    assert odd.calls < 100


async def test_an_answer_too_large_is_asked_for_in_smaller_pages() -> None:
    """Where a page exceeds what is read of any answer, fewer messages are asked for."""
    messages = json.dumps({"ok": True, "messages": [said(10, "<@UBOT> " + "x" * 40_000)] * 200})

    class Large(Odd):
        async def respond(self, request: web.Request) -> web.StreamResponse:
            if request.query.get("channel") == "CODD" and int(request.query["limit"]) > 50:
                return web.Response(text=messages, content_type="application/json")
            return await super().respond(request)

    odd = Large(history={"messages": [said(11, "<@UBOT> large")]})
    assert sorted(await odd.read()) == ["hello", "large"]


@pytest.mark.parametrize(
    ("channel", "message", "external"),
    [
        ({"is_ext_shared": False}, {}, False),
        ({"is_ext_shared": True}, {}, True),
        ({"is_ext_shared": False}, {"team": "T2"}, True),
        ({"is_ext_shared": False}, {"user_team": "T2"}, True),
        ({}, {}, False),
        ({}, {"team": None}, True),
    ],
)
async def test_people_of_other_organisations(channel: Any, message: Any, external: bool) -> None:
    """The channel and the message say whose they are; where neither does, they are others'."""
    odd = Odd(
        conversations={"channels": [{"id": "CODD", **channel}]},
        history={"messages": [said(10, "<@UBOT> hello", **message)]},
    )
    await odd.read()
    assert [message.external for message in odd.inbox.messages] == [external]
