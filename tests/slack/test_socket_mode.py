"""Events over Socket Mode, end to end: accepted before they are acknowledged, once, whatever the sockets do."""

from __future__ import annotations

import asyncio
import time

import pytest

from adapters.slack import SlackAdapter
from adapters.slack.calls import Api
from adapters.slack.closed import ClosedChannels
from adapters.slack.fields import Identity
from adapters.slack.intake import Intake
from adapters.slack.sockets import Sockets
from bot.errors import SettingsError
from bot.ports import Content
from sandbox.faults import Fault
from sandbox.journal import Journal
from sandbox.slack import SlackServer
from sandbox.slack.delivery import Outcome
from tests.slack.memory_inbox import MemoryInbox


def at_bot(slack: SlackServer, text: str) -> str:
    return f"<@{slack.workspace.bot.id}> {text}"


async def wait_for(journal: Journal, inbox: MemoryInbox, *texts: str) -> None:
    await journal.until(lambda: set(texts) <= set(inbox.texts), what=f"{texts} in the inbox")


@pytest.mark.parametrize(
    "tell", [("message", "app_mention"), ("app_mention", "message"), ("app_mention",), ("message",)]
)
async def test_one_post_counts_once(
    listening: SlackAdapter, slack: SlackServer, inbox: MemoryInbox, journal: Journal, tell: tuple[str, ...]
) -> None:
    """A mention is accepted once, whichever of its two events come, in whichever order, and every event is acked."""
    ts = await slack.say("general", "ada", at_bot(slack, "hello"), tell=tell)  # type: ignore[arg-type]
    await slack.events.idle()
    assert [message.id.partition(":")[2] for message in inbox.messages] == [ts]
    assert len(list(journal.of("slack", "ack"))) == len(tell)


async def test_accepted_before_acknowledged(
    listening: SlackAdapter, slack: SlackServer, inbox: MemoryInbox, journal: Journal
) -> None:
    """Slack hears nothing of an event while the inbox has not got it."""
    slack.events.ack_timeout = 5.0
    inbox.gate.clear()
    await slack.say("general", "ada", at_bot(slack, "hello"), tell=("message",))
    await journal.until(lambda: list(journal.of("inbox", "submit")))
    assert not list(journal.of("slack", "ack"))
    inbox.gate.set()
    await slack.events.idle()
    kinds = [entry.kind for entry in journal.entries if entry.kind in {"submitted", "ack"}]
    assert kinds == ["submitted", "ack"]


async def test_store_away(listening: SlackAdapter, slack: SlackServer, inbox: MemoryInbox, journal: Journal) -> None:
    """While the store is away there is no acknowledgement, and the redelivered event is accepted."""
    inbox.failures = 2
    await slack.say("general", "ada", at_bot(slack, "hello"), tell=("app_mention",))
    await slack.events.idle()
    assert inbox.texts == ["hello"]
    assert [entry["attempt"] for entry in journal.of("slack", "unacked")] == [0, 1]
    assert [entry["attempt"] for entry in journal.of("slack", "ack")] == [2]


async def test_everything_else_is_acknowledged(
    listening: SlackAdapter, slack: SlackServer, inbox: MemoryInbox, journal: Journal
) -> None:
    """What is not for the bot is acknowledged and ignored, or Slack would deliver it again."""
    await slack.say("general", "ada", "just talking")
    await slack.send_event({"type": "reaction_added", "user": "U1", "channel": "C1"})
    await slack.send_event({"type": "app_home_opened", "user": "U1", "channel": "D1", "tab": "messages"})
    await slack.send_event({"type": "message", "subtype": "message_changed", "channel": "C1"})
    await slack.send_event({"type": "message", "channel": "C1", "ts": "x", "user": ["?"], "text": {"a": 1}})
    await slack.events.idle()
    assert inbox.messages == []
    assert len(list(journal.of("slack", "ack"))) == 5
    assert not list(journal.of("slack", "unacked"))


