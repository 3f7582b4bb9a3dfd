"""The classification and the waits, without a wire."""

from __future__ import annotations

import asyncio
import itertools
import random
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.backoff import LONGEST, backoff
from bot.claude.errors import ApiFailure, parse_retry_after, to_model_error
from bot.claude.watchdog import Silent, Watch
from bot.errors import LONGEST_PAUSE, Busy, Interrupted, ModelError, Refused


@pytest.mark.parametrize(
    ("failure", "before", "after"),
    [
        (ApiFailure(529, "overloaded_error"), Busy, Interrupted),
        (ApiFailure(503, "api_error"), Busy, Interrupted),
        (ApiFailure(429, "rate_limit_error", code="ramp_limit_exceeded"), Busy, Interrupted),
        (ApiFailure(429, "rate_limit_error", code="contract_spend_limit_reached"), Refused, Refused),
        (ApiFailure(429), Busy, Interrupted),
        (ApiFailure(200, "overloaded_error"), Busy, Interrupted),
        (ApiFailure(200, "never_heard_of"), Interrupted, Interrupted),
        (ApiFailure(200), Interrupted, Interrupted),
        (ApiFailure(418), Refused, Refused),
        (ApiFailure(413), Refused, Refused),
        (ApiFailure(520), Interrupted, Interrupted),
        (ApiFailure(500, "api_error", headers={"x-should-retry": "false"}), Refused, Refused),
        (ApiFailure(400, "invalid_request_error", headers={"x-should-retry": "true"}), Busy, Interrupted),
    ],
    ids=str,
)
def test_classification(failure: ApiFailure, before: type[ModelError], after: type[ModelError]) -> None:
    """Each failure is one error before any text and one after it, with a sentence and without a wait when refused."""
    for shown, kind in ((False, before), (True, after)):
        error = to_model_error(failure, shown=shown, secret="")
        assert type(error) is kind
        assert str(error).endswith(".")


@given(st.text(), st.text(min_size=8, max_size=20))
def test_the_apis_words_are_one_short_line_without_the_key(message: str, key: str) -> None:
    """What the API says goes into our sentence on one line, cut, and with the key struck out."""
    failure = ApiFailure(400, "invalid_request_error", message=f"{message} {key} {message}")
    sentence = str(to_model_error(failure, shown=False, secret=key.strip()))
    assert len(sentence.splitlines()) == 1
    assert len(sentence) < 260


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after": "86400"}, LONGEST_PAUSE),
        ({"retry-after": "1e9"}, LONGEST_PAUSE),
        ({"retry-after-ms": "1e12"}, LONGEST_PAUSE),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": format_datetime(datetime(2026, 1, 1, 0, 0, 20, tzinfo=UTC))}, 20.0),
        ({"retry-after": format_datetime(datetime(2025, 1, 1, tzinfo=UTC))}, 0.0),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    """Retry-After is understood in all its forms, capped, and ignored when it is nonsense."""
    assert parse_retry_after(headers, datetime(2026, 1, 1, tzinfo=UTC).timestamp()) == seconds


@given(st.integers(-3, 10_000), st.none() | st.floats(-10, 1e9), st.integers())
def test_backoff_is_bounded_and_never_earlier_than_asked(attempt: int, retry_after: float | None, seed: int) -> None:
    """A wait is never under the Retry-After (capped at a minute) and never over it by more than a tenth."""
    wait = backoff(attempt, retry_after, rng=random.Random(seed))  # noqa: S311 - jitter
    if retry_after is None:
        assert 0.5 <= wait <= 20.0
    else:
        asked = min(max(retry_after, 0.0), LONGEST)
        assert asked <= wait <= asked + max(0.1, 0.1 * asked) + 1e-9


def test_backoff_doubles_and_is_jittered() -> None:
    """Later attempts wait longer, and two that failed together do not come back together."""
    rng = random.Random(1)  # noqa: S311 - jitter
    means = [sum(backoff(attempt, rng=rng) for _ in range(200)) / 200 for attempt in (1, 2, 3, 4)]
    assert all(1.8 < later / earlier < 2.2 for earlier, later in itertools.pairwise(means))
    assert len({backoff(1, 5.0, rng=rng) for _ in range(10)}) == 10


class Read:
    """A read as the watch knows it: it waits until it is given up."""

    def __init__(self) -> None:
        self.given_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.watch = Watch(90.0, 180.0, self.given_up.set_exception)

    async def wait(self) -> str:
        """How the read is given up."""
        self.watch.reading = True
        with pytest.raises(Silent) as error:
            await self.given_up
        return str(error.value)


@pytest.mark.looptime
async def test_the_watch_counts_silence_and_stall_apart() -> None:
    """Pings keep a stream alive until the stall limit; silence ends it earlier; progress starts both anew."""
    loop = asyncio.get_running_loop()
    read, began = Read(), loop.time()

    async def ping() -> None:
        await asyncio.sleep(80)
        read.watch.note(progress=True)
        while True:
            await asyncio.sleep(15)
            read.watch.note(progress=False)

    pings = asyncio.create_task(ping())
    assert await read.wait() == "Claude made no progress for 180 s."
    assert loop.time() - began == pytest.approx(80 + 180)
    pings.cancel()

    read, began = Read(), loop.time()
    assert await read.wait() == "Claude's service sent nothing for 90 s."
    assert loop.time() - began == pytest.approx(90.0)


@pytest.mark.looptime
async def test_the_watch_leaves_those_alone_who_do_not_read() -> None:
    """Nobody is timed out outside a read, and a read that begins later has its whole time."""
    loop = asyncio.get_running_loop()
    read = Read()
    await asyncio.sleep(500)
    assert not read.given_up.done()
    began = loop.time()
    await read.wait()
    assert 1 < loop.time() - began <= 90.0


@pytest.mark.looptime
async def test_a_watch_that_is_stopped_watches_no_longer() -> None:
    """Nothing is given up after `stop`."""
    read = Read()
    read.watch.reading = True
    read.watch.stop()
    await asyncio.sleep(500)
    assert not read.given_up.done()
