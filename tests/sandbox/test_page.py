"""The page's HTTP surface, the composed sandbox and its command line."""

import json
import re
import signal
import subprocess
import sys
from typing import Any

import aiohttp
import pytest
from anthropic import AsyncAnthropic
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.app import Sandbox
from sandbox.journal import Journal
from sandbox.page import PageServer, drawing
from sandbox.page.server import FILES
from tests.sandbox.page_harness import Browser, next_change


async def test_what_is_typed_on_slack_arrives_as_slack_writes_it(sandbox: Sandbox, browser: Browser) -> None:
    """Typed names and the mention become tokens, the rest entities; the page reads it back as it was typed."""
    space = sandbox.slack.workspace
    room, ada = space.channel("general").id, space.user("ada").id
    typed = "1 < 2 & <b> @grace @here mail@ada.example"
    said = await browser.call("/api/slack/say", {"room": room, "user": ada, "text": typed, "mention": True})
    text = sandbox.journal.message("slack", room, said["id"]).text
    assert text == f"<@{space.bot.id}> 1 &lt; 2 &amp; &lt;b&gt; <@{space.user('grace').id}> <!here> mail@ada.example"
    shown = (await browser.call(f"/api/slack/messages?room={room}"))["messages"][0]
    assert shown["text"] == f"@{space.bot.name} {typed}"
    assert (shown["author"], shown["bot"]) == ("ada", False)


async def test_people_reply_edit_and_delete(sandbox: Sandbox, browser: Browser) -> None:
    """A reply stands in its thread, an edit is a new version, a deleted message is shown as such."""
    space = sandbox.slack.workspace
    room, ada = space.channel("general").id, space.user("ada").id
    root = (await browser.call("/api/slack/say", {"room": room, "user": ada, "text": "q"}))["id"]
    reply = await browser.call("/api/slack/say", {"room": room, "user": ada, "text": "r", "thread": root})
    where = {"channel": room, "id": reply["id"]}
    await browser.call("/api/slack/edit", {**where, "text": "r & r"})
    await browser.call("/api/slack/delete", where)
    first, second = (await browser.call(f"/api/slack/messages?room={room}"))["messages"]
    assert (first["thread"], first["gone"]) == (None, None)
    assert (second["thread"], second["text"], second["versions"], second["gone"]) == (root, "r & r", 2, "(deleted)")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/slack/say", {"room": "C404", "user": "ada", "text": "x"}, 404),
        ("/api/slack/say", {"room": "general", "user": "nobody", "text": "x"}, 404),
        ("/api/teams/say", {"room": "general", "user": "ada", "text": "x"}, 404),
        ("/api/slack/say", {"room": "general", "user": "ada"}, 400),
        ("/api/slack/say", ["room"], 400),
        ("/api/slack/delete", {"channel": "general", "id": "1.000000"}, 404),
        ("/api/slack/faults", {"on": "*", "kind": "explode"}, 400),
        ("/api/slack/faults", {"on": "*", "kind": "reset", "colour": "red"}, 400),
        ("/api/slack/faults", {"on": "*", "kind": "delay", "seconds": "long"}, 400),
        ("/api/claude/faults", {"name": "sulk"}, 400),
    ],
)
async def test_wrong_calls_are_told_what_is_wrong(browser: Browser, path: str, body: Any, status: int) -> None:
    """Unknown names are 404 and wrong values 400, each with one sentence."""
    assert (await browser.call(path, body, status=status))["error"]


async def test_faults_are_ordered_and_cleared(sandbox: Sandbox, browser: Browser) -> None:
    """Faults for each service can be added, listed and taken back."""
    await browser.call("/api/slack/faults", {"on": "chat.update", "kind": "status", "status": 503, "times": None})
    await browser.call("/api/discord/faults", {"on": "PATCH *", "kind": "lost"})
    await browser.call("/api/claude/faults", {"on": "POST /v1/messages", "kind": "reset"})
    assert sandbox.slack.faults.waiting[0].status == 503
    assert (await browser.call("/api/discord/faults"))["faults"][0]["kind"] == "lost"
    assert sandbox.claude.faults.waiting
    await browser.call("/api/slack/faults", method="DELETE")
    assert not sandbox.slack.faults.waiting


