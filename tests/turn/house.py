"""A store, a platform and a model around turns, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from bot.conversation import MessageRef, StopReason, ThreadKey
from bot.pacing.pacer import Pacer
from bot.ports import Content, Part, StoredAnswer
from bot.testing.store import MemoryStore
from bot.turn.alerts import Alerts
from bot.turn.lease import HeldClaim
from bot.turn.run import TurnRun
from bot.turn.services import Policy, Services
from tests.turn.fakes import FakePlatform, ScriptedModel, message

KEY = ThreadKey("fake", "T", "1")
Run = Callable[..., Awaitable[None]]


class House:
    """A store, a platform and a model around one turn at a time."""

    def __init__(self, *scripts, limit: int = 200, **policy) -> None:
        self.store = MemoryStore(history_ttl=1e6, clock=asyncio.get_running_loop().time)
        self.platform = FakePlatform(limit)
        self.model = ScriptedModel(*scripts)
        self.services = Services(
            model=self.model,
            store=self.store,
            pacer=Pacer(),
            policy=Policy(system_prompt="Be brief.", **policy),
            backoff=lambda _attempt, after: after or 1.0,
            alerts=Alerts(asyncio.get_running_loop().time),
        )

    async def claim(self, text: str | None = "Why?", id_: str = "1", **more) -> HeldClaim:
        if text is not None:
            await self.store.submit(message(text, id_, at=float(id_)), **more)
        claim = await self.store.claim(["fake:T"], "w", 1000.0)
        assert claim is not None
        return HeldClaim(self.store, claim, 1000.0)

    async def run(self, hold: HeldClaim) -> None:
        await TurnRun(self.services, self.platform, hold).run()

    async def ask(self, text: str = "Why?", id_: str = "1", **more) -> None:
        await self.run(await self.claim(text, id_, **more))

    async def turns(self):
        await self.store.submit(message("probe", "9", at=9.0))
        claim = await self.store.claim(["fake:T"], "w", 1000.0)
        assert claim is not None
        return claim.history


async def outboxed(house: House) -> MessageRef:
    """A worker that died between the outbox and the last edit; its placeholder, which was recorded."""
    hold = await house.claim()
    receipt = await house.platform.post(hold.claim.place, Content("…"), f"{hold.claim.turn_id}.1.0")
    await house.store.record(hold.claim, part=Part(1, 0, receipt.ref))
    await house.store.finish(hold.claim, StoredAnswer(answer="the whole answer", stop=StopReason.END_TURN, attempt=1))
    return receipt.ref


async def expire() -> None:
    """Let the lease of a dead worker end."""
    await asyncio.sleep(1001)


async def dies(house: House, hold: HeldClaim, after: float) -> None:
    """Run the claim for a while, then let its worker die and its lease end."""
    dying = asyncio.create_task(house.run(hold))
    await asyncio.sleep(after)
    dying.cancel()
    await asyncio.wait({dying})
    house.platform.heal()
    await expire()
