"""What a live reply learns of its stream: how soon the next delta comes, and what is a pause. On a clock of its own."""

from __future__ import annotations

import pytest

from bot.pacing.live_reply import LiveReply


class Stream:
    """A live reply, and deltas of ten characters for it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.told = 0
        self.live_reply = LiveReply(lambda: self.now, self._tell, lambda _: None)
        self.live_reply.received(10)

    def _tell(self, _live_reply: LiveReply) -> None:
        self.told += 1

    def delta(self, after: float, times: int = 1) -> None:
        for _ in range(times):
            self.now += after
            self.live_reply.received(10)

    @property
    def gap(self) -> float:
        """Seconds between two deltas in ordinary flow, as it was learned."""
        return self.live_reply.silence(self.now)[1]


def test_a_stream_that_became_slow_flows_slowly() -> None:
    """A delta each second is a flow of its own after half a minute, and not a pause each time."""
    stream = Stream()
    stream.delta(0.05, times=200)
    stream.delta(1.0, times=40)
    assert stream.gap == pytest.approx(1.0, rel=0.3)


def test_some_pauses_make_no_stream_slow() -> None:
    """A stream that halts now and then, for a tool or a thought, flows in between as fast as before."""
    stream = Stream()
    for _ in range(5):
        stream.delta(0.05, times=20)
        stream.delta(2.0)
    assert stream.gap < 0.1
    assert stream.live_reply.silence(stream.now)[2] > 1.0


def test_a_clump_is_measured_from_its_beginning() -> None:
    """What came before the last pause is no part of it."""
    stream = Stream()
    stream.delta(0.05, times=40)
    stream.delta(2.0)
    stream.delta(0.01, times=20)
    seconds = 0.2 + 2.0 * stream.gap
    assert stream.live_reply.clumped() == pytest.approx(210 / seconds, rel=0.06)


def test_who_waits_is_told_when_text_was_shown() -> None:
    """What an edit has shown need not be shown again: whatever waits for this reply is looked at anew."""
    stream = Stream()
    before = stream.told
    stream.live_reply.shown(10)
    assert stream.told == before + 1
    assert stream.live_reply.unseen == 0
