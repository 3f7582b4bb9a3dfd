"""Whom messages would ping on the Discord stand-in, and what their `mentions` say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sandbox.discord import DiscordServer
from sandbox.journal import Journal
from tests.sandbox.discord_harness import Http, discord, logged_in


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer(Journal(), enforce_limits=False) as running:
        yield running


def everything(server: DiscordServer) -> tuple[str, list[str]]:
    """A text that mentions all there is, and whom it pings."""
    role, ada = server.add_role("staff"), server.user("ada")
    return f"@everyone @here <@&{role}> <@{ada}> <@!{ada}> <@999>", ["everyone", "here", f"role:{role}", f"user:{ada}"]


async def test_without_allowed_mentions_everything_pings(server: DiscordServer, api: Http) -> None:
    """A post and an edit without the field each ping all the text mentions; the message says so."""
    general = server.channel("general")
    text, pings = everything(server)
    _, message, _ = await api.post(general, content=text)
    assert message["mention_everyone"]
    assert [user["id"] for user in message["mentions"]] == [server.user("ada")]
    shown = server.journal.message("discord", general, message["id"])
    assert shown.extra["pings"] == pings
    await api("PATCH", f"/channels/{general}/messages/{message['id']}", json={"content": text})
    assert shown.extra["pings"] == pings * 2


async def test_allowed_mentions_are_not_inherited_by_an_edit(server: DiscordServer, api: Http) -> None:
    """A post that may ping nobody pings when it is edited without the field, also when only its flags change."""
    general = server.channel("general")
    text, pings = everything(server)
    _, message, _ = await api.post(general, content=text, allowed_mentions={"parse": []})
    shown = server.journal.message("discord", general, message["id"])
    assert shown.extra["pings"] == []
    assert (message["mentions"], message["mention_everyone"]) == ([], False)
    path = f"/channels/{general}/messages/{message['id']}"
    await api("PATCH", path, json={"content": text, "allowed_mentions": {"parse": []}})
    assert shown.extra["pings"] == []
    await api("PATCH", path, json={"flags": 4})
    assert shown.extra["pings"] == pings


async def test_discord_py_s_allowed_mentions_are_understood(server: DiscordServer) -> None:
    """`none()` pings nobody; a list of users pings only them; a reply pings its author where that is allowed."""
    general, ada = server.channel("general"), server.user("ada")
    text, _ = everything(server)
    asked = await server.say(general, ada, "question")
    async with logged_in(server) as client:
        channel = client.get_partial_messageable(int(general))
        question = channel.get_partial_message(int(asked))
        only = discord.AllowedMentions(everyone=False, roles=False, users=[discord.Object(int(ada))])
        sent = [
            await channel.send(text, allowed_mentions=discord.AllowedMentions.none()),
            await channel.send(text, allowed_mentions=only),
            await question.reply("answer", allowed_mentions=discord.AllowedMentions.none()),
            await question.reply("answer", mention_author=True),
            await question.reply("answer"),
        ]
    pings = [server.journal.message("discord", general, str(message.id)).extra["pings"] for message in sent]
    assert pings == [[], [f"user:{ada}"], [], [f"reply:{ada}"], [f"reply:{ada}"]]


async def test_everyone_needs_the_permission(server: DiscordServer, api: Http) -> None:
    """Without MENTION_EVERYONE neither everyone nor a role that is not mentionable is pinged."""
    general = server.channel("general")
    await server.deny(general, "mention_everyone")
    open_role = server.add_role("open", mentionable=True)
    text, _ = everything(server)
    _, message, _ = await api.post(general, content=f"{text} <@&{open_role}>")
    shown = server.journal.message("discord", general, message["id"])
    assert shown.extra["pings"] == [f"role:{open_role}", f"user:{server.user('ada')}"]


@pytest.mark.parametrize(
    "allowed",
    [
        {"parse": ["users"], "users": ["1"]},
        {"parse": ["roles"], "roles": ["1"]},
        {"parse": ["here"]},
        {"users": [str(number) for number in range(101)]},
    ],
)
async def test_allowed_mentions_must_make_sense(server: DiscordServer, api: Http, allowed: dict[str, Any]) -> None:
    """Contradictions and lists that are too long are 50035."""
    status, answer, _ = await api.post(server.channel("general"), content="x", allowed_mentions=allowed)
    assert (status, answer["code"]) == (400, 50035)
    assert "allowed_mentions" in answer["errors"]


async def test_in_a_direct_message_only_its_two_people_can_be_mentioned(server: DiscordServer, api: Http) -> None:
    """Mentions of others, roles and everyone are plain text there."""
    text, _ = everything(server)
    ben = server.user("ben")
    _, message, _ = await api.post(server.dm(ben), content=f"{text} <@{ben}>")
    assert server.journal.message("discord", server.dm(ben), message["id"]).extra["pings"] == [f"user:{ben}"]
