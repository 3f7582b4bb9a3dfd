"""Answers written to Slack: what is sent, what each refusal means, and what is found again."""

from __future__ import annotations

import html
from typing import Any

import pytest

from adapters.slack.calls import Api
from adapters.slack.closed import ClosedChannels
from adapters.slack.defusing import defuse
from adapters.slack.delivery import Delivery
from adapters.slack.fields import Identity
from adapters.slack.refusals import MEANING
from adapters.slack.rendering import MARKDOWN, PLAIN, content
from bot import errors
from bot.conversation import Place
from bot.ports import CompletesMessages, Content, NotifiesAsker, Platform, Posted, ReadsThread, ShowsStatus, Write
from sandbox.faults import Fault
from sandbox.journal import Journal
from sandbox.slack import SlackServer
from tests.slack.looking import arguments, shown


def test_what_it_can_do(platform: Delivery) -> None:
    """It is a platform, and has every optional capability."""
    as_platform: Platform = platform
    assert isinstance(as_platform, ShowsStatus)
    assert isinstance(as_platform, CompletesMessages)
    assert isinstance(as_platform, ReadsThread)
    assert isinstance(as_platform, NotifiesAsker)


# --- what is sent -------------------------------------------------------------------------------------------


async def test_post_and_edit(platform: Delivery, place: Place, journal: Journal) -> None:
    """A message is a markdown block with its text beside it, in its thread, without parsing or previews."""
    markdown = "# Rivers\n\nA **long** list: " + "word " * 100
    receipt = await platform.post(place, Content("…"), "turn.1.0")
    await platform.edit(place, receipt.ref, Content(markdown))
    (posted,) = arguments(journal, "chat.postMessage")
    assert posted["thread_ts"] == place.thread
    assert posted["blocks"] == [{"type": "markdown", "text": "…"}]
    assert posted["metadata"] == {"event_type": "firsttoken_part", "event_payload": {"nonce": "turn.1.0"}}
    assert (posted["parse"], posted["unfurl_links"], posted["unfurl_media"]) == ("none", False, False)
    assert "reply_broadcast" not in posted
    (edited,) = arguments(journal, "chat.update")
    assert edited["parse"] == "none"
    assert edited["blocks"] == [{"type": "markdown", "text": markdown}]
    assert edited["text"] == markdown
    assert shown(journal, receipt.ref) == markdown


@pytest.mark.parametrize("piece", ["a word ", "& <!channel> <@U1> ", "Öl, 水 and 👨\u200d👩\u200d👧 ", "&"])
def test_what_no_block_is_read_for_says_all_that_fits(piece: str) -> None:
    """Screen readers and phones get the text as it is written, inert, cut only where chat.update would refuse it."""
    short, long = piece * 20, piece * 4000
    assert html.unescape(content(short, MARKDOWN)["text"]) == defuse(short)
    cut = content(long, MARKDOWN)["text"]
    assert PLAIN - 20 < len(cut.encode()) <= PLAIN
    assert defuse(long).startswith(html.unescape(cut).removesuffix("…"))
    assert "<" not in cut


async def test_direct_messages_are_flat(platform: Delivery, slack: SlackServer, journal: Journal) -> None:
    """A direct message outside a thread is answered outside a thread."""
    await platform.post(Place(slack.direct("ada"), direct=True), Content("hello"), "n.0")
    assert "thread_ts" not in arguments(journal, "chat.postMessage")[0]


async def test_deleting_twice(platform: Delivery, place: Place) -> None:
    """Deleting what is gone is success."""
    ref = (await platform.post(place, Content("…"), "n.0")).ref
    await platform.delete(place, ref)
    await platform.delete(place, ref)


async def test_budgets(platform: Delivery, place: Place) -> None:
    """Edits share one rate limit in the workspace; posts have one for each channel, which no second sees twice."""
    other = Place("C2")
    assert platform.rate_limits(Write.EDIT, place) == platform.rate_limits(Write.EDIT, other)
    (edit,) = platform.rate_limits(Write.EDIT, place)
    assert (edit.calls, edit.window) == (50, 60.0)
    channel, workspace = platform.rate_limits(Write.POST, place)
    assert channel != platform.rate_limits(Write.POST, other)[0]
    assert workspace == platform.rate_limits(Write.POST, other)[1]
    assert channel.burst == 1
    assert channel.window / (channel.calls - channel.burst) >= 1.0


