"""What the bot writes to Discord, through the real discord.py: inert, once, and each refusal as what it means."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from adapters.discord import DiscordAdapter
from adapters.discord.cooldown import STRIKES
from adapters.discord.delivery import Delivery
from bot.conversation import MessageRef, Place
from bot.errors import (
    BadCredentials,
    ContentRefused,
    MessageFrozen,
    MessageGone,
    OutcomeUnknown,
    PlaceClosed,
    RateLimited,
    TooLong,
    Unavailable,
)
from bot.ports import NotifiesAsker, Platform, ReadsThread, ShowsStatus, Write
from sandbox.discord import DiscordServer
from sandbox.discord.ratelimits import Budget
from sandbox.faults import Fault
from sandbox.journal import Shown
from tests.discord.harness import Box, listening, logged_in, place


@pytest.fixture
async def adapter(server: DiscordServer) -> AsyncIterator[DiscordAdapter]:
    """Logged in and not connected to the gateway."""
    async with logged_in(server) as ready:
        yield ready


@pytest.fixture
def platform(adapter: DiscordAdapter) -> Delivery:
    return adapter.platform


def shown(server: DiscordServer, ref: MessageRef) -> Shown:
    return server.journal.message("discord", ref.channel, ref.id)


def calls(server: DiscordServer, name: str) -> int:
    return len(list(server.journal.of("discord", "call", call=name)))


async def question(server: DiscordServer, text: str = "a question") -> Place:
    """Where a question of Ada's is answered, before a thread was opened."""
    general = server.channel("general")
    return Place(general, root=await server.say(general, server.user("ada"), text))


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
        receipt = await platform.post(target, text, f"n{target}"[:25])
        await platform.edit(target, receipt.ref, text + "!")
        assert shown(server, receipt.ref).text == text + "!"
        assert shown(server, receipt.ref).extra["pings"] == []


async def test_links_show_no_previews(server: DiscordServer, platform: Delivery) -> None:
    """Previews are suppressed on create and stay so on edit."""
    receipt = await platform.post(place(server), "https://example.com", "n")
    await platform.edit(place(server), receipt.ref, "https://example.com/2")
    assert shown(server, receipt.ref).extra["embeds_suppressed"]


async def test_the_receipt_says_what_is_stored_and_what_is_left(server: DiscordServer, platform: Delivery) -> None:
    """The echoed text, blanks at its ends apart, and the bucket's headers under the budget's own name."""
    receipt = await platform.post(place(server), "  text\n", "n")
    assert receipt.stored == "  text\n"
    assert shown(server, receipt.ref).text.strip() == "text"
    (observed,) = receipt.observed
    assert observed.bucket == platform.budgets(Write.POST, place(server))[0].name
    assert (observed.limit, observed.remaining) == (5, 4)
    edited = await platform.edit(place(server), receipt.ref, "half \ud83d a character\0")
    assert edited.stored == "half \ud83d a character\0"
    assert shown(server, receipt.ref).text == "half � a character�"


async def test_only_the_asker_is_told_that_a_long_answer_is_done(server: DiscordServer, platform: Delivery) -> None:
    """One reply to the answer that pings the asker and nobody else."""
    receipt = await platform.post(place(server), "a long answer", "n1")
    notice = await platform.notify(place(server), server.user("ada"), receipt.ref, "n2")
    assert shown(server, notice.ref).extra["pings"] == [f"user:{server.user('ada')}"]
    assert shown(server, notice.ref).extra["reply_to"] == receipt.ref.id


async def test_the_notice_links_to_the_answer(server: DiscordServer, box: Box) -> None:
    """In a thread of a server the link opens the answer's first message, and pings nobody else."""
    async with listening(server, box) as adapter:
        where = await adapter.platform.open(await question(server), "t")
        answer = (await adapter.platform.post(where, "a long answer", "n1")).ref
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
    await platform.post(general, "…", "n")
    await asyncio.gather(*(platform.show_status(general, "thinking") for _ in range(6)))
    assert calls(server, "POST typing") == 2


