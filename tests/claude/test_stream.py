"""What a stream that goes well is: what is asked, what is counted, and what happens to its connection."""

from __future__ import annotations

import asyncio
import gc
import logging
import traceback
from collections.abc import Callable
from contextlib import AsyncExitStack, aclosing

import pytest

from bot.claude.client import Claude
from bot.conversation import Delta, Finished, Usage
from bot.errors import Interrupted, SettingsError
from bot.ports import Request, Said
from sandbox.claude import AnswerFault, ClaudeServer
from tests.claude.harness import QUESTION, listen


async def test_what_is_asked(server: ClaudeServer, claude: Claude) -> None:
    """The request holds the conversation, the configured model and bound, automatic caching, and nothing else."""
    turns = (Said("user", "Hello"), Said("assistant", "Good day."), Said("user", "And now?"))
    await listen(claude, Request(messages=turns, system="Be brief."))
    await listen(claude, Request(messages=turns[:1], model="claude-opus-5-5", max_tokens=7))
    first, second = server.asked()
    assert first == {
        "model": "claude-sonnet-5-5",
        "max_tokens": 16_000,
        "messages": [{"role": role, "content": text} for role, text in turns],
        "system": "Be brief.",
        "cache_control": {"type": "ephemeral"},
        "stream": True,
    }
    assert (second["model"], second["max_tokens"]) == ("claude-opus-5-5", 7)
    assert "system" not in second


async def test_what_is_finished(server: ClaudeServer, claude: Claude) -> None:
    """Finished holds the usage as last counted, the model that answered, the request's id and the first token."""
    server.answer("four and 4 is eight", thinking=0.05, model="claude-sonnet-5-5-20260929", first_delay=0.1)
    _, end = await listen(claude)
    assert isinstance(end, Finished)
    assert end.usage == Usage(input=4 + 3 + 3 + 3, output=5 + 2 + 1, thinking=2)
    assert end.model == "claude-sonnet-5-5-20260929"
    assert end.request_id == next(server.journal.of("claude", "call"))["request_id"]
    assert end.first_token is not None
    assert 0.14 < end.first_token < 2.0


async def test_a_cached_prefix_is_counted(server: ClaudeServer, claude: Claude) -> None:
    """A conversation that goes on is read from the cache, and the usage tells."""
    long = "What was said before. " * 300
    first = Request(messages=(Said("user", long),))
    _, one = await listen(claude, first)
    _, two = await listen(claude, Request(messages=(*first.messages, Said("assistant", "Yes."), Said("user", "So?"))))
    assert isinstance(one, Finished)
    assert isinstance(two, Finished)
    assert one.usage.cache_write > 1024
    assert two.usage.cache_read == one.usage.cache_write
    assert 0 < two.usage.cache_write < 20


async def test_half_characters_are_sent_as_whole_ones(server: ClaudeServer, claude: Claude) -> None:
    """A lone surrogate in a question or the system prompt is replaced, a pair in two halves is joined."""
    await listen(claude, Request(messages=(Said("user", "a\ud83d b\ud83d\ude00 c\x00"),), system="\udc00!"))
    (asked,) = server.asked()
    assert asked["messages"][0]["content"] == "a\ufffd b😀 c\x00"
    assert asked["system"] == "\ufffd!"


async def test_two_answers_use_one_connection(server: ClaudeServer, claude: Claude) -> None:
    """A finished stream leaves its connection for the next one, also when its end comes late."""
    late = AnswerFault(kind="linger_after_stop", seconds=0.05)
    for fault in (None, late, None):
        server.answer("an answer", fault=fault)
        assert type((await listen(claude))[1]) is Finished
    assert len(server.connections) == 1


async def test_leaving_frees_the_connection_at_once(server: ClaudeServer, claude: Claude) -> None:
    """Closing the iterator in the middle of an answer ends the request on the wire."""
    server.fault("pings", at=40)
    async with aclosing(claude.stream(QUESTION)) as stream:
        assert isinstance(await anext(stream), Delta)
    await server.journal.until(lambda: list(server.journal.of("claude", "answer", outcome="left")), timeout=1.0)


@pytest.mark.parametrize("fault", ["slow_headers", "pings", "silence"])
async def test_cancelling_frees_the_connection_at_once(fault: str, server: ClaudeServer, claude: Claude) -> None:
    """Cancelling who waits, before the headers or in mid-answer, ends the request and is not swallowed."""
    server.fault(fault, at=40)
    task = asyncio.create_task(listen(claude))
    await server.journal.until(lambda: list(server.journal.of("claude", "fault")))
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.journal.until(lambda: list(server.journal.of("claude", "answer", outcome="left")), timeout=1.0)


