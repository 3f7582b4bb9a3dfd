"""The promise under fire, in short; and that the checker would notice if it were broken."""

from __future__ import annotations

import dataclasses
import time

import pytest

from bot.conversation import Author, Message, Place, StopReason, ThreadKey, Turn
from bot.turn import phrases
from sandbox.claude.script import Asked as Request
from sandbox.journal import Shown
from tests.chaos.answers import Claude
from tests.chaos.checker import Checker
from tests.chaos.people import Asked, Room
from tests.chaos.run import Chaos

KEY = ThreadKey("discord", "G", "1")


@pytest.mark.time_limit(240)
async def test_nothing_is_lost_whatever_dies(tmp_path):
    """Every accepted message is answered exactly once where the reader sees it, in order, whatever dies."""
    report = await Chaos(17, tmp_path, questions=12, kills=1, rooms=3, workers=2).run()
    assert report.verdict.found == [], "\n".join([*report.lines(), *report.stories.values()])
    assert report.questions == 12
    assert report.troubles["SIGKILL"] >= 1


def _partial_in_two_messages(scene: Scene) -> None:
    scene.claude(Request(3, {"messages": [{"role": "user", "content": "[q1]"}]}))
    words = scene.claude.said[3].text.split()
    scene.shown[:0] = [_shown("9", " ".join(words[:3])), _shown("10", f"{words[3]}\n\n{phrases.INTERRUPTED_AGAIN}")]


class Scene:
    """A room with two questions, answered as they should be; a test spoils it."""

    def __init__(self) -> None:
        self.claude = Claude(1, breaks=0.0, long=0.0)
        self.acknowledged: dict[str, float] = {}
        self.room = Room("room", "discord", "C", "P", direct=False, root="1", key=KEY)
        self.room.asked = [Asked("q1", "1", 10.0), Asked("q2", "2", 20.0)]
        self.answers = []
        for number, question in enumerate(("[q1]", "[q2]"), 1):
            assert self.claude(Request(number, {"messages": [{"role": "user", "content": question}]}))
            self.answers.append(self.claude.said[number].text)
        self.turns = [_turn("t1", "1", 10.0, self.answers[0]), _turn("t2", "2", 20.0, self.answers[1])]
        self.shown = [_shown("11", "…", self.answers[0]), _shown("12", "…", self.answers[1])]

    def answer(self, turn: int, question: str) -> None:
        """Let a turn be answered by another request."""
        self.claude(Request(9, {"messages": _said(question)}))
        self.answers[turn] = self.claude.said[9].text
        self.turns[turn] = dataclasses.replace(self.turns[turn], answer=self.answers[turn])
        self.shown[turn] = _shown(self.shown[turn].id, "…", self.answers[turn])

    def kinds(self) -> set[str]:
        """The kinds of violation the checker finds."""
        checker = Checker(self.claude, self.acknowledged)
        checker.look(self.room, self.turns, self.shown)
        return {kind for kind, _, _ in checker.verdict.found}


def _said(*texts: str) -> list[dict[str, str]]:
    """Messages that alternate, a person's first."""
    return [{"role": "assistant" if n % 2 else "user", "content": text} for n, text in enumerate(texts)]


def _turn(id_: str, message: str, at: float, answer: str, stop: StopReason = StopReason.END_TURN) -> Turn:
    question = Message(
        key=KEY, installation="discord:A", id=message, author=Author("P"), text="", sent_at=at, place=Place("C")
    )
    return Turn(id=id_, questions=(question,), answer=answer, stop=stop)


def _shown(id_: str, *versions: str) -> Shown:
    return Shown("discord", "C", id_, "bot", "1", [(time.time(), version) for version in versions])


def _lost(scene: Scene) -> None:
    del scene.turns[1], scene.shown[1]


def _cut(scene: Scene) -> None:
    scene.shown[0] = _shown("11", "…", scene.answers[0].rpartition(" ")[0])


def _asked_twice(scene: Scene) -> None:
    scene.turns[1] = dataclasses.replace(
        scene.turns[1], questions=(*scene.turns[0].questions, *scene.turns[1].questions)
    )


def _shown_twice(scene: Scene) -> None:
    scene.shown.append(_shown("13", scene.answers[1]))


