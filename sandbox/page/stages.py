"""Slack and Discord as the page sees them: who is there, where one can write, and messages in one common form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sandbox.discord import DiscordServer
from sandbox.faults import Faults
from sandbox.journal import Entry, Journal, Shown
from sandbox.page import drawing
from sandbox.slack import SlackServer

Json = dict[str, Any]


class Stage(Protocol):
    """A platform on which a person can act.

    A room is a channel or direct message as the page lists it. A message is in a room, and in a thread of it when
    `thread` names the message it hangs from. Ids that do not exist raise KeyError.
    """

    name: str
    title: str
    faults: Faults

    def describe(self) -> Json:
        """The bot, the people, and the rooms with those who may write there and whether the bot is among them.

        A room that is not what it seems has `about`: a sentence that says what is special about it, else "".
        """
        ...

    def room_of(self, shown: Shown) -> str:
        """The room in which a message stands."""
        ...

    def view(self, shown: Shown) -> Json:
        """A message in the form the page shows: its `text`, and `drawn`, the same as `sandbox.page.drawing` has it.

        `gone` is None, or what stands in place of a deleted one.
        """
        ...

    def change(self, entry: Entry, journal: Journal) -> Json | None:
        """What an entry changes for readers: a message in that form, or a status; None when they see nothing."""
        ...

    async def say(self, room: str, user: str, text: str, *, thread: str | None, mention: bool) -> str:
        """Write what a person typed, in a thread if one is named; `mention` puts the bot's name before it."""
        ...

    async def edit(self, channel: str, id_: str, text: str) -> None:
        """Change a person's message to what they typed."""
        ...

    async def delete(self, channel: str, id_: str) -> None:
        """Delete a message."""
        ...


def _message_change(stage: Stage, entry: Entry, journal: Journal) -> Json | None:
    if entry.kind not in ("posted", "edited", "deleted"):
        return None
    return stage.view(journal.message(stage.name, entry["channel"], entry["id"]))


def _common(stage: str, shown: Shown, author: str, *, bot: bool, text: str, drawn: Sequence[drawing.Node]) -> Json:
    return {
        "kind": "message",
        "platform": stage,
        "channel": shown.channel,
        "id": shown.id,
        "author": author,
        "bot": bot,
        "text": text,
        "at": shown.versions[0][0],
        "changed": shown.versions[-1][0],
        "versions": len(shown.versions),
        "gone": None if shown.deleted_at is None else "(deleted)",
        "pings": list(shown.extra.get("pings") or ()) if bot else [],
        "drawn": drawn,
    }


class SlackStage:
    """Slack's side of the page."""

    name = "slack"
    title = "Slack"

    def __init__(self, slack: SlackServer) -> None:
        self.faults = slack.faults
        self._slack = slack
        self._people = [user for user in slack.workspace.users.values() if not user.is_bot]
        for user in self._people:
            slack.direct(user.id)

    def describe(self) -> Json:
        """See `Stage`."""
        space = self._slack.workspace
        people = {user.id: user for user in space.users.values() if not user.is_bot}
        rooms = []
        for channel in space.channels.values():
            members = [member for member in channel.members if member in people]
            name = f"@{people[members[0]].name}" if channel.kind == "im" and members else channel.name
            here = space.bot.id in channel.members
            room = {"id": channel.id, "name": name, "direct": channel.kind == "im", "bot": here, "people": members}
            rooms.append(room | {"about": self._about(private=channel.kind == "group", here=here)})
        return {
            "name": self.name,
            "title": self.title,
            "bot": {"id": space.bot.id, "name": space.bot.name},
            "people": [{"id": user.id, "name": user.name} for user in people.values()],
            "rooms": rooms,
        }

    def _about(self, *, private: bool, here: bool) -> str:
        bot = self._slack.workspace.bot.name
        if not here:
            return f"{bot} is not in this channel: it hears nothing of it, and Slack refuses what it posts here."
        if private:
            return f"A private channel, seen by its members only: {bot} is one of them and answers as anywhere."
        return ""

    def room_of(self, shown: Shown) -> str:
        """See `Stage`."""
        return shown.channel

    def view(self, shown: Shown) -> Json:
        """See `Stage`."""
        space = self._slack.workspace
        bot = shown.author == space.bot.id
        names = {user.id: user.name for user in space.users.values()}
        names |= {channel.id: channel.name for channel in space.channels.values()}
        text = shown.text if bot else plain_slack(shown.text, names)
        post = space.channels[shown.channel].posts.get(shown.id)
        draw = drawing.slack_markdown if post is not None and post.markdown else drawing.mrkdwn
        author = names.get(shown.author, shown.author)
        view = _common(self.name, shown, author, bot=bot, text=text, drawn=draw(shown.text, names))
        return view | {"room": shown.channel, "thread": shown.thread}

    def change(self, entry: Entry, journal: Journal) -> Json | None:
        """See `Stage`."""
        if entry.kind == "status":
            status = {"kind": "status", "platform": self.name, "room": entry["channel"], "text": entry["text"]}
            until = "Slack shows it until the app posts in the thread, takes it back, or two minutes have passed."
            return status | {"channel": entry["channel"], "thread": entry["thread"], "seconds": 120, "until": until}
        return _message_change(self, entry, journal)

    async def say(self, room: str, user: str, text: str, *, thread: str | None, mention: bool) -> str:
        """See `Stage`."""
        typed = self._typed(text)
        if mention:
            typed = f"<@{self._slack.workspace.bot.id}> {typed}"
        if thread is not None and thread not in self._slack.workspace.channels[room].posts:
            raise KeyError(thread)
        return await self._slack.say(room, user, typed, thread=thread)

    async def edit(self, channel: str, id_: str, text: str) -> None:
        """See `Stage`."""
        await self._slack.edit(channel, id_, self._typed(text))

    async def delete(self, channel: str, id_: str) -> None:
        """See `Stage`."""
        await self._slack.delete(channel, id_)

    def _typed(self, text: str) -> str:
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        text = re.sub(r"(?<!\w)@(channel|here|everyone)\b", r"<!\1>", text)
        return _mentioning(text, {user.name: user.id for user in self._slack.workspace.users.values()})