async def test_a_forgotten_stream_frees_its_connection(server: ClaudeServer, claude: Claude) -> None:
    """A stream that nobody closes frees its connection once nobody refers to it."""
    server.fault("pings", at=40)
    stream = claude.stream(QUESTION)
    assert isinstance(await anext(stream), Delta)
    del stream
    gc.collect()
    await server.journal.until(lambda: list(server.journal.of("claude", "answer", outcome="left")), timeout=1.0)


async def test_as_many_streams_as_configured(server: ClaudeServer, make: Callable[..., Claude]) -> None:
    """All streams of the configured concurrency run at once; the pool is never what they wait for."""
    claude = make(concurrency=20)
    server.answer("slowly", first_delay=0.3, times=20)
    async with asyncio.timeout(5.0):
        ends = await asyncio.gather(*(listen(claude) for _ in range(20)))
    assert {text for text, _ in ends} == {"slowly"}
    answers = [entry.at for entry in server.journal.of("claude", "answer")]
    calls = [entry.at for entry in server.journal.of("claude", "call")]
    assert max(calls) < min(answers)


async def test_a_full_pool_is_not_waited_for_for_ever(server: ClaudeServer, make: Callable[..., Claude]) -> None:
    """Where no connection comes free within the time for connecting, that is what is said."""
    claude = make(concurrency=1, connect_timeout=1.0)
    async with AsyncExitStack() as live:
        for _ in range(9):
            server.fault("pings", at=4)
            stream = await live.enter_async_context(aclosing(claude.stream(QUESTION)))
            await anext(stream)
        _, end = await listen(claude)
    assert type(end) is Interrupted
    assert "did not answer in time" in str(end)


async def test_a_slow_reader_is_not_taken_for_silence(server: ClaudeServer, make: Callable[..., Claude]) -> None:
    """Time that the consumer spends elsewhere counts neither as silence nor as a stall."""
    claude = make(read_timeout=0.2, watchdog=0.2)
    server.answer("abcdefgh", chunk=4, stall_at=4, stall=0.05)
    text = ""
    async with aclosing(claude.stream(QUESTION)) as stream:
        async for event in stream:
            if isinstance(event, Delta):
                text += event.text
                await asyncio.sleep(0.5)
    assert text == "abcdefgh"


async def test_an_environment_proxy_is_not_asked_for_loopback(
    server: ClaudeServer, make: Callable[..., Claude], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy set in the environment is not used for a stand-in on this machine."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.answer("direct")
    assert (await listen(make()))[0] == "direct"


async def test_the_key_shows_nowhere(server: ClaudeServer, claude: Claude, caplog: pytest.LogCaptureFixture) -> None:
    """The key is in no error, no log record down to DEBUG and no repr, even when the API quotes it."""
    caplog.set_level(logging.DEBUG)
    said = [repr(claude), str(claude)]
    quoting = f"invalid key {server.api_key} in request"
    for fault in ("bad_request", "invalid_request_event", "bad_key", "no_answer", "html_200", "overloaded"):
        server.fault(fault, message=quoting)
        _, end = await listen(claude)
        assert not isinstance(end, Finished)
        said += [str(end), repr(end), *traceback.format_exception(end)]
    with pytest.raises(SettingsError) as refused:
        Claude(server.api_key + "\n", model="m", small_model="s", max_tokens=1)
    said += [str(refused.value), caplog.text]
    own = [line for line in "\n".join(said).splitlines() if server.api_key in line]
    assert own == []


@pytest.mark.parametrize("key", ["", " ", "sk-ant-1\n", "sk ant", "schlüssel", "key\x00"])
def test_what_cannot_be_a_key(key: str) -> None:
    """A key with characters that no header can carry is one clear line at start."""
    with pytest.raises(SettingsError, match="ANTHROPIC_API_KEY"):
        Claude(key, model="m", small_model="s", max_tokens=1)


async def test_a_wrong_address_says_which(make: Callable[..., Claude]) -> None:
    """An address that leads nowhere names the host and what the system said."""
    claude = make(base_url="http://user:hunter2@127.0.0.1:9")
    _, end = await listen(claude)
    assert type(end) is Interrupted
    assert "127.0.0.1" in str(end)
    assert "hunter2" not in str(end)
