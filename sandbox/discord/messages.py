"""The message calls of the REST API: read, post, edit, delete, react."""

from __future__ import annotations

from typing import Any

from . import forms, payloads
from .access import OLD_SECONDS, Access
from .actions import SUPPRESS_EMBEDS, Actions
from .errors import ApiError, form_error
from .permissions import Permission
from .ratelimits import RateLimits
from .rest import Call, Endpoint
from .world import Channel, Message, World

Json = dict[str, Any]

NONCE_SECONDS = 180.0
"""How long `enforce_nonce` remembers ("the past few minutes", by the documentation)."""

SETTABLE = SUPPRESS_EMBEDS | 1 << 12 | forms.IS_COMPONENTS_V2
"""Message flags a request may set: SUPPRESS_EMBEDS, SUPPRESS_NOTIFICATIONS, IS_COMPONENTS_V2."""


class Messages(Access):
    """Messages of channels, threads and direct messages.

    Args:
        world: what there is.
        actions: what changes it.
        limits: the two limits that no header shows.
        sees_content: whether the MESSAGE_CONTENT intent is switched on; REST hides content without it, too.
    """

    def __init__(self, world: World, actions: Actions, limits: RateLimits, *, sees_content: bool) -> None:
        super().__init__(world, actions)
        self.limits = limits
        self.sees_content = sees_content
        self._nonces: dict[str, tuple[float, str, str]] = {}

    def calls(self) -> list[Endpoint]:
        """The calls by name."""
        base = "/channels/{channel}/messages"
        return [
            Endpoint("GET messages", "GET", base, self.page),
            Endpoint("POST message", "POST", base, self.post),
            Endpoint("GET message", "GET", base + "/{message}", self.get),
            Endpoint("PATCH message", "PATCH", base + "/{message}", self.edit),
            Endpoint("DELETE message", "DELETE", base + "/{message}", self.delete),
            Endpoint("PUT reaction", "PUT", base + "/{message}/reactions/{emoji}/@me", self.react),
            Endpoint("DELETE reaction", "DELETE", base + "/{message}/reactions/{emoji}/@me", self.unreact),
        ]

    def _payload(self, message: Message) -> Json:
        return payloads.message(self.world, message, with_content=self.sees_content)

    # --- reading ----------------------------------------------------------------------------------------

    def page(self, call: Call) -> tuple[int, Any]:
        """Messages, newest first; none without READ_MESSAGE_HISTORY."""
        channel = self.channel(call)
        if not self.may(Permission.READ_MESSAGE_HISTORY, channel):
            return 200, []
        try:
            limit = int(call.query.get("limit", "50"))
            marks = {name: int(call.query[name]) for name in ("around", "before", "after") if name in call.query}
        except ValueError:
            raise form_error("limit", "NUMBER_TYPE_COERCE", "Value is not snowflake.") from None
        if not 1 <= limit <= 100:
            raise form_error("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 100.")
        every = list(channel.messages.values())
        if "around" in marks:
            before = [m for m in every if int(m.id) < marks["around"]][-(limit // 2) or len(every) :]
            rest = [m for m in every if int(m.id) >= marks["around"]][: limit - len(before)]
            page = before + rest
        elif "after" in marks:
            page = [m for m in every if int(m.id) > marks["after"]][:limit]
        else:
            page = [m for m in every if "before" not in marks or int(m.id) < marks["before"]][-limit:]
        return 200, [self._payload(message) for message in reversed(page)]

    def get(self, call: Call) -> tuple[int, Any]:
        """One message. Its nonce is not stored."""
        channel = self.channel(call)
        if not self.may(Permission.READ_MESSAGE_HISTORY, channel):
            raise ApiError(50001)
        return 200, self._payload(self.message(call, channel))

    # --- writing ----------------------------------------------------------------------------------------

    def post(self, call: Call) -> tuple[int, Any]:
        """Post a message; with `enforce_nonce` a repeated one returns the first."""
        channel, body = self.channel(call), call.body
        self.must_take_posts(channel)
        forms.shapes(body)
        nonce = forms.nonce(body)
        if body.get("enforce_nonce") and nonce is not None:
            again = self._posted_before(str(nonce))
            if again is not None:
                return 200, self._payload(again) | {"nonce": nonce}
        flags = int(body.get("flags") or 0) & SETTABLE
        text, embeds = forms.content(body), forms.embeds(body)
        components = forms.components(body, flags)
        if not (text or embeds or components or call.files or body.get("sticker_ids")):
            raise ApiError(50006)
        if call.files and not self.may(Permission.ATTACH_FILES, channel):
            raise ApiError(50013)
        message = self.actions.post(
            channel,
            self.world.bot_id,
            text,
            allowed=body.get("allowed_mentions"),
            reference=self._reference(channel, body),
            nonce=nonce,
            flags=flags,
            uploads=call.files,
            embeds=embeds,
            components=components,
        )
        if nonce is None:
            return 200, self._payload(message)
        self._nonces[str(nonce)] = (self.world.clock.now(), channel.id, message.id)
        return 200, self._payload(message) | {"nonce": nonce}

    def _posted_before(self, nonce: str) -> Message | None:
        """The message posted with that nonce in the last minutes; raises 10008 when it has been deleted since."""
        now = self.world.clock.now()
        while self._nonces and (oldest := next(iter(self._nonces))) and now - self._nonces[oldest][0] > NONCE_SECONDS:
            del self._nonces[oldest]
        if nonce not in self._nonces:
            return None
        _, channel, id_ = self._nonces[nonce]
        message = self.world.find_message(channel, id_)
        if message is None:
            raise ApiError(10008)
        return message

    def _reference(self, channel: Channel, body: Json) -> Json | None:
        """What a reply refers to; None when the message it names is gone and that is no failure."""
        asked = body.get("message_reference")
        if not asked or asked.get("message_id") is None:
            return None
        if not self.may(Permission.READ_MESSAGE_HISTORY, channel):
            raise ApiError(160002)
        target = channel.messages.get(str(asked["message_id"]))
        if target is None:
            if asked.get("fail_if_not_exists", True):
                raise form_error("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
            return None
        if target.kind not in (0, 19, 20):
            raise form_error(
                "message_reference", "REPLIES_CANNOT_REPLY_TO_SYSTEM_MESSAGE", "Cannot reply to a system message"
            )
        reference: Json = {"type": 0, "channel_id": channel.id, "message_id": target.id}
        if self.world.in_guild(channel):
            reference["guild_id"] = self.world.guild_id
        return reference

    def edit(self, call: Call) -> tuple[int, Any]:
        """Edit one of the bot's messages (of others only the flags, with MANAGE_MESSAGES)."""
        channel, body = self.channel(call), call.body
        message = self.message(call, channel)
        forms.shapes(body)
        own = message.author == self.world.bot_id
        only_flags = set(body) <= {"flags"} and self.may(Permission.MANAGE_MESSAGES, channel)
        if not own and not only_flags:
            raise ApiError(50005)
        if message.kind not in (0, 19, 20):
            raise ApiError(50021)
        self.must_be_open(channel)
        changes = self._changes(message, call)
        if self.world.clock.now() - message.created > OLD_SECONDS:
            wait = self.limits.admit_old_edit(channel.id, self.world.clock.now())
            if wait:
                raise ApiError(30046, retry_after=wait)
        self.actions.edit(message, allowed=body.get("allowed_mentions"), changes=changes)
        return 200, self._payload(message)

    def _changes(self, message: Message, call: Call) -> Json:
        body = call.body
        changes: Json = {}
        flags = message.flags
        if body.get("flags") is not None:
            flags = changes["flags"] = message.flags & ~SUPPRESS_EMBEDS | int(body["flags"]) & SETTABLE
        if "content" in body:
            changes["content"] = forms.content(body)
        if "embeds" in body:
            changes["embeds"] = forms.embeds(body)
        if "components" in body:
            changes["components"] = forms.components(body, flags)
        if body.get("attachments") is not None or call.files:
            named = body.get("attachments")
            kept = None if named is None else {str(each.get("id")) for each in named}
            channel = self.world.channels[message.channel]
            changes["attachments"] = [
                *(each for each in message.attachments if kept is None or each["id"] in kept),
                *(self.actions.attach(channel, upload) for upload in call.files),
            ]
        left = [
            changes.get(name, getattr(message, name)) for name in ("content", "embeds", "components", "attachments")
        ]
        if not any(left):
            raise ApiError(50006)
        return changes

    def delete(self, call: Call) -> tuple[int, Any]:
        """Delete one of the bot's messages (of others with MANAGE_MESSAGES)."""
        channel = self.channel(call)
        message = self.message(call, channel)
        if message.author != self.world.bot_id:
            self.channel(call, Permission.MANAGE_MESSAGES)
        self.must_be_open(channel)
        self.actions.delete(message)
        return 204, None

    def react(self, call: Call) -> tuple[int, Any]:
        """Add the bot's reaction."""
        return self._react(call, add=True)

    def unreact(self, call: Call) -> tuple[int, Any]:
        """Take the bot's reaction away."""
        return self._react(call, add=False)

    def _react(self, call: Call, *, add: bool) -> tuple[int, Any]:
        channel = self.channel(call, *([Permission.ADD_REACTIONS] if add else []))
        message = self.message(call, channel)
        self.must_be_open(channel)
        self.actions.react(message, self.world.bot_id, call.path["emoji"], add=add)
        return 204, None
