"""The stand-in's Web API as the real slack-sdk sees it: writing, reading back, and what is refused."""

import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
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
def journal(slack: SlackServer) -> Journal:
    return slack.journal


@pytest.fixture
def web(slack: SlackServer) -> AsyncWebClient:
    return AsyncWebClient(token=slack.bot_token, base_url=slack.url, retry_handlers=[])


@pytest.fixture
def general(slack: SlackServer) -> str:
    return slack.workspace.channel("general").id


async def refusal(call: Any) -> dict[str, Any]:
    with pytest.raises(SlackApiError) as caught:
        await call
    data: dict[str, Any] = caught.value.response.data
    return data


def markdown(text: str) -> list[dict[str, str]]:
    return [{"type": "markdown", "text": text}]


async def test_auth_test_names_bot_and_scopes(slack: SlackServer, web: AsyncWebClient) -> None:
    """The bot learns who and where it is, and its scopes come in a header."""
    answer = await web.auth_test()
    assert answer["team_id"] == slack.workspace.team_id
    assert answer["user_id"] == slack.workspace.bot.id
    assert "chat:write" in answer.headers["x-oauth-scopes"].split(",")


@pytest.mark.parametrize(
    ("token", "method", "code"),
    [
        ("xoxb-wrong", "auth.test", "invalid_auth"),
        ("", "auth.test", "not_authed"),
        ("bot", "apps.connections.open", "not_allowed_token_type"),
        ("app", "auth.test", "not_allowed_token_type"),
        ("bot", "chat.frobnicate", "unknown_method"),
    ],
)
async def test_wrong_tokens_and_methods_are_refused(slack: SlackServer, token: str, method: str, code: str) -> None:
    """Each wrong token and method gets the code Slack has for it."""
    token = {"bot": slack.bot_token, "app": slack.app_token}.get(token, token)
    web = AsyncWebClient(token=token, base_url=slack.url, retry_handlers=[])
    assert (await refusal(web.api_call(method)))["error"] == code


async def test_token_and_structures_may_come_as_a_form(slack: SlackServer, general: str) -> None:
    """A form with the token among its fields and blocks as JSON text is the same call."""
    form = {"token": slack.bot_token, "channel": general, "text": "t", "blocks": json.dumps(markdown("**m**"))}
    async with aiohttp.ClientSession() as session, session.post(slack.url + "chat.postMessage", data=form) as answer:
        body = await answer.json()
    assert body["ok"]
    assert slack.journal.message("slack", general, body["ts"]).text == "**m**"


async def test_revoked_token_is_said_to_be_revoked(slack: SlackServer, web: AsyncWebClient) -> None:
    """A good token answers the verdict that is set on it."""
    slack.tokens.verdict = "token_revoked"
    assert (await refusal(web.auth_test()))["error"] == "token_revoked"


async def test_missing_scope_names_what_is_needed(web: AsyncWebClient, slack: SlackServer, general: str) -> None:
    """A call without its scope is refused with the scope that is needed and those there are."""
    slack.tokens.bot_scopes = ("chat:write",)
    data = await refusal(web.conversations_history(channel=general))
    assert (data["error"], data["needed"], data["provided"]) == ("missing_scope", "channels:history", "chat:write")
    data = await refusal(web.conversations_history(channel=slack.direct("ada")))
    assert data["needed"] == "im:history"


@pytest.mark.parametrize("types", ["im", "public_channel,im"])
async def test_a_list_of_conversations_needs_the_scope_of_each_kind(
    web: AsyncWebClient, slack: SlackServer, types: str
) -> None:
    """One kind without its scope refuses the whole list, and is named."""
    slack.tokens.bot_scopes = ("channels:read",)
    assert (await refusal(web.users_conversations(types=types)))["needed"] == "im:read"
    assert (await web.users_conversations(types="public_channel"))["channels"]