async def test_named_fault_hits_the_next_answer_of_claude(sandbox: Sandbox, browser: Browser) -> None:
    """A fault of Claude's catalogue is ordered by its name."""
    await browser.call("/api/claude/faults", {"name": "overloaded"})
    async with aiohttp.ClientSession() as session:
        headers = {"x-api-key": sandbox.claude.api_key, "anthropic-version": "2023-06-01"}
        body = {"model": "claude-sonnet-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
        async with session.post(sandbox.claude.url + "/v1/messages", headers=headers, json=body) as answer:
            assert answer.status == 529


async def test_journal_is_read_on_from_where_one_was(sandbox: Sandbox, browser: Browser) -> None:
    """Entries come numbered from `since` on, with the number to go on from."""
    ada = sandbox.slack.workspace.user("ada").id
    await sandbox.slack.say("general", ada, "one")
    first = await browser.call("/api/journal")
    await sandbox.slack.say("general", ada, "two")
    second = await browser.call(f"/api/journal?since={first['next']}")
    posted = [entry["data"]["text"] for entry in second["entries"] if entry["kind"] == "posted"]
    assert posted == ["two"]
    assert second["entries"][0]["number"] == first["next"]


async def test_changes_are_streamed_and_resumed(sandbox: Sandbox, browser: Browser) -> None:
    """A post and its edits arrive as they happen, and a reader who comes back misses nothing."""
    web = AsyncWebClient(token=sandbox.slack.bot_token, base_url=sandbox.slack.url)
    room = sandbox.slack.workspace.channel("general").id
    async with browser.session.get(browser.url + "/api/changes") as stream:
        assert (await stream.content.readline()).startswith(b":")
        post = await web.chat_postMessage(channel=room, text="…")
        first = await next_change(stream)
        await web.chat_update(channel=room, ts=post["ts"], text="answer <!here>", parse="none")
        second = await next_change(stream)
    assert (first["text"], first["bot"], first["versions"]) == ("…", True, 1)
    assert (second["text"], second["id"], second["versions"]) == ("answer <!here>", post["ts"], 2)
    assert second["pings"] == ["<!here>"]
    root = await sandbox.slack.say(room, "ada", "q")
    await web.assistant_threads_setStatus(channel_id=room, thread_ts=root, status="is thinking…")
    after = next(n for n, e in enumerate(sandbox.journal.entries) if e["id"] == root) - 1
    headers = {"Last-Event-ID": str(after)}
    async with browser.session.get(browser.url + "/api/changes", headers=headers) as stream:
        assert (await next_change(stream))["id"] == root
        status = await next_change(stream)
    assert (status["kind"], status["thread"], status["text"]) == ("status", root, "is thinking…")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "sandbox.evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example:80"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
async def test_other_sites_cannot_reach_it(
    sandbox: Sandbox, browser: Browser, headers: dict[str, str], status: int
) -> None:
    """A name made to point here, a foreign origin, and a form without JSON are refused, and nothing is said."""
    body = json.dumps({"room": "general", "user": "ada", "text": "x"})
    headers = {"Content-Type": "application/json", **headers}
    async with browser.session.post(browser.url + "/api/slack/say", data=body, headers=headers) as answer:
        assert answer.status == status
    assert not sandbox.journal.messages("slack")


def test_page_listens_on_loopback_only() -> None:
    """An address that others could reach is refused."""
    with pytest.raises(ValueError, match="loopback"):
        PageServer(Journal(), [], host="0.0.0.0")  # noqa: S104


async def test_page_loads_nothing_from_elsewhere(browser: Browser) -> None:
    """The page names no other address, makes no HTML out of text, and its policy lets nothing else run."""
    html_makers = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "setHTML", "DOMParser", "srcdoc")
    for path in FILES:
        async with browser.session.get(browser.url + path) as answer:
            text, policy = await answer.text(), answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in policy
        assert "require-trusted-types-for 'script'" in policy
        assert "unsafe" not in policy
        for forbidden in ("http:", "https:", "eval(", "<style>", " style=", " onclick=", *html_makers):
            assert forbidden not in text


async def test_page_knows_every_element_that_is_drawn(browser: Browser) -> None:
    """The script makes all elements a drawing may have, and gives links no hold on the page."""
    async with browser.session.get(browser.url + "/page.js") as answer:
        script = await answer.text()
    listed = re.search(r"TAGS = new Set\((.*?)\.split", script, re.DOTALL)
    assert listed
    assert set(re.findall(r"[a-z0-9]+", listed[1])) == set(drawing.TAGS)
    assert 'rel: "noopener noreferrer"' in script


