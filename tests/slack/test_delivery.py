"""Answers written to Slack: what is sent, what each refusal means, and what is found again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from adapters.slack import SlackAdapter
from adapters.slack.api import Api
from adapters.slack.content import MRKDWN
from adapters.slack.delivery import Delivery
from adapters.slack.errors import MEANING
from adapters.slack.events import Identity
from adapters.slack.people import People
from bot import errors
from bot.conversation import Author, Message, MessageRef, Place, ThreadKey
from bot.ports import CompletesMessages, NotifiesAsker, Platform, ReadsThread, ShowsStatus, Write
from sandbox.faults import Fault
from sandbox.journal import Journal
from sandbox.slack import SlackServer
from tests.slack.serving import serving


@pytest.fixture
def platform(adapter: SlackAdapter) -> Delivery:
    return adapter.platform


@pytest.fixture
async def place(slack: SlackServer) -> Place:
    """A thread in a channel."""
    return Place(slack.workspace.channel("general").id, thread=await slack.say("general", "ada", "a question"))


def arguments(journal: Journal, method: str) -> list[dict[str, Any]]:
    return [entry["arguments"] for entry in journal.of("slack", "call", method=method)]


def shown(journal: Journal, ref: MessageRef) -> str:
    return journal.message("slack", ref.channel, ref.id).text


def question(place: Place, ts: str, text: str = "and now?", user: str = "U1") -> Message:
    key = ThreadKey("slack", "T1", f"{place.channel}:{place.thread}")
    return Message(
        key=key,
        installation="slack:T1",
        id=f"{place.channel}:{ts}",
        author=Author(user),
        text=text,
        sent_at=float(ts),
        place=place,
    )


def test_what_it_can_do(platform: Delivery) -> None:
    """It is a platform, and has every optional capability."""
    as_platform: Platform = platform
    assert isinstance(as_platform, ShowsStatus)
    assert isinstance(as_platform, CompletesMessages)
    assert isinstance(as_platform, ReadsThread)
    assert isinstance(as_platform, NotifiesAsker)


# --- what is sent -------------------------------------------------------------------------------------------


async def test_post_and_edit(platform: Delivery, place: Place, journal: Journal) -> None:
    """A message is a markdown block with a short plain text, in its thread, without parsing or previews."""
    markdown = "# Rivers\n\nA **long** list: " + "word " * 100
    receipt = await platform.post(place, "…", "turn.1.0")
    await platform.edit(place, receipt.ref, markdown)
    (posted,) = arguments(journal, "chat.postMessage")
    assert posted["thread_ts"] == place.thread
    assert posted["blocks"] == [{"type": "markdown", "text": "…"}]
    assert posted["metadata"] == {"event_type": "firsttoken_part", "event_payload": {"nonce": "turn.1.0"}}
    assert (posted["parse"], posted["unfurl_links"], posted["unfurl_media"]) == ("none", False, False)
    assert "reply_broadcast" not in posted
    (edited,) = arguments(journal, "chat.update")
    assert edited["parse"] == "none"
    assert edited["blocks"] == [{"type": "markdown", "text": markdown}]
    assert edited["text"].startswith("Rivers A long list: word")
    assert len(edited["text"]) <= 150
    assert shown(journal, receipt.ref) == markdown


async def test_direct_messages_are_flat(platform: Delivery, slack: SlackServer, journal: Journal) -> None:
    """A direct message outside a thread is answered outside a thread."""
    await platform.post(Place(slack.direct("ada"), direct=True), "hello", "n.0")
    assert "thread_ts" not in arguments(journal, "chat.postMessage")[0]


async def test_deleting_twice(platform: Delivery, place: Place) -> None:
    """Deleting what is gone is success."""
    ref = (await platform.post(place, "…", "n.0")).ref
    await platform.delete(place, ref)
    await platform.delete(place, ref)


async def test_budgets(platform: Delivery, place: Place) -> None:
    """Edits share one budget in the workspace; posts have one for each channel, which no second sees twice."""
    other = Place("C2")
    assert platform.budgets(Write.EDIT, place) == platform.budgets(Write.EDIT, other)
    (edit,) = platform.budgets(Write.EDIT, place)
    assert (edit.calls, edit.window) == (50, 60.0)
    channel, workspace = platform.budgets(Write.POST, place)
    assert channel != platform.budgets(Write.POST, other)[0]
    assert workspace == platform.budgets(Write.POST, other)[1]
    assert channel.burst == 1
    assert channel.window / (channel.calls - channel.burst) >= 1.0


# --- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code", sorted(set(MEANING) - {"msg_too_long", "msg_blocks_too_long", "invalid_blocks", "invalid_blocks_format"})
)
async def test_every_code(platform: Delivery, place: Place, slack: SlackServer, code: str) -> None:
    """Each error code becomes the error it stands for, on a post and on an edit, and names itself."""
    ref = (await platform.post(place, "…", "n.0")).ref
    slack.rates.enforced = False
    slack.faults.add(Fault("chat.*", "error", code=code, times=None))
    for call in (platform.post(place, "text", "n.1"), platform.edit(place, ref, "text")):
        with pytest.raises(errors.PlatformError, match=code) as raised:
            await call
        assert type(raised.value) is MEANING[code]


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
            assert MEANING[code] is meaning


async def test_unknown_code_is_final(platform: Delivery, place: Place, slack: SlackServer) -> None:
    """A code nobody knows is a plain platform error that names it: it is not repeated for ever."""
    slack.faults.add(Fault("chat.postMessage", "error", code="moon_phase_wrong"))
    with pytest.raises(errors.PlatformError, match="moon_phase_wrong") as raised:
        await platform.post(place, "text", "n.0")
    assert type(raised.value) is errors.PlatformError


async def test_missing_scope_is_named(platform: Delivery, place: Place, slack: SlackServer) -> None:
    """A missing scope is named, with what to do."""
    slack.tokens.bot_scopes = ()
    with pytest.raises(errors.BadCredentials, match=r"chat:write.*install the app again"):
        await platform.post(place, "text", "n.0")


@pytest.mark.parametrize("code", ["ratelimited", "rate_limited"])
async def test_rate_limits(platform: Delivery, place: Place, slack: SlackServer, code: str) -> None:
    """A 429 and both codes that mean one are alike, and always name a time."""
    slack.faults.add(Fault("chat.postMessage", "status", status=429, retry_after=7))
    with pytest.raises(errors.RateLimited) as raised:
        await platform.post(place, "text", "n.0")
    assert raised.value.retry_after == 7
    slack.faults.add(Fault("chat.postMessage", "error", code=code))
    with pytest.raises(errors.RateLimited) as raised:
        await platform.post(place, "text", "n.0")
    assert raised.value.retry_after is not None
    assert raised.value.retry_after > 0


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_server_errors(platform: Delivery, place: Place, slack: SlackServer, status: int) -> None:
    """After a 5xx nobody knows whether the message was posted."""
    slack.faults.add(Fault("chat.postMessage", "status", status=status))
    with pytest.raises(errors.OutcomeUnknown):
        await platform.post(place, "text", "n.0")


@pytest.mark.parametrize("kind", ["lost", "reset"])
async def test_lost_answer(platform: Delivery, place: Place, slack: SlackServer, journal: Journal, kind: Any) -> None:
    """A dropped connection is not repeated by itself; the post can be looked for, and is there or not."""
    slack.faults.add(Fault("chat.postMessage", kind))
    with pytest.raises(errors.OutcomeUnknown):
        await platform.post(place, "an answer", "lost.0")
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
        wanted = await platform.post(where, "this one", "n.here")
        for number in range(250):
            await slack.say(where.channel, "ada", f"noise {number}", thread=where.thread, tell=())
        await platform.post(where, "another", "n.other")
        assert await platform.find(where, "n.here", float(wanted.ref.id)) == wanted.ref
        assert await platform.find(where, "n.nowhere", float(wanted.ref.id)) is None


async def test_reading_our_own(platform: Delivery, place: Place, slack: SlackServer) -> None:
    """Our messages of a conversation are read again, oldest first; nobody else's, and none of another thread."""
    direct = Place(slack.direct("ada"), direct=True)
    for where in (place, direct):
        ours = [(await platform.post(where, f"part {number}", f"n.{number}")).ref for number in range(2)]
        await slack.say(where.channel, "ada", "not ours", thread=where.thread, tell=())
        await platform.post(
            Place(where.channel, await slack.say(where.channel, "ada", "root", tell=())), "other", "m.0"
        )
        assert await platform.own_since(where, float(ours[0].id)) == tuple(ours)
        assert await platform.own_since(where, float(ours[0].id) + 3600) == ()


