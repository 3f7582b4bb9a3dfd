"""Bytes of a stream folded into an answer, cut in every way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.claude.answer import LONGEST_EVENT, AnswerReader, EventDecoder
from bot.claude.errors import ApiFailure
from bot.conversation import StopReason, Usage


def _event(type_: str, **data: Any) -> bytes:
    body = json.dumps({"type": type_, **data}, ensure_ascii=False, separators=(",", ":"))
    return f"event: {type_}\ndata: {body}\n\n".encode()


def _delta(text: str) -> bytes:
    return _event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def _stream(texts: list[str]) -> bytes:
    return b"".join(
        [
            _event("message_start", message={"model": "m", "usage": {"input_tokens": 3, "output_tokens": 1}}),
            _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
            b'event: ping\ndata: {"type": "ping"}\n\n',
            *map(_delta, texts),
            _event("content_block_stop", index=0),
            _event("message_delta", delta={"stop_reason": "max_tokens"}, usage={"output_tokens": 9}),
            _event("message_stop"),
        ]
    )


TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=6)


@given(texts=TEXTS, cuts=st.lists(st.integers(1, 60)), ends=st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_cuts_and_line_ends_change_nothing(texts: list[str], cuts: list[int], ends: bytes) -> None:
    """Wherever the bytes are cut and however lines end, the same text comes out, once and in order."""
    data = _stream(texts).replace(b"\n", ends) + (b": the end\n\n" if ends == b"\r" else b"")
    answer = AnswerReader()
    shown = ""
    while data:
        size = cuts.pop() if cuts else len(data)
        shown += answer.feed(data[:size])
        data = data[size:]
    assert answer.failure is None
    assert answer.whole
    assert shown == answer.text == "".join(texts)
    assert (answer.stop, answer.model) == (StopReason.MAX_TOKENS, "m")
    assert answer.usage == Usage(input=3, output=9)


SPACES = st.sampled_from(["", " ", "  "])


@given(
    text=st.text(st.characters(codec="utf-8"), max_size=20) | st.text('a"\\\\\n\x00\x1f\x7fé/u', max_size=8),
    ascii_only=st.booleans(),
    spaces=st.tuples(SPACES, SPACES, SPACES),
    index=st.integers(0, 20),
    extra=st.sampled_from([{}, {"text": "no"}, {"type": "ping"}]),
    swapped=st.booleans(),
    before=st.sampled_from(["", ": note\n", "data: {\n", "event: "]),
)
@example(text="a", ascii_only=True, spaces=("", "", ""), index=0, extra={}, swapped=False, before="data: {\n")
def test_a_delta_is_the_same_however_it_is_written(
    text: str,
    ascii_only: bool,
    spaces: tuple[str, str, str],
    index: int,
    extra: dict[str, str],
    swapped: bool,
    before: str,
) -> None:
    """Escapes, spaces, keys in another order or besides, and bytes before: the text is what a JSON parser reads."""
    delta = {"type": "text_delta", "text": text}
    event = {"type": "content_block_delta", "index": index, "delta": delta, **({"more": extra} if extra else {})}
    if swapped:
        event = dict(reversed(event.items()))
    data = json.dumps(event, ensure_ascii=ascii_only, separators=("," + spaces[0], ":" + spaces[1]))
    data = data[:-2] + spaces[2] + data[-2:] if data.endswith("}}") else data
    answer = AnswerReader()
    shown = answer.feed(before.encode()) + answer.feed(f"event: content_block_delta\ndata: {data}\n\n".encode())
    if before == "data: {\n":
        assert isinstance(answer.failure, ValueError)
        assert answer.text == ""
    else:
        assert shown == answer.text == text
        assert answer.events == 1


@given(texts=TEXTS, at=st.integers(0, 2000))
def test_a_stream_cut_off_is_never_whole(texts: list[str], at: int) -> None:
    """No prefix of a stream without `message_stop` counts as whole, and its text is a prefix of the text."""
    data = _stream(texts)
    data = data[: min(at, data.index(b"event: message_stop") + len(b"event: message_stop\n"))]
    answer = AnswerReader()
    answer.feed(data)
    answer.end()
    assert not answer.whole
    assert isinstance(answer.failure, EOFError)
    assert "".join(texts).startswith(answer.text)


@given(
    rubbish=st.binary(max_size=200), before=st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=5)
)
def test_rubbish_is_a_failure_and_no_exception(rubbish: bytes, before: str) -> None:
    """Whatever bytes come, reading them raises nothing, and what was shown before them stays."""
    answer = AnswerReader()
    answer.feed(_delta(before))
    answer.feed(rubbish + b"\n\n")
    answer.end()
    assert answer.text == before
    assert answer.failure is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "delta", "text", "message", "usage", "content_block", "error", "stop_details"]),
            inner | st.sampled_from(["content_block_delta", "text_delta", "message_start", "message_delta", "error"]),
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(event=JSON)
def test_an_event_of_any_shape_raises_nothing(event: Any) -> None:
    """JSON of any shape is taken, ignored or a failure, in a stream and as a whole message, and never raises."""
    answer = AnswerReader()
    answer.feed(b"data: " + json.dumps(event).encode() + b"\n\n")
    assert isinstance(answer.usage, Usage)
    whole = AnswerReader()
    whole.message(event)
    assert whole.whole or whole.failure is not None
    assert isinstance(whole.usage, Usage)


def test_text_before_a_failure_in_the_same_bytes_is_kept() -> None:
    """What precedes a bad event in one chunk is given on before the failure is known; what follows is not."""
    answer = AnswerReader()
    assert answer.feed(_delta("kept") + b"event: message_delta\ndata: {\n\n" + _delta("lost")) == "kept"
    assert isinstance(answer.failure, ValueError)


def test_an_error_event_is_kept_as_the_api_told_it() -> None:
    """An error in the stream keeps its type, message, code and request id, with status 200."""
    answer = AnswerReader()
    error = {"type": "rate_limit_error", "message": "Slow down", "details": {"error_code": "ramp_limit_exceeded"}}
    answer.feed(_event("error", error=error, request_id="req_1"))
    assert answer.failure == ApiFailure(
        status=200, type="rate_limit_error", message="Slow down", code="ramp_limit_exceeded", request_id="req_1"
    )


@pytest.mark.parametrize("end", [_event("message_stop"), _event("error", error={"type": "api_error"})])
def test_nothing_counts_after_the_end(end: bytes) -> None:
    """Text behind `message_stop` or an error is not shown, though it came in the same bytes."""
    answer = AnswerReader()
    assert answer.feed(_delta("before") + end + _delta("after")) == "before"
    assert answer.text == "before"


def test_counts_that_are_left_out_stay() -> None:
    """A later usage without a count, or with null for it, keeps what was counted before."""
    answer = AnswerReader()
    counts = {"input_tokens": 3, "cache_read_input_tokens": 5, "output_tokens": 1}
    answer.feed(_event("message_start", message={"usage": counts}))
    answer.feed(_event("message_delta", delta={}, usage={"input_tokens": None, "output_tokens": 8}))
    assert answer.usage == Usage(input=3, output=8, cache_read=5)


def _escaped(text: str) -> bytes:
    return b'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"%s"}}\n\n' % text.encode()


def test_half_a_character_in_a_delta_is_replaced() -> None:
    """JSON that escapes a lone surrogate gives text that can be written everywhere."""
    answer = AnswerReader()
    assert answer.feed(_escaped("a\\ud83d")) == answer.text == "a"
    assert answer.feed(_escaped("b")) == "\ufffdb"


def test_a_character_whose_halves_come_in_two_deltas_is_one() -> None:
    """A gateway that cuts between the halves of an emoji, in one chunk or in two, breaks nothing."""
    halves = [_escaped("a\\ud83d"), _escaped("\\ude00b")]
    apart, together = AnswerReader(), AnswerReader()
    assert "".join(map(apart.feed, halves)) == together.feed(b"".join(halves)) == "a\N{GRINNING FACE}b"


def test_the_last_event_may_lack_its_empty_line() -> None:
    """A stream that ends right after `message_stop` is whole; one that ends inside it is not."""
    data = _stream(["Paris."]).rstrip(b"\n")
    answer, cut = AnswerReader(), AnswerReader()
    answer.feed(data)
    answer.end()
    assert (answer.whole, answer.text) == (True, "Paris.")
    cut.feed(data[:-1])
    cut.end()
    assert not cut.whole


@pytest.mark.parametrize("cut", range(1, 32))
def test_a_line_end_cut_in_two_is_one(cut: int) -> None:
    """A CRLF whose halves come apart ends one line and no event."""
    decoder = EventDecoder()
    data = b'data: {"a":\r\ndata: 1}\r\n\r\n: end'
    assert [*decoder.feed(data[:cut]), *decoder.feed(data[cut:])] == [{"a": 1}]


def test_several_data_lines_are_one_event() -> None:
    """The data lines of an event are joined, with or without a space after the colon."""
    assert list(EventDecoder().feed(b'event: x\ndata:{"a":\ndata: 1}\nid: 7\n\n: note\n\nevent: nothing\n\n')) == [
        {"a": 1, "type": "x"}
    ]


def test_an_event_without_end_is_given_up() -> None:
    """A body that never ends an event does not fill the memory."""
    answer = AnswerReader()
    for _ in range(9):
        answer.feed(b"x" * (LONGEST_EVENT // 8))
    assert isinstance(answer.failure, ValueError)


def test_text_that_a_block_begins_with_counts() -> None:
    """Text in `content_block_start` is part of the answer; another kind of block is not."""
    answer = AnswerReader()
    shown = answer.feed(
        _event("content_block_start", index=0, content_block={"type": "thinking", "thinking": "hm", "text": "no"})
        + _event("content_block_start", index=1, content_block={"type": "text", "text": "yes"})
    )
    assert shown == "yes"
