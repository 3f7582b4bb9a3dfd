"""The JSON calls by which the page, or a script, acts as a person, orders faults and reads the journal."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import Any

from aiohttp import web

from sandbox.claude import CATALOGUE, ClaudeServer
from sandbox.faults import Fault, Faults
from sandbox.journal import Entry, Journal
from sandbox.page.stages import Json, Stage

MOST_ENTRIES = 1_000


class Api:
    """The calls; unknown ids raise KeyError and wrong values ValueError, which the guard puts into words.

    - `GET /api/state`: platforms with bot, people and rooms; `made_up`: the answers are the stand-in's
    - `GET /api/{platform}/messages?room=`: what a reader of the room sees, oldest first
    - `POST /api/{platform}/say` `{room, user, text, thread?, mention?}`: `{id}`
    - `POST /api/{platform}/edit` `{channel, id, text}`, `POST /api/{platform}/delete` `{channel, id}`
    - `GET`, `POST`, `DELETE /api/{service}/faults`: those on order; add one (the fields of `Fault`, or for Claude
      `{name, times?}` with a name of its catalogue); behave again
    - `GET /api/journal?since=`: the entries from number `since` on (at most 1,000), and the `next` to ask for
    """

    def __init__(self, journal: Journal, stages: Sequence[Stage], claude: ClaudeServer | None) -> None:
        self._journal = journal
        self._stages = {stage.name: stage for stage in stages}
        self._claude = claude

    def routes(self) -> Iterable[web.RouteDef]:
        """The calls by path."""
        return [
            web.get("/api/state", self._state),
            web.get("/api/journal", self._entries),
            web.get("/api/{platform}/messages", self._messages),
            web.post("/api/{platform}/say", self._say),
            web.post("/api/{platform}/edit", self._edit),
            web.post("/api/{platform}/delete", self._delete),
            web.get("/api/{service}/faults", self._list_faults),
            web.post("/api/{service}/faults", self._add_fault),
            web.delete("/api/{service}/faults", self._clear_faults),
        ]

    def change(self, entry: Entry) -> Json | None:
        """What an entry of the journal changes for readers; None when they see nothing of it."""
        stage = self._stages.get(entry.service)
        return None if stage is None else stage.change(entry, self._journal)

    # --- people -------------------------------------------------------------------------------------------

    def _stage(self, request: web.Request) -> Stage:
        return self._stages[request.match_info["platform"]]

    async def _state(self, _: web.Request) -> web.Response:
        platforms = [stage.describe() for stage in self._stages.values()]
        made_up = self._claude is not None
        return web.json_response({"platforms": platforms, "made_up": made_up, "next": len(self._journal.entries)})

    async def _messages(self, request: web.Request) -> web.Response:
        stage, room = self._stage(request), request.query["room"]
        shown = self._journal.messages(stage.name, with_deleted=True)
        views = [stage.view(each) for each in shown if stage.room_of(each) == room]
        return web.json_response({"messages": views})

    async def _say(self, request: web.Request) -> web.Response:
        body = await _body(request)
        id_ = await self._stage(request).say(
            _text(body, "room"),
            _text(body, "user"),
            _words(body),
            thread=_text(body, "thread") if body.get("thread") is not None else None,
            mention=body.get("mention") is True,
        )
        return web.json_response({"id": id_})

    async def _edit(self, request: web.Request) -> web.Response:
        body = await _body(request)
        await self._stage(request).edit(_text(body, "channel"), _text(body, "id"), _words(body))
        return web.json_response({})

    async def _delete(self, request: web.Request) -> web.Response:
        body = await _body(request)
        await self._stage(request).delete(_text(body, "channel"), _text(body, "id"))
        return web.json_response({})

    # --- misbehaviour -------------------------------------------------------------------------------------

    def _faults(self, request: web.Request) -> Faults:
        service = request.match_info["service"]
        if service == "claude" and self._claude is not None:
            return self._claude.faults
        return self._stages[service].faults

    async def _list_faults(self, request: web.Request) -> web.Response:
        names = [field.name for field in dataclasses.fields(Fault) if field.name != "when"]
        waiting = [{name: getattr(fault, name) for name in names} for fault in self._faults(request).waiting]
        return web.json_response({"faults": waiting})

    async def _add_fault(self, request: web.Request) -> web.Response:
        faults, body = self._faults(request), await _body(request)
        if "name" in body and self._claude is not None and request.match_info["service"] == "claude":
            if body["name"] not in CATALOGUE:
                raise ValueError(f"no such fault; there are {', '.join(sorted(CATALOGUE))}")
            self._claude.fault(body["name"], times=int(body.get("times", 1)))
        else:
            faults.add(_fault(body))
        return web.json_response({})

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self._faults(request).clear()
        return web.json_response({})

    # --- the journal --------------------------------------------------------------------------------------

    async def _entries(self, request: web.Request) -> web.Response:
        since = max(0, int(request.query.get("since", "0")))
        chosen = self._journal.entries[since : since + MOST_ENTRIES]
        entries = [
            {"number": number, "at": entry.at, "service": entry.service, "kind": entry.kind, "data": plain(entry.data)}
            for number, entry in enumerate(chosen, since)
        ]
        return web.json_response({"entries": entries, "next": since + len(entries)})


async def _body(request: web.Request) -> Json:
    body = await request.json()
    if not isinstance(body, dict):
        raise ValueError("expected a JSON object")  # noqa: TRY004 -- the sender's value is wrong, not our type
    return body


def _text(body: Json, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise ValueError(f"expected a text as {name!r}")  # noqa: TRY004 -- likewise
    return value


def _words(body: Json) -> str:
    """The `text` of a message, which no platform takes without a word in it."""
    text = _text(body, "text")
    if not text.strip():
        raise ValueError("there is nothing to send")
    return text


def _fault(body: Json) -> Fault:
    fields = {field.name: field for field in dataclasses.fields(Fault) if field.name != "when"}
    if unknown := set(body) - set(fields):
        raise ValueError(f"no such field: {', '.join(sorted(unknown))}; there are {', '.join(fields)}")
    if body.get("kind") not in ("status", "error", "reset", "lost", "delay"):
        raise ValueError("expected a kind of status, error, reset, lost or delay")
    if not isinstance(body.get("on"), str) or not re.search(r"\S", body["on"]):
        raise ValueError("expected the calls it hits as 'on', such as chat.update or *")
    for name in ("times", "skip", "status", "retry_after", "seconds"):
        if name in body and not isinstance(body[name], int | float) and not (name == "times" and body[name] is None):
            raise ValueError(f"expected a number as {name!r}")
    return Fault(**body)


def plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    if isinstance(value, dict):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
