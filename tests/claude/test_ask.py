"""The standard call for text that code consumes, with tries of its own."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from bot.claude.client import ASK_TRIES, Claude
from bot.conversation import StopReason
from bot.errors import Busy, Interrupted, Refused
from bot.ports import Request, Said
from sandbox.claude import CATALOGUE, ClaudeServer

QUESTION = Request(messages=(Said("user", "A title for: what is a queue?"),), max_tokens=40)

REFUSED = {"bad_request", "too_long", "bad_key", "no_credit", "forbidden", "unknown_model", "too_large", "spend_limit"}
REFUSED |= {"server_error_final", "invalid_request_event"}
HARMLESS = {"unknown_events", "drop_after_stop", "reset_after_stop", "linger_after_stop"}


class Waits(list[float]):
    """Remembers the waits instead of waiting."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
async def claude(make: Callable[..., Claude], waits: Waits) -> Claude:
    return make(sleep=waits, rng=random.Random(7), read_timeout=1.0)  # noqa: S311 - jitter


async def test_an_answer(server: ClaudeServer, claude: Claude, waits: Waits) -> None:
    """The small model is asked, without streaming, and its whole text comes back with its usage."""
    server.answer("Queues, explained", stop_reason="max_tokens", blocks=2)
    end = await claude.ask(QUESTION)
    assert (end.text, end.stop, end.model, end.first_token) == (
        "Queues, explained",
        StopReason.MAX_TOKENS,
        "claude-haiku-5-5",
        None,
    )
    assert end.usage.output == 6
    (asked,) = server.asked()
    assert (asked["model"], asked["stream"], asked["max_tokens"]) == ("claude-haiku-5-5", False, 40)
    assert not waits


async def test_retries_with_growing_waits(server: ClaudeServer, claude: Claude, waits: Waits) -> None:
    """Busy and interrupted calls are tried again, later each time, and a Retry-After is obeyed."""
    server.fault("overloaded")
    server.fault("drop")
    server.fault("rate_limited")
    server.answer("at last")
    assert (await claude.ask(QUESTION)).text == "at last"
    assert 0.5 <= waits[0] <= 1.0 <= waits[1] <= 2.0
    assert 1.0 <= waits[2] <= 1.1


async def test_gives_up_after_a_few_tries(server: ClaudeServer, claude: Claude) -> None:
    """After four tries the last error is raised."""
    server.fault("overloaded", times=9)
    with pytest.raises(Busy):
        await claude.ask(QUESTION)
    assert len(server.asked()) == ASK_TRIES


async def test_does_not_wait_beyond_a_minute(server: ClaudeServer, claude: Claude, waits: Waits) -> None:
    """When the service asks for more time than there is, the error is raised at once."""
    server.fault("rate_limited_for_hours", times=9)
    with pytest.raises(Busy):
        await claude.ask(QUESTION)
    assert not waits
    assert len(server.asked()) == 1


@pytest.mark.parametrize("fault", ["bad_request", "bad_key", "unknown_model", "spend_limit"])
async def test_refused_is_not_tried_again(fault: str, server: ClaudeServer, claude: Claude) -> None:
    """What the API will not take is asked once."""
    server.fault(fault, times=9)
    with pytest.raises(Refused):
        await claude.ask(QUESTION)
    assert len(server.asked()) == 1


@pytest.mark.parametrize("fault", sorted(set(CATALOGUE) - {"rate_limited_for_hours"}))
async def test_every_fault_once(fault: str, server: ClaudeServer, make: Callable[..., Claude], waits: Waits) -> None:
    """Each fault of a standard call is refused, or tried again with success; none of it is taken for the answer."""
    hangs = fault in ("slow_headers", "silence", "pings", "bad_chunk")
    claude = make(sleep=waits, read_timeout=0.2 if hangs else 2.0, connect_timeout=0.3)
    server.fault(fault, text="the first answer")
    server.answer("the second answer")
    if fault in REFUSED:
        with pytest.raises(Refused):
            await claude.ask(QUESTION)
        assert not waits
    else:
        end = await claude.ask(QUESTION)
        assert end.text == ("the first answer" if fault in HARMLESS else "the second answer")
        assert bool(waits) == (fault not in HARMLESS)


async def test_an_empty_answer_is_interrupted(server: ClaudeServer, claude: Claude) -> None:
    """An answer without text is tried again and in the end raised as interrupted."""
    server.answer("", times=9)
    with pytest.raises(Interrupted):
        await claude.ask(QUESTION)
    assert len(server.asked()) == ASK_TRIES
