"""Pages of a channel's history without the messages that cannot be read: one of them takes no other along.

discord.py ends with the first page that is not full, and fails at the first message of another shape. So what is left
out of a page is made up for by what comes after it, and discord.py sees a history that never held anything odd.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from discord.http import HTTPClient

from adapters.discord.payloads import OddFrame, readable

PAGES = 10
"""Requests for one page at most."""


def leave_odd_messages_out(
    http: HTTPClient, can_be_read: Callable[[int, Any], bool], left_out: Callable[[OddFrame], None]
) -> None:
    """Let a client read only such messages. One that is asked for by its id is an OddFrame then.

    Args:
        http: the client's.
        can_be_read: whether discord.py can read a message of a channel (its id).
        left_out: told of each that is left out.
    """
    page_of, one_of = http.logs_from, http.get_message

    def good(channel_id: Any, message: Any) -> bool:
        if readable(message) and can_be_read(int(channel_id), message):
            return True
        left_out(OddFrame("a message of a channel's history", "it has another shape"))
        return False

    async def logs_from(
        channel_id: Any, limit: int, before: Any = None, after: Any = None, around: Any = None
    ) -> list[Any]:
        found: list[Any] = []
        for _ in range(PAGES):
            wanted = limit - len(found)
            page: object = await page_of(channel_id, wanted, before=before, after=after, around=around)
            if not isinstance(page, list):
                raise OddFrame("a channel's history", "it is no list")
            kept = [message for message in page if good(channel_id, message)]
            found = [*kept, *found] if after is not None else [*found, *kept]  # the newest first
            ids = [int(message["id"]) for message in page if _has_id(message)]
            if len(kept) == len(page) or len(page) < wanted or around is not None or not ids:
                break
            if after is not None:
                after = max(int(after), *ids)
            else:
                before = min(ids)
        return found

    async def get_message(channel_id: Any, message_id: Any) -> Any:
        message = await one_of(channel_id, message_id)
        if not good(channel_id, message):
            raise OddFrame("a message", "it has another shape")
        return message

    vars(http).update(logs_from=logs_from, get_message=get_message)  # there is no public way


def _has_id(message: object) -> bool:
    return isinstance(message, dict) and str(message.get("id", "")).isdecimal()