async def test_refused_typing_is_not_tried_again(server: DiscordServer, platform: Delivery) -> None:
    """One answer's refusal holds for all answers of the channel, even when a message took the typing away."""
    server.faults.add(Fault("POST typing", "status", status=429, retry_after=30.0))
    with pytest.raises(RateLimited):
        await platform.show_status(place(server), "thinking")
    await platform.post(place(server), "…", "n")
    await platform.show_status(place(server), "thinking")
    assert calls(server, "POST typing") == 1


# --- threads ------------------------------------------------------------------------------------------------


async def test_a_thread_is_opened_once_and_named(server: DiscordServer, platform: Delivery) -> None:
    """Its id is the question's; opening again finds it; its name fits and is plain."""
    where = await question(server)
    first = await platform.open(where, "**bold** " + "x" * 200)
    assert first == Place(where.channel, thread=where.root)
    assert await platform.open(where, "again") == first
    (thread,) = [each for each in server.channels() if each.kind == "thread"]
    assert len(thread.name) <= 100
    assert "*" not in thread.name
    receipt = await platform.post(first, "in the thread", "n")
    assert receipt.ref.channel == where.root
    assert await platform.open(first, "again") == first


@pytest.mark.parametrize("code", [50013, 50001, 50024, 160006, 30046, 10008, 99999])
async def test_where_no_thread_may_be_opened_the_answer_is_a_reply(
    server: DiscordServer, platform: Delivery, code: int
) -> None:
    """Whatever the reason, the question is answered below it, and nothing is tried twice."""
    where = await question(server)
    server.faults.add(Fault("POST thread", "error", code=code))
    there = await platform.open(where, "t")
    assert there == Place(where.channel, reply_to=where.root)
    receipt = await platform.post(there, "here", "n")
    assert shown(server, receipt.ref).extra["reply_to"] == where.root
    assert calls(server, "POST thread") == 1


@pytest.mark.parametrize("kind", ["reset", "lost", "status"])
async def test_a_thread_whose_opening_was_lost_is_found(server: DiscordServer, platform: Delivery, kind: str) -> None:
    """A dropped connection or a server error is tried again; the thread exists once."""
    where = await question(server)
    server.faults.add(Fault("POST thread", kind))  # type: ignore[arg-type]
    assert (await platform.open(where, "t")).thread == where.root
    assert len([each for each in server.channels() if each.kind == "thread"]) == 1


async def test_a_rate_limited_thread_does_not_keep_the_reader_waiting(
    server: DiscordServer, platform: Delivery
) -> None:
    """The answer begins at once, as a reply."""
    server.faults.add(Fault("POST thread", "status", status=429, retry_after=60.0))
    before = time.monotonic()
    assert (await platform.open(await question(server), "t")).reply_to is not None
    assert time.monotonic() - before < 1.0


async def test_a_short_rate_limit_of_threads_is_waited_for(server: DiscordServer, platform: Delivery) -> None:
    """The answer still gets its thread."""
    server.faults.add(Fault("POST thread", "status", status=429, retry_after=0.05))
    where = await question(server)
    assert (await platform.open(where, "t")).thread == where.root


async def test_opening_threads_is_paced_by_what_discord_states(server: DiscordServer, platform: Delivery) -> None:
    """A thread has a budget of its own, learned from the answers; where none is to be opened nothing is spent."""
    server.limits.budgets["POST thread"] = Budget(7, 9.0)
    where = await question(server)
    assert platform.budgets(Write.OPEN, where)[0].calls > platform.budgets(Write.POST, where)[0].calls
    opened = await platform.open(where, "t")
    opening = platform.budgets(Write.OPEN, where)[0]
    assert (opening.calls, opening.window) == (7, 9.0)
    assert platform.budgets(Write.OPEN, opened) == ()