# --- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code", sorted(set(MEANING) - {"msg_too_long", "msg_blocks_too_long", "invalid_blocks", "invalid_blocks_format"})
)
async def test_every_code(platform: Delivery, place: Place, slack: SlackServer, code: str) -> None:
    """Each error code becomes the error it stands for, on a post and on an edit, and names itself."""
    ref = (await platform.post(place, Content("…"), "n.0")).ref
    slack.rates.enforced = False
    slack.faults.add(Fault("chat.*", "error", code=code, times=None))
    for call in (platform.post(place, Content("text"), "n.1"), platform.edit(place, ref, Content("text"))):
        with pytest.raises(errors.PlatformError, match=code) as raised:
            await call
        assert type(raised.value) is MEANING[code]
        platform.channels.opened(place.channel)


def test_the_table_covers_what_is_known() -> None:
    """The codes whose meaning the core relies on have it."""
    known = {
        errors.MessageGone: {"message_not_found"},
        errors.MessageFrozen: {"cant_update_message", "edit_window_closed"},
        errors.PlaceClosed: {"is_archived", "is_inactive", "not_in_channel", "channel_not_found"},
        errors.BadCredentials: {"invalid_auth", "token_revoked", "account_inactive", "missing_scope"},
        errors.TooLong: {"msg_too_long", "msg_blocks_too_long"},
    }
    for meaning, codes in known.items():
        for code in codes:
            assert issubclass(MEANING[code], meaning)


@pytest.mark.parametrize("method", ["chat.update", "chat.delete"])
async def test_an_unknown_code_freezes_a_message(
    platform: Delivery, place: Place, slack: SlackServer, method: str
) -> None:
    """A message that Slack neither changes nor removes, whyever, is gone on beside."""
    ref = (await platform.post(place, Content("…"), "n.0")).ref
    slack.faults.add(Fault(method, "error", code="update_failed"))
    with pytest.raises(errors.MessageFrozen, match="update_failed"):
        await (platform.edit(place, ref, Content("text")) if method == "chat.update" else platform.delete(place, ref))


async def test_unknown_code(platform: Delivery, place: Place, slack: SlackServer) -> None:
    """A code nobody knows names itself: a post is tried again, since a reader waits; elsewhere it is final."""
    slack.faults.add(Fault("chat.postMessage", "error", code="moon_phase_wrong"))
    with pytest.raises(errors.Unforeseen, match="moon_phase_wrong"):
        await platform.post(place, Content("text"), "n.0")
    slack.faults.add(Fault("chat.getPermalink", "error", code="moon_phase_wrong"))
    api = Api(slack.bot_token, slack.url)
    with pytest.raises(errors.PlatformError, match="moon_phase_wrong") as raised:
        await api.call("chat.getPermalink", {"channel": place.channel, "message_ts": "1.0"})
    await api.close()
    assert type(raised.value) is errors.PlatformError


async def test_missing_scope_is_named(platform: Delivery, place: Place, slack: SlackServer) -> None:
    """A missing scope is named, with what to do."""
    slack.tokens.bot_scopes = ()
    with pytest.raises(errors.BadCredentials, match=r"chat:write.*install the app again"):
        await platform.post(place, Content("text"), "n.0")


@pytest.mark.parametrize("code", ["ratelimited", "rate_limited"])
async def test_rate_limits(platform: Delivery, place: Place, slack: SlackServer, code: str) -> None:
    """A 429 and both codes that mean one are alike, and always name a time."""
    slack.faults.add(Fault("chat.postMessage", "status", status=429, retry_after=7))
    with pytest.raises(errors.RateLimited) as raised:
        await platform.post(place, Content("text"), "n.0")
    assert raised.value.retry_after == 7
    slack.faults.add(Fault("chat.postMessage", "error", code=code))
    with pytest.raises(errors.RateLimited) as raised:
        await platform.post(place, Content("text"), "n.0")
    assert raised.value.retry_after is not None
    assert raised.value.retry_after > 0


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_server_errors(platform: Delivery, place: Place, slack: SlackServer, status: int) -> None:
    """After a 5xx nobody knows whether the message was posted."""
    slack.faults.add(Fault("chat.postMessage", "status", status=status))
    with pytest.raises(errors.OutcomeUnknown):
        await platform.post(place, Content("text"), "n.0")


@pytest.mark.parametrize("kind", ["lost", "reset"])
async def test_lost_answer(platform: Delivery, place: Place, slack: SlackServer, journal: Journal, kind: Any) -> None:
    """A dropped connection is not repeated by itself; the post can be looked for, and is there or not."""
    slack.faults.add(Fault("chat.postMessage", kind))
    with pytest.raises(errors.OutcomeUnknown):
        await platform.post(place, Content("an answer"), "lost.0")
    assert len(arguments(journal, "chat.postMessage")) == 1
    found = await platform.find(place, "lost.0", float(place.thread or 0))
    if kind == "reset":
        assert found is None
    else:
        assert found is not None
        assert shown(journal, found) == "an answer"


