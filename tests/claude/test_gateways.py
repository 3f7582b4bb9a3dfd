"""Gateways and vendors that speak the Messages API a little differently: what they add or omit breaks nothing."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from bot.app.settings import read
from bot.claude.answer import AnswerReader
from bot.claude.client import Claude
from bot.conversation import Finished, StopReason, Usage
from bot.errors import Interrupted, ModelError, Refused, SettingsError
from tests.claude.harness import listen


def event(type_: str, data: Any = None, /, **fields: Any) -> bytes:
    """A server-sent event; `data` in place of an object with that type."""
    body = {"type": type_, **fields} if data is None else data
    return f"event: {type_}\ndata: {body if isinstance(body, str) else json.dumps(body)}\n\n".encode()


def delta(text: object, index: int = 0) -> bytes:
    return event("content_block_delta", index=index, delta={"type": "text_delta", "text": text})


def block(kind: str, index: int = 0, **fields: Any) -> bytes:
    return event("content_block_start", index=index, content_block={"type": kind, **fields})


START = event("message_start", message={"model": "m", "usage": {"input_tokens": 10, "output_tokens": 1}})
ENDED = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 20})
STOP = event("message_stop")


def read_all(*pieces: bytes) -> AnswerReader:
    """What a stream of these bytes comes to."""
    answer = AnswerReader()
    for piece in pieces:
        answer.feed(piece)
    answer.end()
    return answer


ADDED = [
    event("ping", {}),
    event("ping", "null"),
    event("cost", {"usd": 0.01}),
    event("cost", "a penny"),
    event("vendor", "{not json"),
    b"data: [DONE]\n\n",
    b"data: keep-alive\n\n",
    b"data: null\n\n",
    b"data: 7\n\n",
    b"data: []\n\n",
    b'data: {"choices": []}\n\n',
    b": a comment\n\n",
    event("content_block_delta", {"type": "content_block_delta", "index": 0}),
    event("content_block_delta", index=0, delta=None),
    event("content_block_delta", index=0, delta={}),
    event("content_block_delta", index=0, delta={"type": "text_delta"}),
    event("content_block_delta", index=0, delta={"type": "text_delta", "text": None}),
    event("content_block_delta", index=0, delta={"type": "reasoning_delta", "text": "hidden"}),
    event("content_block_start", index=1),
    event("content_block_start", index=1, content_block=None),
    event("content_block_stop"),
    event("message_start", message=None),
    event("message_start", message={"usage": None}),
    event("message_delta", usage={"output_tokens": 22}),
    event("message_delta", delta=None, usage=None),
    event("message_delta", delta={"stop_reason": None, "stop_details": "none"}, usage=[]),
    event("message_delta", delta={"stop_reason": 5}),
]
"""What is no part of an answer, as it was seen or may come."""


@pytest.mark.parametrize("added", ADDED, ids=lambda added: added.decode().strip().replace("\n", " ")[:60])
def test_what_is_no_part_of_the_answer_changes_nothing(added: bytes) -> None:
    """Wherever pings, events of a vendor's own and half events stand, text, reason and model are the same."""
    said = [START, block("text", text=""), delta("Hello "), delta("there."), ENDED, STOP]
    for place in range(len(said)):
        answer = read_all(*said[:place], added, *said[place:])
        assert (answer.failure, answer.whole, answer.text) == (None, True, "Hello there.")
        assert (answer.stop, answer.detail, answer.model) == (StopReason.END_TURN, "", "m")


@given(st.lists(st.tuples(st.integers(0, 6), st.sampled_from(ADDED)), max_size=12))
def test_many_things_that_are_no_part_of_it_change_nothing_either(added: list[tuple[int, bytes]]) -> None:
    """So it is with any number of them, in any order and in one piece."""
    said = [START, block("text", text=""), delta("Hello "), delta("there."), ENDED, STOP]
    for place, more in added:
        said.insert(min(place, len(said) - 1), more)
    answer = read_all(b"".join(said))
    assert (answer.failure, answer.whole, answer.text) == (None, True, "Hello there.")


@pytest.mark.parametrize("text", [["Hi"], {"a": 1}, 5, True])
def test_a_text_that_is_none_breaks_the_answer(text: object) -> None:
    """A text that is no text is an answer that cannot be read, and never words such as `None` or `{'a': 1}`."""
    assert read_all(START, delta("Hello "), delta(text), ENDED, STOP).failure is not None


def test_a_null_is_no_text() -> None:
    """A block that begins with null, as some gateways begin one, begins with nothing."""
    assert read_all(START, block("text", text=None), delta("Hello."), ENDED, STOP).text == "Hello."