async def test_a_channel_that_refuses_threads_again_and_again_is_asked_no_more(
    server: DiscordServer, platform: Delivery
) -> None:
    """Each refusal counts toward a ban: after three in a row the answers are replies right away."""
    where = await question(server)
    for _ in range(STRIKES - 1):
        server.faults.add(Fault("POST thread", "error", code=50013))
        await platform.open(where, "t")
    assert (await platform.open(where, "t")).thread == where.root
    server.faults.add(Fault("POST thread", "error", code=50013, times=None))
    for _ in range(STRIKES + 2):
        assert (await platform.open(where, "t")).reply_to == where.root
    assert calls(server, "POST thread") == 2 * STRIKES


@pytest.mark.parametrize("missing", ["create_public_threads", "send_messages_in_threads"])
async def test_permissions_that_are_known_save_the_call(server: DiscordServer, box: Box, missing: str) -> None:
    """Connected to the gateway the bot knows where a thread would be of no use to it, and replies."""
    async with listening(server, box) as adapter:
        await server.deny(server.channel("general"), missing)
        await server.say(server.channel("general"), server.user("ada"), f"<@{server.bot_id}> question")
        await box.until(lambda: box.messages)
        assert adapter.platform.budgets(Write.OPEN, box.messages[0].place) == ()
        there = await adapter.platform.open(box.messages[0].place, "question")
        assert there.reply_to == box.messages[0].id
        await server.allow(server.channel("general"), missing)
        await server.say(server.channel("general"), server.user("ada"), f"<@{server.bot_id}> again")
        await box.until(lambda: len(box.messages) == 2)
        assert (await adapter.platform.open(box.messages[1].place, "again")).thread == box.messages[1].id
    assert calls(server, "POST thread") == 1


async def test_permissions_that_were_known_once_decide_nothing(server: DiscordServer, box: Box) -> None:
    """Who listens no more does not hear that a permission was given back, and so asks Discord itself."""
    general, missing = server.channel("general"), "create_public_threads"
    async with listening(server, box) as adapter:
        await server.deny(general, missing)
        root = await server.say(general, server.user("ada"), f"<@{server.bot_id}> question")
        await box.until(lambda: box.messages)
        await adapter.stop_intake()
        await server.allow(general, missing)
        assert (await adapter.platform.open(box.messages[0].place, "question")).thread == root


async def test_a_reply_to_a_question_that_was_deleted_is_a_plain_message(
    server: DiscordServer, platform: Delivery
) -> None:
    """The answer comes even so."""
    where = await question(server)
    assert where.root is not None
    await server.delete(where.channel, where.root)
    receipt = await platform.post(Place(where.channel, reply_to=where.root), "answer", "n")
    assert shown(server, receipt.ref).text == "answer"


async def test_without_the_right_to_reply_it_writes_without_replying(server: DiscordServer, platform: Delivery) -> None:
    """A reply needs to read history; where that is missing the answer stands alone."""
    where = await question(server)
    await server.deny(where.channel, "read_message_history")
    receipt = await platform.post(Place(where.channel, reply_to=where.root), "answer", "n")
    assert shown(server, receipt.ref).text == "answer"


# --- once ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["lost", "status"])
async def test_a_post_whose_answer_was_lost_appears_once(server: DiscordServer, platform: Delivery, kind: str) -> None:
    """The outcome is unknown; posting again with the same nonce shows one message, and it is the one returned."""
    server.faults.add(Fault("POST message", kind))  # type: ignore[arg-type]
    with pytest.raises(OutcomeUnknown):
        await platform.post(place(server), "…", "nonce")
    await platform.find(place(server), "nonce", time.time())
    receipt = await platform.post(place(server), "…", "nonce")
    (only,) = server.journal.messages("discord", author=server.bot_id)
    assert only.id == receipt.ref.id
    assert only.extra["nonce"] == "nonce"


