"""Records: everything that is kept comes back as it was, and what is not ours is told apart."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.conversation import Attachment, Author, Message, MessageRef, Place, StopReason, ThreadKey, Turn, Usage
from bot.ports import Part, StoredAnswer
from bot.store import codec

# Any Python string: null bytes, lone surrogates, pairs of them side by side.
TEXT = st.text(st.characters(), max_size=20) | st.text(st.sampled_from('\ud83d\ude00\x00\\"é'), max_size=6)
NAME = st.text(st.characters(exclude_characters=":"), max_size=5)
NUMBER = st.integers(0, 10**12)
USAGES = st.builds(Usage, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER)
PLACES = st.builds(Place, TEXT, st.none() | TEXT, st.none() | TEXT, direct=st.booleans(), root=st.none() | TEXT)
MESSAGES = st.builds(
    Message,
    key=st.builds(ThreadKey, NAME, NAME, TEXT),
    installation=TEXT,
    id=TEXT,
    author=st.builds(Author, TEXT, TEXT),
    text=TEXT,
    sent_at=st.floats(0, 1e10),
    place=PLACES,
    attachments=st.lists(st.builds(Attachment, TEXT, TEXT, NUMBER), max_size=3).map(tuple),
    addressed=st.booleans(),
    mid_thread=st.booleans(),
)
TURNS = st.builds(
    Turn,
    id=TEXT,
    questions=st.lists(MESSAGES, max_size=2).map(tuple),
    answer=TEXT,
    stop=st.sampled_from(StopReason),
    background=st.lists(MESSAGES, max_size=2).map(tuple),
    usage=USAGES,
    model=TEXT,
    attempts=NUMBER,
    finished_at=st.floats(0, 1e10),
)
OUTCOMES = st.builds(
    StoredAnswer, answer=TEXT, stop=st.sampled_from(StopReason), attempt=NUMBER, usage=USAGES, model=TEXT, detail=TEXT
)
PARTS = st.builds(Part, NUMBER, NUMBER, st.builds(MessageRef, TEXT, TEXT))


@settings(max_examples=60, deadline=None)
@given(MESSAGES, TURNS, OUTCOMES, PLACES, PARTS)
def test_every_record_comes_back_exactly(
    message: Message, turn: Turn, outcome: StoredAnswer, place: Place, part: Part
) -> None:
    """Whatever the strings hold."""
    assert codec.message_from_bytes(codec.message_to_bytes(message)) == message
    assert codec.turn_from_bytes(codec.turn_to_bytes(turn)) == turn
    assert codec.outcome_from_bytes(codec.outcome_to_bytes(outcome)) == outcome
    assert codec.place_from_bytes(codec.place_to_bytes(place)) == place
    assert codec.part_from_bytes(codec.part_to_bytes(part)) == part


@given(TEXT)
def test_text_comes_back_exactly(text: str) -> None:
    """Two surrogates side by side stay two, and do not become the character they would make."""
    assert codec.to_text(codec.to_bytes(text)) == text


def test_every_record_carries_its_version() -> None:
    """And a field from a later program of the same version is left alone."""
    record = json.loads(codec.place_to_bytes(Place("C1")))
    assert record == {"v": 1, "channel": "C1"}
    assert codec.place_from_bytes(json.dumps(record | {"new": 1}).encode()) == Place("C1")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b'{"v":1}',
        b'{"v":2,"id":""}',
        b'{"v":"x"}',
        b'{"v":1,"id":1,"questions":3}',
    ],
)
def test_what_is_not_a_record_of_ours_is_told_apart(data: bytes) -> None:
    """One error for all of it, which holds nothing of what people wrote."""
    with pytest.raises(codec.UnreadableError) as caught:
        codec.turn_from_bytes(data)
    assert len(str(caught.value)) < 80
