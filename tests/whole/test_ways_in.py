"""The other ways to be asked, and what people do besides asking."""

from __future__ import annotations

from bot.turn import phrases
from tests.whole.house import Side, Slack


async def test_slack_events_over_http(slack: Slack):
    """Without an app-level token, signed events on /slack/events are answered just the same."""
    slack.house.box.claude.answer("Over HTTP.")
    async with slack.house.bot(slack_app_token=None, slack_signing_secret=slack.server.signing_secret) as app:
        await slack.server.push_to(f"http://127.0.0.1:{app.http_port}/slack/events")
        await slack.ask("How do you hear me?")
        await slack.shows("Over HTTP.")
    assert len(slack.house.box.claude.asked()) == 1


async def test_private_channels_and_group_messages(slack: Slack):
    """A mention in a private channel or a group direct message is answered in its thread."""
    slack.house.box.claude.answer("In private.")
    slack.house.box.claude.answer("Among us.")
    grace = slack.server.workspace.user("grace").id
    async with slack.house.bot():
        secret = slack.server.workspace.channel("secret").id
        first = await slack.ask("Psst?", channel=secret)
        await slack.shows("In private.")
        group = slack.server.direct(slack.person, grace)
        second = await slack.ask("And we?", channel=group)
        await slack.shows("In private.", "Among us.")
    assert [(shown.channel, shown.thread) for shown in slack.answers()] == [(secret, first), (group, second)]


async def test_an_edited_question_is_asked_anew(side: Side):
    """When a person edits the question while it is answered, the old answer goes and the new question is answered."""
    claude = side.house.box.claude
    claude.answer("The old answer. " * 100, rate=10)
    claude.answer("The new answer.")
    async with side.house.bot():
        asked = await side.ask("Old question?")
        await side.shows_text("The old answer.")
        await side.server.edit(side.channel, asked, f"<@{side.bot}> New question?")
        await side.shows("The new answer.")
    assert "New question?" in str(claude.asked()[1]["messages"])
    assert "Old question?" not in str(claude.asked()[1]["messages"])


async def test_deleting_the_question_stops_its_answer(side: Side):
    """When a person deletes the question while it is answered, the answer ends."""
    claude = side.house.box.claude
    claude.answer("An answer nobody wants any more. " * 100, rate=10)
    async with side.house.bot():
        asked = await side.ask("Never mind?")
        await side.shows_text("An answer")
        await side.server.delete(side.channel, asked)
        await side.shows_text("(Stopped.)")


async def test_the_asker_is_told_of_a_long_answer(side: Side):
    """When an answer took long, a short reply that pings only the asker points to it."""
    side.house.box.claude.answer("A long time coming.", first_delay=1.0)
    async with side.house.bot(notify_after=0.5):
        await side.ask("When?")
        await side.house.until(side.pings, "the notice")
    assert {str(ping) for ping in side.pings()} & {side.person, f"<@{side.person}>", f"user:{side.person}"}
    assert len(side.pings()) == 1
    assert len(side.texts) == 2


async def test_discard_leaves_only_the_note(side: Side):
    """With ON_INTERRUPT=discard the partial text goes and the note stands in its place."""
    side.house.box.claude.fault("reset", text="A partial answer that breaks. " * 4, at=50, chunk=5, rate=60)
    side.house.box.claude.answer("The whole answer.")
    async with side.house.bot(on_interrupt="discard"):
        await side.ask("Well?")
        await side.shows(phrases.INTERRUPTED_AGAIN, "The whole answer.")


async def test_retry_asks_again_and_replaces(side: Side):
    """`retry` asks the last question again; the new answer takes the old one's place in what Claude remembers."""
    claude = side.house.box.claude
    for text in ("The first try.", "The second try.", "And on."):
        claude.answer(text)
    async with side.house.bot():
        root = await side.ask("What is it?")
        await side.shows_text("The first try.")
        await side.follow_up(root, "retry")
        await side.shows_text("The second try.")
        await side.follow_up(root, "Go on?")
        await side.shows_text("And on.")
    assert claude.asked()[0]["messages"] == claude.asked()[1]["messages"]
    assert "The first try." not in str(claude.asked()[2]["messages"])
    assert "The second try." in str(claude.asked()[2]["messages"])