async def test_a_post_whose_answer_was_lost_is_known_from_the_gateway(server: DiscordServer, box: Box) -> None:
    """The event of our own message carries its nonce, so that it is found without posting again."""
    async with listening(server, box) as adapter:
        server.faults.add(Fault("POST message", "lost"))
        with pytest.raises(OutcomeUnknown):
            await adapter.platform.post(place(server), "…", "nonce")
        await server.say(server.channel("general"), server.user("ada"), f"<@{server.bot_id}> next")
        await box.until(lambda: box.messages)
        (only,) = server.journal.messages("discord", author=server.bot_id)
        assert await adapter.platform.find(place(server), "nonce", time.time()) == MessageRef(only.channel, only.id)


async def test_a_message_is_found_by_its_nonce(server: DiscordServer, platform: Delivery) -> None:
    """One posted before is found, another nonce is not."""
    receipt = await platform.post(place(server), "…", "nonce")
    assert await platform.find(place(server), "nonce", time.time()) == receipt.ref
    assert await platform.find(place(server), "other", time.time()) is None


async def test_our_own_messages_are_read_again(server: DiscordServer, platform: Delivery) -> None:
    """In a thread, in one that was only to be opened, below a question, and in a direct message: ours alone."""
    began = time.time()
    asked = [await server.say(server.channel("general"), server.user("ada"), f"<@{server.bot_id}> {n}") for n in "ab"]
    to_open = Place(server.channel("general"), root=asked[0])
    assert await platform.own_since(to_open, began) == ()
    thread = await platform.open(to_open, "title")
    below = Place(server.channel("general"), reply_to=asked[1])
    direct = Place(server.dm(server.user("ada")), direct=True)
    for where in (thread, below, direct):
        ours = (await platform.post(where, "…", f"n{where.thread}{where.channel}"[-25:])).ref
        await server.say(where.thread or where.channel, server.user("ada"), "not ours")
        assert await platform.own_since(where, began) == (ours,)
        assert await platform.own_since(where, began + 3600) == ()
    assert len(await platform.own_since(to_open, began)) == 1


async def test_an_edit_whose_answer_was_lost_may_be_repeated(server: DiscordServer, platform: Delivery) -> None:
    """The library does not repeat it by itself."""
    receipt = await platform.post(place(server), "…", "n")
    server.faults.add(Fault("PATCH message", "lost"))
    with pytest.raises(OutcomeUnknown):
        await platform.edit(place(server), receipt.ref, "text")
    assert calls(server, "PATCH message") == 1
    await platform.edit(place(server), receipt.ref, "text")
    assert shown(server, receipt.ref).text == "text"


async def test_a_server_error_is_the_core_s_to_repeat(server: DiscordServer, platform: Delivery) -> None:
    """discord.py would sleep and send a text that is stale by then; here the error comes at once, sent once."""
    receipt = await platform.post(place(server), "…", "n")
    server.faults.add(Fault("PATCH message", "status", status=502, times=None))
    before = time.monotonic()
    with pytest.raises(Unavailable):
        await platform.edit(place(server), receipt.ref, "text")
    assert time.monotonic() - before < 0.9
    assert calls(server, "PATCH message") == 1


async def test_no_connection_is_no_effect(server: DiscordServer, adapter: DiscordAdapter) -> None:
    """When nobody listens there any more the call surely did nothing."""
    receipt = await adapter.platform.post(place(server), "…", "n")
    await server.stop()
    with pytest.raises((Unavailable, OutcomeUnknown)):  # the kept connection may be tried first
        await adapter.platform.edit(place(server), receipt.ref, "text")
    with pytest.raises(Unavailable):
        await adapter.platform.edit(place(server), receipt.ref, "text")


# --- limits -------------------------------------------------------------------------------------------------


