"""The stand-in's native streaming through the real slack-sdk."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.journal import Journal
from sandbox.slack import Rates, SlackServer


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer(Journal(), rates=Rates(enforced=False)) as server:
        yield server


@pytest.fixture
def web(slack: SlackServer) -> AsyncWebClient:
    return AsyncWebClient(token=slack.bot_token, base_url=slack.url, retry_handlers=[])


async def refused(call: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


async def test_everyone_in_a_dm_sees_the_text_grow(slack: SlackServer, web: AsyncWebClient) -> None:
    """In a direct message each append is a version the reader sees."""
    room = slack.direct("ada")
    asked = await slack.say(room, "ada", "hi")
    stream = await web.chat_startStream(channel=room, thread_ts=asked, markdown_text="one")
    await web.chat_appendStream(channel=room, ts=stream["ts"], markdown_text=" two")
    await web.chat_stopStream(channel=room, ts=stream["ts"], markdown_text=" three")
    shown = slack.journal.message("slack", room, stream["ts"])
    assert [text for _, text in shown.versions] == ["one", "one two", "one two three"]
    assert await refused(web.chat_appendStream(channel=room, ts=stream["ts"], markdown_text="x")) == (
        "message_not_in_streaming_state"
    )


async def test_channel_sees_the_first_piece_then_the_end(slack: SlackServer, web: AsyncWebClient) -> None:
    """In a channel a recipient is needed, and the others see nothing between the first piece and the end."""
    room = slack.workspace.channel("general").id
    asked = await slack.say(room, "ada", "hi")
    who = {"recipient_team_id": slack.workspace.team_id, "recipient_user_id": slack.workspace.user("ada").id}
    assert await refused(web.chat_startStream(channel=room, thread_ts=asked)) == "missing_recipient_team_id"
    stream = await web.chat_startStream(channel=room, thread_ts=asked, markdown_text="one", **who)
    await web.chat_appendStream(channel=room, ts=stream["ts"], markdown_text=" two")
    await web.chat_stopStream(channel=room, ts=stream["ts"])
    shown = slack.journal.message("slack", room, stream["ts"])
    assert [text for _, text in shown.versions] == ["one", "one two"]


async def test_stream_has_a_length_and_a_life(slack: SlackServer, web: AsyncWebClient) -> None:
    """A stream takes no more than its cap, dies of age, and an edit repairs the dead message but not a live one."""
    room = slack.direct("ada")
    asked = await slack.say(room, "ada", "hi")
    stream = await web.chat_startStream(channel=room, thread_ts=asked, markdown_text="x" * 11_977)
    assert await refused(web.chat_appendStream(channel=room, ts=stream["ts"], markdown_text="y")) == "msg_too_long"
    assert await refused(web.chat_update(channel=room, ts=stream["ts"], text="z")) == "streaming_state_conflict"
    slack.rules.stream_seconds = 0.0
    gone = "message_not_in_streaming_state"
    assert await refused(web.chat_appendStream(channel=room, ts=stream["ts"], markdown_text="y")) == gone
    assert await refused(web.chat_stopStream(channel=room, ts=stream["ts"])) == gone
    await web.chat_update(channel=room, ts=stream["ts"], text="repaired", blocks=[])
    assert slack.journal.message("slack", room, stream["ts"]).text == "repaired"


async def test_stop_button_ends_the_stream(slack: SlackServer, web: AsyncWebClient) -> None:
    """After the stop button appends answer stopped_by_user, and the event names the message."""
    room = slack.direct("ada")
    asked = await slack.say(room, "ada", "hi")
    stream = await web.chat_startStream(channel=room, thread_ts=asked, markdown_text="one")
    event_id = await slack.stop_stream(room, "ada", stream["ts"])
    assert await refused(web.chat_appendStream(channel=room, ts=stream["ts"], markdown_text="x")) == "stopped_by_user"
    event = slack.events.deliveries[event_id].body["event"]
    assert (event["type"], event["streaming_message_ts"]) == ("agent_session_stopped", [stream["ts"]])


async def test_sdk_streamer_works(slack: SlackServer, web: AsyncWebClient) -> None:
    """The SDK's own chat_stream helper writes a whole message."""
    room = slack.direct("ada")
    asked = await slack.say(room, "ada", "hi")
    streamer = await web.chat_stream(channel=room, thread_ts=asked, buffer_size=4)
    for piece in ("hello ", "wor", "ld"):
        await streamer.append(markdown_text=piece)
    await streamer.stop()
    assert [shown.text for shown in slack.journal.messages("slack", room)] == ["hi", "hello world"]