async def test_an_app_that_slack_cuts_down_gets_small_pages(
    web: AsyncWebClient, slack: SlackServer, general: str
) -> None:
    """Whatever it asks for, a page holds fifteen messages, and the next one is named."""
    slack.rules.page = 15
    root = await slack.say("general", "ada", "root")
    for n in range(20):
        await slack.say("general", "ada", f"message {n}")
        await slack.say("general", "ada", f"reply {n}", thread=root)
    for page in (
        await web.conversations_history(channel=general, limit=200),
        await web.conversations_replies(channel=general, ts=root, limit=200),
    ):
        assert len(page["messages"]) == 15
        assert page["has_more"]
        assert page["response_metadata"]["next_cursor"]


async def test_the_past_can_be_made(slack: SlackServer, web: AsyncWebClient, general: str) -> None:
    """Messages can be dated back, oldest first; what comes later is newer."""
    slack.workspace.behind = 1200.0
    earlier = await slack.say("general", "ada", "twenty minutes ago")
    slack.workspace.behind = 0.0
    now = await slack.say("general", "ada", "now")
    assert 1199 < float(now) - float(earlier) < 1205
    messages = (await web.conversations_history(channel=general))["messages"]
    assert [message["ts"] for message in messages] == [now, earlier]


async def test_token_is_not_in_the_journal(slack: SlackServer, general: str) -> None:
    """No token a client sends is noted anywhere."""
    form = {"token": slack.bot_token, "channel": general, "text": "t"}
    async with aiohttp.ClientSession() as session, session.post(slack.url + "chat.postMessage", data=form):
        pass
    assert slack.bot_token not in repr(slack.journal.entries)


async def test_ts_is_unique_and_increasing(web: AsyncWebClient, slack: SlackServer, general: str) -> None:
    """Message ids sort by time as text and never repeat."""
    ids = [slack.workspace.ts() for _ in range(1000)]
    ids.append((await web.chat_postMessage(channel=general, text="x"))["ts"])
    assert all(a < b for a, b in itertools.pairwise(ids))


async def test_edit_is_a_new_version(web: AsyncWebClient, journal: Journal, general: str) -> None:
    """The journal keeps every version a reader saw: the markdown block's text if there is one, else the text."""
    post = await web.chat_postMessage(channel=general, text="…")
    await web.chat_update(channel=general, ts=post["ts"], text="plain", blocks=markdown("**rich**"))
    await web.chat_update(channel=general, ts=post["ts"], text="the end", blocks=[])
    shown = journal.message("slack", general, post["ts"])
    assert [text for _, text in shown.versions] == ["…", "**rich**", "the end"]


async def test_blocks_stay_unless_named(web: AsyncWebClient, journal: Journal, general: str) -> None:
    """An edit of the text alone leaves a message's own blocks standing, as Slack's documentation says."""
    post = await web.chat_postMessage(channel=general, text="t", blocks=markdown("block"))
    await web.chat_update(channel=general, ts=post["ts"], text="unseen")
    assert journal.message("slack", general, post["ts"]).text == "block"


async def test_markdown_comes_back_as_rich_text(web: AsyncWebClient, general: str) -> None:
    """Slack translates a markdown block, so nobody can read it back as it was written."""
    post = await web.chat_postMessage(channel=general, text="t", blocks=markdown("a\n```py\nx\n```\nb"))
    kinds = [block["elements"][0]["type"] for block in post["message"]["blocks"]]
    assert kinds == ["rich_text_section", "rich_text_preformatted", "rich_text_section"]


