"""The stand-in for Claude, seen by the real SDK and by a plain HTTP client."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from anthropic import AsyncAnthropic, BadRequestError, DefaultAioHttpClient, NotFoundError, RateLimitError

from sandbox.claude import CATALOGUE, Asked, ClaudeServer, Script
from sandbox.claude.answers import compose
from sandbox.faults import Fault
from sandbox.journal import Journal

ASK: dict[str, Any] = {
    "model": "claude-sonnet-5-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "What is a queue?"}],
}


@pytest.fixture
async def server() -> AsyncIterator[ClaudeServer]:
    async with ClaudeServer(Journal(), ping_every=0.02) as server:
        yield server


@pytest.fixture
async def sdk(server: ClaudeServer) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(
        api_key=server.api_key, base_url=server.url, max_retries=0, http_client=DefaultAioHttpClient()
    ) as client:
        yield client


@pytest.fixture
async def http(server: ClaudeServer) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"x-api-key": server.api_key, "anthropic-version": "2023-06-01"}
    async with aiohttp.ClientSession(server.url, headers=headers) as session:
        yield session


async def _error(response: aiohttp.ClientResponse) -> tuple[int, str, str]:
    body = await response.json()
    assert body["type"] == "error"
    assert body["request_id"] == response.headers["request-id"]
    return response.status, body["error"]["type"], body["error"]["message"]


async def test_the_sdk_streams_an_answer(server: ClaudeServer, sdk: AsyncAnthropic) -> None:
    """The SDK's own accumulation of a stream gives the scripted message, with thinking, usage and stop reason."""
    server.answer("A queue is a line.", thinking=0.05, show_thinking=True, stop_reason="refusal", category="bio")
    async with sdk.messages.stream(**ASK) as stream:
        message = await stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[1].type == "text"
    assert message.content[1].text == "A queue is a line."
    assert message.stop_reason == "refusal"
    assert message.stop_details is not None
    assert message.stop_details.category == "bio"
    assert message.usage.input_tokens == 7
    assert message.usage.output_tokens_details is not None
    assert message.usage.output_tokens > message.usage.output_tokens_details.thinking_tokens == 2


async def test_the_order_of_events(server: ClaudeServer, http: aiohttp.ClientSession) -> None:
    """Events come by name in the API's order, a ping after each block began, and counts are cumulative."""
    server.answer("abcd", chunk=2)
    async with http.post("/v1/messages", json={**ASK, "stream": True}) as response:
        assert response.content_type == "text/event-stream"
        body = await response.text()
    names = [line.removeprefix("event: ") for line in body.splitlines() if line.startswith("event: ")]
    assert names == [
        *("message_start", "content_block_start", "ping", "content_block_delta", "content_block_delta"),
        *("content_block_stop", "message_delta", "message_stop"),
    ]
    data = [json.loads(line.removeprefix("data: ")) for line in body.splitlines() if line.startswith("data: ")]
    assert [event["type"] for event in data] == names
    assert data[-2]["usage"]["output_tokens"] > data[0]["message"]["usage"]["output_tokens"]


async def test_a_fault_in_a_stream_strikes_once(server: ClaudeServer, http: aiohttp.ClientSession) -> None:
    """A fault that lets the stream go on happens once, where it was ordered."""
    server.fault("unknown_events", at=8, text="0123456789abcdef")
    async with http.post("/v1/messages", json={**ASK, "stream": True}) as response:
        body = await response.text()
    assert body.count("message_mood") == 2  # its name and its type
    assert body.index('"4567"') < body.index("message_mood") < body.index('"89ab"')


async def test_the_standard_call_is_the_same_message(server: ClaudeServer, sdk: AsyncAnthropic) -> None:
    """Without `stream` the same script comes as one message, with the rate limit headers."""
    server.answer("Once.", stop_reason="max_tokens")
    raw = await sdk.messages.with_raw_response.create(**ASK)
    message = await raw.parse()
    assert message.content[0].type == "text"
    assert (message.content[0].text, message.stop_reason) == ("Once.", "max_tokens")
    assert raw.headers["anthropic-ratelimit-requests-remaining"].isdigit()
    assert raw.headers["anthropic-ratelimit-output-tokens-reset"].endswith("Z")


