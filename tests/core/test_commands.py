"""What a message wants, and who may ask."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.conversation import Attachment, Author, Message, Place, ThreadKey
from bot.intake import Access, Kind, Reception, classify
from bot.testing.store import MemoryStore


def said(
    text: str, id_: str = "1", *, user: str = "U1", channel: str = "C1", addressed: bool = True, **more
) -> Message:
    return Message(
        key=ThreadKey("slack", "T1", "C1:1"),
        installation="slack:T1",
        id=id_,
        author=Author(user),
        text=text,
        sent_at=float(id_),
        place=Place(channel),
        addressed=addressed,
        **more,
    )


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("help", Kind.HELP),
        (" Help! ", Kind.HELP),
        ("`reset`", Kind.RESET),
        ("/stop", Kind.STOP),
        ("RETRY.", Kind.RETRY),
        ("", Kind.GREETING),
        (" \n", Kind.GREETING),
        ("help me with this", Kind.QUESTION),
        ("!", Kind.QUESTION),
        ("🙂", Kind.QUESTION),
    ],
)
def test_words(text, kind):
    """A word alone is an order; within a sentence, or beside other signs, it is a question."""
    assert classify(said(text), Access()) is kind


def test_only_attachments_are_a_question():
    """A file without a word is asked about, not greeted."""
    assert classify(said("", attachments=(Attachment("a", "b", 1),)), Access()) is Kind.QUESTION


@pytest.mark.parametrize(
    ("access", "allowed"),
    [
        (Access(), True),
        (Access(users=frozenset({"U1"})), True),
        (Access(users=frozenset({"U2"})), False),
        (Access(channels=frozenset({"C1"})), True),
        (Access(channels=frozenset({"C2"})), False),
        (Access(workspaces=frozenset({"T1"})), True),
        (Access(workspaces=frozenset({"T2"})), False),
        (Access(users=frozenset({"U1"}), channels=frozenset({"C2"})), False),
    ],
)
def test_access(access, allowed):
    """Each list that is not empty must hold the message's id."""
    assert (classify(said("help"), access) is not Kind.STRANGER) is allowed


async def test_strangers_who_only_follow_up_are_passed_over():
    """A stranger is told once, when addressing it, and then passed over; the bot takes no part in the thread for it."""
    store = MemoryStore(history_ttl=100)
    reception = Reception(store, Access(users=frozenset({"U2"})))
    assert not await reception.submit(said("hi", addressed=False))
    assert await reception.submit(said("hi", "2"))
    assert not await reception.submit(said("hi", "3"))
    assert not await reception.takes_part(said("hi").key)


async def test_discord_direct_messages_belong_to_no_guild():
    """Where guilds are named, only people who are named may write direct messages."""
    direct = replace(said("hi"), key=ThreadKey("discord", "@me", "1"))
    guild = frozenset({"G1"})
    assert classify(direct, Access(workspaces=guild)) is Kind.STRANGER
    assert classify(direct, Access(workspaces=guild, users=frozenset({"U1"}))) is Kind.QUESTION
    assert classify(direct, Access(workspaces=guild, users=frozenset({"U2"}))) is Kind.STRANGER


async def test_stop_passes_the_queue_once():
    """`stop` stops the running turn at once and leaves nothing behind to answer; delivered again it stops nothing."""
    store = MemoryStore(history_ttl=100)
    reception = Reception(store, Access())
    await reception.submit(said("question"))
    claim = await store.claim(["slack:T1"], "w", 100)
    assert claim is not None
    assert await reception.submit(said("stop", "2"))
    assert (await store.renew(claim, 100)).stopped
    assert not await reception.submit(said("stop", "2"))
    await store.commit(claim, None)
    assert await store.claim(["slack:T1"], "w", 100) is None
