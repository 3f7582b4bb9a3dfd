"""What is told of a turn that is done: to its operator one line, and to its asker a notice after a long one."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.app.settings import Settings
from bot.conversation import Finished, MessageRef, Place, StopReason, Usage
from bot.errors import Busy, Interrupted, RateLimited, StoreUnavailable, Unavailable
from bot.testing.store import MemoryStore
from bot.turn.lease import Order
from bot.turn.services import Policy
from tests.turn.fakes import FakePlatform
from tests.turn.house import House

in_virtual_time = pytest.mark.looptime


def line(caplog: pytest.LogCaptureFixture) -> dict[str, object]:
    """The one line about the turn."""
    [record] = [record for record in caplog.records if record.getMessage() == "turn done"]
    return vars(record)


@in_virtual_time
async def test_the_line_tells_what_a_turn_took(caplog: pytest.LogCaptureFixture):
    """Seconds until the first text and in all, writes, tokens, and who answered."""
    caplog.set_level("INFO")
    end = Finished(
        text="the whole answer",
        stop=StopReason.END_TURN,
        usage=Usage(1, 2),
        model="m",
        request_id="r",
        first_token=0.1236,
    )
    house = House([1.0, "the ", 2.0, "whole ", 2.0, "answer", end])
    await house.ask()
    told = line(caplog)
    assert told["first_text_s"] == pytest.approx(1.1, abs=0.1)
    assert told["first_token_s"] == 0.124
    assert told["total_s"] == pytest.approx(5.2, abs=0.3)
    assert (told["posts"], told["edits"]) == (1, len(house.platform.messages["1"].versions) - 1)
    assert (told["refused"], told["repeated"], told["waits"], told["attempts"]) == (0, 0, 0, 1)
    assert (told["characters"], told["stop"], told["levelname"]) == (16, "end_turn", "INFO")
    assert (told["input_tokens"], told["output_tokens"], told["model"], told["request_id"]) == (1, 2, "m", "r")
    assert told["error"] is None


@in_virtual_time
async def test_the_line_counts_what_went_wrong(caplog: pytest.LogCaptureFixture):
    """Refusals for rate, repeated calls, waits for a busy Claude and broken streams; a failure is a warning."""
    caplog.set_level("INFO")
    house = House([Busy("overloaded")], [Busy("overloaded")], *[["a ", 2.0, Interrupted("reset")]] * 3)
    house.platform.fail("post", Unavailable("503"), times=2)
    house.platform.fail("edit", RateLimited("429", retry_after=1.0))
    await house.ask()
    told = line(caplog)
    assert (told["refused"], told["repeated"], told["waits"], told["attempts"]) == (1, 2, 2, 3)
    assert (told["stop"], told["levelname"], told["error"]) == ("failed", "WARNING", "reset")
    assert told["first_token_s"] is None


class Telling(FakePlatform):
    """A platform that can tell the asker; it keeps whom it told of which message."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, MessageRef, str]] = []

    async def notify(self, place: Place, user: str, ref: MessageRef, nonce: str) -> None:
        self.told.append((user, ref, nonce))


@in_virtual_time
@pytest.mark.parametrize(("takes", "after", "told"), [(40.0, 30.0, 1), (20.0, 30.0, 0), (40.0, 0.0, 0)])
async def test_who_waited_for_long_is_told_of_the_answer(takes: float, after: float, told: int):
    """After a quarter of a minute and more nobody looks any more: the asker is told where the answer begins."""
    house = House([takes, "word " * 60], notify_after=after)
    house.platform = Telling()
    hold = await house.claim()
    await house.run(hold)
    assert len(house.platform.shown) > 1
    first = next(iter(house.platform.messages.values())).ref
    assert house.platform.told == [("U1", first, f"{hold.claim.turn_id}.n")] * told


@in_virtual_time
async def test_a_turn_leaves_no_task_behind():
    """Also where another worker took it over while its records could not be written."""

    class Forgetful(MemoryStore):
        async def record(self, *_args, **_more):
            raise StoreUnavailable("away")

    house = House(["the ", 100.0])
    house.store = store = Forgetful(history_ttl=1e6, clock=asyncio.get_running_loop().time)
    house.services = replace(house.services, store=store)
    hold = await house.claim()
    running = asyncio.create_task(house.run(hold))
    await asyncio.sleep(3)
    hold.give(Order.LOST)
    await running
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_a_policy_left_alone_is_what_an_operator_gets_who_sets_nothing():
    """The program's defaults stand in the settings, and the turn has no others."""
    fields = ("max_attempts", "busy_timeout", "context_tokens", "max_parts", "notify_after")
    policy = Policy(system_prompt="")
    assert [getattr(policy, name) for name in fields] == [Settings.model_fields[name].default for name in fields]
    assert policy.keep_partials == (Settings.model_fields["on_interrupt"].default == "keep")