BAD: dict[str, tuple[dict[str, Any], int, str]] = {
    "no messages": ({"messages": []}, 400, "at least one message"),
    "empty text": ({"messages": [{"role": "user", "content": ""}]}, 400, "non-empty content"),
    "blank text": ({"messages": [{"role": "user", "content": " \n"}]}, 400, "non-whitespace"),
    "empty block": ({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]}, 400, "non-empty"),
    "no blocks": ({"messages": [{"role": "user", "content": []}]}, 400, "non-empty content"),
    "no content": ({"messages": [{"role": "user"}]}, 400, "Field required"),
    "odd role": ({"messages": [{"role": "robot", "content": "x"}]}, 400, "role"),
    "begins with Claude": (
        {"messages": [{"role": "assistant", "content": "x"}, {"role": "user", "content": "y"}]},
        400,
        "first message",
    ),
    "prefill": (
        {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]},
        400,
        "prefill",
    ),
    "half a character": ({"messages": [{"role": "user", "content": "\ud83d"}]}, 400, "surrogate"),
    "temperature": ({"temperature": 1.0}, 400, "temperature"),
    "top_p": ({"top_p": 0.5}, 400, "top_p"),
    "top_k": ({"top_k": 5}, 400, "top_k"),
    "unknown field": ({"colour": "red"}, 400, "colour: Extra inputs"),
    "unknown model": ({"model": "claude-nonesuch"}, 404, "claude-nonesuch"),
    "too many tokens": ({"max_tokens": 10**6}, 400, "maximum allowed number of output tokens"),
    "no tokens": ({"max_tokens": 0}, 400, "greater than or equal to 1"),
    "tokens in words": ({"max_tokens": "many"}, 400, "valid integer"),
    "empty system block": ({"system": [{"type": "text", "text": ""}]}, 400, "system"),
    "odd cache": ({"cache_control": {"type": "eternal"}}, 400, "cache_control"),
    "odd effort": ({"output_config": {"effort": "herculean"}}, 400, "effort"),
    "odd thinking": ({"thinking": {"type": "sometimes"}}, 400, "thinking"),
    "too long for the model": (
        {"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "x" * 900_000}]},
        400,
        "prompt is too long",
    ),
}


@pytest.mark.parametrize(("change", "status", "message"), BAD.values(), ids=BAD)
async def test_what_the_api_refuses(
    change: dict[str, Any], status: int, message: str, server: ClaudeServer, http: aiohttp.ClientSession
) -> None:
    """A wrong request is refused with the API's status and type, and noted with its body."""
    async with http.post("/v1/messages", json={**ASK, **change}) as response:
        got, type_, said = await _error(response)
    assert (got, type_) == (status, "not_found_error" if status == 404 else "invalid_request_error")
    assert message in said
    (asked,) = server.asked()
    assert asked == {**ASK, **change}


@pytest.mark.parametrize("missing", ["model", "messages", "max_tokens"])
async def test_required_fields(missing: str, http: aiohttp.ClientSession) -> None:
    """Each of the three required fields is asked for by name."""
    body = {name: value for name, value in ASK.items() if name != missing}
    async with http.post("/v1/messages", json=body) as response:
        assert await _error(response) == (400, "invalid_request_error", f"{missing}: Field required")


async def test_bad_bodies_and_keys(server: ClaudeServer, http: aiohttp.ClientSession) -> None:
    """Broken JSON, an enormous body, a wrong or missing key, no version, an unknown path: each has its own error."""
    async with http.post("/v1/messages", data=b"{") as response:
        assert (await _error(response))[:2] == (400, "invalid_request_error")
    async with http.post("/v1/messages", data=b"[1]") as response:
        assert (await _error(response))[:2] == (400, "invalid_request_error")
    async with http.post("/v1/messages", data=io.BytesIO(b" " * (32 * 1024 * 1024 + 1))) as response:
        assert (await _error(response))[:2] == (413, "request_too_large")
    async with http.post("/v1/messages", json=ASK, headers={"x-api-key": "sk-ant-other"}) as response:
        assert (await _error(response))[:2] == (401, "authentication_error")
    async with http.get("/v1/nowhere") as response:
        assert (await _error(response))[:2] == (404, "not_found_error")
    async with aiohttp.ClientSession(server.url) as stranger:
        async with stranger.post("/v1/messages", json=ASK) as response:
            assert (await _error(response))[0] == 401
        headers = {"authorization": f"Bearer {server.api_key}"}
        async with stranger.post("/v1/messages", json=ASK, headers=headers) as response:
            assert (await _error(response))[2].startswith("anthropic-version")