async def test_finding(platform: Delivery, place: Place, slack: SlackServer, journal: Journal) -> None:
    """A part is found by its nonce, in a thread and in a flat conversation, among many, and no other is."""
    slack.rates.enforced = False
    direct = Place(slack.direct("ada"), direct=True)
    for where in (place, direct):
        wanted = await platform.post(where, Content("this one"), "n.here")
        for number in range(250):
            await slack.say(where.channel, "ada", f"noise {number}", thread=where.thread, tell=())
        await platform.post(where, Content("another"), "n.other")
        assert await platform.find(where, "n.here", float(wanted.ref.id)) == wanted.ref
        assert await platform.find(where, "n.nowhere", float(wanted.ref.id)) is None


async def test_reading_our_own(platform: Delivery, place: Place, slack: SlackServer) -> None:
    """Messages of one turn are read again, oldest first; no other turn's, nobody else's, and none of another thread."""
    direct = Place(slack.direct("ada"), direct=True)
    for where in (place, direct):
        ours = [(await platform.post(where, Content(f"part {number}"), f"n.{number}")).ref for number in range(2)]
        await slack.say(where.channel, "ada", "not ours", thread=where.thread, tell=())
        await platform.post(
            Place(where.channel, await slack.say(where.channel, "ada", "root", tell=())), Content("other"), "n.0"
        )
        await platform.post(where, Content("of another turn"), "m.0")
        await platform.edit(where, ours[0], Content("an edit takes no name away"))
        assert await platform.own_since(where, "n.", float(ours[0].id), ()) == (
            Posted(ours[0], "an edit takes no name away"),
            Posted(ours[1], "part 1"),
        )
        assert await platform.own_since(where, "n.", float(ours[0].id) + 3600, ()) == ()


async def test_nobody_there() -> None:
    """A connection that cannot be made surely had no effect."""
    api = Api("xoxb-1", "http://127.0.0.1:9/api/")
    try:
        with pytest.raises(errors.Unavailable):
            await Delivery(api, Identity("T1", "U1")).post(Place("C1"), Content("text"), "n.0")
    finally:
        await api.close()


async def test_a_channel_that_is_not_there_is_asked_once(
    platform: Delivery, slack: SlackServer, journal: Journal
) -> None:
    """After one refusal neither posts nor statuses are tried in a channel for a minute; other channels do not mind."""
    nowhere = Place("C0NOWHERE", thread="1.000001")
    with pytest.raises(errors.PlaceClosed):
        await platform.post(nowhere, Content("text"), "n.0")
    before = len(list(journal.of("slack", "call")))
    for _ in range(3):
        with pytest.raises(errors.PlaceClosed):
            await platform.post(nowhere, Content("text"), "n.1")
        with pytest.raises(errors.PlaceClosed):
            await platform.show_status(nowhere, "is thinking")
    assert len(list(journal.of("slack", "call"))) == before
    await platform.post(Place(slack.workspace.channel("general").id), Content("text"), "n.2")


async def test_a_channel_that_works_is_not_closed(platform: Delivery, slack: SlackServer) -> None:
    """A call that succeeds takes the refusal back; where nothing can be written no rate limit is spent."""
    lonely = slack.workspace.channel("lonely")
    place = Place(lonely.id)
    with pytest.raises(errors.PlaceClosed):
        await platform.post(place, Content("text"), "n.0")
    assert platform.closed(place)
    assert platform.rate_limits(Write.POST, place) == ()
    lonely.members[slack.workspace.bot.id] = None
    platform.channels.opened(lonely.id)
    await platform.post(place, Content("text"), "n.1")
    assert not platform.closed(place)
    assert len(platform.rate_limits(Write.POST, place)) == 2


def test_a_closed_channel_is_tried_again() -> None:
    """One that is not there after a minute; where somebody can invite the bot, sooner. The memory is bounded."""
    now = 0.0
    closed = ClosedChannels(lambda: now)
    closed.refused("C1", "why", there=False)
    closed.refused("C2", "why", there=True)
    assert (closed.reason("C1"), closed.reason("C2")) == ("why", "why")
    now = 10.0
    assert (closed.reason("C1"), closed.reason("C2")) == ("why", "")
    now = 60.0
    assert closed.reason("C1") == ""
    for number in range(20_000):
        closed.refused(f"C{number}", "why", there=False)
    assert closed.reason("C0") == ""
    assert closed.reason("C19999") == "why"