async def test_the_call_that_empties_a_bucket_is_done_when_it_is_answered(
    server: DiscordServer, platform: Delivery
) -> None:
    """discord.py sleeps through the rest of the window; the caller goes on, and closing does not wait either."""
    receipt = await platform.post(place(server), "…", "n")
    before = time.monotonic()
    for number in range(5):
        last = await platform.edit(place(server), receipt.ref, str(number))
    assert last.observed[0].remaining == 0
    assert time.monotonic() - before < 1.0


async def test_a_rate_limit_is_reported_at_once_and_not_slept_on(server: DiscordServer, platform: Delivery) -> None:
    """The core learns of a 429 with its bucket and time, and what it wrote is not sent again behind its back."""
    receipt = await platform.post(place(server), "…", "n")
    server.faults.add(Fault("PATCH message", "status", status=429, retry_after=0.2))
    with pytest.raises(RateLimited) as refused:
        await platform.edit(place(server), receipt.ref, "stale")
    assert refused.value.retry_after == pytest.approx(0.2)
    assert refused.value.bucket == platform.budgets(Write.EDIT, place(server))[0].name
    await platform.edit(place(server), receipt.ref, "newest")
    assert calls(server, "PATCH message") == 2
    assert [text for _, text in shown(server, receipt.ref).versions] == ["…", "newest"]


async def test_while_the_whole_bot_is_limited_no_call_is_made(server: DiscordServer) -> None:
    """A global 429 holds every channel's calls back until its time is over."""
    server.limits.whole_bot = type(server.limits.whole_bot)(5, 0.15)
    async with logged_in(server) as adapter:

        async def post_all() -> None:
            for number in range(9):
                await adapter.platform.post(place(server), "text", f"n{number}")

        with pytest.raises(RateLimited) as refused:
            await post_all()
        made = calls(server, "POST message")
        with pytest.raises(RateLimited):
            await adapter.platform.post(place(server, "random"), "text", "m")
        assert calls(server, "POST message") == made
        assert refused.value.bucket == ""
        assert refused.value.retry_after is not None
        await asyncio.sleep(refused.value.retry_after)
        await adapter.platform.post(place(server, "random"), "text", "m")


async def test_a_caller_that_is_cancelled_cancels_no_call(server: DiscordServer, adapter: DiscordAdapter) -> None:
    """The call in flight goes through, and closing waits for its answer."""
    server.latency = 0.1
    post = asyncio.create_task(adapter.platform.post(place(server), "goes through", "n"))
    await server.journal.until(lambda: calls(server, "POST message"))
    post.cancel()
    await asyncio.gather(post, return_exceptions=True)
    await adapter.close()
    assert [message.text for message in server.journal.messages("discord", author=server.bot_id)] == ["goes through"]
    assert list(server.journal.of("discord", "answer", call="POST message", status=200))


# --- refusals -----------------------------------------------------------------------------------------------


async def test_a_message_that_a_person_deleted_is_gone(server: DiscordServer, platform: Delivery) -> None:
    """Editing it says so; deleting it is success."""
    receipt = await platform.post(place(server), "…", "n")
    await server.delete(receipt.ref.channel, receipt.ref.id)
    with pytest.raises(MessageGone):
        await platform.edit(place(server), receipt.ref, "text")
    await platform.delete(place(server), receipt.ref)


async def test_a_message_can_be_deleted(server: DiscordServer, platform: Delivery) -> None:
    """It is gone for readers."""
    receipt = await platform.post(place(server), "…", "n")
    await platform.delete(place(server), receipt.ref)
    assert shown(server, receipt.ref).deleted_at is not None


async def test_in_an_archived_thread_a_new_message_goes_on(server: DiscordServer, platform: Delivery) -> None:
    """The old message is frozen; a post un-archives the thread, and then even the old one can be edited."""
    where = await platform.open(await question(server), "t")
    receipt = await platform.post(where, "…", "n1")
    assert where.thread is not None
    await server.archive(where.thread)
    with pytest.raises(MessageFrozen):
        await platform.edit(where, receipt.ref, "text")
    await platform.post(where, "goes on", "n2")
    await platform.edit(where, receipt.ref, "text")