async def test_other_envelopes_are_acknowledged(
    listening: SlackAdapter, slack: SlackServer, inbox: MemoryInbox
) -> None:
    """Buttons and slash commands are acknowledged and ignored."""
    for body in (
        {"type": "block_actions", "team": {"id": "T1"}, "user": {"id": "U1"}, "actions": [{"action_id": "a"}]},
        {"command": "/ask", "team_id": "T1", "user_id": "U1", "text": "hello", "response_url": "https://x.y"},
        {"type": "view_submission", "team": {"id": "T1"}, "user": {"id": "U1"}, "view": {"type": "modal"}},
    ):
        assert await slack.sockets.deliver(body, 0, "", 5.0) == Outcome(acked=True)
    assert inbox.messages == []


async def test_follow_ups(listening: SlackAdapter, slack: SlackServer, inbox: MemoryInbox) -> None:
    """A reply right after a mention finds a bot that takes part; a reply to another person is left to them."""
    root = await slack.say("general", "ada", at_bot(slack, "hello"), tell=("message",))
    await slack.say("general", "ada", "and another thing", thread=root)
    await slack.say("general", "ada", f"<@{slack.workspace.user('grace').id}> lunch?", thread=root)
    await slack.say("general", "grace", "me too", thread=root)
    await slack.events.idle()
    assert inbox.texts == ["hello", "and another thing", "me too"]
    assert len({message.key for message in inbox.messages}) == 1
    assert [message.addressed for message in inbox.messages] == [True, False, False]
    assert not any(message.mid_thread for message in inbox.messages)


async def test_follow_up_while_the_mention_is_being_stored(inbox: MemoryInbox, journal: Journal) -> None:
    """A follow-up that comes in while the mention before it is still being stored is not lost."""
    intake = Intake(Identity("T1", "UBOT"), inbox, "all", ClosedChannels())
    said = {"type": "message", "channel": "C1", "user": "U1", "ts": "100.000001", "text": "<@UBOT> hello"}
    then = {**said, "ts": "101.000001", "thread_ts": "100.000001", "text": "quick"}
    inbox.gate.clear()
    mention = asyncio.create_task(intake.receive({"type": "event_callback", "event": said}))
    await journal.until(lambda: list(journal.of("inbox", "submit")))
    follow_up = asyncio.create_task(intake.receive({"type": "event_callback", "event": then}))
    await asyncio.wait({follow_up}, timeout=0.05)
    inbox.gate.set()
    await asyncio.gather(mention, follow_up)
    assert inbox.texts == ["hello", "quick"]


async def test_called_into_a_thread(listening: SlackAdapter, slack: SlackServer, inbox: MemoryInbox) -> None:
    """A mention in the middle of a thread says so, once; the thread can then be read."""
    root = await slack.say("general", "ada", "shall we use Rust?")
    await slack.say("general", "grace", "rather not", thread=root)
    await slack.events.idle()
    await slack.say("general", "ada", at_bot(slack, "what do you think of that?"), thread=root)
    await slack.events.idle()
    await slack.say("general", "ada", at_bot(slack, "really?"), thread=root)
    await slack.events.idle()
    assert [message.mid_thread for message in inbox.messages] == [True, False]
    before = await listening.platform.thread_before(inbox.messages[0])
    assert [message.text for message in before] == ["shall we use Rust?", "rather not"]


async def test_private_channels_and_groups(listening: SlackAdapter, slack: SlackServer, inbox: MemoryInbox) -> None:
    """Private channels and group messages work by mention, as channels do."""
    for where in ("secret", slack.direct("ada", "grace")):
        await slack.say(where, "ada", "not for the bot")
        await slack.say(where, "ada", at_bot(slack, "for the bot"))
    await slack.events.idle()
    assert inbox.texts == ["for the bot", "for the bot"]
    assert all(message.place.thread and not message.place.direct for message in inbox.messages)


async def test_thread_below_a_direct_answer(
    adapter: SlackAdapter, listening: SlackAdapter, slack: SlackServer, inbox: MemoryInbox
) -> None:
    """A thread below a flat answer goes on with the conversation of that answer, in that thread."""
    direct = slack.direct("ada")
    await slack.say(direct, "ada", "hello")
    await slack.events.idle()
    answer = await adapter.platform.post(inbox.messages[0].place, Content("hi"), "n.0")
    inbox.answers[f"{direct}:{answer.ref.id}"] = inbox.messages[0].key
    await slack.say(direct, "ada", "tell me more", thread=answer.ref.id)
    await slack.events.idle()
    flat, threaded = inbox.messages
    assert threaded.key == flat.key
    assert threaded.place.thread == answer.ref.id
    assert not threaded.mid_thread