async def test_messages_are_drawn_as_slack_shows_them(sandbox: Sandbox, browser: Browser) -> None:
    """Markdown blocks are drawn as Markdown, texts without blocks as mrkdwn, and an edit may change which it is."""
    web = AsyncWebClient(token=sandbox.slack.bot_token, base_url=sandbox.slack.url)
    room = sandbox.slack.workspace.channel("general").id

    async def drawn() -> list[Any]:
        return (await browser.call(f"/api/slack/messages?room={room}"))["messages"][0]["drawn"]

    bold, italic = ({"tag": "p", "inside": [{"tag": tag, "inside": ["x"]}]} for tag in ("strong", "em"))
    text = "*x*"
    post = await web.chat_postMessage(channel=room, text=text, blocks=[{"type": "markdown", "text": text}])
    assert await drawn() == [italic]
    await web.chat_update(channel=room, ts=post["ts"], text=text, blocks=[])
    assert await drawn() == [bold]
    await web.chat_update(channel=room, ts=post["ts"], text=text, blocks=[{"type": "markdown", "text": text}])
    assert await drawn() == [italic]


async def test_messages_are_drawn_as_discord_shows_them(sandbox: Sandbox, browser: Browser) -> None:
    """Mentions are drawn with the name, Markdown as Discord has it."""
    discord = sandbox.discord
    room, ada = discord.channel("general"), discord.user("ada")
    await browser.call("/api/discord/say", {"room": room, "user": ada, "text": "||x|| | y", "mention": True})
    message = (await browser.call(f"/api/discord/messages?room={room}"))["messages"][0]
    mention = {"tag": "span", "class": "mention", "inside": ["@assistant"]}
    spoiler = {"tag": "span", "class": "spoiler", "inside": ["x"]}
    assert message["drawn"] == [{"tag": "p", "inside": [mention, " ", spoiler, " | y"]}]


async def test_environment_reaches_every_stand_in(sandbox: Sandbox) -> None:
    """With the environment given, the real clients of Slack, Discord and Claude are let in."""
    names = sandbox.environment()
    web = AsyncWebClient(token=names["SLACK_BOT_TOKEN"], base_url=names["SLACK_API_URL"])
    assert (await web.auth_test())["ok"]
    assert (await web.apps_connections_open(app_token=names["SLACK_APP_TOKEN"]))["url"].startswith("ws://127.0.0.1:")
    async with aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bot {names['DISCORD_BOT_TOKEN']}"}
        async with session.get(names["DISCORD_API_URL"] + "/gateway/bot", headers=headers) as answer:
            assert (await answer.json())["url"].startswith("ws://127.0.0.1:")
    async with AsyncAnthropic(api_key=names["ANTHROPIC_API_KEY"], base_url=names["ANTHROPIC_BASE_URL"]) as claude:
        assert [model.id async for model in claude.models.list()]


async def test_parts_are_optional() -> None:
    """A sandbox without a part has neither its names nor its object."""
    async with Sandbox(discord=False, claude=False, page=False) as sandbox:
        assert set(sandbox.environment()) == {"SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_API_URL"}
        with pytest.raises(LookupError, match="Discord"):
            _ = sandbox.discord
        with pytest.raises(LookupError, match="page"):
            _ = sandbox.page_url


async def test_part_that_cannot_start_stops_the_others() -> None:
    """When the page's port is taken, the stand-ins started before it are stopped again."""
    async with Sandbox(discord=False, claude=False) as first:
        port = int(first.page_url.rstrip("/").rpartition(":")[2])
        second = Sandbox(discord=False, claude=False, page_port=port)
        with pytest.raises(OSError, match="address already in use"):
            await second.start()
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(second.slack.url)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_command_line_prints_its_environment_and_ends_cleanly(end: signal.Signals) -> None:
    """`python -m sandbox` prints what to export and the page's address, and a signal ends it with status 0."""
    command = [sys.executable, "-m", "sandbox", "--only", "slack", "--page-port", "0", "--limits", "halved"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        process.send_signal(end)
        assert process.wait(10) == 0
    assert [line.partition("=")[0] for line in lines[:3]] == [
        "export SLACK_BOT_TOKEN",
        "export SLACK_APP_TOKEN",
        "export SLACK_API_URL",
    ]
    assert lines[3].startswith("# the page: http://127.0.0.1:")
