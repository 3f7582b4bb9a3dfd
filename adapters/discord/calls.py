"""Carries REST calls out through discord.py, and knows each answer when Discord gives it, not when discord.py returns.

Awaiting discord.py is not enough. The request that empties a bucket sleeps through the rest of the window after its
success; a 429 or a 5xx is slept on and then repeated with a text that is stale by then, maybe over a newer one; and a
call cancelled in such a sleep can block the client for good. So each call runs in an owned task that nobody cancels,
and aiohttp's tracing (discord.py's `http_trace`) reports what arrives: status and headers, then the body, which is read
at once (a new message's id is in it). The caller goes on there, while discord.py sleeps in its own task. A 429 or 5xx
is ended from the trace by an exception, so that discord.py never repeats it: repeating, with the newest text, is the
core's.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, TypeVar

import aiohttp
from discord.http import HTTPClient, Route

from adapters.answers import bound, no_redirections
from adapters.discord.refusals import Answer, failure, refusal
from bot.errors import RateLimited

T = TypeVar("T")

TIMEOUT = aiohttp.ClientTimeout(total=30.0, sock_connect=10.0)
"""Seconds for one request on the wire; aiohttp's own 300 s would keep a final edit waiting on a dead connection."""


class _NotRepeated(Exception):
    """Ends a request whose answer is known, before discord.py would sleep and repeat it."""


@dataclass(slots=True)
class _Call:
    """One request under way: what has arrived of its answer."""

    answered: asyncio.Future[Answer]
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)


_current: contextvars.ContextVar[_Call | None] = contextvars.ContextVar("discord_call", default=None)


class Calls:
    """The calls of one bot.

    Create it before the client, which takes `trace` as its `http_trace`.

    Args:
        timeout: bounds each request.
    """

    def __init__(self, timeout: aiohttp.ClientTimeout = TIMEOUT) -> None:
        self._timeout = timeout
        self.trace = no_redirections()
        self.trace.on_request_end.append(self._headers_arrived)
        self.trace.on_response_chunk_received.append(self._body_arrived)
        self._under_way: dict[asyncio.Task[Any], _Call | None] = {}
        self._rests_until = 0.0

    async def request(
        self,
        http: HTTPClient,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        **parameters: str,
    ) -> Answer:
        """Make one request, once, and return what Discord answered, whatever its status.

        Args:
            http: the client's own HTTP side.
            method: HTTP method.
            path: with the names of `parameters` in braces, as discord.py's routes have it.
            json: the body.
            parameters: fill the path; `channel_id` chooses discord.py's bucket.

        Raises:
            PlatformError: no answer came (Unavailable, OutcomeUnknown), or the whole bot rests (RateLimited).
        """
        loop = asyncio.get_running_loop()
        if (left := self._rests_until - loop.time()) > 0:
            raise RateLimited("Discord limits the whole bot", retry_after=left)
        call = _Call(loop.create_future())
        context = contextvars.copy_context()
        context.run(_current.set, call)
        options: dict[str, Any] = {"timeout": self._timeout}
        if json is not None:
            options["json"] = json
        request = http.request(Route(method, path, **parameters), **options)
        task = self._own(request, call, context)
        await asyncio.wait({task, call.answered}, return_when=asyncio.FIRST_COMPLETED)
        if call.answered.done():
            answer = call.answered.result()
        elif 200 <= call.status < 300:
            answer = Answer(call.status, call.headers, b"")  # done as the status says; only its body was lost
        else:
            raise failure(task.exception() or ConnectionError("no answer"))
        if answer.rate_limited_everywhere:
            self._rests_until = loop.time() + (refusal(answer).retry_after or 0.0)
        return answer

    async def complete(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a call of discord.py's own (reading, which it may repeat as it likes) in an owned task.

        Raises PlatformError for whatever it raises.
        """
        task = self._own(work, None, contextvars.copy_context())
        await asyncio.wait({task})
        if error := task.exception():
            raise failure(error) from None
        return task.result()

    async def close(self) -> None:
        """Return when every call has its answer. Those that only sleep after it are woken and ended."""
        while waiting := [
            asyncio.wait({task, call.answered} if call else {task}, return_when=asyncio.FIRST_COMPLETED)
            for task, call in self._under_way.items()
            if not task.done() and not (call and call.answered.done())
        ]:
            await asyncio.gather(*waiting)
        asleep = list(self._under_way)
        for task in asleep:
            task.cancel()
        await asyncio.gather(*asleep, return_exceptions=True)

    def _own(self, work: Coroutine[Any, Any, T], call: _Call | None, context: contextvars.Context) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work, context=context)
        self._under_way[task] = call
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._under_way.pop(task, None)
        if not task.cancelled():
            task.exception()  # fetched: who asked has had the answer, or was cancelled and wants none

    async def _headers_arrived(
        self, _: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestEndParams
    ) -> None:
        bound(params.response)
        if call := _current.get():
            call.status, call.headers = params.response.status, params.response.headers

    async def _body_arrived(
        self, _: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceResponseChunkReceivedParams
    ) -> None:
        call = _current.get()
        if call is None or call.answered.done():
            return
        answer = Answer(call.status, call.headers, params.chunk)
        call.answered.set_result(answer)
        if answer.status == 429 or answer.status >= 500:
            raise _NotRepeated
