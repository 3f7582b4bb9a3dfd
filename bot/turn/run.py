"""Carries one claimed turn through: abandoned messages first, then the path that the tables name, then the commit."""

from __future__ import annotations

import asyncio
import logging

from bot.conversation import StopReason
from bot.errors import (
    BadCredentials,
    LeaseLost,
    OutcomeUnknown,
    PlatformError,
    RateLimited,
    StoreUnavailable,
    Unavailable,
)
from bot.intake import Kind, classify
from bot.ports import KnowsClosedPlaces, Platform, StoredAnswer
from bot.turn import phrases
from bot.turn.abandoned import Abandoned
from bot.turn.attempt import AttemptResult
from bot.turn.display import Display
from bot.turn.lease import HeldClaim
from bot.turn.notify import tell_asker
from bot.turn.question import Question
from bot.turn.record import RecordWriter
from bot.turn.report import Figures, report
from bot.turn.services import Services
from bot.turn.turn import PATHS, Found, Path, Retries, Step, ask, found, outcome_of, turn_of
from bot.turn.writer import Writer

log = logging.getLogger(__name__)

GIVE_UP = 12
"""Claims after which a turn ends without a word where writing fails for no known reason: its thread waits behind it.
Each claim tries for five minutes, so that takes an hour. What the operator can fix, and a rest that a platform asks
for, is waited for without end."""

RETURN_DELAY = 30.0
"""Seconds a turn rests in the store when its platform cannot be written to."""


