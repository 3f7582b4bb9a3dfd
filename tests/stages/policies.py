"""The policies that are compared: ours, and plain ones as peers have them, each with one edit in flight."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from bot.pacing.pacer import Pacer
from tests.stages.stage import Platform, Policy, Stream

POST_FALLBACK = 0.5
"""Seconds after which a final that waits goes out as a new message, where the platform counts those apart."""


async def ours(stream: Stream, platform: Platform, pacer: Pacer, channel: str) -> None:
    """The bot's own `Pacer`, edits alone."""
    await _paced(stream, platform, pacer, channel, valve=False)


async def ours_with_valve(stream: Stream, platform: Platform, pacer: Pacer, channel: str) -> None:
    """The bot's own `Pacer`; a final that has to wait takes the way of new messages."""
    await _paced(stream, platform, pacer, channel, valve=True)


async def _paced(stream: Stream, platform: Platform, pacer: Pacer, channel: str, *, valve: bool) -> None:
    edit, post = platform.limits.edit, platform.limits.post
    ways = [(edit,)]
    if valve and post is not None:
        ways.append((replace(post, name=f"{post.name}:{channel}"),))
    loop = asyncio.get_running_loop()
    stream.live_reply = live_reply = pacer.live_reply((edit,))
    await stream.changed.wait()
    while True:
        rate_limits = ways[await pacer.admit_any(ways, live_reply, fallback_after=POST_FALLBACK)]
        final, chars, at = stream.ended, stream.received, loop.time()
        refused, observed = await platform.call(rate_limits[0])
        if observed is not None:
            pacer.observe(observed)
        if refused:
            pacer.refused(rate_limits, refused)
            continue
        live_reply.shown(chars)
        stream.shown.append((at, loop.time(), chars))
        if final:
            break
    live_reply.close()
    stream.finished_at = loop.time()


def every(seconds: float, chars: int | None = None) -> Policy:
    """Edit `seconds` after the last edit returned, or as soon as `chars` more have come; rest when refused."""

    async def policy(stream: Stream, platform: Platform, _: Pacer, __: str) -> None:
        loop = asyncio.get_running_loop()
        await stream.changed.wait()
        shown = 0
        while True:
            final, count, at = stream.ended, stream.received, loop.time()
            refused, _observed = await platform.call(platform.limits.edit)
            if refused:
                await asyncio.sleep(refused)
                continue
            shown = count
            stream.shown.append((at, loop.time(), count))
            if final:
                break
            due = loop.time() + seconds
            while not stream.ended and (stream.received == shown or loop.time() < due):
                if chars is not None and stream.received - shown >= chars:
                    break
                stream.changed.clear()
                await _changed_before(stream, due if stream.received > shown else None)
        stream.finished_at = loop.time()

    return policy


async def _changed_before(stream: Stream, due: float | None) -> None:
    try:
        async with asyncio.timeout_at(due):
            await stream.changed.wait()
    except TimeoutError:
        return


PLAIN: dict[str, Policy] = {
    "every 0.5 s": every(0.5),
    "every 1 s": every(1.0),
    "every 1.2 s": every(1.2),
    "24 chars or 0.8 s": every(0.8, chars=24),
}
"""What Chat SDK, llmcord, OpenClaw and hermes-agent do, but kinder: refused, they wait as told and lose nothing."""
