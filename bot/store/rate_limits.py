"""SharedRateLimits on Redis or Valkey: one script (`scripts/spend.lua`) an entry, all of a moment in one round trip."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bot.ports import DEMAND_LASTS, MOMENT, Draw, Entry, News, Verdict
from bot.store.codec import to_bytes
from bot.store.keys import Keys
from bot.store.link import Argument, Link, Run, script


class RedisRateLimits:
    """See `bot.ports.SharedRateLimits`.

    Args:
        link: the way to the server.
        names: of what lies there.
        offset: milliseconds added to the server's clock.
    """

    def __init__(self, link: Link, names: Keys, offset: Callable[[], int]) -> None:
        self._link, self._names, self._offset = link, names, offset

    async def enter(self, worker: str, entries: Sequence[Entry]) -> list[Verdict]:
        """See `SharedRateLimits.enter`."""
        run, offset = script("spend"), self._offset()
        answers = await self._link.call(
            *(
                Run(
                    run,
                    self._prefix(entry.draws[0].bucket),
                    (
                        offset,
                        0,
                        worker,
                        entry.act.value,
                        entry.id,
                        _us(entry.seconds),
                        *(argument for draw in entry.draws for argument in _arguments(draw)),
                    ),
                )
                for entry in entries
            )
        )
        return [
            Verdict(bool(granted), wait / 1e6, tuple(_news(*news) for news in each)) for granted, wait, *each in answers
        ]

    def _prefix(self, bucket: str) -> bytes:
        """What the keys of a bucket's installation begin with: the first two words of its name tell whose it is."""
        return self._names.prefix(":".join(bucket.split(":", 2)[:2]))


def _us(seconds: float) -> int:
    return max(0, round(seconds * 1e6))


def _arguments(draw: Draw) -> Iterable[Argument]:
    yield to_bytes(draw.bucket)
    yield draw.calls
    yield _us(draw.window)
    yield draw.burst
    *calls, soon = draw.room
    yield from calls
    yield _us(soon)
    yield draw.replies
    yield draw.roots
    yield draw.version
    yield _us(MOMENT)
    yield _us(DEMAND_LASTS)


def _news(
    life: int,
    age: int,
    version: int,
    rest: int,
    rests: int,
    replies: int,
    roots: int,
    spent: Sequence[int] | None = None,
) -> News:
    ago = None if spent is None else tuple(each / 1e6 for each in spent)
    return News(life, age / 1e6, version, rest, rests / 1e6, replies, roots / 1e3, ago)
