"""The verdict: what the store holds and what readers saw, against what was asked. Changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot import phrases
from bot.conversation import Stop, Turn
from sandbox.journal import Shown
from tests.chaos.answers import WORD, Claude
from tests.chaos.people import Room

FAILURES = (phrases.INTERRUPTED_FOR_GOOD, phrases.BUSY_FOR_GOOD, phrases.APOLOGY)


@dataclass
class Verdict:
    """What was found wrong: kind (lost, doubled, reordered, orphaned, stale, stored), room and sentence."""

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
        acknowledged: Unix s at which a message was first acknowledged to its platform, where that can be told.
        posted: in which order messages appeared, by platform, channel and id.
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
        self._stored_whole(room, turns)
        self._seen(room, turns, shown)

    def _answered_once(self, room: Room, turns: Sequence[Turn]) -> None:
        times = Counter(message.id for turn in turns for message in turn.questions)
        for asked in room.asked:
            if times[asked.message] == 0:
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
            taken = self._acknowledged.get(earlier.message, 0.0 if room.platform == "discord" else later.at)
            if position[earlier.message] > position[later.message] and taken < later.at:
                self.verdict.add("reordered", room.name, f"{later.name} was answered before {earlier.name}")

    def _stored_whole(self, room: Room, turns: Sequence[Turn]) -> None:
        """What is stored is the whole text of one request that did not break and asked these questions."""
        for turn in turns:
            if turn.stop is Stop.FAILED:
                if turn.answer:
                    self.verdict.add("stored", room.name, f"failed turn {turn.id} has an answer")
                continue
            said = [self._claude.said[number] for number in self._claude.requests_in(turn.answer)]
            if turn.stop is not Stop.END_TURN or len(said) != 1 or turn.answer != said[0].text or said[0].broken:
                self.verdict.add("stored", room.name, f"turn {turn.id} ({turn.stop.value}) holds {turn.answer!r:.200}")
                continue
            names = {asked.name for asked in room.asked if asked.message in {q.id for q in turn.questions}}
            if not names <= set(said[0].questions):
                self.verdict.add("stored", room.name, f"turn {turn.id} asked {names} and was answered another question")

    def _seen(self, room: Room, turns: Sequence[Turn], shown: Sequence[Shown]) -> None:
        """Readers see every answer whole and once, in order, and nothing else but notes and failures before it."""
        expected = [
            self._claude.requests_in(turn.answer)[0]
            for turn in turns
            if turn.answer and self._claude.requests_in(turn.answer)
        ]
        visible = [message for message in shown if message.deleted_at is None]
        broken = self._broken(visible) - set(expected)
        words: dict[int, list[str]] = {}
        finals: list[int] = []
        failures = 0
        for message in visible:
            text = message.text.strip()
            noted = text.endswith(phrases.INTERRUPTED_AGAIN)
            failed = text.endswith(FAILURES)
            failures += failed
            if noted or failed:
                continue
            numbers = self._claude.requests_in(text)
            if numbers and broken.issuperset(numbers):
                continue
            if not numbers:
                self.verdict.add("orphaned", room.name, f"{message.id} stays {text!r:.80}")
            for number in numbers:
                if not finals or finals[-1] != number:
                    finals.append(number)
                words.setdefault(number, []).extend(match[0] for match in WORD.finditer(text))
        self._whole(room, expected, words, finals)
        if failures != sum(turn.stop is Stop.FAILED for turn in turns):
            self.verdict.add("stale", room.name, f"{failures} failures are shown, another number is stored")
        self._notes(room, turns, visible)

    def _whole(
        self, room: Room, expected: Sequence[int], words: Mapping[int, Sequence[str]], finals: Sequence[int]
    ) -> None:
        """The answers that stand there are those of the turns, whole, once, and in their order."""
        for number in expected:
            whole = self._claude.said[number].text.split()
            if words.get(number) != whole:
                seen = words.get(number, [])
                kind = "doubled" if len(seen) > len(whole) else "lost"
                self.verdict.add(kind, room.name, f"answer r{number}: {len(seen)} of {len(whole)} words are shown")
        for number in finals:
            if number not in expected:
                self.verdict.add("doubled", room.name, f"r{number} is shown without a note and is in no turn")
        if sorted(finals, key=lambda n: expected.index(n) if n in expected else -1) != finals:
            self.verdict.add("reordered", room.name, f"answers stand as {finals}, turns as {expected}")

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
        for n, message in enumerate(visible):
            text = message.text.strip()
            if not text.endswith(phrases.INTERRUPTED_AGAIN):
                continue
            after = [other.text.strip() for other in visible[n + 1 :]]
            if not any(not other.endswith(phrases.INTERRUPTED_AGAIN) for other in after):
                self.verdict.add("stale", room.name, f"nothing follows the note in {message.id}")
            for number in self._claude.requests_in(" ".join(version for _, version in message.versions)):
                asked = set(self._claude.said[number].questions)
                if not any(asked & self._names(room, turn) for turn in turns):
                    self.verdict.add("stale", room.name, f"{message.id} notes {asked}, which no turn holds")

    def _names(self, room: Room, turn: Turn) -> set[str]:
        ids = {question.id for question in turn.questions}
        return {asked.name for asked in room.asked if asked.message in ids}