class TurnRun:
    """One claim, carried through."""

    def __init__(self, services: Services, platform: Platform, hold: HeldClaim) -> None:
        self._services = services
        self._policy = services.policy
        self._platform = platform
        self._hold = hold
        self._claim = claim = hold.claim
        self._record = RecordWriter(services.store, hold)
        self._writer = Writer(
            platform, services.pacer, fence=hold.fence, since=max(it.sent_at for it in claim.messages)
        )
        self._abandoned = Abandoned(claim, self._writer, self._record)
        self._question = Question(claim.key, claim.messages, claim.history, services.policy)
        self._display = Display(claim, platform, self._writer, self._record, services.policy)
        self._retries = Retries(services.policy, services.backoff, broken=claim.attempts)
        self._began = _now()

    async def run(self) -> None:
        """Carry the claim to its commit, or give it back.

        Raises whatever was not foreseen: the lease then ends by itself, and the next claim counts.
        """
        try:
            await self._run_or_end()
        except LeaseLost:
            log.warning("another worker took this turn over", extra=self._claim.names())
        except StoreUnavailable as error:
            log.warning("the store is away, the turn waits in it", extra={**self._claim.names(), "error": str(error)})
        finally:
            await self._display.close()
            if self._hold.lost:
                messages, text = self._display.late()
                await self._abandoned.take_away(self._display.place, messages, text)
            await self._record.close()

    def deleted(self, message_id: str) -> None:
        """A message of the thread was deleted: a person who deletes the growing one wants no more of it."""
        self._display.deleted(message_id)

    async def _run_or_end(self) -> None:
        """The sequence, or what is left to do when the platform does not take the answer."""
        try:
            await self._run()
        except (BadCredentials, RateLimited, Unavailable, OutcomeUnknown) as error:
            if self._claim.takes > GIVE_UP and not isinstance(error, BadCredentials | RateLimited):
                log.error("nothing can be written there for an hour, the turn ends", extra=self._claim.names())  # noqa: TRY400
                await self._commit(_without_answer(StopReason.FAILED))
                return
            self._services.alerts.tell(self._claim.installation, str(error))
            log.error("cannot write there now, the turn waits", extra={**self._claim.names(), "error": str(error)})  # noqa: TRY400
            await self._record.release(delay=RETURN_DELAY)
        except PlatformError as error:
            log.error("the platform refuses this answer for good", extra={**self._claim.names(), "error": str(error)})  # noqa: TRY400
            await self._commit(_without_answer(StopReason.FAILED))

    async def _run(self) -> None:
        claim, kind = self._claim, self._kind()
        answered, closed = claim.outcome is not None, claim.takes == 1 and (self._is_closed() or self._is_late())
        finds = found(kind, history=bool(claim.history), claims=claim.claims, answered=answered, closed=closed)
        path = PATHS[finds]
        if path is Path.END:
            stop = StopReason.STOPPED if finds is Found.CLOSED else StopReason.POISONED
            await self._store(claim.outcome or _without_answer(stop))
            return
        if claim.takes > 1:
            log.info("going on with a turn that was claimed before", extra={**claim.names(), "takes": claim.takes})
        later = path in (Path.DELIVER, Path.APOLOGISE)
        self._display.attempts = await self._abandoned.settle(self._display.place, spare=claim.outcome, later=later)
        if kind is Kind.RETRY and claim.history and path in (Path.DELIVER, Path.ASK):
            self._question.again()
        match path:
            case Path.DELIVER if claim.outcome is not None:
                await self._question.complete(self._platform, self._writer)  # the history keeps names and background
                await self._display.deliver_stored(claim.outcome)
                await self._commit(claim.outcome)
            case Path.APOLOGISE:
                await self._display.say(phrases.APOLOGY)
                await self._commit(_without_answer(StopReason.POISONED))
            case Path.ASK:
                await self._ask()
            case _:
                if kind is Kind.RESET:
                    await self._services.store.reset(claim)
                await self._display.say(phrases.OWN_ANSWERS[kind])
                await self._commit(_without_answer(StopReason.LOCAL))

    def _is_closed(self) -> bool:
        return isinstance(self._platform, KnowsClosedPlaces) and bool(self._platform.closed(self._claim.place))

    def _is_late(self) -> bool:
        """Whether a button was pressed below an answer that is no longer the last."""
        about = self._claim.messages[0].about
        return bool(about) and about not in {turn.id for turn in self._claim.history[-1:]}

    def _kind(self) -> Kind:
        """What is wanted. A word to the bot stands alone; one that an edit put among questions is a question too."""
        messages = self._claim.messages
        return classify(messages[0], self._policy.access) if len(messages) == 1 else Kind.QUESTION

    async def _ask(self) -> None:
        troubled = bool(self._services.alerts.of(self._claim.installation))
        self._display.begin(bare=not troubled)
        await self._question.complete(self._platform, self._writer)
        if troubled:
            await self._display.reply.stands(self._hold.ordered)  # nobody is asked while nothing can be shown
        end, step = await ask(self._services.model, self._question.request(), self._display, self._hold, self._retries)
        reply = self._display.reply
        self._display.hide_status()
        match step:
            case Step.DELIVER:
                await self._deliver(end)
            case Step.GIVE_BACK | Step.WITHDRAW:
                await self._display.end_unanswered(keep=step is Step.GIVE_BACK and reply.exposed)
                await self._record.release()
                log.info("turn given back", extra=self._claim.names())
            case Step.COMMIT | Step.FAIL:
                await reply.abandon()
                kept = StoredAnswer(answer=reply.text, stop=StopReason.STOPPED, attempt=reply.attempt)
                await self._commit(kept if step is Step.COMMIT else _without_answer(StopReason.FAILED))
            case _:
                await reply.abandon()

    async def _deliver(self, end: AttemptResult) -> None:
        """Outbox, last edit, commit."""
        outcome = outcome_of(end, self._display.reply, keep_partials=self._policy.keep_partials)
        await self._record.finish(outcome)
        shown = await self._display.deliver(outcome)
        await self._commit(outcome, end)
        long = 0 < self._policy.notify_after < _now() - self._began
        if shown and long and outcome.stop not in (StopReason.FAILED, StopReason.STOPPED):
            asker, answer = self._question.messages[-1].author.id, self._display.reply.messages
            await tell_asker(self._writer, self._display.place, asker, answer, self._claim.turn_id)

    # --- what is kept -----------------------------------------------------------------------------------------

    async def _commit(self, outcome: StoredAnswer, end: AttemptResult | None = None) -> None:
        self._services.alerts.clear(self._claim.installation)
        await self._abandoned.clear(self._display.place)
        await self._store(outcome, end)

    async def _store(self, outcome: StoredAnswer, end: AttemptResult | None = None) -> None:
        turn = turn_of(self._claim.turn_id, self._question, outcome, self._retries.broken)
        # A word to the bot is no question, and a retry that came to nothing costs no answer.
        kept = turn.answer or (self._kind() is Kind.QUESTION and not self._is_late())
        await self._record.commit(turn if kept else None, replaces=self._question.replaces)
        figures = Figures(self._began, _now(), self._display.first_text_at, self._retries.waits)
        report(turn, end, figures, self._writer.tally, self._claim.names())


def _without_answer(stop: StopReason) -> StoredAnswer:
    return StoredAnswer(answer="", stop=stop, attempt=0)


def _now() -> float:
    return asyncio.get_running_loop().time()
