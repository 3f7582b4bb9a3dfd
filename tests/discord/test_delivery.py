"""What the bot writes to Discord, through the real discord.py: inert, and each refusal as what it means."""

from __future__ import annotations

import asyncio

import pytest

from adapters.discord.cooldown import STRIKES
from adapters.discord.delivery import Delivery
from bot.conversation import Place
from bot.errors import (
    BadCredentials,
    ContentRefused,
    MessageFrozen,
    MessageGone,
    PlaceClosed,
    RateLimited,
    TooLong,
)
from bot.ports import Content, NotifiesAsker, Platform, ReadsThread, ShowsStatus, Write
from sandbox.discord import DiscordServer
from sandbox.faults import Fault
from tests.discord.harness import Box, calls, listening, place, question, shown


def test_it_is_a_platform_with_every_capability(platform: Delivery) -> None:
    """The core finds what Discord can do by asking for it."""
    assert isinstance(platform, (ShowsStatus))
    assert isinstance(platform, ReadsThread)
    assert isinstance(platform, NotifiesAsker)
    as_port: Platform = platform
    assert as_port.installation.startswith("discord:")
    assert platform.dialect(Place("1")).measure("😀") == 2
    assert platform.dialect(Place("1")).render("~~~py\nx\n~~~") == "```py\nx\n```"


# --- what is written ----------------------------------------------------------------------------------------


async def test_nothing_written_pings_anyone(server: DiscordServer, platform: Delivery) -> None:
    """Everyone, here, roles, people and the person replied to stay unpinged, on create and on every edit."""
    role = server.add_role("admins", mentionable=True)
    text = f"@everyone @here <@&{role}> <@{server.user('ada')}>"
    where = await question(server)
    for target in (Place(where.channel), Place(where.channel, reply_to=where.root), where):
        receipt = await platform.post(target, Content(text), f"n{target}"[:25])
        await platform.edit(target, receipt.ref, Content(text + "!"))
        assert shown(server, receipt.ref).text == text + "!"
        assert shown(server, receipt.ref).extra["pings"] == []


async def test_links_show_no_previews(server: DiscordServer, platform: Delivery) -> None:
    """Previews are suppressed on create and stay so on edit."""
    receipt = await platform.post(place(server), Content("https://example.com"), "n")
    await platform.edit(place(server), receipt.ref, Content("https://example.com/2"))
    assert shown(server, receipt.ref).extra["embeds_suppressed"]


async def test_the_receipt_says_what_is_stored_and_what_is_left(server: DiscordServer, platform: Delivery) -> None:
    """The echoed text, blanks at its ends apart, and the bucket's headers under the rate limit's own name."""
    receipt = await platform.post(place(server), Content("  text\n"), "n")
    assert receipt.stored == "  text\n"
    assert shown(server, receipt.ref).text.strip() == "text"
    (observed,) = receipt.observed
    assert observed.bucket == platform.rate_limits(Write.POST, place(server))[0].name
    assert (observed.limit, observed.remaining) == (5, 4)
    edited = await platform.edit(place(server), receipt.ref, Content("half \ud83d a character\0"))
    assert edited.stored == "half \ud83d a character\0"
    assert shown(server, receipt.ref).text == "half � a character�"


async def test_only_the_asker_is_told_that_a_long_answer_is_done(server: DiscordServer, platform: Delivery) -> None:
    """One reply to the answer that pings the asker and nobody else."""
    receipt = await platform.post(place(server), Content("a long answer"), "n1")
    notice = await platform.notify(place(server), server.user("ada"), receipt.ref, "n2")
    assert shown(server, notice.ref).extra["pings"] == [f"user:{server.user('ada')}"]
    assert shown(server, notice.ref).extra["reply_to"] == receipt.ref.id


async def test_the_notice_links_to_the_answer(server: DiscordServer, box: Box) -> None:
    """In a thread of a server the link opens the answer's first message, and pings nobody else."""
    async with listening(server, box) as adapter:
        where = await adapter.platform.open(await question(server), "t")
        answer = (await adapter.platform.post(where, Content("a long answer"), "n1")).ref
        notice = (await adapter.platform.notify(where, server.user("ada"), answer, "n2")).ref
    link = f"https://discord.com/channels/{server.world.guild_id}/{where.thread}/{answer.id}"
    assert shown(server, notice).text == f"<@{server.user('ada')}> The answer is ready: {link}"
    assert shown(server, notice).extra["pings"] == [f"user:{server.user('ada')}"]


async def test_typing_is_shown(server: DiscordServer, platform: Delivery) -> None:
    """The status is Discord's own typing, in the thread where the answer goes."""
    where = await platform.open(await question(server), "t")
    await platform.show_status(where, "thinking")
    await platform.clear_status(where)
    assert [entry["channel"] for entry in server.journal.of("discord", "call", call="POST typing")] == [where.thread]


async def test_typing_is_shown_once_for_all_answers_of_a_channel(server: DiscordServer, platform: Delivery) -> None:
    """Many answers at once ask for it together; a message takes it away, and then it is shown again."""
    general = place(server)
    await asyncio.gather(*(platform.show_status(general, "thinking") for _ in range(6)))
    assert calls(server, "POST typing") == 1
    await platform.post(general, Content("…"), "n")
    await asyncio.gather(*(platform.show_status(general, "thinking") for _ in range(6)))
    assert calls(server, "POST typing") == 2