async def test_edits_and_deletions(listening: SlackAdapter, slack: SlackServer, inbox: MemoryInbox) -> None:
    """A changed question and a deleted one are told; a link preview is not."""
    ts = await slack.say("general", "ada", at_bot(slack, "helo"))
    await slack.events.idle()
    message = inbox.messages[0]
    await slack.unfurl("general", ts)
    await slack.edit("general", ts, at_bot(slack, "hello"))
    await slack.events.idle()
    assert [(edit.id, edit.key, edit.text) for edit in inbox.edits] == [(message.id, message.key, "hello")]
    await listening.platform.post(message.place, Content("an answer"), "n.0")
    await slack.delete("general", ts)
    await slack.events.idle()
    assert inbox.deletions == [(message.key, message.id)]
    assert inbox.texts == ["helo"]


async def test_changes_of_what_people_say_to_one_another_go_nowhere(
    listening: SlackAdapter, slack: SlackServer, inbox: MemoryInbox
) -> None:
    """Only what could concern the bot is handed on: not talk in a channel, nor in threads it takes no part in."""
    talk = await slack.say("general", "ada", "among ourselves")
    reply = await slack.say("general", "grace", "quite", thread=talk)
    for ts in (reply, talk):
        await slack.edit("general", ts, "edited")
        await slack.delete("general", ts)
    await slack.events.idle()
    assert (inbox.edits, inbox.deletions) == ([], [])


async def test_changes_in_threads_of_the_bot_are_told(
    listening: SlackAdapter, slack: SlackServer, inbox: MemoryInbox
) -> None:
    """A follow-up there need not mention it; nor a question of which only the event said that it is for the bot."""
    root = await slack.say("general", "ada", at_bot(slack, "hello"))
    reply = await slack.say("general", "grace", "and tomorow?", thread=root)
    await slack.events.idle()
    await slack.edit("general", reply, "and tomorrow?")
    await slack.events.idle()
    await slack.delete("general", reply)
    channel, ada = slack.workspace.channel("general").id, slack.workspace.user("ada").id
    bare = {"type": "app_mention", "channel": channel, "user": ada, "ts": "1700000000.000100", "text": "helo"}
    await slack.send_event(bare)
    await slack.events.idle()
    before, after = ({**bare, "type": "message", "text": text} for text in ("helo", "hello"))
    changed = {"type": "message", "subtype": "message_changed", "channel": channel, "channel_type": "channel"}
    await slack.send_event({**changed, "message": after, "previous_message": before})
    await slack.events.idle()
    assert [(edit.id, edit.text) for edit in inbox.edits] == [
        (f"{channel}:{reply}", "and tomorrow?"),
        (f"{channel}:1700000000.000100", "hello"),
    ]
    assert [id_ for _, id_ in inbox.deletions] == [f"{channel}:{reply}"]


async def test_our_own_messages_are_no_events(
    listening: SlackAdapter, slack: SlackServer, inbox: MemoryInbox, journal: Journal
) -> None:
    """The bot does not hear itself: its posts and edits are ignored. That one is gone is told: not who deleted it."""
    await slack.say(slack.direct("ada"), "ada", "hello")
    await slack.events.idle()
    place = inbox.messages[0].place
    receipt = await listening.platform.post(place, Content("…"), "n.0")
    await listening.platform.edit(place, receipt.ref, Content("an answer"))
    await listening.platform.delete(place, receipt.ref)
    await slack.events.idle()
    assert inbox.texts == ["hello"]
    assert (inbox.edits, [id_ for _, id_ in inbox.deletions]) == ([], [f"{receipt.ref.channel}:{receipt.ref.id}"])
    assert not list(journal.of("slack", "unacked"))


# --- the sockets --------------------------------------------------------------------------------------------


