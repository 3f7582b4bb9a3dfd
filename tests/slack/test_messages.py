"""Events become messages: keys, places, texts, files, edits and deletions, from payloads as Slack sends them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.slack.blocks import shown_by
from adapters.slack.fields import Identity
from adapters.slack.for_us import surely_concerns
from adapters.slack.markup import readable
from adapters.slack.reading import deletion_of, edit_of, to_message
from bot.conversation import Attachment, Author, Place
from bot.text import LONGEST_MESSAGE, LONGEST_NAME

US = Identity("T061EG9R6", "U0LAN0Z89", "B0LAN0Z89")

APP_MENTION = {
    "type": "app_mention",
    "user": "U061F7AUR",
    "text": "<@U0LAN0Z89> is it everything a river should be?",
    "ts": "1515449522.000016",
    "channel": "C0LAN2Q65",
    "event_ts": "1515449522000016",
}
MESSAGE_IM = {
    "type": "message",
    "channel": "D024BE91L",
    "user": "U2147483697",
    "text": "Hello hello can you hear me?",
    "ts": "1355517523.000005",
    "event_ts": "1355517523.000005",
    "channel_type": "im",
    "client_msg_id": "7c0d4d5a-0000-4000-8000-000000000000",
    "team": "T061EG9R6",
}
IN_THREAD = {**APP_MENTION, "thread_ts": "1515449000.000001", "parent_user_id": "U061F7AUR"}
FILE_SHARE = {
    "type": "message",
    "subtype": "file_share",
    "text": "<@U0LAN0Z89> what is in it?",
    "user": "U2147483697",
    "channel": "C0LAN2Q65",
    "channel_type": "channel",
    "ts": "1358877455.000010",
    "files": [
        {"id": "F1", "name": "plan.pdf", "mimetype": "application/pdf", "size": 43518, "mode": "hosted"},
        {"id": "F2", "mode": "file_access", "file_access": "check_file_info"},
        {"id": "F3", "mode": "tombstone"},
    ],
}


def test_mention_in_a_channel() -> None:
    """A mention is answered in a thread of its own, which is its conversation."""
    message = to_message(APP_MENTION, US)
    assert str(message.key) == "slack:T061EG9R6:C0LAN2Q65:1515449522.000016"
    assert message.installation == "slack:T061EG9R6"
    assert message.id == "C0LAN2Q65:1515449522.000016"
    assert message.place == Place("C0LAN2Q65", thread="1515449522.000016")
    assert message.author == Author("U061F7AUR")
    assert message.text == "is it everything a river should be?"
    assert message.sent_at == 1515449522.000016
    assert message.addressed


def test_both_events_of_one_post_are_the_same_message() -> None:
    """`app_mention` and `message` of one post agree in everything, so that the inbox counts them once."""
    assert to_message(APP_MENTION, US) == to_message({**APP_MENTION, "type": "message", "channel_type": "channel"}, US)


def test_mention_in_a_thread() -> None:
    """In a thread the conversation is the thread's, and so is the place of the answer."""
    message = to_message(IN_THREAD, US, mid_thread=True)
    assert str(message.key) == "slack:T061EG9R6:C0LAN2Q65:1515449000.000001"
    assert message.place == Place("C0LAN2Q65", thread="1515449000.000001")
    assert message.mid_thread


def test_direct_message() -> None:
    """A direct message is answered flat; one in a thread, in that thread."""
    flat = to_message(MESSAGE_IM, US)
    assert str(flat.key) == "slack:T061EG9R6:D024BE91L"
    assert flat.place == Place("D024BE91L", direct=True)
    threaded = to_message({**MESSAGE_IM, "thread_ts": "1355517000.000001"}, US)
    assert str(threaded.key) == "slack:T061EG9R6:D024BE91L:1355517000.000001"
    assert threaded.place == Place("D024BE91L", thread="1355517000.000001", direct=True)


def test_a_direct_message_that_roots_its_own_thread() -> None:
    """Where each direct message begins a thread, the answer goes there."""
    message = to_message({**MESSAGE_IM, "thread_ts": MESSAGE_IM["ts"]}, US)
    assert str(message.key) == "slack:T061EG9R6:D024BE91L:1355517523.000005"
    assert message.place.thread == "1355517523.000005"


def test_files() -> None:
    """Files are described; of one from another workspace only the id is known, a deleted one is left out."""
    message = to_message(FILE_SHARE, US)
    assert message.attachments == (Attachment("plan.pdf", "application/pdf", 43518), Attachment("F2", "", 0))
    assert message.text == "what is in it?"


def test_a_follow_up_is_not_addressed() -> None:
    """A reply without a mention is told apart from one that is written to the bot."""
    assert not to_message({**IN_THREAD, "type": "message", "text": "and then?"}, US).addressed