def plain_slack(text: str, names: Mapping[str, str]) -> str:
    """Return what a person typed on Slack as it is offered for an edit; `names` by id."""
    text = re.sub(r"<@([UW]\w++)[^<>]*+>", lambda found: f"@{names.get(found[1], found[1])}", text)
    text = re.sub(r"<!(channel|here|everyone)[^<>]*+>", r"@\1", text)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _mentioning(text: str, ids: Mapping[str, str]) -> str:
    names = "|".join(re.escape(name) for name in sorted(ids, key=len, reverse=True))
    return re.sub(rf"(?<!\w)@({names})\b", lambda found: f"<@{ids[found[1]]}>", text)


class DiscordStage:
    """Discord's side of the page: a thread, there a channel of its own, is shown under its message if it had one.

    A message that was deleted keeps its place for the sake of its thread, which lives on.
    """

    name = "discord"
    title = "Discord"

    def __init__(self, discord: DiscordServer) -> None:
        self.faults = discord.faults
        self._discord = discord
        for user in discord.users():
            if not user.bot:
                discord.dm(user.id)

    def describe(self) -> Json:
        """See `Stage`."""
        people = [user for user in self._discord.users() if not user.bot]
        rooms = [
            {
                "id": place.id,
                "name": place.name,
                "direct": place.kind == "dm",
                "bot": True,
                "people": [place.user] if place.kind == "dm" else [user.id for user in people],
                "about": "A thread that was opened by itself, from no message." if place.kind == "thread" else "",
            }
            for place in self._discord.channels()
            if place.kind != "thread" or self._root(place.id) is None
        ]
        bot = next(user for user in self._discord.users() if user.bot)
        return {
            "name": self.name,
            "title": self.title,
            "bot": {"id": bot.id, "name": bot.name},
            "people": [{"id": user.id, "name": user.name} for user in people],
            "rooms": rooms,
        }

    def _root(self, thread: str) -> str | None:
        """The channel that holds, or held, the message a thread was opened from; None for any other channel."""
        channel = self._discord.world.channels.get(thread)
        parent = channel.parent if channel is not None else None
        if parent is None or not self._discord.journal.knows(self.name, parent, thread):
            return None
        return parent

    def room_of(self, shown: Shown) -> str:
        """See `Stage`."""
        return self._root(shown.channel) or shown.channel

    def view(self, shown: Shown) -> Json:
        """See `Stage`."""
        world = self._discord.world
        author = world.users.get(shown.author)
        room = self.room_of(shown)
        names = {user.id: user.name for user in world.users.values()}
        names |= {role.id: role.name for role in world.roles.values()}
        names |= {channel.id: channel.name for channel in world.channels.values()}
        view = _common(
            self.name,
            shown,
            author.name if author else shown.author,
            bot=bool(author and author.bot),
            text=world.display_text(shown.text),
            drawn=drawing.discord(shown.text, names),
        )
        if shown.deleted_at is not None and self._answered(shown):
            view["gone"] = "Original message was deleted"  # what Discord says above that which hangs from it
        return view | {"room": room, "thread": shown.channel if room != shown.channel else shown.extra.get("reply_to")}

    def _answered(self, shown: Shown) -> bool:
        """Whether a thread or a reply hangs from a message."""
        beside = self._discord.journal.messages(self.name, shown.channel)
        return shown.id in self._discord.world.channels or any(m.extra.get("reply_to") == shown.id for m in beside)

    def change(self, entry: Entry, journal: Journal) -> Json | None:
        """See `Stage`."""
        if entry.kind == "call" and entry["call"] == "POST typing":
            channel = entry["channel"]
            room = self._root(channel) or channel
            status = {"kind": "status", "platform": self.name, "room": room, "text": "is typing…", "channel": channel}
            until = "Discord shows it for ten seconds or until the bot's next message; an edit does not end it."
            return status | {"thread": channel if room != channel else None, "seconds": 10, "until": until}
        return _message_change(self, entry, journal)

    async def say(self, room: str, user: str, text: str, *, thread: str | None, mention: bool) -> str:
        """See `Stage`."""
        typed = self._typed(text)
        if mention:
            typed = f"<@{self._discord.bot_id}> {typed}"
        if thread is None:
            return await self._discord.say(room, user, typed)
        if self._root(thread) == room:
            return await self._discord.say(thread, user, typed)
        return await self._discord.say(room, user, typed, reply_to=thread)

    async def edit(self, channel: str, id_: str, text: str) -> None:
        """See `Stage`."""
        await self._discord.edit(channel, id_, self._typed(text))

    async def delete(self, channel: str, id_: str) -> None:
        """See `Stage`."""
        await self._discord.delete(channel, id_)

    def _typed(self, text: str) -> str:
        return _mentioning(text, {user.name: user.id for user in self._discord.users()})