async def test_text_comes_back_with_entities(web: AsyncWebClient, general: str) -> None:
    """Bare `&`, `<` and `>` come back as entities, tokens and entities as they were."""
    post = await web.chat_postMessage(channel=general, text="a & b < c > d &amp; <https://x.y|z> <@U1>")
    assert post["message"]["text"] == "a &amp; b &lt; c &gt; d &amp; <https://x.y|z> <@U1>"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"text": "x" * 4_001}, "msg_too_long"),
        ({"text": "x", "blocks": markdown("x" * 12_001)}, "invalid_blocks"),
        ({"text": "x", "blocks": markdown("x" * 7_000) * 2}, "msg_blocks_too_long"),
        ({"text": "x", "blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
        (
            {"text": "x", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3_001}}]},
            "invalid_blocks",
        ),
        (
            {"text": "x", "blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]},
            "invalid_blocks",
        ),
        ({"text": "x", "blocks": [{"type": "sparkle"}]}, "invalid_blocks"),
        ({"text": "x", "blocks": "[{"}, "invalid_blocks_format"),
        ({"text": "x", "metadata": {"event_type": "t"}}, "invalid_metadata_format"),
        ({"text": "x", "markdown_text": "y"}, "markdown_text_conflict"),
        ({"markdown_text": "y" * 12_001}, "msg_too_long"),
        ({"text": ""}, "no_text"),
    ],
)
async def test_content_that_is_refused(
    web: AsyncWebClient, journal: Journal, general: str, arguments: dict[str, Any], code: str
) -> None:
    """What is too long or malformed is refused with Slack's code, and the message stays as it was."""
    post = await web.chat_postMessage(channel=general, text="before")
    data = await refusal(web.api_call("chat.update", json={"channel": general, "ts": post["ts"], **arguments}))
    assert data["error"] == code
    assert len(journal.message("slack", general, post["ts"]).versions) == 1


async def test_lengths_at_the_limit_pass(web: AsyncWebClient, general: str) -> None:
    """Exactly 4,000 characters of text and 12,000 in a markdown block are taken."""
    post = await web.chat_postMessage(channel=general, text="x")
    await web.chat_update(channel=general, ts=post["ts"], text="é" * 4_000, blocks=markdown("é" * 12_000))


async def test_update_may_count_bytes(slack: SlackServer, web: AsyncWebClient, general: str) -> None:
    """A workspace can be told to count the text of an edit in bytes."""
    slack.rules.update_bytes = True
    post = await web.chat_postMessage(channel=general, text="x")
    data = await refusal(web.chat_update(channel=general, ts=post["ts"], text="é" * 2_001))
    assert data["error"] == "msg_too_long"


async def test_post_is_cut_and_says_so(web: AsyncWebClient, journal: Journal, general: str) -> None:
    """A new message above 40,000 characters is cut with `ok: true` and a warning."""
    post = await web.chat_postMessage(channel=general, text="x" * 40_001)
    assert post["warning"] == "message_truncated"
    assert len(journal.message("slack", general, post["ts"]).text) == 40_000


@pytest.mark.parametrize("code", ["invalid_blocks", "msg_too_long"])
async def test_workspace_that_takes_less_markdown(slack: SlackServer, general: str, code: str) -> None:
    """A workspace can refuse markdown above N characters with a code of choice, or altogether."""
    web = AsyncWebClient(token=slack.bot_token, base_url=slack.url, retry_handlers=[])
    slack.rules.markdown, slack.rules.markdown_code = 3_900, code
    await web.chat_postMessage(channel=general, text="t", blocks=markdown("x" * 3_900))
    data = await refusal(web.chat_postMessage(channel=general, text="t", blocks=markdown("x" * 3_901)))
    assert data["error"] == code
    slack.rules.markdown = 0
    data = await refusal(web.chat_postMessage(channel=general, text="t", blocks=markdown("x")))
    assert data["error"] == "invalid_blocks"


async def test_places_that_are_closed(slack: SlackServer, web: AsyncWebClient, general: str) -> None:
    """Channels the bot cannot write to are refused as Slack words it."""
    hidden = slack.workspace.add_channel("hidden", kind="group", members=["ada"])
    assert (await refusal(web.chat_postMessage(channel="C404", text="x")))["error"] == "channel_not_found"
    assert (await refusal(web.chat_postMessage(channel=hidden.id, text="x")))["error"] == "channel_not_found"
    lonely = slack.workspace.channel("lonely").id
    assert (await refusal(web.chat_postMessage(channel=lonely, text="x")))["error"] == "not_in_channel"
    slack.workspace.channel("general").archived = True
    assert (await refusal(web.chat_postMessage(channel=general, text="x")))["error"] == "is_archived"


