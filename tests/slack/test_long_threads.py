"""Long threads: their beginning and their newest part are read, whatever Slack gives at once, and the gap is named."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from aiohttp import web

from adapters.slack.fields import Identity
from adapters.slack.history import LEFT_OUT, read_before
from bot.conversation import Place
from tests.slack.looking import question
from tests.slack.serving import serving

US = Identity("T1", "UBOT", "BBOT", "bot")
ROOT, OWN, REMARKS = 1_700_000_000.0, 1_700_100_000.0, 1_100


def evenly(number: int) -> float:
    return ROOT + 1 + number * 90.0


def lately(number: int) -> float:
    return OWN - (REMARKS - number) * 0.5


def long_ago(number: int) -> float:
    return ROOT + 1 + number * 0.5


class Thread:
    """One long thread as `conversations.replies` tells it: oldest first, `page` at once, its root always along."""

    def __init__(self, page: int, times: Callable[[int], float], refused_after: int = 99) -> None:
        self.calls = 0
        self._page = page
        self._refused_after = refused_after
        self._remarks = [(times(number), f"remark {number}") for number in range(REMARKS)]

    async def replies(self, request: web.Request) -> web.Response:
        self.calls += 1
        if self.calls > self._refused_after:
            return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": "60"})
        oldest, latest = float(request.query.get("oldest", 0)), float(request.query["latest"])
        said = [(at, text) for at, text in self._remarks if oldest < at < latest]
        held = [(ROOT, "the root"), *said]
        page = held[: min(self._page, int(request.query["limit"]))]
        messages = [{"type": "message", "user": "U2", "ts": f"{at:.6f}", "text": text} for at, text in page]
        if messages:
            messages[0]["reply_count"] = REMARKS
        more = len(held) > len(page)
        cursor = {"next_cursor": "more" * more}
        return web.json_response({"ok": True, "messages": messages, "has_more": more, "response_metadata": cursor})


async def read(thread: Thread) -> list[str]:
    place = Place("C1", thread=f"{ROOT:.6f}")
    async with serving(thread.replies) as api:
        return [message.text for message in await read_before(api, US, question(place, f"{OWN:.6f}"))]


@pytest.mark.parametrize("times", [evenly, lately, long_ago])
@pytest.mark.parametrize("page", [15, 200, 999])
async def test_the_newest_part_is_read(page: int, times: Callable[[int], float]) -> None:
    """The root, a note that something is missing, and then the newest messages without a gap, in a few calls."""
    thread = Thread(page, times)
    root, *newest = await read(thread)
    assert root == "the root"
    assert newest[0].startswith(f"{LEFT_OUT}\n")
    numbers = [int(text.split()[-1]) for text in newest]
    assert numbers == list(range(numbers[0], REMARKS))
    assert len(numbers) >= 4
    assert thread.calls <= 9


async def test_a_thread_that_is_little_longer_takes_one_more_call() -> None:
    """Of 1,101 messages 999 are asked for at once; the newest of them need one call more."""
    thread = Thread(5_000, evenly)
    texts = await read(thread)
    assert thread.calls == 2
    assert texts[-1] == f"remark {REMARKS - 1}"


async def test_what_is_refused_leaves_what_there_is() -> None:
    """When Slack refuses to tell more, Claude is told the beginning."""
    texts = await read(Thread(15, evenly, refused_after=1))
    assert texts[0] == "the root"
    assert "remark 3" in texts