async def test_refresh_loses_nothing(
    listening: SlackAdapter, slack: SlackServer, inbox: MemoryInbox, journal: Journal
) -> None:
    """While every connection is refreshed, dropped and warned, each message is accepted, once."""
    sent = []

    async def talk(first: int) -> None:
        for number in range(first, first + 8):
            sent.append(f"message {number}")
            await slack.say("general", "ada", at_bot(slack, sent[-1]), tell=("message",))

    await talk(0)
    await slack.sockets.refresh(grace=0.1)
    await talk(10)
    await wait_for(journal, inbox, *sent)
    await journal.until(lambda: len(slack.sockets.open) >= 2)
    slack.sockets.drop(slack.sockets.open[0].number)
    await talk(20)
    await slack.sockets.warn()
    await talk(30)
    await wait_for(journal, inbox, *sent)
    await slack.events.idle()
    assert sorted(inbox.texts) == sorted(sent)


async def test_replaced_before_it_is_closed(listening: SlackAdapter, slack: SlackServer, journal: Journal) -> None:
    """A connection that is to be refreshed has its successor before it goes."""
    first = slack.sockets.open[0].number
    await slack.sockets.refresh(first, grace=5.0)
    await journal.until(lambda: len(list(journal.of("slack", "connected"))) >= 3)
    assert not list(journal.of("slack", "disconnected"))
    assert listening.connected


async def test_a_used_ticket_is_not_tried_again(
    adapter: SlackAdapter, slack: SlackServer, inbox: MemoryInbox, journal: Journal
) -> None:
    """A connection that fails is tried again with a new URL, never with the one that may be spent."""
    slack.faults.add(Fault("socket.connect", "status", status=408, times=2))
    await adapter.listen(inbox)
    await journal.until(lambda: len(list(journal.of("slack", "connected"))) >= 2)
    asked = [entry for entry in journal.of("slack", "call") if entry["method"] == "apps.connections.open"]
    assert len(asked) == 4
    assert not list(journal.of("slack", "refused"))


async def test_a_silent_connection_is_replaced(slack: SlackServer, journal: Journal) -> None:
    """A connection on which nothing comes back any more is replaced."""
    api = Api(slack.bot_token, slack.url)

    async def take(_: object) -> bool:
        return True

    sockets = Sockets(api, slack.app_token, take, heartbeat=0.2)
    try:
        await sockets.start()
        await journal.until(lambda: len(list(journal.of("slack", "connected"))) >= 2)
        silent = len(list(journal.of("slack", "connected")))
        slack.sockets.silence()
        await journal.until(lambda: len(list(journal.of("slack", "connected"))) >= silent + 2)
        await slack.send_event({"type": "reaction_added"})
        await slack.events.idle()
        assert len(list(journal.of("slack", "ack"))) == 1
    finally:
        await sockets.stop()
        await api.close()


async def test_stopping(listening: SlackAdapter, slack: SlackServer, inbox: MemoryInbox, journal: Journal) -> None:
    """Stopping finishes and acknowledges what is under way, closes every connection and leaves no task behind."""
    slack.events.ack_timeout = 5.0
    inbox.gate.clear()
    await slack.say("general", "ada", at_bot(slack, "last words"), tell=("message",))
    await journal.until(lambda: list(journal.of("inbox", "submit")))
    stopping = asyncio.create_task(listening.stop_intake())
    done, _ = await asyncio.wait({stopping}, timeout=0.1)
    assert not done
    inbox.gate.set()
    await stopping
    await journal.until(lambda: list(journal.of("slack", "ack")))
    await journal.until(lambda: not slack.sockets.connections)
    assert inbox.texts == ["last words"]
    assert not listening.connected
    assert listening.health == "not listening"
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("slack")]


async def test_sockets_down_at_first(adapter: SlackAdapter, slack: SlackServer, inbox: MemoryInbox) -> None:
    """Listening waits for Slack while Slack has trouble, and begins when the trouble is over."""
    slack.faults.add(Fault("apps.connections.open", "status", status=503, times=2))
    begun = time.monotonic()
    await adapter.listen(inbox)
    assert adapter.connected
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("code", ["invalid_auth", "not_allowed_token_type", "missing_scope"])
async def test_wrong_app_token(adapter: SlackAdapter, slack: SlackServer, inbox: MemoryInbox, code: str) -> None:
    """An app-level token that opens nothing is named, with where to get a good one."""
    slack.faults.add(Fault("apps.connections.open", "error", code=code, times=None))
    with pytest.raises(SettingsError, match=r"SLACK_APP_TOKEN.*connections:write"):
        await adapter.listen(inbox)
    assert not adapter.connected