async def test_post_to_a_person_lands_in_their_direct_message(slack: SlackServer, web: AsyncWebClient) -> None:
    """A user's id as the channel of a post opens the direct message; reading takes only the channel's own id."""
    ada = slack.workspace.user("ada").id
    post = await web.chat_postMessage(channel=ada, text="psst")
    assert post["channel"] == slack.direct("ada")
    assert (await refusal(web.conversations_history(channel=ada)))["error"] == "channel_not_found"


async def test_messages_that_cannot_be_edited(slack: SlackServer, web: AsyncWebClient, general: str) -> None:
    """Deleted, foreign and old messages are refused, each with its code."""
    post = await web.chat_postMessage(channel=general, text="x")
    theirs = await slack.say("general", "ada", "mine")
    assert (await refusal(web.chat_update(channel=general, ts=theirs, text="y")))["error"] == "cant_update_message"
    assert (await refusal(web.chat_delete(channel=general, ts=theirs)))["error"] == "cant_delete_message"
    slack.rules.edit_window = 0.0
    assert (await refusal(web.chat_update(channel=general, ts=post["ts"], text="y")))["error"] == "edit_window_closed"
    await slack.delete(general, post["ts"])
    for call in (
        web.chat_update(channel=general, ts=post["ts"], text="y"),
        web.chat_delete(channel=general, ts=post["ts"]),
    ):
        assert (await refusal(call))["error"] == "message_not_found"


async def test_metadata_is_given_back_when_asked_for(web: AsyncWebClient, general: str) -> None:
    """History and replies hold the metadata only with include_all_metadata; an edit without metadata keeps it."""
    metadata = {"event_type": "turn", "event_payload": {"id": "t1"}}
    post = await web.chat_postMessage(channel=general, text="x", metadata=metadata)
    await web.chat_update(channel=general, ts=post["ts"], text="y")
    assert "metadata" not in (await web.conversations_history(channel=general))["messages"][0]
    history = await web.conversations_history(channel=general, include_all_metadata=True)
    thread = await web.conversations_replies(channel=general, ts=post["ts"], include_all_metadata=True)
    assert history["messages"][0]["metadata"] == thread["messages"][0]["metadata"] == metadata


async def test_thread_is_paged_oldest_first(slack: SlackServer, web: AsyncWebClient, general: str) -> None:
    """All pages together are the root and every reply, once and in order."""
    root = await slack.say("general", "ada", "root")
    replies = [await slack.say("general", "ada", f"reply {n}", thread=root) for n in range(7)]
    got: list[str] = []
    async for page in await web.conversations_replies(channel=general, ts=root, limit=3):
        assert len(page["messages"]) <= 3
        got += [message["ts"] for message in page["messages"]]
    assert got == [root, *replies]
    later = await web.conversations_replies(channel=general, ts=replies[0], oldest=replies[4])
    assert [message["ts"] for message in later["messages"]] == [root, *replies[5:]]
    assert (await refusal(web.conversations_replies(channel=general, ts="1.000000")))["error"] == "thread_not_found"


async def test_history_is_newest_first_without_replies(slack: SlackServer, web: AsyncWebClient, general: str) -> None:
    """A channel's history holds roots with their reply count, and replies only if they were sent to the channel."""
    root = await slack.say("general", "ada", "root")
    await slack.say("general", "grace", "reply", thread=root)
    shared = await slack.say("general", "grace", "for all", thread=root, broadcast=True)
    messages = (await web.conversations_history(channel=general))["messages"]
    assert [message["ts"] for message in messages] == [shared, root]
    assert messages[1]["reply_count"] == 2
    assert messages[0]["subtype"] == "thread_broadcast"


async def test_people_are_looked_up(slack: SlackServer, web: AsyncWebClient) -> None:
    """users.info gives the display name; unknown people are refused."""
    ada = slack.workspace.user("ada")
    assert (await web.users_info(user=ada.id))["user"]["profile"]["display_name"] == "ada"
    assert (await refusal(web.users_info(user="U404")))["error"] == "user_not_found"
    people = [page["members"][0]["id"] async for page in await web.users_list(limit=1)]
    assert people == list(slack.workspace.users)