TEXTS = {
    "&lt;b&gt; &amp;amp; &amp;": "<b> &amp; &",
    "<https://x.y/?a=1&amp;b=2>": "https://x.y/?a=1&b=2",
    "<https://x.y|the label>": "the label (https://x.y)",
    "<http://x.y|x.y>": "http://x.y",
    "<mailto:a@b.c|a@b.c>": "a@b.c",
    "<tel:+15551|+15551>": "+15551",
    "<#C1|general> <#C2|> <#C3>": "#general #C2 #C3",
    "<!here> <!channel> <!everyone>": "@here @channel @everyone",
    "<!subteam^S1|@devs> <!subteam^S2>": "@devs @S2",
    "<!date^1392734382^Posted {date_num}|Posted 2014-02-18>": "Posted 2014-02-18",
    "<@U2> and <@U3|bob>": "<@U2> and <@U3|bob>",
    "<@U0LAN0Z89>: hello": "hello",
    "<@U0LAN0Z89>, hello": "hello",
    "  <@U0LAN0Z89|bot> hello": "hello",
    "hey <@U0LAN0Z89> you": "hey you",
    "is it <@U0LAN0Z89>?": "is it?",
    "<@U0LAN0Z89>": "",
    "first\n<@U0LAN0Z89> second": "first\n second",
    "a\0b \ud800 c": "a\ufffdb \ufffd c",
    "مرحبا 👋🏽": "مرحبا 👋🏽",
}


@pytest.mark.parametrize("text", TEXTS)
def test_readable(text: str) -> None:
    """Slack's markup is read as the person saw it, without the mention of the bot."""
    assert readable(text, US.user) == TEXTS[text]


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("<>&;|!@#^:/ \nabU0\0\ud800ltgamp")), st.text(max_size=5))
def test_readable_takes_anything(text: str, user: str) -> None:
    """Whatever a person writes is read without an error, into text that can be encoded."""
    readable(text, user).encode()


RICH = [
    {
        "type": "rich_text",
        "elements": [
            {
                "type": "rich_text_section",
                "elements": [
                    {"type": "user", "user_id": "U0LAN0Z89"},
                    {"type": "text", "text": " is 1 < 2 & "},
                    {"type": "link", "url": "https://x.y", "text": "this"},
                    {"type": "emoji", "name": "wave"},
                    {"type": "broadcast", "range": "here"},
                ],
            },
            {
                "type": "rich_text_list",
                "style": "bullet",
                "elements": [
                    {"type": "rich_text_section", "elements": [{"type": "text", "text": "one"}]},
                    {"type": "rich_text_section", "elements": [{"type": "text", "text": "two"}]},
                ],
            },
            {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "if a > b:\n  c()"}]},
        ],
    },
    {
        "type": "section",
        "text": {"type": "mrkdwn", "text": "a *section*"},
        "fields": [{"type": "plain_text", "text": "f"}],
    },
]


def test_text_from_blocks() -> None:
    """Without a text the blocks are read."""
    text = readable(shown_by({"text": "", "blocks": RICH}), US.user)
    for piece in ("is 1 < 2 & this (https://x.y):wave:@here", "- one\n- two", "if a > b:\n  c()", "a *section*", "f"):
        assert piece in text


def test_forwarded_message() -> None:
    """A message that was shared along is quoted; the preview of a link is not."""
    shared = {"is_share": True, "author_name": "Ada", "text": "we meet &lt;soon&gt;", "fallback": "x"}
    preview = {"from_url": "https://x.y", "text": "a page about things"}
    text = readable(shown_by({"text": "see", "attachments": [shared, preview]}), US.user)
    assert text == "see\n\n> Ada:\n> we meet <soon>"


def test_blocks_of_any_form() -> None:
    """Blocks that are not what they should be are no error."""
    deep: Any = {"type": "text", "text": "x"}
    for _ in range(2000):
        deep = {"type": "section", "elements": [deep]}
    for blocks in ([deep], "no", [None, 1, []], [{"type": "rich_text", "elements": {"a": 1}}], {"a": []}):
        shown_by({"blocks": blocks})


# --- edits and deletions ------------------------------------------------------------------------------------

OLD = {"type": "message", "user": "U2147483697", "text": "Hello", "ts": "1355517523.000005"}
CHANGED = {
    "type": "message",
    "subtype": "message_changed",
    "hidden": True,
    "channel": "C0LAN2Q65",
    "channel_type": "channel",
    "ts": "1358878755.000001",
    "message": {**OLD, "text": "Hello, world!", "edited": {"user": "U2147483697", "ts": "1355517536.000001"}},
    "previous_message": OLD,
}
DELETED = {
    "type": "message",
    "subtype": "message_deleted",
    "hidden": True,
    "channel": "C0LAN2Q65",
    "channel_type": "channel",
    "ts": "1358878755.000001",
    "deleted_ts": "1355517523.000005",
    "previous_message": {**OLD, "thread_ts": "1355517500.000001"},
}


def test_edit() -> None:
    """A changed text is the message's new version under its old id."""
    edit = edit_of(CHANGED, US)
    assert edit is not None
    message = to_message(edit, US)
    assert (message.id, message.text) == ("C0LAN2Q65:1355517523.000005", "Hello, world!")


