"""How a turn goes, from claim to commit: the one machine of turns on platforms and in a terminal.

Three tables are the whole of it:

    PATHS            what a claim finds                           -> which path it takes
    STEPS            how an attempt ends, and what readers saw    -> what follows it
    EXHAUSTED        how the last attempt that is allowed ended   -> how the turn ends

    claim --PATHS--> DELIVER    show the answer in the outbox --------------------------------> commit
                     APOLOGISE  show the apology ---------------------------------------------> commit
                     SAY        show a sentence of the bot's own -----------------------------> commit
                     END        ---------------------------------------------------------------> commit
                     ASK  ----> attempt --STEPS--> DELIVER    outbox, last edit ----------------> commit
                                  ^                COMMIT     nothing more can be shown --------> commit
                                  |                FAIL       not even the note can be shown ---> commit
                                  |                GIVE_BACK  end with the note, or withdraw ---> another claim
                                  |                WITHDRAW   remove the messages --------------> another claim
                                  |                NOTHING    another worker holds the turn
                                  +--- ASK, NOTE --+

`found`, `Retries` and `outcome_of` read the tables; `ask` drives the attempts. `bot.turn.run` carries a claim through
with them, `bot.terminal.chat` a question that was typed at a terminal.
"""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Callable
from typing import Protocol

from bot.conversation import StopReason, Turn, Usage
from bot.intake import Kind
from bot.ports import Model, Request, StoredAnswer
from bot.text import visible
from bot.turn import phrases
from bot.turn.attempt import AttemptEnd, AttemptResult, Sink, attempt
from bot.turn.lease import Orders
from bot.turn.question import Question
from bot.turn.services import Policy

POISONED = 5
"""Claims after which a turn that kills its workers ends with an apology."""

APOLOGIES = 20
"""Claims that may try to apologise, or to deliver; after them the turn ends without a word, and its thread goes on."""


class Found(enum.Enum):
    """What a claim finds; of several the first."""

    HOPELESS = enum.auto()  # claimed so often that neither the answer nor the apology can be shown
    ANSWERED = enum.auto()  # an earlier worker finished the answer: it is in the outbox
    CLOSED = enum.auto()  # nothing can be written there, and nothing of the turn stands there
    POISONED = enum.auto()  # claimed so often that it must be what kills its workers
    QUESTION = enum.auto()
    RETRY = enum.auto()  # the word, and there is a question to ask again
    WORD = enum.auto()  # something the bot answers by itself


class Path(enum.Enum):
    """What is done with a claim; see the module's first lines."""

    END = enum.auto()
    DELIVER = enum.auto()
    APOLOGISE = enum.auto()
    ASK = enum.auto()
    SAY = enum.auto()


PATHS: dict[Found, Path] = {
    Found.HOPELESS: Path.END,
    Found.ANSWERED: Path.DELIVER,
    Found.CLOSED: Path.END,
    Found.POISONED: Path.APOLOGISE,
    Found.QUESTION: Path.ASK,
    Found.RETRY: Path.ASK,
    Found.WORD: Path.SAY,
}


class Step(enum.Enum):
    """What follows an attempt; see the module's first lines."""

    DELIVER = enum.auto()
    NOTE = enum.auto()  # the messages end with the note; ask again from scratch, in new messages
    ASK = enum.auto()  # nobody saw anything: ask again behind the same placeholder
    GIVE_BACK = enum.auto()  # another worker asks again
    WITHDRAW = enum.auto()  # the next claim asks the edited question
    COMMIT = enum.auto()
    FAIL = enum.auto()
    NOTHING = enum.auto()