async def test_nobody_there() -> None:
    """A connection that cannot be made surely had no effect."""
    api = Api("xoxb-1", "http://127.0.0.1:9/api/")
    try:
        with pytest.raises(errors.Unavailable):
            await Delivery(api, Identity("T1", "U1")).post(Place("C1"), "text", "n.0")
    finally:
        await api.close()


# --- lengths ------------------------------------------------------------------------------------------------

LONG = "long enough " * 800


@pytest.mark.parametrize(
    "rule", [{"markdown": 5000}, {"markdown": 5000, "markdown_code": "msg_too_long"}, {"total": 5000}], ids=str
)
async def test_limit_is_lowered(
    platform: Delivery, place: Place, slack: SlackServer, journal: Journal, rule: dict[str, Any]
) -> None:
    """A workspace that refuses long messages gets short ones from then on, still as markdown."""
    for name, value in rule.items():
        setattr(slack.rules, name, value)
    ref = (await platform.post(place, "…", "n.0")).ref
    assert platform.dialect(place).limit == 11_000
    with pytest.raises(errors.TooLong):
        await platform.edit(place, ref, LONG)
    dialect = platform.dialect(place)
    assert dialect.limit == 3_900
    assert dialect.measure("ö") == 2
    with pytest.raises(errors.TooLong):
        await platform.edit(place, ref, LONG)
    assert len(arguments(journal, "chat.update")) == 1  # the second was not even tried
    await platform.edit(place, ref, LONG[:3_900])
    assert arguments(journal, "chat.update")[-1]["blocks"][0]["type"] == "markdown"


