"""When an interim edit is worth a call, by the clock."""

from __future__ import annotations

import math

import pytest

from bot.pacing.live_reply import LiveReply
from bot.pacing.timing import when_to_edit


class Reply:
    """A live reply on a clock of its own."""

    def __init__(self) -> None:
        self.now = 100.0
        self.live_reply = LiveReply(lambda: self.now, lambda _: None, lambda _: None)

    def flow(self, seconds: float, gap: float = 0.03, chars: int = 4) -> None:
        for _ in range(round(seconds / gap)):
            self.now += gap
            self.live_reply.received(chars)

    def shown(self) -> None:
        self.live_reply.sending(self.now)
        self.live_reply.shown(1_000_000)

    def wait(self, spacing: float) -> float:
        """Seconds until an edit is worth it if nothing more comes."""
        begin = self.now
        while (again := when_to_edit(self.live_reply, spacing, self.now)[0]) > self.now:
            assert again - begin < 60.0
            self.now = again
        return self.now - begin


@pytest.mark.parametrize("spacing", [0.8, 1.5, 4.0])
def test_an_even_flow_is_edited_at_the_spacing_it_affords(spacing: float) -> None:
    """While text flows evenly an edit is worth it once `spacing` seconds of text are unseen, not before."""
    reply = Reply()
    reply.flow(12.0)
    reply.shown()
    waited = 0.0
    while when_to_edit(reply.live_reply, spacing, reply.now)[0] > reply.now:
        reply.flow(0.03)
        waited += 0.03
    assert waited == pytest.approx(spacing, rel=0.1)


def test_an_edit_waits_for_the_end_of_a_clump() -> None:
    """In the middle of a clump it is not worth it, though much is unseen; just after its end it is."""
    reply = Reply()
    for _ in range(20):
        reply.flow(0.1, gap=0.004)
        reply.now += 1.0
    reply.shown()
    reply.flow(0.1, gap=0.004)
    assert when_to_edit(reply.live_reply, 1.0, reply.now)[0] > reply.now
    assert reply.wait(1.0) <= 0.05


@pytest.mark.parametrize("spacing", [1.0, 5.0])
def test_a_stall_shows_the_little_there_is(spacing: float) -> None:
    """A few characters that came just before a stall are shown after a while that grows with the spacing."""
    reply = Reply()
    reply.flow(6.0)
    reply.shown()
    reply.flow(0.03)
    assert 0.2 <= reply.wait(spacing) <= max(1.0, spacing / 2)


def test_an_unlimited_reply_is_edited_at_once() -> None:
    """Where nothing limits edits, whatever is unseen is worth one."""
    reply = Reply()
    reply.flow(0.03)
    assert when_to_edit(reply.live_reply, 0.0, reply.now) == (reply.now, math.inf)
