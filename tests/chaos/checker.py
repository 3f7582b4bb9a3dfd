"""The verdict: what the store holds and what readers saw, against what was asked. Changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot.conversation import StopReason, Turn
from bot.turn import phrases
from sandbox.journal import Shown
from tests.chaos.answers import WORDING, Claude
from tests.chaos.people import Asked, Room

KINDS = (
    *("lost", "doubled", "reordered", "orphaned", "dangling", "stale"),  # what readers see
    *("stored", "history", "pinged", "process"),
)
"""What can be wrong. An orphan is a message without an answer, and dangles when it is a placeholder; stale is a note or
a failure that does not fit what came of the turn; stored is what the store should not hold."""

FAILURES = (phrases.INTERRUPTED_FOR_GOOD, phrases.BUSY_FOR_GOOD, phrases.APOLOGY)
FAILED = (StopReason.FAILED, StopReason.POISONED)
STOPPED = phrases.sentence_below(StopReason.STOPPED)
NOTICED = 3.0
"""Seconds after which a worker must know of an accepted edit: at the latest with the next renewal of its lease."""


@dataclass
class Verdict:
    """What was found wrong: kind (of `KINDS`), room and sentence."""

    found: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, kind: str, room: str, sentence: str) -> None:
        """Note a violation."""
        self.found.append((kind, room, sentence))

    def count(self, kind: str) -> int:
        """How many there are of a kind."""
        return sum(kind == other for other, _, _ in self.found)


class Checker:
    """Looks at one room after the other.

    Args:
        claude: who said what.
        acknowledged: Unix s at which a message, or an edit by its name, was first acknowledged to its platform, where
            that can be told.
    """

    def __init__(self, claude: Claude, acknowledged: Mapping[str, float]) -> None:
        self.verdict = Verdict()
        self._claude = claude
        self._acknowledged = acknowledged

    def look(self, room: Room, turns: Sequence[Turn], shown: Sequence[Shown]) -> None:
        """Check one room.

        Args:
            room: what was asked there.
            turns: what the store holds of it, oldest first.
            shown: every message of the bot there, deleted ones too, in the order of posting.
        """
        self._answered_once(room, turns)
        self._in_order(room, turns)
        for turn in turns:
            self._stored_whole(room, turn)
        self._remembered(room, turns)
        self._seen(room, turns, [message for message in shown if message.deleted_at is None])
        for message in shown:
            if pings := message.extra.get("pings"):
                self.verdict.add("pinged", room.name, f"{message.id} pinged {pings}")

    # --- what the store holds -------------------------------------------------------------------------------

    def _answered_once(self, room: Room, turns: Sequence[Turn]) -> None:
        times = Counter(message.id for turn in turns for message in turn.questions)
        for asked in room.asked:
            if times[asked.message] == 0 and asked.deleted_at is None:
                if room.platform == "discord" or asked.message in self._acknowledged:
                    self.verdict.add("lost", room.name, f"{asked.name} is in no turn")
            elif times[asked.message] > 1:
                self.verdict.add("doubled", room.name, f"{asked.name} is in {times[asked.message]} turns")

    def _in_order(self, room: Room, turns: Sequence[Turn]) -> None:
        """A question that was in the store before a later one was written goes before it."""
        position = {message.id: n for n, turn in enumerate(turns) for message in turn.questions}
        for turn in turns:
            times = [message.sent_at for message in turn.questions]
            if times != sorted(times):
                self.verdict.add("reordered", room.name, f"turn {turn.id} asks in the wrong order")
        for earlier, later in zip(room.asked, room.asked[1:], strict=False):
            if earlier.message not in position or later.message not in position:
                continue
            # Discord acknowledges nothing: what stands there whoever listens next reads up on. What was deleted only
            # the one connection knows that heard it, and its process may sleep.
            known = room.platform == "discord" and earlier.deleted_at is None
            taken = self._acknowledged.get(earlier.message, 0.0 if known else later.at)
            if position[earlier.message] > position[later.message] and taken < later.at:
                self.verdict.add("reordered", room.name, f"{later.name} was answered before {earlier.name}")

    def _stored_whole(self, room: Room, turn: Turn) -> None:
        """What is stored is the whole text of one request that did not break and asked these questions."""
        said = [self._claude.said[number] for number in self._claude.requests_in(turn.answer)]
        asked = _asked(room, turn)
        if turn.stop in FAILED:
            if turn.answer:
                self.verdict.add("stored", room.name, f"failed turn {turn.id} has an answer")
            return
        if turn.stop is StopReason.STOPPED and any(question.deleted_at is not None for question in asked):
            if len(said) > 1 or not all(one.text.startswith(turn.answer) for one in said):
                self.verdict.add("stored", room.name, f"stopped turn {turn.id} holds {turn.answer!r:.200}")
            return
        if turn.stop is not StopReason.END_TURN or len(said) != 1 or turn.answer != said[0].text or said[0].broken:
            self.verdict.add("stored", room.name, f"turn {turn.id} ({turn.stop.value}) holds {turn.answer!r:.200}")
            return
        names = {question.name for question in asked}
        if not names <= set(said[0].questions):
            self.verdict.add("stored", room.name, f"turn {turn.id} asked {names} and was answered another question")
        wordings = {question.wording for question in asked if question.wording}
        held = {name for question in turn.questions for name in WORDING.findall(question.text)}
        answered = wordings & said[0].wordings
        if held != answered:
            self.verdict.add("stored", room.name, f"turn {turn.id} holds wordings {held}, {answered} were answered")
        for late in wordings - answered:
            if said[0].at > self._acknowledged.get(late, float("inf")) + NOTICED:
                self.verdict.add("stored", room.name, f"turn {turn.id} was asked without {late}, which was accepted")

    def _remembered(self, room: Room, turns: Sequence[Turn]) -> None:
        """Every request has whole messages in alternation, and for answers those of the turns before it."""
        names = {asked.name for asked in room.asked}
        answers = [turn.answer.strip() for turn in turns if turn.answer.strip()]
        alone = len({message.key for turn in turns for message in turn.questions}) <= 1
        for said in self._claude.said.values():
            if not names.intersection(said.questions):
                continue
            roles = [role for role, _ in said.history]
            if roles != ["user", "assistant"] * (len(roles) // 2) + ["user"]:
                self.verdict.add("history", room.name, f"r{said.number} was asked with {roles}")
            if not all(text.strip() for _, text in said.history):
                self.verdict.add("history", room.name, f"r{said.number} was asked with an empty message")
            given = [text for role, text in said.history if role == "assistant"]
            known = answers[: len(given)] if alone else [answer for answer in answers if answer in given]
            if given != known:
                self.verdict.add("history", room.name, f"r{said.number} was not asked with what was answered before")

    # --- what readers see -----------------------------------------------------------------------------------

    def _seen(self, room: Room, turns: Sequence[Turn], visible: Sequence[Shown]) -> None:
        """Readers see every answer whole and once, in order, and nothing else but notes and failures before it."""
        claude = self._claude
        expected = {
            numbers[0]: claude.words_in(turn.answer) for turn in turns if (numbers := claude.requests_in(turn.answer))
        }
        broken = self._broken(visible) - set(expected)
        words: dict[int, list[str]] = {}
        finals: list[int] = []
        ends: Counter[StopReason] = Counter()
        for message in visible:
            text = message.text.strip()
            stopped, failed = text.endswith(STOPPED), text.endswith(FAILURES)
            ends[StopReason.STOPPED] += stopped
            ends[StopReason.FAILED] += failed
            if failed or text.endswith(phrases.INTERRUPTED_AGAIN):
                continue
            numbers = claude.requests_in(text)
            if numbers and broken.issuperset(numbers):
                continue
            if not numbers and not stopped:
                kind = "dangling" if text.startswith("…") else "orphaned"
                self.verdict.add(kind, room.name, f"{message.id} stays {text!r:.80}")
            for number in numbers:
                if not finals or finals[-1] != number:
                    finals.append(number)
            for word in claude.words_in(text):
                words.setdefault(claude.requests_in(word)[0], []).append(word)
        self._whole(room, expected, words, finals)
        for stops in (FAILED, (StopReason.STOPPED,)):
            if ends[stops[0]] != (stored := sum(turn.stop in stops for turn in turns)):
                self.verdict.add("stale", room.name, f"{ends[stops[0]]} ends say {stops[0].value}, {stored} are stored")
        self._notes(room, turns, visible)

    def _whole(
        self,
        room: Room,
        expected: Mapping[int, Sequence[str]],
        words: Mapping[int, Sequence[str]],
        finals: Sequence[int],
    ) -> None:
        """The answers that stand there are those of the turns, whole, once, and in their order."""
        for number, whole in expected.items():
            if (seen := words.get(number, [])) != whole:
                kind = "doubled" if len(seen) > len(whole) else "lost"
                self.verdict.add(kind, room.name, f"answer r{number}: {len(seen)} of {len(whole)} words are shown")
        for number in finals:
            if number not in expected:
                self.verdict.add("doubled", room.name, f"r{number} is shown without a note and is in no turn")
        order = list(expected)
        if sorted(finals, key=lambda n: order.index(n) if n in expected else -1) != finals:
            self.verdict.add("reordered", room.name, f"answers stand as {finals}, turns as {order}")

    def _broken(self, visible: Sequence[Shown]) -> set[int]:
        """The requests whose partial text stays with the note, or a failure, below its last message."""
        ends = (phrases.INTERRUPTED_AGAIN, *FAILURES)
        return {
            number
            for message in visible
            if message.text.strip().endswith(ends)
            for number in self._claude.requests_in(message.text)
        }

    def _notes(self, room: Room, turns: Sequence[Turn], visible: Sequence[Shown]) -> None:
        """After "Trying again" there comes something."""
        names = {asked.name for turn in turns for asked in _asked(room, turn)}
        for n, message in enumerate(visible):
            if not message.text.strip().endswith(phrases.INTERRUPTED_AGAIN):
                continue
            after = [other.text.strip() for other in visible[n + 1 :]]
            if not any(not other.endswith(phrases.INTERRUPTED_AGAIN) for other in after):
                self.verdict.add("stale", room.name, f"nothing follows the note in {message.id}")
            for number in self._claude.requests_in(" ".join(version for _, version in message.versions)):
                asked = set(self._claude.said[number].questions)
                if not asked & names:
                    self.verdict.add("stale", room.name, f"{message.id} notes {asked}, which no turn holds")


def _asked(room: Room, turn: Turn) -> list[Asked]:
    """What a turn asks, as its people know it."""
    ids = {question.id for question in turn.questions}
    return [asked for asked in room.asked if asked.message in ids]