async def test_two_long_edits_at_once(platform: Delivery, place: Place, slack: SlackServer) -> None:
    """Two long edits under way together are both split again; neither counts as refused content."""
    slack.rules.markdown = 5000
    refs = [(await platform.post(place, "…", f"n.{n}")).ref for n in range(2)]
    outcomes = await asyncio.gather(*(platform.edit(place, ref, LONG) for ref in refs), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [errors.TooLong, errors.TooLong]


async def test_a_late_refusal(platform: Delivery, place: Place, slack: SlackServer) -> None:
    """A refusal that comes in late does not undo what an earlier one has taught."""
    slack.rules.markdown = 0
    slack.faults.add(Fault("chat.postMessage", "delay", seconds=0.1, when=lambda given: len(str(given)) > 3_900))
    outcomes = await asyncio.gather(
        platform.post(place, LONG, "n.0"), platform.post(place, "short", "n.1"), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [errors.TooLong, errors.TooLong]
    assert platform.dialect(place) is MRKDWN


async def test_no_markdown_blocks(platform: Delivery, place: Place, slack: SlackServer, journal: Journal) -> None:
    """A workspace that refuses markdown blocks gets Slack's older markup as text."""
    slack.rules.markdown = 0
    with pytest.raises(errors.TooLong):
        await platform.post(place, "**bold**", "n.0")
    dialect = platform.dialect(place)
    assert dialect.limit == 3_900
    page = dialect.render("**bold** and [a link](https://x.y/z) for <!channel>")
    receipt = await platform.post(place, page, "n.0")
    assert shown(journal, receipt.ref) == "*bold* and a link (<https://x.y/z>) for <\u200b!channel>"
    await platform.edit(place, receipt.ref, dialect.render("**bolder**"))
    assert shown(journal, receipt.ref) == "*bolder*"


async def test_short_text_refused_as_too_long(platform: Delivery, place: Place, slack: SlackServer) -> None:
    """A text that cannot be made shorter any more is refused content, or it would be split for ever."""
    slack.faults.add(Fault("chat.postMessage", "error", code="msg_too_long", times=None))
    with pytest.raises(errors.ContentRefused):
        await platform.post(place, "short", "n.0")


async def test_no_empty_message(platform: Delivery, place: Place, journal: Journal) -> None:
    """An empty text is refused here: Slack's refusal of it would read as one of markdown blocks."""
    with pytest.raises(errors.ContentRefused):
        await platform.post(place, " \n", "n.0")
    assert platform.dialect(place).limit == 11_000


# --- names, threads, statuses, notices ----------------------------------------------------------------------


async def test_names(platform: Delivery, place: Place, slack: SlackServer, journal: Journal) -> None:
    """Authors and people mentioned get their display names, each looked up once."""
    ada, grace = slack.workspace.user("ada"), slack.workspace.user("grace")
    ada.display_name = "Ada\nLovelace"
    message = question(place, "200.1", f"ask <@{grace.id}>, <@U0NOBODY|bob> or <@U0UNKNOWN>", ada.id)
    for _ in range(2):
        (complete,) = await platform.complete([message])
        assert complete.author.name == "Ada Lovelace"
        assert complete.text == "ask @grace, @bob or @U0UNKNOWN"
    assert len(arguments(journal, "users.info")) == 4


async def test_names_without_the_scope(platform: Delivery, place: Place, slack: SlackServer, journal: Journal) -> None:
    """Without the scope for names ids are used, and Slack is not asked again and again."""
    slack.tokens.bot_scopes = ("chat:write",)
    ada, grace = slack.workspace.user("ada"), slack.workspace.user("grace")
    (first,) = await platform.complete([question(place, "200.1", user=ada.id)])
    assert first.author.name == ada.id
    (second,) = await platform.complete([question(place, "200.2", f"<@{grace.id}|grace>", user=grace.id)])
    assert (second.author.name, second.text) == (grace.id, "@grace")
    assert len(arguments(journal, "users.info")) == 1


async def test_slow_names_are_not_waited_for(slack: SlackServer, place: Place, journal: Journal) -> None:
    """A name that takes long does not hold the answer up, and is there for the next one."""
    slack.faults.add(Fault("users.info", "delay", seconds=0.2))
    api = Api(slack.bot_token, slack.url)
    people = People(api, wait=0.02)
    message = question(place, "200.1", user=slack.workspace.user("ada").id)
    try:
        (first,) = await people.complete([message])
        assert first.author.name == first.author.id
        await journal.until(lambda: list(journal.of("slack", "answer", method="users.info")))
        people._wait = 5.0
        (second,) = await people.complete([message])
        assert second.author.name == "ada"
        assert len(arguments(journal, "users.info")) == 1
    finally:
        await people.close()
        await api.close()


async def test_thread_before(platform: Delivery, place: Place, slack: SlackServer, journal: Journal) -> None:
    """What people and other apps said before the question is read in one call: the first and the newest, capped."""
    assert place.thread is not None
    slack.rates.enforced = False
    for number in range(120):
        await slack.say("general", "grace", f"reply {number}", thread=place.thread, tell=())
    await platform.post(place, "our own words", "n.0")
    ts = await slack.say("general", "ada", "what do you think?", thread=place.thread, tell=())
    await slack.say("general", "ada", "too late", thread=place.thread, tell=())
    before = await platform.thread_before(question(place, ts))
    assert before[0].text == "a question"
    assert [message.text for message in before[1:]] == [f"reply {number}" for number in range(71, 120)]
    assert len(arguments(journal, "conversations.replies")) == 1
    assert {message.key for message in before} == {question(place, ts).key}


async def test_thread_before_when_slack_tells_more(place: Place) -> None:
    """The question itself and what came after it are no background, even where Slack sends them along."""
    told = [{"type": "message", "user": "U1", "ts": f"{n}.000001", "text": f"message {n}"} for n in range(100, 110)]

    async def respond(_: web.Request) -> web.Response:
        return web.json_response({"ok": True, "messages": told})

    async with serving(respond) as api:
        before = await Delivery(api, Identity("T1", "UBOT")).thread_before(question(place, "103.000001"))
    assert [message.text for message in before] == ["message 100", "message 101", "message 102"]


async def test_long_thread_before(platform: Delivery, place: Place, slack: SlackServer) -> None:
    """However long the messages of a thread are, no more than a set number of characters is kept."""
    for _ in range(10):
        await slack.say("general", "grace", "x" * 7_000, thread=place.thread, tell=())
    ts = await slack.say("general", "ada", "what do you think?", thread=place.thread, tell=())
    before = await platform.thread_before(question(place, ts))
    assert [len(message.text) for message in before] == [10, 7_000, 7_000]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("conversations.replies", "error", code="missing_scope"),
        Fault("conversations.replies", "status", status=429),
        Fault("conversations.replies", "reset", times=None),
    ],
    ids=["refused", "limited", "lost"],
)
async def test_unreadable_thread(platform: Delivery, place: Place, slack: SlackServer, fault: Fault) -> None:
    """A thread that cannot be read is no reason not to answer."""
    slack.faults.add(fault)
    assert await platform.thread_before(question(place, "9999999999.000001")) == ()