def test_a_later_event_with_less_wipes_nothing() -> None:
    """What was said of the reason, its details and the tokens stays when a later event leaves it out, or has zero."""
    refused = {"stop_reason": "refusal", "stop_details": {"category": "violence"}}
    first = event("message_delta", delta=refused, usage={"output_tokens": 20, "input_tokens": 10})
    later = [
        event("message_delta", delta={}, usage={"output_tokens": 22}),
        event("message_delta", delta={"stop_reason": None, "stop_details": None}, usage={"input_tokens": 0}),
        event("message_delta", usage={"output_tokens": 3, "output_tokens_details": {"thinking_tokens": 2}}),
        event("message_delta", delta={"stop_reason": ""}, usage={"output_tokens_details": {"thinking_tokens": None}}),
    ]
    answer = read_all(START, delta("No."), first, *later, STOP)
    assert (answer.stop, answer.detail) == (StopReason.REFUSAL, "violence")
    assert answer.usage == Usage(input=10, output=22, thinking=2)


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("length", StopReason.MAX_TOKENS),
        ("MAX_TOKENS", StopReason.MAX_TOKENS),
        ("max tokens", StopReason.MAX_TOKENS),
        ("stop", StopReason.END_TURN),
        ("tool_calls", StopReason.TOOL_USE),
        ("content_filter", StopReason.REFUSAL),
        ("guardrail_intervened", StopReason.REFUSAL),
    ],
)
def test_reasons_in_others_words_are_read_by_their_meaning(reason: str, stop: StopReason) -> None:
    """A gateway that passes on what another vendor's model says is understood; `length` is a cut."""
    answer = read_all(START, delta("Hello."), event("message_delta", delta={"stop_reason": reason}), STOP)
    assert (answer.stop, answer.detail) == (stop, "")


def test_a_reason_nobody_knows_is_told() -> None:
    """It counts as an end, and what it said is known in a few plain characters."""
    answer = read_all(START, delta("Hi."), event("message_delta", delta={"stop_reason": "<!here> " + "x" * 99}), STOP)
    assert answer.stop is StopReason.END_TURN
    assert answer.detail.startswith("here_x")
    assert len(answer.detail) == 40


@pytest.mark.parametrize("before", ["Let me look.", "Let me look.\n", "Let me look.\n\n"])
@pytest.mark.parametrize("whole", [False, True])
def test_text_after_thinking_or_a_tool_begins_a_paragraph(before: str, whole: bool) -> None:
    """A blank line parts what was said before a search from what is said after it; blocks of text alone join."""
    blocks = [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": before},
        {"type": "server_tool_use", "id": "t", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "t", "content": []},
        {"type": "text", "text": "It is"},
        {"type": "text", "text": " blue."},
    ]
    answer = AnswerReader()
    if whole:
        answer.message({"content": blocks, "stop_reason": "end_turn"})
    else:
        for index, it in enumerate(blocks):
            answer.feed(event("content_block_start", index=index, content_block={**it, "text": ""}))
            if it["type"] == "text":
                answer.feed(delta(it["text"], index))
    assert answer.text == "Let me look.\n\nIt is blue."


@given(st.lists(st.text("\r\na", max_size=4), max_size=6))
def test_lines_end_in_a_line_feed_however_they_are_cut(pieces: list[str]) -> None:
    """CR LF is LF, also where it is cut in two; so a backslash at a line's end stays the last character there."""
    answer = AnswerReader()
    for piece in pieces:
        answer.feed(delta(piece))
    assert answer.text == "".join(pieces).removesuffix("\r").replace("\r\n", "\n")


# --- over the wire --------------------------------------------------------------------------------------------


