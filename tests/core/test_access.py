"""Who may ask: a table, and what holds whatever is named."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.conversation import Author, Message, Place, ThreadKey
from bot.intake.access import Access


def said(author: str = "U1", *, guild: str = "G1", platform: str = "discord", roles: tuple[str, ...] = ()) -> Message:
    return Message(
        key=ThreadKey(platform, guild, "1"), installation=f"{platform}:A", id="1", author=Author(author), text="hello",
        sent_at=1.0, place=Place("C1", thread="T1"), roles=roles,
    )  # fmt: skip


def ids(*names: str) -> frozenset[str]:
    return frozenset(names)


@pytest.mark.parametrize(
    ("access", "message", "allowed"),
    [
        (Access(), said(), True),
        (Access(denied=ids("U1")), said(), False),
        (Access(users=ids("U1"), admins=ids("U1"), denied=ids("U1")), said(), False),
        (Access(users=ids("U2")), said(), False),
        (Access(users=ids("U2"), admins=ids("U1")), said(), True),
        (Access(channels=ids("C2"), admins=ids("U1")), said(), True),
        (Access(roles=ids("R1")), said(), False),
        (Access(roles=ids("R1")), said(roles=("R0", "R1")), True),
        (Access(roles=ids("R1"), users=ids("U1")), said(), True),
        (Access(roles=ids("R1"), users=ids("U2")), said(roles=("R1",)), True),
        (Access(roles=ids("R1")), said(platform="slack"), True),
        (Access(roles=ids("R1"), users=ids("U2")), said(platform="slack"), False),
        (Access(roles=ids("R1"), channels=ids("C2")), said(roles=("R1",)), False),
        (Access(roles=ids("R1")), said(guild="@me"), False),
        (Access(roles=ids("R1"), users=ids("U1")), said(guild="@me"), True),
    ],
)
def test_who_may_ask(access: Access, message: Message, allowed: bool) -> None:
    """Denied before everything, admins before the rest, then named people, or one of the roles where some are named."""
    assert access.allows(message) is allowed


_IDS = st.frozensets(st.sampled_from(["U1", "U2", "R1", "R2", "C1", "G1"]), max_size=3)


@given(_IDS, _IDS, _IDS, _IDS, st.sampled_from(["slack", "discord"]))
def test_naming_more_who_may_denies_nobody(
    users: frozenset[str], roles: frozenset[str], admins: frozenset[str], denied: frozenset[str], platform: str
) -> None:
    """Whoever may ask may still when an admin or a denied stranger is added; whoever is denied never may."""
    access = Access(users=users, roles=roles, admins=admins, denied=denied)
    message = said(platform=platform, roles=("R1",))
    assert not (access.allows(message) and "U1" in denied)
    if access.allows(message):
        assert replace(access, admins=admins | {"U9"}, denied=denied | {"U8"}).allows(message)