async def test_consecutive_messages_of_one_role_are_taken(sdk: AsyncAnthropic) -> None:
    """Two user messages in a row are no error."""
    twice = [{"role": "user", "content": "One."}, {"role": "user", "content": "Two."}]
    message = await sdk.messages.create(**{**ASK, "messages": twice})
    assert message.stop_reason == "end_turn"


async def test_models(sdk: AsyncAnthropic) -> None:
    """Models are listed newest first, in pages, and retrieved by id and alias with life cycle and bounds."""
    listed = [model.id async for model in sdk.models.list(limit=2)]
    assert len(listed) == len(set(listed)) == 6
    assert {"claude-sonnet-5-5", "claude-haiku-5-5"} < set(listed)
    old = await sdk.models.retrieve("claude-sonnet-4-5")
    assert (old.id, old.lifecycle, old.max_tokens) == ("claude-sonnet-4-5-20250929", "deprecated", 64_000)
    assert old.retires_at is not None
    assert (old.retires_at.year, old.retires_at.month, old.retires_at.day) == (2026, 11, 30)
    with pytest.raises(NotFoundError):
        await sdk.models.retrieve("claude-nonesuch")


async def test_tokens_are_counted_like_usage(sdk: AsyncAnthropic) -> None:
    """`count_tokens` and the usage of the answer agree."""
    count = await sdk.messages.count_tokens(model=ASK["model"], messages=ASK["messages"], system="Be brief.")
    message = await sdk.messages.create(**ASK, system="Be brief.")
    assert count.input_tokens == message.usage.input_tokens


async def test_the_cache_is_read_by_prefix(sdk: AsyncAnthropic) -> None:
    """With top-level `cache_control` a longer conversation reads its beginning, another system prompt does not."""
    long = {"role": "user", "content": "word " * 2000}
    more = [long, {"role": "assistant", "content": "Yes."}, {"role": "user", "content": "So?"}]
    control = {"cache_control": {"type": "ephemeral"}}
    plain = (await sdk.messages.create(**{**ASK, "messages": [long]})).usage
    first = (await sdk.messages.create(**{**ASK, "messages": [long], **control})).usage
    second = (await sdk.messages.create(**{**ASK, "messages": more, **control})).usage
    other = (await sdk.messages.create(**{**ASK, "messages": more, **control, "system": "Else."})).usage
    assert (plain.cache_creation_input_tokens, plain.cache_read_input_tokens) == (0, 0)
    assert first.cache_creation_input_tokens == plain.input_tokens
    assert second.cache_read_input_tokens == first.cache_creation_input_tokens
    assert other.cache_read_input_tokens == 0


async def test_the_rate_limit_is_enforced(sdk: AsyncAnthropic) -> None:
    """Requests above the limit are refused with the seconds to wait."""
    async with ClaudeServer(Journal(), requests_per_minute=2) as server:
        limited = sdk.with_options(base_url=server.url)
        for _ in range(2):
            await limited.messages.create(**ASK)
        with pytest.raises(RateLimitError) as refused:
            await limited.messages.create(**ASK)
    assert 0 < int(refused.value.response.headers["retry-after"]) <= 31


async def test_queued_answers_come_before_the_handler(server: ClaudeServer, sdk: AsyncAnthropic) -> None:
    """An ordered answer is used once, then the handler is asked, and where it has none the default speaks."""
    server.handle(lambda asked: Script(text=f"re: {asked.question}") if asked.number < 3 else None)
    server.answer("first")
    said = []
    for _ in range(3):
        block = (await sdk.messages.create(**ASK)).content[0]
        assert block.type == "text"
        said.append(block.text)
    assert said[:2] == ["first", "re: What is a queue?"]
    assert said[2] == compose("What is a queue?")


async def test_a_place_of_any_length_is_read(server: ClaudeServer, sdk: AsyncAnthropic) -> None:
    """A question may name the place of a fault with more digits than Python makes a number of."""
    content = f"short, fault:unknown_events@{'9' * 5_000}"
    message = await sdk.messages.create(**{**ASK, "messages": [{"role": "user", "content": content}]})
    assert message.stop_reason == "end_turn"