class Gateway:
    """A gateway on loopback that answers `/v1/messages` as a test wants and knows no look-up of models."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.refuses: dict[str, Callable[[str], tuple[int, str]]] = {}
        self.answer: tuple[str, bytes] = ("text/event-stream", START + delta("Hello.") + ENDED + STOP)
        self.status = 401

    async def messages(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append(body)
        for name, said in self.refuses.items():
            if name in body:
                status, text = said(name)
                return web.Response(status=status, text=text, content_type="application/json")
        kind, data = self.answer
        return web.Response(body=data, content_type=kind)

    async def other(self, _: web.Request) -> web.Response:
        return web.json_response({"error": "no such route"}, status=self.status)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    made = Gateway()
    app = web.Application()
    app.router.add_post("/v1/messages", made.messages)
    app.router.add_route("*", "/{tail:.*}", made.other)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"  # type: ignore[attr-defined]
    yield made
    await runner.cleanup()


@pytest.fixture
async def claude(gateway: Gateway) -> AsyncIterator[Claude]:
    url = gateway.url  # type: ignore[attr-defined]
    made = Claude("sk-ant-test", model="m", small_model="s", max_tokens=100, base_url=url)
    yield made
    await made.close()


WORDINGS: list[Callable[[str], tuple[int, str]]] = [
    lambda name: (400, f'{{"error":{{"message":"{name}: Extra inputs are not permitted"}}}}'),
    lambda name: (422, f'{{"detail":[{{"loc":["body","{name}"],"msg":"unexpected"}}]}}'),
    lambda _: (400, '{"message":"Extra inputs are not permitted"}'),
    lambda _: (400, '{"error":"Unrecognized request argument supplied"}'),
    lambda name: (400, f"Unknown parameter: {name}"),
]


@pytest.mark.parametrize("wording", WORDINGS)
async def test_a_refused_field_is_given_up_and_remembered(
    wording: Callable[[str], tuple[int, str]], gateway: Gateway, claude: Claude, caplog: pytest.LogCaptureFixture
) -> None:
    """A gateway that knows no caching is asked again without it at once, from then on only so; the log says it once."""
    gateway.refuses = {"cache_control": wording}
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            shown, end = await listen(claude)
            assert shown == "Hello."
            assert isinstance(end, Finished)
    assert ["cache_control" in body for body in gateway.asked] == [True, False, False, False]
    (said,) = [record for record in caplog.records if "refuses a field" in record.message]
    assert (said.field, said.host) == ("cache_control", "127.0.0.1")  # type: ignore[attr-defined]


async def test_a_refusal_of_something_else_costs_no_field(gateway: Gateway, claude: Claude) -> None:
    """What is refused for its text or its model is refused, and caching goes on afterwards."""
    gateway.refuses = {"messages": lambda _: (400, '{"error":{"message":"messages: text is not allowed"}}')}
    _, end = await listen(claude)
    assert isinstance(end, Refused)
    gateway.refuses = {"messages": lambda _: (400, '{"error":{"message":"cache_control is fine, messages are not"}}')}
    _, end = await listen(claude)
    assert isinstance(end, Refused)
    gateway.refuses = {}
    await listen(claude)
    assert "cache_control" in gateway.asked[-1]


async def test_check_tries_what_is_sent_and_tells_what_is_refused(gateway: Gateway, claude: Claude) -> None:
    """`check` sends a question as people's are sent, and names the field that goes, with what it costs."""
    gateway.refuses = {"cache_control": WORDINGS[0]}
    warnings = await claude.check(ask=True)
    assert any("refuses the field cache_control" in warning for warning in warnings)
    assert any("tells nothing about models (status 401)" in warning for warning in warnings)
    assert gateway.asked[0]["stream"] is True
    assert gateway.asked[0]["cache_control"] == {"type": "ephemeral"}


async def test_check_finds_a_gateway_that_refuses_every_question(gateway: Gateway, claude: Claude) -> None:
    """Where questions are refused for good, that is an error with the gateway's own words, before anybody asks."""
    gateway.status = 404
    gateway.refuses = {"model": lambda _: (400, '{"error":{"type":"invalid_request_error","message":"no model m"}}')}
    with pytest.raises(SettingsError, match=r"refuses the bot's questions to m \(CLAUDE_MODEL\).*no model m"):
        await claude.check(ask=True)


ANSWER = {
    "type": "message",
    "model": "m",
    "content": [{"type": "text", "text": "Hello at once."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 4},
}


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream", "text/plain"])
@pytest.mark.parametrize("begin", [b"", b" \r\n", b"\xef\xbb\xbf"])
async def test_a_whole_message_in_place_of_a_stream_is_the_answer(
    kind: str, begin: bytes, gateway: Gateway, claude: Claude
) -> None:
    """A gateway that does not stream is understood: its one JSON object is shown and counted as the answer."""
    gateway.answer = kind, begin + json.dumps(ANSWER).encode()
    shown, end = await listen(claude)
    assert isinstance(end, Finished)
    assert shown == end.text == "Hello at once."
    assert (end.stop, end.usage) == (StopReason.END_TURN, Usage(input=3, output=4))


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}', ModelError),
        (b'{"error":{"type":"invalid_request_error","message":"no"}}', Refused),
        (b'{"content":[{"type":"text","text":"cut', Interrupted),
        (b"{}", Interrupted),
    ],
)
async def test_json_that_is_no_answer_is_a_failure(
    body: bytes, error: type[ModelError], gateway: Gateway, claude: Claude
) -> None:
    """An error that comes with status 200, or half a message, is what it would be elsewhere, and shows nothing."""
    gateway.answer = "application/json", body
    shown, end = await listen(claude)
    assert shown == ""
    assert isinstance(end, error)


@pytest.mark.parametrize("ending", ["/v1/messages", "/v1/messages/", "/messages"])
def test_an_address_with_the_path_is_named(ending: str) -> None:
    """The path of the Messages API in ANTHROPIC_BASE_URL is one sentence that says to leave it out."""
    with pytest.raises(SettingsError, match=r"ANTHROPIC_BASE_URL.*without /v1/messages"):
        read(_env_file=None, anthropic_base_url=f"https://gateway.example{ending}")


async def test_an_error_without_a_name_is_the_streams_failure(gateway: Gateway, claude: Claude) -> None:
    """An error that a gateway puts into the stream in its own form ends the attempt as a broken one."""
    gateway.answer = "text/event-stream", START + delta("Hel") + b'data: {"error": {"message": "upstream gone"}}\n\n'
    shown, end = await listen(claude)
    assert shown == "Hel"
    assert isinstance(end, Interrupted)
