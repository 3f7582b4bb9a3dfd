"""One turn, from claim to commit. The only file that knows the sequence.

A claimed turn asks Claude in attempts. Each is one stream on the wire and owns the messages it posts; what follows it
is in `retries.py`. A successor of a dead worker first brings the abandoned messages to their end; what it finds in
the outbox it delivers without asking Claude again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable

from bot import phrases
from bot.abandoned import Abandoned, nonce_base
from bot.attempt import End, attempt, conclude
from bot.commands import Kind, classify
from bot.conversation import Place, Stop, Turn, Usage
from bot.desk import Desk
from bot.errors import (
    BadCredentials,
    LeaseLost,
    MessageGone,
    OutcomeUnknown,
    PlaceClosed,
    PlatformError,
    RateLimited,
    StoreUnavailable,
    Unavailable,
)
from bot.lease import Hold
from bot.ledger import Ledger
from bot.notice import tell_asker
from bot.opening import opened
from bot.ports import Outcome, Part, Platform, ShowsStatus, Write
from bot.question import Question
from bot.reply import PLACEHOLDER, Reply
from bot.report import Figures, report
from bot.retries import Next, Retries
from bot.status import Status
from bot.text.title import title
from bot.writer import Writer

log = logging.getLogger(__name__)


POISONED = 5
"""Claims after which a turn that kills its workers ends with an apology."""

APOLOGIES = 20
"""Claims that may try to apologise, or to deliver; after them the turn ends without a word, and its thread goes on."""

RETURN_DELAY = 30.0
"""Seconds a turn rests in the store when its platform cannot be written to."""


class TurnRun:
    """One claim, carried through."""

    def __init__(self, desk: Desk, platform: Platform, hold: Hold) -> None:
        self._desk = desk
        self._policy = desk.policy
        self._platform = platform
        self._hold = hold
        self._claim = hold.claim
        self._place: Place = hold.claim.place
        self._ledger = Ledger(desk.store, hold)
        asked_at = max(message.sent_at for message in hold.claim.messages)
        self._writer = Writer(platform, desk.pacer, fence=hold.fence, since=asked_at)
        self._status = Status(platform if isinstance(platform, ShowsStatus) else None, self._writer)
        self._abandoned = Abandoned(self._claim, self._writer, self._ledger)
        self._question = Question(self._claim, platform, self._writer, self._policy)
        self._attempt = 0
        self._retries = Retries(desk.policy, desk.backoff, broken=self._claim.attempts)
        self._began = _now()
        self._reply: Reply | None = None
        self._first_text_at: float | None = None

    async def run(self) -> None:
        """Carry the claim to its commit, or give it back.

        Raises whatever was not foreseen: the lease then ends by itself, and the next claim counts.
        """
        try:
            await self._run_or_end()
        except LeaseLost:
            log.warning("another worker took this turn over", extra=self._names())
        except StoreUnavailable as error:
            log.warning("the store is away, the turn waits in it", extra={**self._names(), "error": str(error)})
        finally:
            if self._reply is not None:
                await self._reply.abandon()
            await self._status.close()
            await self._writer.settle()
            if self._hold.lost:
                late = self._reply if self._reply is not None and self._reply.exposed else None
                await self._abandoned.take_away(self._place, late.messages if late else (), late.text if late else "")
            await self._ledger.close()

    def deleted(self, message_id: str) -> None:
        """A message of the thread was deleted: a person who deletes the growing one wants no more of it."""
        if self._reply is not None:
            self._reply.deleted(message_id)

    async def _run_or_end(self) -> None:
        """The sequence, or what is left to do when the platform does not take the answer."""
        try:
            await self._run()
        except (BadCredentials, RateLimited, Unavailable, OutcomeUnknown) as error:
            self._desk.alerts.tell(self._claim.installation, str(error))
            log.error("cannot write there now, the turn waits", extra={**self._names(), "error": str(error)})  # noqa: TRY400
            await self._ledger.release(delay=RETURN_DELAY)
        except PlatformError as error:
            log.error("the platform refuses this answer for good", extra={**self._names(), "error": str(error)})  # noqa: TRY400
            await self._commit("", Stop.FAILED)

    async def _run(self) -> None:
        claim = self._claim
        if claim.claims > POISONED + APOLOGIES:
            outcome = claim.outcome or Outcome(answer="", stop=Stop.POISONED, attempt=0)
            await self._store(self._turn(outcome.answer, outcome.stop, outcome))
            return
        if claim.takes > 1:
            log.info("going on with a turn that was claimed before", extra={**self._names(), "takes": claim.takes})
        later = claim.outcome is not None or claim.claims > POISONED
        self._attempt = await self._abandoned.settle(self._place, spare=claim.outcome, later=later)
        if claim.outcome is not None:
            await self._deliver_stored(claim.outcome)
        elif claim.claims > POISONED:
            await self._say(phrases.APOLOGY)
            await self._commit("", Stop.POISONED)
        else:
            await self._answer(self._kind())

    def _kind(self) -> Kind:
        """What is wanted. A word to the bot stands alone; one that an edit put among questions is a question too."""
        messages = self._claim.messages
        return classify(messages[0], self._policy.access) if len(messages) == 1 else Kind.QUESTION

    async def _answer(self, kind: Kind) -> None:
        match kind:
            case Kind.QUESTION:
                await self._ask()
            case Kind.RETRY if self._claim.history:
                self._question.again()
                await self._ask()
            case _:
                if kind is Kind.RESET:
                    await self._desk.store.reset(self._claim)
                await self._say(phrases.LOCAL[kind])
                await self._commit("", Stop.LOCAL)

    # --- asking Claude ----------------------------------------------------------------------------------------

    async def _ask(self) -> None:
        troubled = bool(self._desk.alerts.of(self._claim.installation))
        reply, editor = self._start_reply(bare=not troubled)
        request = await self._question.request()
        if troubled:
            await reply.stands(self._hold.ordered)  # nobody is asked while nothing can be shown
        while True:
            end = await attempt(self._desk.model, request, reply, self._hold, editor)
            step = self._next(end, reply)
            if step is Next.ASK:
                reply.restart()
            elif step is Next.NOTE:
                if not await self._interrupt(reply):
                    await reply.abandon()
                    await self._commit("", Stop.FAILED)
                    return
                reply, editor = self._start_reply()
            else:
                break
            await self._hold.pause(self._retries.pause)
        self._status.hide()
        match step:
            case Next.DELIVER:
                await self._deliver(reply, end)
            case Next.GIVE_BACK | Next.WITHDRAW:
                await self._give_back(reply, keep=step is Next.GIVE_BACK and reply.exposed)
            case Next.COMMIT:
                await reply.abandon()
                await self._commit(reply.text, Stop.STOPPED)
            case _:
                await reply.abandon()

    def _next(self, end: End, reply: Reply) -> Next:
        """What follows; the store keeps that a stream broke, the reader is told that Claude is busy."""
        broken = self._retries.broken
        step = self._retries.after(end, exposed=reply.exposed, now=_now())
        if self._retries.broken > broken:
            count, why = self._retries.broken, str(end.error or "no text")
            self._ledger.note(attempts=count, partial=reply.text)
            log.info("stream broke", extra={**self._names(), "attempt": count, "error": why})
        elif step is Next.ASK:
            reply.say(phrases.BUSY)
        return step

    # --- what the reader sees ---------------------------------------------------------------------------------

    def _make_reply(self, number: int, *, name: int | None = None) -> Reply:
        def posted(part: Part) -> None:
            self._ledger.note(part=part, place=self._place)
            if not reply.exposed:
                self._status.show(self._place)

        def exposed() -> None:
            self._status.hide()
            self._ledger.note(shown=number)

        if self._reply is not None and self._first_text_at is None:
            self._first_text_at = self._reply.first_text_at
        reply = self._reply = Reply(
            self._writer,
            self._place,
            nonce_base(self._claim.turn_id, name or number),
            number,
            max_parts=self._policy.max_parts,
            on_posted=posted,
            on_exposed=exposed,
        )
        return reply

    def _start_reply(self, *, bare: bool = True) -> tuple[Reply, asyncio.Task[None]]:
        """Begin the next attempt's reply; in a crowd without a placeholder (`bare`), where a status shows instead."""
        self._attempt += 1
        reply = self._make_reply(self._attempt)
        self._status.show(self._place)
        crowded = self._desk.pacer.crowded(self._platform.budgets(Write.EDIT, self._place))
        bare = bare and crowded and isinstance(self._platform, ShowsStatus)
        return reply, reply.begin(None if bare else PLACEHOLDER, open_place=self._open)

    async def _open(self) -> Place:
        """Open the place, once."""
        if self._claim.place.root is None or self._place != self._claim.place:
            return self._place
        name = title(self._claim.messages[0].text)
        self._place = await opened(self._writer, self._claim.place, name)
        return self._place

    async def _say(self, text: str) -> None:
        """Show a word of the bot's own."""
        self._attempt += 1
        reply = self._make_reply(self._attempt)
        reply.write(text)
        reply.begin(None, open_place=self._open)
        await self._shown(reply.finish())

    async def _interrupt(self, reply: Reply) -> bool:
        """End a broken attempt's messages with the note; False when nothing can be shown there any more."""
        if not await self._shown(reply.interrupt(phrases.INTERRUPTED_AGAIN, keep=self._policy.keep_partials)):
            return False
        self._ledger.note(settled=reply.attempt)
        return True

    async def _give_back(self, reply: Reply, *, keep: bool) -> None:
        if keep:
            await self._interrupt(reply)
        else:
            await reply.withdraw()
            self._ledger.note(settled=reply.attempt)
        await self._ledger.release()
        log.info("turn given back", extra=self._names())

    async def _deliver(self, reply: Reply, end: End) -> None:
        """Outbox, last edit, commit."""
        outcome = self._outcome(reply, end)
        await self._ledger.finish(outcome)
        shown = await self._shown(self._ending(reply, outcome))
        await self._commit(outcome.answer, outcome.stop, outcome, end)
        long = 0 < self._policy.notify_after < _now() - self._began
        if shown and long and outcome.stop not in (Stop.FAILED, Stop.STOPPED):
            asker = self._question.messages[-1].author.id
            await tell_asker(self._writer, self._place, asker, reply.messages, self._claim.turn_id)

    async def _deliver_stored(self, outcome: Outcome) -> None:
        """Show the answer that an earlier worker finished and could not bring to its end."""
        if self._kind() is Kind.RETRY and self._claim.history:
            self._question.again()
        await self._question.request()  # names and what went before belong into the history
        reply = self._make_reply(outcome.attempt, name=self._attempt + 1)
        reply.adopt([part for part in self._claim.parts if part.attempt == outcome.attempt])
        reply.write(outcome.answer)
        reply.begin(None, open_place=self._open)
        await self._shown(self._ending(reply, outcome))
        await self._commit(outcome.answer, outcome.stop, outcome)

    def _ending(self, reply: Reply, outcome: Outcome) -> Awaitable[None]:
        """Bring the reply to its end: an answer whole, what a failure has torn off as it last looked."""
        if outcome.stop is Stop.FAILED:
            return reply.interrupt(outcome.detail, keep=self._policy.keep_partials)
        return reply.finish(outcome.detail)

    def _outcome(self, reply: Reply, end: End) -> Outcome:
        """What goes into the outbox; the reply is brought to the very text that is stored."""
        text = reply.text
        conclusion = conclude(end, text)
        reply.write(conclusion.answer[len(text) :])
        stop, sentence = conclusion.stop, conclusion.sentence
        if stop is not Stop.FAILED and reply.cut():
            stop, sentence = Stop.MAX_PARTS, phrases.below(Stop.MAX_PARTS)
        return Outcome(
            answer=reply.text if stop is not Stop.FAILED or self._policy.keep_partials else "",
            stop=stop,
            attempt=reply.attempt,
            detail=sentence,
            usage=end.finished.usage if end.finished else Usage(),
            model=end.finished.model if end.finished else "",
        )

    async def _shown(self, ending: Awaitable[None]) -> bool:
        """Await the end of some messages; False when a person removed them or the place closed."""
        try:
            await ending
        except (MessageGone, PlaceClosed) as error:
            log.info("the end is not shown", extra={**self._names(), "error": str(error)})
            return False
        return True

    # --- what is kept -----------------------------------------------------------------------------------------

    async def _commit(self, answer: str, stop: Stop, outcome: Outcome | None = None, end: End | None = None) -> None:
        turn = self._turn(answer, stop, outcome)
        self._desk.alerts.clear(self._claim.installation)
        await self._abandoned.clear(self._place)
        await self._store(turn, end)

    async def _store(self, turn: Turn, end: End | None = None) -> None:
        # A word to the bot is no question, and a retry that came to nothing costs no answer.
        kept = turn.answer or self._kind() is Kind.QUESTION
        await self._ledger.commit(turn if kept else None, replaces=self._question.replaces)
        self._report(turn, end)

    def _turn(self, answer: str, stop: Stop, outcome: Outcome | None = None) -> Turn:
        return Turn(
            id=self._claim.turn_id,
            questions=self._question.messages,
            background=self._question.background,
            answer=answer if answer.strip() and not stop.failed else "",
            stop=stop,
            attempts=self._retries.broken + (not stop.failed),
            finished_at=time.time(),
            usage=outcome.usage if outcome else Usage(),
            model=outcome.model if outcome else "",
        )

    def _report(self, turn: Turn, end: End | None) -> None:
        first_text = self._first_text_at or (self._reply.first_text_at if self._reply else None)
        figures = Figures(began=self._began, ended=_now(), first_text=first_text, waits=self._retries.waits)
        report(turn, end, figures, self._writer.tally, self._names())

    def _names(self) -> dict[str, object]:
        return {"conversation": str(self._claim.key), "turn": self._claim.turn_id, "claim": self._claim.claims}


def _now() -> float:
    return asyncio.get_running_loop().time()
