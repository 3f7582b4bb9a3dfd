"""What a message on Slack shows, and what of it its writer says: tables, blocks of every kind, attachments, shares."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack.blocks import shown_by, words_of
from adapters.slack.fields import Identity
from adapters.slack.for_us import calls_us_now, is_external, is_for_us
from adapters.slack.markup import readable
from adapters.slack.reading import attachments_of, edit_of

US = Identity("T1", "UBOT", "BBOT", "bot")


def shown(**message: Any) -> str:
    return readable(shown_by(message), US.user)


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def rich(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": list(elements)}]}


TABLE = {
    "type": "table",
    "rows": [
        [{"type": "raw_text", "text": "Region"}, {"type": "raw_text", "text": "Units"}],
        [{"type": "raw_text", "text": "North | West"}, {"type": "raw_text", "text": "481"}],
        [rich({"type": "text", "text": "South"}), {"type": "raw_text", "text": "96"}],
    ],
}
AS_MARKDOWN = "| Region | Units |\n|---|---|\n| North \\| West | 481 |\n| South | 96 |"


@pytest.mark.parametrize("where", ["blocks", "attachments"])
@pytest.mark.parametrize("text", ["", "which sold most?"])
def test_a_table_is_read_wherever_it_stands(where: str, text: str) -> None:
    """A pasted table reaches Claude as Markdown, with or without words beside it."""
    held = [TABLE] if where == "blocks" else [{"id": 1, "blocks": [TABLE], "fallback": "[no preview available]"}]
    assert " ".join(shown(text=text, **{where: held}).split()) == " ".join(f"{text} {AS_MARKDOWN}".split())


def test_an_alert_is_read_whole_and_nothing_twice() -> None:
    """Of an app's message all parts are read, in order, and what its text says already stands there once."""
    blocks = [
        {"type": "header", "text": plain("Latency is up on checkout")},
        {"type": "section", "text": {"type": "mrkdwn", "text": "New alert"}},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": "*p99*: 4.2 s"}, plain("env: prod")]},
        {"type": "context", "elements": [{"type": "image", "alt_text": "logo"}, plain("by grafana")]},
        {"type": "image", "title": plain("Graph"), "alt_text": "a steep line"},
        {"type": "actions", "elements": [{"type": "button", "text": plain("Silence")}]},
        {"type": "divider"},
    ]
    text = shown(text="New alert", blocks=blocks, bot_id="B1")
    assert text.splitlines() == [
        "New alert",
        "Latency is up on checkout",
        "*p99*: 4.2 s",
        "env: prod",
        "[image: logo] by grafana",
        "[image: Graph: a steep line]",
        "[Silence]",
    ]


def test_an_older_attachment_is_read_with_title_and_fields() -> None:
    """What apps put into attachments is part of what they say; the preview of a link is not."""
    alert = {
        "pretext": "Build",
        "title": "web-42",
        "title_link": "https://ci.example/42",
        "text": "exit code 137",
        "fields": [{"title": "branch", "value": "main"}],
        "footer": "ci",
        "fallback": "Build web-42",
    }
    preview = {"from_url": "https://x.y", "title": "A page", "text": "about things"}
    text = shown(text="", attachments=[alert, preview])
    assert text.splitlines() == ["Build", "web-42 (https://ci.example/42)", "exit code 137", "branch: main", "ci"]


def test_what_is_typed_is_not_read_twice() -> None:
    """A person's words stand in the text and in rich text; they are read once."""
    block = rich({"type": "text", "text": "ask "}, {"type": "user", "user_id": "U2"}, {"type": "text", "text": " now"})
    assert shown(text="ask <@U2> now", blocks=[block]) == "ask <@U2> now"


def test_rich_text_alone_keeps_its_form() -> None:
    """Lists, quotes and code of rich text are read as such."""
    block = {
        "type": "rich_text",
        "elements": [
            {
                "type": "rich_text_list",
                "style": "ordered",
                "indent": 1,
                "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "one"}]}],
            },
            {"type": "rich_text_quote", "elements": [{"type": "text", "text": "said"}]},
            {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "x = 1\ny = 2"}]},
        ],
    }
    assert shown(text="", blocks=[block]) == "1. one\n> said\n```\nx = 1\ny = 2\n```"


SHARE = {
    "is_share": True,
    "is_msg_unfurl": True,
    "from_url": "https://x.slack.com/archives/C1/p1",
    "author_name": "Carol",
    "text": "<@UBOT> how do I restart?",
    "fallback": "[Carol] how do I restart?",
}


def test_quoted_words_are_not_spoken_to_us() -> None:
    """A shared message that mentions the bot is read, and addresses nobody; the same words typed do."""
    event = {"type": "message", "channel": "C1", "user": "U1", "ts": "1.000001", "text": "look", "attachments": [SHARE]}
    assert "how do I restart?" in shown(**event)
    assert not is_for_us(event, US, follow_ups="all", takes_part=False)
    typed = {**event, "text": SHARE["text"]}
    assert is_for_us(typed, US, follow_ups="all", takes_part=False)