async def test_a_locked_thread_is_closed(server: DiscordServer, platform: Delivery) -> None:
    """Nothing can be written there any more."""
    where = await platform.open(await question(server), "t")
    receipt = await platform.post(where, "…", "n1")
    assert where.thread is not None
    await server.lock(where.thread)
    with pytest.raises(PlaceClosed):
        await platform.post(where, "text", "n2")
    with pytest.raises(MessageFrozen):
        await platform.edit(where, receipt.ref, "text")


async def test_an_old_message_that_takes_no_more_edits_is_frozen(server: DiscordServer, platform: Delivery) -> None:
    """After an hour Discord limits edits; going on in a new message is quicker than waiting."""
    receipt = await platform.post(place(server), "…", "n")
    server.advance(2 * 3600)

    async def edit_often() -> None:
        for number in range(5):
            await platform.edit(place(server), receipt.ref, str(number))

    with pytest.raises(MessageFrozen):
        await edit_often()


async def test_closed_places_are_closed(server: DiscordServer, platform: Delivery) -> None:
    """Closed direct messages, a missing permission and a deleted channel end the answer quietly."""
    ada = server.user("ada")
    direct = Place(server.dm(ada), direct=True)
    await server.close_dms(ada)
    with pytest.raises(PlaceClosed):
        await platform.post(direct, "text", "n1")
    await server.deny(server.channel("general"), "send_messages")
    with pytest.raises(PlaceClosed, match="Send Messages"):
        await platform.post(place(server), "text", "n2")
    random = place(server, "random")
    await server.delete_channel(random.channel)
    with pytest.raises(PlaceClosed):
        await platform.post(random, "text", "n3")


async def test_a_place_that_refuses_again_and_again_is_left_alone(server: DiscordServer, platform: Delivery) -> None:
    """Each 403 counts toward a ban: after three in a row no call is made there for a while."""
    server.faults.add(Fault("POST message", "error", code=50013, times=STRIKES - 1))
    for number in range(STRIKES - 1):
        with pytest.raises(PlaceClosed):
            await platform.post(place(server), "text", f"n{number}")
    await platform.post(place(server), "text", "between")
    server.faults.add(Fault("POST message", "error", code=50013, times=None))
    for number in range(STRIKES + 3):
        with pytest.raises(PlaceClosed):
            await platform.post(place(server), "text", f"m{number}")
    assert calls(server, "POST message") == 2 * STRIKES
    server.faults.clear()
    await platform.post(place(server, "random"), "text", "m")


async def test_text_that_is_too_long_lowers_the_limit(server: DiscordServer, platform: Delivery) -> None:
    """The dialect has a lower limit from then on, so that the text is split again."""
    before = platform.dialect(place(server)).limit
    with pytest.raises(TooLong):
        await platform.post(place(server), "x" * 2001, "n")
    assert platform.dialect(place(server)).limit < before == 2000


async def test_content_that_is_refused_is_said_to_be(server: DiscordServer, platform: Delivery) -> None:
    """AutoMod and an empty text are refusals of the content, not of the place."""
    server.faults.add(Fault("POST message", "error", code=200000))
    with pytest.raises(ContentRefused):
        await platform.post(place(server), "text", "n1")
    with pytest.raises(ContentRefused):
        await platform.post(place(server), "  ", "n2")


async def test_a_revoked_token_is_named_and_not_shown(server: DiscordServer, platform: Delivery) -> None:
    """The error says which setting to mend and holds no secret."""
    token = server.bot_token
    server.revoke_token()
    with pytest.raises(BadCredentials, match="DISCORD_BOT_TOKEN") as refused:
        await platform.post(place(server), "text", "n")
    assert token not in str(refused.value)
    with pytest.raises(BadCredentials):
        await platform.open(await question(server), "t")