STEPS: dict[AttemptEnd, tuple[Step, Step]] = {
    # ended          readers saw text   they saw none
    AttemptEnd.FINISHED: (Step.DELIVER, Step.DELIVER),
    AttemptEnd.STOPPED: (Step.DELIVER, Step.DELIVER),
    AttemptEnd.FULL: (Step.DELIVER, Step.DELIVER),
    AttemptEnd.REFUSED: (Step.DELIVER, Step.DELIVER),
    AttemptEnd.BROKE: (Step.NOTE, Step.ASK),
    AttemptEnd.BUSY: (Step.NOTE, Step.ASK),
    AttemptEnd.DRAINED: (Step.GIVE_BACK, Step.GIVE_BACK),
    AttemptEnd.EDITED: (Step.WITHDRAW, Step.WITHDRAW),
    AttemptEnd.DELETED: (Step.COMMIT, Step.COMMIT),
    AttemptEnd.CLOSED: (Step.COMMIT, Step.COMMIT),
    AttemptEnd.LOST: (Step.NOTHING, Step.NOTHING),
}
"""NOTE and ASK become DELIVER when `Policy.max_attempts` streams broke, or Claude was busy for `busy_timeout` s."""

EXHAUSTED: dict[AttemptEnd, tuple[StopReason, str]] = {
    # the last one   the turn's end     what the reader is told below the text, or in place of it
    AttemptEnd.BROKE: (StopReason.FAILED, phrases.INTERRUPTED_FOR_GOOD),
    AttemptEnd.BUSY: (StopReason.FAILED, phrases.BUSY_FOR_GOOD),
    AttemptEnd.FULL: (StopReason.MAX_PARTS, phrases.sentence_below(StopReason.MAX_PARTS)),
    AttemptEnd.STOPPED: (StopReason.STOPPED, phrases.sentence_below(StopReason.STOPPED)),
    AttemptEnd.DRAINED: (StopReason.STOPPED, phrases.sentence_below(StopReason.STOPPED)),
}


def found(kind: Kind, *, history: bool, claims: int = 1, answered: bool = False, closed: bool = False) -> Found:
    """Return what a claim finds.

    Args:
        kind: what its message wants.
        history: whether the thread has turns.
        claims: how often the turn was claimed by workers that did not bring it to its end, this time included.
        answered: whether its answer is in the outbox.
        closed: whether nothing can be written in its place, where nothing of it was written before.
    """
    if claims > POISONED + APOLOGIES:
        return Found.HOPELESS
    if answered:
        return Found.ANSWERED
    if closed:
        return Found.CLOSED
    if claims > POISONED:
        return Found.POISONED
    if kind is Kind.QUESTION:
        return Found.QUESTION
    return Found.RETRY if kind is Kind.RETRY and history else Found.WORD


class Retries:
    """What one turn has tried so far.

    Args:
        policy: how often, and how long.
        backoff: see `Services`.
        broken: streams of this turn that broke under earlier workers.

    Attributes:
        broken: streams that broke so far.
        waits: how often Claude was too busy to begin.
        pause: seconds to wait before the next attempt.
    """

    def __init__(self, policy: Policy, backoff: Callable[[int, float | None], float], *, broken: int = 0) -> None:
        self.broken = broken
        self.waits = 0
        self.pause = 0.0
        self._policy = policy
        self._backoff = backoff
        self._busy_since: float | None = None

    def after(self, end: AttemptResult, *, exposed: bool, now: float) -> Step:
        """Return what follows an attempt, and count it.

        Args:
            end: how it ended.
            exposed: whether readers may have seen text of it.
            now: seconds of any clock that only goes forward.
        """
        step = STEPS[end.how][0 if exposed else 1]
        if step not in (Step.ASK, Step.NOTE):
            return step
        if end.how is AttemptEnd.BUSY and step is Step.ASK:
            self.waits += 1
            self._busy_since = now if self._busy_since is None else self._busy_since
            self.pause = self._backoff(self.waits, end.retry_after)
            return Step.DELIVER if now - self._busy_since + self.pause > self._policy.busy_timeout else step
        self._busy_since = None
        self.broken += 1
        self.pause = self._backoff(self.broken, end.retry_after)
        return Step.DELIVER if self.broken >= self._policy.max_attempts else step


