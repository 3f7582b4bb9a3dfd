"""When the text of one reply is shown, in virtual time: at once, after a clump, in a stall, by which area."""

from __future__ import annotations

import asyncio

import pytest

from bot.pacing.pacer import LiveReply, Pacer
from tests.pacing.stage import SLACK, now, reply
from tests.stages.virtual import run


def test_the_first_text_goes_at_once() -> None:
    """A reply that shows nothing yet waits for no one while the bucket has room."""

    async def main() -> float:
        pacer = Pacer()
        live_reply = pacer.live_reply(SLACK)
        live_reply.received(3)
        begin = now()
        await pacer.admit(SLACK, live_reply)
        return now() - begin

    assert run(main()) == 0.0


def test_a_stall_shows_all_and_then_spends_nothing() -> None:
    """When nothing more comes, everything is shown within seconds, and then no edit goes for a minute."""

    async def main() -> tuple[int, list[float], float]:
        pacer, sent = Pacer(), list[float]()
        live_reply = pacer.live_reply(SLACK)
        total = 0

        async def edit() -> None:
            while True:
                await pacer.admit(SLACK, live_reply)
                chars = total
                sent.append(now())
                await asyncio.sleep(0.2)
                live_reply.shown(chars)

        editor = asyncio.ensure_future(edit())
        for _ in range(200):
            await asyncio.sleep(0.03)
            total += 4
            live_reply.received(4)
        stalled = now()
        await asyncio.sleep(60)
        editor.cancel()
        return live_reply.unseen, sent, stalled

    unseen, sent, stalled = run(main())
    assert unseen == 0
    assert sent[-1] <= stalled + 2.0
    assert len([at for at in sent if at > stalled]) <= 1


def test_a_stall_right_after_an_edit_shows_the_little_there_is() -> None:
    """A few characters that came just before a stall are shown within two seconds."""

    async def main() -> float:
        pacer, begun = Pacer(), now()
        live_reply = pacer.live_reply(SLACK)
        while now() < begun + 6.0:
            live_reply.received(4)
            await asyncio.sleep(0.03)
            if live_reply.unseen == 4 or live_reply.unseen > 400:
                await pacer.admit(SLACK, live_reply)
                live_reply.shown(10_000)
        if live_reply.unseen:
            await pacer.admit(SLACK, live_reply)
            live_reply.shown(10_000)
        live_reply.received(3)
        stalled = now()
        await pacer.admit(SLACK, live_reply)
        return now() - stalled

    assert run(main()) <= 2.0


def test_a_clump_is_shown_right_after_it() -> None:
    """Text that comes in clumps a second apart is shown when a clump ends, not at some time between."""

    async def main() -> list[float]:
        pacer, sent = Pacer(), list[float]()
        begin = now()
        arrivals = [(0.004 if index % 25 else 1.0, 4) for index in range(25 * 40)]
        await reply(pacer, SLACK, sent, arrivals)
        return [(at - begin) % 1.096 for at in sent[1:-1]]

    phases = run(main())
    # A clump begins 1.0 s after the last one's end and takes 0.096 s.
    assert sum(phase < 0.2 or phase > 0.99 for phase in phases) >= 0.8 * len(phases)


def test_the_unseen_area_follows_what_was_sent() -> None:
    """Once an edit is shown, only text that came after it was sent goes on counting, and from when it came."""

    async def main() -> tuple[float, float, int]:
        pacer = Pacer()
        live_reply: LiveReply = pacer.live_reply(SLACK)
        live_reply.received(100)
        await asyncio.sleep(2)
        before = live_reply.area(now())
        await pacer.admit(SLACK, live_reply)
        await asyncio.sleep(1)
        live_reply.received(10)
        await asyncio.sleep(3)
        live_reply.shown(100)
        return before, live_reply.area(now()), live_reply.unseen

    before, after, unseen = run(main())
    assert before == pytest.approx(200.0)
    assert after == pytest.approx(30.0)
    assert unseen == 10