async def test_refused_typing_is_not_tried_again(server: DiscordServer, platform: Delivery) -> None:
    """One answer's refusal holds for all answers of the channel, even when a message took the typing away."""
    server.faults.add(Fault("POST typing", "status", status=429, retry_after=30.0))
    with pytest.raises(RateLimited):
        await platform.show_status(place(server), "thinking")
    await platform.post(place(server), Content("…"), "n")
    await platform.show_status(place(server), "thinking")
    assert calls(server, "POST typing") == 1


# --- refusals -----------------------------------------------------------------------------------------------


async def test_a_message_that_a_person_deleted_is_gone(server: DiscordServer, platform: Delivery) -> None:
    """Editing it says so; deleting it is success."""
    receipt = await platform.post(place(server), Content("…"), "n")
    await server.delete(receipt.ref.channel, receipt.ref.id)
    with pytest.raises(MessageGone):
        await platform.edit(place(server), receipt.ref, Content("text"))
    await platform.delete(place(server), receipt.ref)


async def test_a_message_can_be_deleted(server: DiscordServer, platform: Delivery) -> None:
    """It is gone for readers."""
    receipt = await platform.post(place(server), Content("…"), "n")
    await platform.delete(place(server), receipt.ref)
    assert shown(server, receipt.ref).deleted_at is not None


async def test_in_an_archived_thread_a_new_message_goes_on(server: DiscordServer, platform: Delivery) -> None:
    """The old message is frozen; a post un-archives the thread, and then even the old one can be edited."""
    where = await platform.open(await question(server), "t")
    receipt = await platform.post(where, Content("…"), "n1")
    assert where.thread is not None
    await server.archive(where.thread)
    with pytest.raises(MessageFrozen):
        await platform.edit(where, receipt.ref, Content("text"))
    await platform.post(where, Content("goes on"), "n2")
    await platform.edit(where, receipt.ref, Content("text"))


async def test_a_locked_thread_is_closed(server: DiscordServer, platform: Delivery) -> None:
    """Nothing can be written there any more."""
    where = await platform.open(await question(server), "t")
    receipt = await platform.post(where, Content("…"), "n1")
    assert where.thread is not None
    await server.lock(where.thread)
    with pytest.raises(PlaceClosed):
        await platform.post(where, Content("text"), "n2")
    with pytest.raises(MessageFrozen):
        await platform.edit(where, receipt.ref, Content("text"))


async def test_an_old_message_that_takes_no_more_edits_is_frozen(server: DiscordServer, platform: Delivery) -> None:
    """After an hour Discord limits edits; going on in a new message is quicker than waiting."""
    receipt = await platform.post(place(server), Content("…"), "n")
    server.advance(2 * 3600)

    async def edit_often() -> None:
        for number in range(5):
            await platform.edit(place(server), receipt.ref, Content(str(number)))

    with pytest.raises(MessageFrozen):
        await edit_often()


async def test_closed_places_are_closed(server: DiscordServer, platform: Delivery) -> None:
    """Closed direct messages, a missing permission and a deleted channel end the answer quietly."""
    ada = server.user("ada")
    direct = Place(server.dm(ada), direct=True)
    await server.close_dms(ada)
    with pytest.raises(PlaceClosed):
        await platform.post(direct, Content("text"), "n1")
    await server.deny(server.channel("general"), "send_messages")
    with pytest.raises(PlaceClosed, match="Send Messages"):
        await platform.post(place(server), Content("text"), "n2")
    random = place(server, "random")
    await server.delete_channel(random.channel)
    with pytest.raises(PlaceClosed):
        await platform.post(random, Content("text"), "n3")


async def test_a_place_that_refuses_again_and_again_is_left_alone(server: DiscordServer, platform: Delivery) -> None:
    """Each 403 counts toward a ban: after three in a row no call is made there for a while."""
    server.faults.add(Fault("POST message", "error", code=50013, times=STRIKES - 1))
    for number in range(STRIKES - 1):
        with pytest.raises(PlaceClosed):
            await platform.post(place(server), Content("text"), f"n{number}")
    await platform.post(place(server), Content("text"), "between")
    server.faults.add(Fault("POST message", "error", code=50013, times=None))
    for number in range(STRIKES + 3):
        with pytest.raises(PlaceClosed):
            await platform.post(place(server), Content("text"), f"m{number}")
    assert calls(server, "POST message") == 2 * STRIKES
    server.faults.clear()
    await platform.post(place(server, "random"), Content("text"), "m")


async def test_text_that_is_too_long_lowers_the_limit(server: DiscordServer, platform: Delivery) -> None:
    """The dialect has a lower limit from then on, so that the text is split again."""
    before = platform.dialect(place(server)).limit
    with pytest.raises(TooLong):
        await platform.post(place(server), Content("x" * 2001), "n")
    assert platform.dialect(place(server)).limit < before == 2000


async def test_content_that_is_refused_is_said_to_be(server: DiscordServer, platform: Delivery) -> None:
    """AutoMod and an empty text are refusals of the content, not of the place."""
    server.faults.add(Fault("POST message", "error", code=200000))
    with pytest.raises(ContentRefused):
        await platform.post(place(server), Content("text"), "n1")
    with pytest.raises(ContentRefused):
        await platform.post(place(server), Content("  "), "n2")


async def test_a_revoked_token_is_named_and_not_shown(server: DiscordServer, platform: Delivery) -> None:
    """The error says which setting to mend and holds no secret."""
    token = server.bot_token
    server.revoke_token()
    with pytest.raises(BadCredentials, match="DISCORD_BOT_TOKEN") as refused:
        await platform.post(place(server), Content("text"), "n")
    assert token not in str(refused.value)
    with pytest.raises(BadCredentials):
        await platform.open(await question(server), "t")