@pytest.mark.parametrize(
    "first", ["<!channel> x", "<!here|here> x", "<!everyone>", "<@U0SBX00002> x", "<!subteam^S1|@a>"]
)
async def test_live_token_counts_as_a_ping_for_ever(
    web: AsyncWebClient, journal: Journal, general: str, first: str
) -> None:
    """A live token in text or markdown block is noted as a ping, also after a later edit took it away."""
    post = await web.chat_postMessage(channel=general, text="t", blocks=markdown(first))
    await web.chat_update(channel=general, ts=post["ts"], text="harmless", blocks=[], parse="none")
    assert journal.message("slack", general, post["ts"]).extra["pings"] == [first.removesuffix(" x")]


async def test_defused_and_literal_tokens_are_no_pings(web: AsyncWebClient, journal: Journal, general: str) -> None:
    """Entities, a zero-width space after `<`, plain text and (with parse=none) bare names call nobody."""
    header = {"type": "header", "text": {"type": "plain_text", "text": "<!here>"}}
    post = await web.chat_postMessage(channel=general, text="&lt;!channel&gt; <\u200b!here>", blocks=[header])
    await web.chat_update(channel=general, ts=post["ts"], text="@channel @ada", blocks=[], parse="none")
    assert journal.message("slack", general, post["ts"]).extra["pings"] == []


async def test_edit_without_parse_links_bare_names(web: AsyncWebClient, journal: Journal, general: str) -> None:
    """chat.update falls back to parse=client, so that a bare @channel is live there and not in a post."""
    post = await web.chat_postMessage(channel=general, text="@channel")
    assert journal.message("slack", general, post["ts"]).extra["pings"] == []
    await web.chat_update(channel=general, ts=post["ts"], text="hi @channel, mail ada@example.com")
    assert journal.message("slack", general, post["ts"]).extra["pings"] == ["@channel"]


async def test_status_is_noted_and_goes_with_the_answer(
    slack: SlackServer, web: AsyncWebClient, journal: Journal, general: str
) -> None:
    """A thread's status stands until it is emptied or the bot writes there."""
    root = await slack.say("general", "ada", "q")
    await web.assistant_threads_setStatus(channel_id=general, thread_ts=root, status="is thinking…")
    await web.chat_postMessage(channel=general, thread_ts=root, text="answer")
    assert [entry["text"] for entry in journal.of("slack", "status")] == ["is thinking…", ""]


async def test_small_methods(slack: SlackServer, web: AsyncWebClient, general: str) -> None:
    """The other methods answer in Slack's form once their scopes are there."""
    slack.tokens.bot_scopes += ("channels:read", "im:write", "reactions:write", "team:read")
    post = await web.chat_postMessage(channel=general, text="x")
    ada = slack.workspace.user("ada").id
    assert (await web.conversations_info(channel=general))["channel"]["is_member"]
    assert ada in (await web.conversations_members(channel=general))["members"]
    assert general in [c["id"] for c in (await web.conversations_list())["channels"]]
    assert general in [c["id"] for c in (await web.users_conversations())["channels"]]
    assert (await web.conversations_open(users=ada))["channel"]["id"] == slack.direct("ada")
    assert (await web.bots_info(bot=slack.workspace.bot_id))["bot"]["user_id"] == slack.workspace.bot.id
    assert (await web.team_info())["team"]["id"] == slack.workspace.team_id
    assert (
        post["ts"].replace(".", "")
        in (await web.chat_getPermalink(channel=general, message_ts=post["ts"]))["permalink"]
    )
    await web.reactions_add(channel=general, timestamp=post["ts"], name="eyes")
    data = await refusal(web.reactions_add(channel=general, timestamp=post["ts"], name="eyes"))
    assert data["error"] == "already_reacted"
    assert (await web.chat_postEphemeral(channel=general, user=ada, text="psst"))["message_ts"]
    [whisper] = slack.journal.of("slack", "ephemeral")
    assert (whisper.data["user"], whisper.data["text"]) == (ada, "psst")
    assert (await web.views_publish(user_id=ada, view={"type": "home", "blocks": []}))["view"]["id"]