async def test_status(platform: Delivery, place: Place, slack: SlackServer, journal: Journal) -> None:
    """A status stands under a thread, and is taken away unless a message did that; a flat place has none."""
    await platform.show_status(Place(place.channel), "is thinking")
    assert arguments(journal, "assistant.threads.setStatus") == []
    await platform.show_status(place, "is thinking")
    await platform.clear_status(place)
    await platform.clear_status(place)
    assert [a["status"] for a in arguments(journal, "assistant.threads.setStatus")] == ["is thinking", ""]
    await platform.show_status(place, "is thinking")
    await platform.post(place, "…", "n.0")
    await platform.clear_status(place)
    assert len(arguments(journal, "assistant.threads.setStatus")) == 3


@pytest.mark.parametrize("code", ["unknown_method", "missing_scope", "feature_not_enabled"])
async def test_no_status_here(
    platform: Delivery, place: Place, slack: SlackServer, journal: Journal, code: str
) -> None:
    """Where an app has no status it is not asked for again, and nobody is bothered with it."""
    slack.faults.add(Fault("assistant.threads.setStatus", "error", code=code, times=None))
    await platform.show_status(place, "is thinking")
    await platform.show_status(place, "is thinking")
    assert len(arguments(journal, "assistant.threads.setStatus")) == 1


async def test_notice(platform: Delivery, place: Place, slack: SlackServer, journal: Journal) -> None:
    """A notice calls the asker alone and links to the answer; who is no user id is not called."""
    ada = slack.workspace.user("ada").id
    answer = await platform.post(place, "the answer", "n.0")
    notice = await platform.notify(place, ada, answer.ref, "n.note")
    message = journal.message("slack", notice.ref.channel, notice.ref.id)
    assert message.extra["pings"] == [f"<@{ada}>"]
    assert answer.ref.id.replace(".", "") in message.text
    assert await platform.find(place, "n.note", float(answer.ref.id)) == notice.ref
    for nobody in ("!channel", "U1> <!here", ""):
        with pytest.raises(errors.ContentRefused):
            await platform.notify(place, nobody, answer.ref, "n.x")
