"""Buttons below messages on Discord: their ids, and what is read of them."""

from __future__ import annotations

from typing import Any

import discord
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.buttons import components, form, named, read, words
from adapters.discord.embeds import components_text
from bot.conversation import Control
from bot.ports import Button
from bot.store.rules import new_turn_id


@pytest.mark.parametrize("control", Control)
def test_what_a_button_wants_comes_back(control: Control) -> None:
    """An id holds what is wanted of which turn, in at most a hundred characters."""
    turn_id = new_turn_id()
    [row] = components([Button(control, "label", turn_id)])
    custom_id = row["components"][0]["custom_id"]
    assert read(custom_id) == (control, turn_id)
    assert len(custom_id) <= 100
    assert read(form(turn_id)["custom_id"]) == (Control.BAD, turn_id)


@given(st.one_of(st.none(), st.integers(), st.text(), st.text().map(lambda text: f"ft:1:{text}")))
def test_any_other_id_is_none_of_ours(custom_id: object) -> None:
    """Whatever another id is, it is read as nothing, or as one of ours with a turn."""
    wanted = read(custom_id)
    assert wanted is None or (wanted[1] and named(wanted[0], wanted[1]) == custom_id) or ":wrong:" in str(custom_id)


@given(
    st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_an_odd_form_has_no_words(data: Any) -> None:
    """What comes in place of a form's fields is no words and no error."""
    assert words({"components": data}) == ""


def test_our_own_buttons_say_nothing() -> None:
    """Of a message of ours Claude reads the answer, and not what can be pressed below it."""
    row = components([Button(Control.RETRY, "Retry", "t1")])[0]
    theirs = {"type": 2, "style": 2, "label": "Acknowledge", "custom_id": "ack"}
    read_row = discord.ActionRow({**row, "components": [*row["components"], theirs]})  # type: ignore[typeddict-item]
    assert components_text([read_row]) == "Acknowledge"