def test_files_of_a_shared_message_come_along() -> None:
    """A file that is forwarded without a word is named, and is a file of the message."""
    file = {"id": "F1", "name": "q3-report.pdf", "mimetype": "application/pdf", "size": 41200, "mode": "hosted"}
    message = {
        "text": "",
        "attachments": [{**SHARE, "text": "", "fallback": "[no preview available]", "files": [file]}],
    }
    assert shown(**message) == "> Carol:\n> [file: q3-report.pdf]"
    assert [(it.name, it.mime, it.size) for it in attachments_of(message)] == [
        ("q3-report.pdf", "application/pdf", 41200)
    ]


def changed(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    base = {"type": "message", "user": "U1", "ts": "1.000001"}
    event = {"type": "message", "subtype": "message_changed", "channel": "C1", "ts": "2.000001"}
    return {**event, "message": {**base, **new}, "previous_message": {**base, **old}}


def test_a_preview_is_no_edit() -> None:
    """What Slack adds to a message, the preview of a page or of a message, changes nothing that its writer said."""
    for added in ({"from_url": "https://x.y", "title": "A page"}, {**SHARE, "is_share": False}):
        assert edit_of(changed({"text": "see"}, {"text": "see", "attachments": [added]}), US) is None
    assert edit_of(changed({"text": "see"}, {"text": "see this"}), US) is not None
    assert edit_of(changed({"text": "see"}, {"text": "see", "blocks": [TABLE]}), US) is not None


def test_a_mention_that_an_edit_adds_calls_the_bot() -> None:
    """It calls the bot once: not when the mention was there before, and not in a direct message, which always does."""
    assert calls_us_now(changed({"text": "how?"}, {"text": "<@UBOT> how?"}), US)
    assert not calls_us_now(changed({"text": "<@UBOT> how?"}, {"text": "<@UBOT> how now?"}), US)
    assert not calls_us_now({**changed({"text": "how?"}, {"text": "<@UBOT> how?"}), "channel_type": "im"}, US)


@pytest.mark.parametrize(
    ("envelope", "event", "external"),
    [
        ({"is_ext_shared_channel": False}, {"team": "T1"}, False),
        ({"is_ext_shared_channel": False}, {}, False),
        ({}, {"team": "T1", "user_team": "T1"}, False),
        ({"team_id": "T1"}, {}, False),
        ({"is_ext_shared_channel": True}, {"team": "T1"}, True),
        ({"is_ext_shared_channel": True}, {}, True),
        ({"is_ext_shared_channel": False}, {"team": "T2"}, True),
        ({}, {"team": "T1", "user_team": "T2"}, True),
        ({}, {"source_team": "T2"}, True),
        ({"team_id": "T2"}, {}, True),
        ({}, {}, True),
        ({}, {"message": {"team": "T2"}, "team": "T1"}, True),
    ],
)
def test_who_is_of_another_organisation(envelope: dict[str, Any], event: dict[str, Any], external: bool) -> None:
    """The event's own fields decide, whichever is there; where none says that it is ours, it is not."""
    assert is_external({**envelope, "event": event}, US) is external


KEYS = st.sampled_from(["type", "text", "elements", "rows", "fields", "blocks", "title"])
KINDS = st.sampled_from(["rich_text", "table", "section"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | KINDS | st.just([]) | st.just({}),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=30,
)


@given(JSON, JSON)
def test_no_form_breaks_the_reading(blocks: Any, attachments: Any) -> None:
    """Blocks and attachments of any form are read as far as they can be."""
    message = {"text": "said", "blocks": blocks, "attachments": attachments}
    assert words_of(message).startswith("said")
    assert shown_by(message).startswith("said")


def test_our_own_buttons_say_nothing() -> None:
    """Of a message of ours Claude reads the answer, and not what can be pressed below it."""
    ours = {"type": "button", "action_id": "ft.retry", "text": plain("Retry")}
    theirs = {"type": "button", "action_id": "ack", "text": plain("Acknowledge")}
    blocks = [rich({"type": "text", "text": "The answer"}), {"type": "actions", "elements": [ours, theirs]}]
    assert shown(blocks=blocks).split("\n") == ["The answer", "[Acknowledge]"]


def test_an_apps_list_beside_a_short_text_is_read() -> None:
    """What an app shows in rich text beside a text that says less reaches Claude; a person's text says the same."""
    blocks = [rich({"type": "text", "text": "checkout is down since nine"})]
    assert "since nine" in shown(text="An alert", bot_id="B1", blocks=blocks)
    assert shown(text="checkout is down since nine", user="U1", blocks=blocks) == "checkout is down since nine"


def test_a_mail_is_read() -> None:
    """Of a mail that was sent to the channel its subject and text are read."""
    file = {"mode": "email", "subject": "Invoice", "plain_text": "Please pay by Friday.", "name": "Invoice"}
    assert "[mail: Invoice]\nPlease pay by Friday." in shown(text="", files=[file])


def test_a_mention_that_is_only_quoted_calls_nobody() -> None:
    """Slack tells of a mention in a quoted attachment, too; who quotes it says nothing to the bot."""
    quoted = [{"is_share": True, "text": f"<@{US.user}> what now?", "author_name": "ada"}]
    event = {
        "type": "app_mention",
        "channel": "C1",
        "user": "U1",
        "ts": "1.000001",
        "text": "look",
        "attachments": quoted,
    }
    assert not is_for_us(event, US, follow_ups="all", takes_part=False)
    assert is_for_us({**event, "text": f"<@{US.user}> look"}, US, follow_ups="all", takes_part=False)