@pytest.mark.parametrize(
    "change",
    [
        {"message": {**OLD, "attachments": [{"from_url": "https://x.y", "text": "preview"}]}},
        {"message": {**OLD, "text": "new", "bot_id": "B1"}},
        {"message": {**OLD, "text": "new", "user": US.user}},
        {"message": {**OLD, "reply_count": 1, "thread_ts": OLD["ts"]}},
        {"message": {**OLD, "subtype": "tombstone", "text": "This message was deleted."}},
        {"message": None},
        {"subtype": "message_deleted"},
        {"message": {**OLD, "text": "new", "ts": None}},
    ],
    ids=["unfurl", "another bot", "our own", "thread counter", "tombstone", "nothing", "deletion", "no time"],
)
def test_no_edit(change: dict[str, Any]) -> None:
    """What does not change a person's text is no edit."""
    assert edit_of({**CHANGED, **change}, US) is None


def test_deletion() -> None:
    """A deleted message is known by its id and its thread."""
    gone = deletion_of(DELETED, US)
    assert gone is not None
    assert (gone["channel"], gone["ts"], gone["thread_ts"]) == ("C0LAN2Q65", "1355517523.000005", "1355517500.000001")


def test_deletion_of_ours() -> None:
    """One of the bot's own messages that was deleted is told of, too: a person may have had enough of it."""
    gone = deletion_of({**DELETED, "previous_message": {**OLD, "user": US.user, "bot_id": "B0LAN0Z89"}}, US)
    assert gone is not None
    assert gone["ts"] == "1355517523.000005"


def test_tombstone() -> None:
    """The question of a thread leaves a tombstone when it is deleted: that is a deletion too."""
    tombstone = {**OLD, "subtype": "tombstone", "user": "USLACKBOT", "thread_ts": OLD["ts"]}
    gone = deletion_of({**CHANGED, "message": tombstone, "previous_message": {**OLD, "thread_ts": OLD["ts"]}}, US)
    assert gone is not None
    assert gone["ts"] == OLD["ts"]


@pytest.mark.parametrize(
    "event",
    [
        CHANGED,
        {**DELETED, "previous_message": {**OLD, "bot_id": "B1"}},
        {**DELETED, "deleted_ts": None, "previous_message": None},
        MESSAGE_IM,
    ],
    ids=["edit", "a bot's message", "nothing known", "message"],
)
def test_no_deletion(event: dict[str, Any]) -> None:
    """What removes no person's message is no deletion."""
    assert deletion_of(event, US) is None


AT_BOT = {**OLD, "text": f"<@{US.user}> Hello"}


@pytest.mark.parametrize(
    ("change", "sure"),
    [
        ({}, False),
        ({"message": AT_BOT}, True),
        ({"previous_message": AT_BOT}, True),
        ({"channel": "D024BE91L", "channel_type": "im"}, True),
        ({"previous_message": None}, True),
        ({"message": {**OLD, "thread_ts": "1355517500.000001"}}, False),
    ],
    ids=["talk", "mention after", "mention before", "direct", "before unknown", "thread"],
)
def test_which_edits_concern_the_bot_wherever_they_stand(change: dict[str, Any], sure: bool) -> None:
    """One in a direct message, of what mentions the bot before or after, and where it is not told what it was."""
    assert surely_concerns({**CHANGED, **change}, US) is sure


@pytest.mark.parametrize(
    ("before", "sure"),
    [(OLD, False), (AT_BOT, True), ({**OLD, "user": US.user}, True), (None, True)],
    ids=["talk", "mention", "ours", "unknown"],
)
def test_which_deletions_concern_the_bot_wherever_they_stand(before: Any, sure: bool) -> None:
    """One of its own messages, of what mentions it, and where it is not told what it was."""
    assert surely_concerns({**DELETED, "previous_message": before}, US) is sure


def test_a_message_is_bounded_whatever_it_brings_along() -> None:
    """What forwarded messages and blocks add to a text is cut at a set length, with a note; so are names of files."""
    shared = {"is_share": True, "author_name": "Ada", "text": "y" * 40_000}
    blocks = [{"type": "rich_text", "elements": [{"type": "text", "text": "z" * 300_000}]}]
    for event in (
        {**MESSAGE_IM, "text": "x" * 40_000, "attachments": [shared] * 7},
        {**MESSAGE_IM, "text": "", "blocks": blocks},
        {**MESSAGE_IM, "text": "&lt;" * 300_000},
    ):
        message = to_message(event, US)
        assert len(message.text) == LONGEST_MESSAGE
        assert message.text.endswith("longer than 250,000 characters]")
    (file,) = to_message({**MESSAGE_IM, "files": [{"name": "n" * 9_000, "mimetype": "m" * 9_000}]}, US).attachments
    assert (len(file.name), len(file.mime)) == (LONGEST_NAME, LONGEST_NAME)