async def test_a_fault_asked_for_in_the_question_strikes_once(server: ClaudeServer, sdk: AsyncAnthropic) -> None:
    """A person can order a fault in words; the same question asked again is answered."""
    ask = {**ASK, "messages": [{"role": "user", "content": "Tell me, fault:bad_request"}]}
    with pytest.raises(BadRequestError):
        await sdk.messages.create(**ask)
    assert (await sdk.messages.create(**ask)).stop_reason == "end_turn"


@pytest.mark.parametrize("words", ["short", "a list", "a table", "code", "long", "very long"])
def test_default_answers_follow_the_question(words: str) -> None:
    """Words in the question steer length and form, and the same question and seed give the same answer."""
    text = compose(f"Explain queues: {words}")
    assert text == compose(f"Explain queues: {words}")
    assert text != compose(f"Explain queues: {words}", seed=1)
    assert text.count("```") % 2 == 0
    low, high = {"short": (20, 300), "long": (2500, 15000), "very long": (12000, 60000)}.get(words, (300, 5000))
    assert low < len(text) < high
    assert {"a list": "1. **", "a table": "|---|", "code": "```python"}.get(words, "") in text


async def test_pace(server: ClaudeServer, http: aiohttp.ClientSession) -> None:
    """Deltas come at the rate ordered, after the delay ordered, with pings in a stall."""
    server.answer("x" * 20, chunk=1, rate=200, first_delay=0.1, stall_at=10, stall=0.1)
    loop = asyncio.get_running_loop()
    began = loop.time()
    pings, deltas = 0, []
    async with http.post("/v1/messages", json={**ASK, "stream": True}) as response:
        async for line in response.content:
            pings += line.startswith(b"event: ping")
            if line.startswith(b"event: content_block_delta"):
                deltas.append(loop.time() - began)
    assert len(deltas) == 20
    assert deltas[0] > 0.1
    assert deltas[-1] > 0.1 + 0.1 + 18 / 200
    assert pings >= 4


async def test_what_is_noted(server: ClaudeServer, http: aiohttp.ClientSession) -> None:
    """The journal holds every request with its body, every fault, and how each answer ended."""
    server.fault("end", at=8, text="0123456789ab")
    async with http.post("/v1/messages", json={**ASK, "stream": True}) as response:
        await response.read()
    server.fault("pings")
    async with http.post("/v1/messages", json={**ASK, "stream": True}) as response:
        await response.content.readline()
    journal = server.journal
    await journal.until(lambda: list(journal.of("claude", "answer", outcome="left")), timeout=2.0)
    first, second = journal.of("claude", "call", call="POST /v1/messages")
    assert first["body"] == {**ASK, "stream": True}
    assert first["request_id"] != second["request_id"]
    assert [entry["fault"] for entry in journal.of("claude", "fault")] == ["end", "pings"]
    broken = next(journal.of("claude", "answer", outcome="broken"))
    assert (broken["number"], broken["characters"]) == (first["number"], 8)
    assert server.api_key not in str(journal.entries)


@pytest.mark.parametrize("kind", ["status", "reset", "lost", "delay", "error"])
async def test_faults_by_call(kind: Any, server: ClaudeServer, sdk: AsyncAnthropic) -> None:
    """The faults shared by all stand-ins strike calls of this one too, once."""
    fault = Fault("POST /v1/messages/count_tokens", kind, status=503, code="permission_error", seconds=0.01)
    server.faults.add(fault)
    ask = {name: ASK[name] for name in ("model", "messages")}
    outcome = ""
    try:
        await sdk.messages.count_tokens(**ask)
    except Exception as error:  # noqa: BLE001 - its name is what is looked at
        outcome = type(error).__name__
    expected = {"status": "ServiceUnavailableError", "delay": "", "error": "PermissionDeniedError"}
    assert outcome == expected.get(kind, "APIConnectionError")
    assert (await sdk.messages.count_tokens(**ask)).input_tokens == 7


async def test_a_port_of_its_own_and_back(server: ClaudeServer, http: aiohttp.ClientSession) -> None:
    """While it refuses connections nobody gets in, and afterwards it listens where it did."""
    url = server.url
    async with server.refusing(), aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(url)
    assert server.url == url
    async with http.get("/v1/models") as response:
        assert response.status == 200


def test_the_question_of_blocks() -> None:
    """The question is the text of the last message, whether it is a string or blocks."""
    blocks = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]
    assert Asked(1, {"messages": [{"role": "user", "content": blocks}]}).question == "a\n\nb"
    assert set(CATALOGUE)