def _stray_answer(scene: Scene) -> None:
    scene.claude(Request(3, {"messages": [{"role": "user", "content": "[q2]"}]}))
    scene.shown.append(_shown("13", scene.claude.said[3].text))


def _swapped_turns(scene: Scene) -> None:
    scene.turns.reverse()
    scene.shown.reverse()


def _swapped_messages(scene: Scene) -> None:
    scene.shown.reverse()


def _placeholder(scene: Scene) -> None:
    scene.shown.append(_shown("13", "…"))


def _promise_unkept(scene: Scene) -> None:
    scene.shown.append(_shown("13", "r2w0", phrases.INTERRUPTED_AGAIN))


def _broken_text_stored(scene: Scene) -> None:
    scene.turns[1] = dataclasses.replace(scene.turns[1], answer="r1w0 r2end")


def _unstored_wording(scene: Scene) -> None:
    scene.room.asked[1].wording = "e2"
    scene.answer(1, "[q2] [e2]")


def _ignored_edit(scene: Scene) -> None:
    scene.room.asked[1].wording = "e2"
    scene.acknowledged["e2"] = time.time() - 60.0


def _stopped_unasked(scene: Scene) -> None:
    _stop(scene)
    scene.room.asked[1].deleted_at = None


def _unsaid_stop(scene: Scene) -> None:
    _stop(scene)
    scene.shown[1] = _shown("12", "…", "r2w0")


def _empty_message(scene: Scene) -> None:
    scene.claude(Request(3, {"messages": [{"role": "user", "content": " "}, *_said("[q2]")]}))


def _broken_text_remembered(scene: Scene) -> None:
    scene.claude(Request(3, {"messages": [*_said("[q1]", "r1w0 r1w1", "[q2]")]}))


def _forgotten(scene: Scene) -> None:
    scene.claude(Request(3, {"messages": [*_said("[q1]", scene.answers[1], "[q2]")]}))


def _pinged(scene: Scene) -> None:
    scene.shown[1].extra["pings"] = ["@everyone"]


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (_lost, "lost"),
        (_cut, "lost"),
        (_asked_twice, "doubled"),
        (_shown_twice, "doubled"),
        (_stray_answer, "doubled"),
        (_swapped_turns, "reordered"),
        (_swapped_messages, "reordered"),
        (_placeholder, "dangling"),
        (_promise_unkept, "stale"),
        (_broken_text_stored, "stored"),
        (_unstored_wording, "stored"),
        (_ignored_edit, "stored"),
        (_stopped_unasked, "stored"),
        (_unsaid_stop, "stale"),
        (_empty_message, "history"),
        (_broken_text_remembered, "history"),
        (_forgotten, "history"),
        (_pinged, "pinged"),
    ],
)
def test_the_checker_notices(spoil, kind: str):
    """Each way of breaking the promise is found and named; a room in which all went well has none."""
    scene = Scene()
    assert scene.kinds() == set()
    spoil(scene)
    assert kind in scene.kinds()


def _stop(scene: Scene) -> None:
    scene.room.asked[1].deleted_at = 21.0
    scene.turns[1] = dataclasses.replace(scene.turns[1], answer="r2w0", stop=StopReason.STOPPED)
    scene.shown[1] = _shown("12", "…", "r2w0", "r2w0\n\n(Stopped.)")


def _stop_at_once(scene: Scene) -> None:
    _stop(scene)
    scene.turns[1] = dataclasses.replace(scene.turns[1], answer="")
    scene.shown[1] = _shown("12", "…", "(Stopped.)")


def _take_back(scene: Scene) -> None:
    scene.room.asked[1].deleted_at = 21.0
    del scene.turns[1], scene.shown[1]


def _reword(scene: Scene) -> None:
    _unstored_wording(scene)
    question = dataclasses.replace(scene.turns[1].questions[0], text="[q2] [e2]")
    scene.turns[1] = dataclasses.replace(scene.turns[1], questions=(question,))


@pytest.mark.parametrize("happen", [_partial_in_two_messages, _stop, _stop_at_once, _take_back, _reword])
def test_the_checker_knows_what_may_be(happen):
    """A partial with the note below its last message, a stopped answer, a question taken back or put in other words."""
    scene = Scene()
    happen(scene)
    assert scene.kinds() == set()