class Answer(Sink, Protocol):
    """What readers see of one attempt."""

    @property
    def attempt(self) -> int:
        """Its number."""
        ...

    @property
    def text(self) -> str:
        """All text received."""
        ...

    @property
    def exposed(self) -> bool:
        """Whether readers may have seen text."""
        ...

    def restart(self) -> None:
        """Begin again in the same place, where no text was shown."""
        ...

    def cut(self, below: str = "") -> bool:
        """Drop what does not fit with a sentence `below` it; returns whether there was any."""
        ...


class Shows(Protocol):
    """Where attempts are shown one after the other: messages on a platform, or the screen of a terminal."""

    @property
    def reply(self) -> Answer:
        """The attempt that is being shown."""
        ...

    @property
    def editor(self) -> asyncio.Future[None] | None:
        """See `attempt`."""
        ...

    def broke(self, count: int, end: AttemptResult) -> None:
        """Note that the stream broke, as the `count`-th of this turn."""
        ...

    def busy(self) -> None:
        """Say that Claude is busy."""
        ...

    async def interrupt(self) -> bool:
        """End what is shown with the note and begin the next; False when nothing can be shown there any more."""
        ...


async def ask(
    model: Model, request: Request, shown: Shows, orders: Orders, retries: Retries
) -> tuple[AttemptResult, Step]:
    """Ask until an attempt is the last one; return how it ended and what follows.

    Raises PlatformError where nothing can be shown.
    """
    while True:
        end = await attempt(model, request, shown.reply, orders, shown.editor)
        broken = retries.broken
        step = retries.after(end, exposed=shown.reply.exposed, now=_now())
        if retries.broken > broken:
            shown.broke(retries.broken, end)
        elif step is Step.ASK:
            shown.busy()
        if step not in (Step.ASK, Step.NOTE):
            return end, step
        if step is Step.NOTE and not await shown.interrupt():
            return end, Step.FAIL
        shown.reply.restart()  # before the pause: what nobody saw yet must not come to be seen in it
        await orders.pause(retries.pause)


def outcome_of(end: AttemptResult, reply: Answer, *, keep_partials: bool = False) -> StoredAnswer:
    """Return what the last attempt of a turn comes to, and bring its reply to the very text that is stored.

    Args:
        end: how it ended.
        reply: what was shown of it.
        keep_partials: whether the text of an attempt that failed stays on the screen.
    """
    text, finished = reply.text, end.finished
    addition = ""
    if end.how is AttemptEnd.FINISHED and finished is not None:
        stop, sentence = finished.stop, phrases.sentence_below(finished.stop)
        if stop is StopReason.REFUSAL:
            gap = "\n\n" if text.strip() else ""
            addition, sentence = f"{gap}{phrases.refusal(finished.detail)}", ""
        elif not visible(text):
            stop, sentence = StopReason.FAILED, phrases.nothing(stop)
        elif stop is StopReason.END_TURN and finished.detail:
            sentence = phrases.unknown_reason(finished.detail)
    elif end.how is AttemptEnd.REFUSED:
        stop, sentence = StopReason.FAILED, phrases.refused_by_api(str(end.error))
    else:
        stop, sentence = EXHAUSTED.get(end.how, EXHAUSTED[AttemptEnd.BROKE])
    reply.write(addition)
    if stop is not StopReason.FAILED:
        if reply.cut():
            stop, sentence = EXHAUSTED[AttemptEnd.FULL]
        reply.cut(sentence)
    return StoredAnswer(
        answer=reply.text if stop is not StopReason.FAILED or keep_partials else "",
        stop=stop,
        attempt=reply.attempt,
        detail=sentence,
        usage=finished.usage if finished else Usage(),
        model=finished.model if finished else "",
    )


def turn_of(turn_id: str, question: Question, outcome: StoredAnswer, broken: int) -> Turn:
    """Return what the history keeps of a turn, of which `broken` streams broke; an answer that failed is not kept."""
    answer, stop = outcome.answer, outcome.stop
    return Turn(
        id=turn_id,
        questions=question.messages,
        background=question.background,
        answer=answer if answer.strip() and not stop.failed else "",
        stop=stop,
        attempts=broken + (not stop.failed),
        finished_at=time.time(),
        usage=outcome.usage,
        model=outcome.model,
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
