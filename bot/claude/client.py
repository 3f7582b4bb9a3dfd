"""Claude, over the `anthropic` SDK: the one file that imports it. One request is one try; who retries decides when.

Only `message_stop` makes an answer whole, so the stream's events are read here and not through the SDK's helpers, which
take a truncated stream for a finished one. Whatever else happens ends as Interrupted, Busy or Refused.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import urlsplit

import anthropic
import httpx2
from anthropic import AsyncAnthropic
from anthropic.types import AssistantMessageParam, MessageParam, ModelInfo, UserMessageParam

from bot.backoff import backoff
from bot.claude.answer import AnswerReader, failure_of
from bot.claude.check import NO_LOOK_UP, ModelFacts, check_key, is_about_key, judge, judge_failure, refusal_of
from bot.claude.errors import ApiFailure, to_model_error
from bot.claude.optional import WORTH, OptionalFields, to_blame
from bot.claude.transport import BODY, BROKEN, Body, Wire
from bot.claude.watchdog import Silent, Watch
from bot.conversation import Delta, Finished, StopReason
from bot.errors import Busy, Interrupted, ModelError, Refused
from bot.ports import Request, Said
from bot.text import visible, whole_characters

BASE_URL = "https://api.anthropic.com"

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 90.0
"""Seconds without a byte; the API pings more often than that."""
WATCHDOG = 180.0
"""Seconds without an event of the answer, pings apart. Healthy answers at high effort think for over 120 s."""
LONGEST_STREAM = 3600.0
"""Seconds for a whole answer, however well it goes on. The longest (128,000 tokens at 50 a second) take 45 minutes."""
KEEPALIVE = 300.0
"""Seconds an idle connection is kept, so that a quiet bot need not make a new one for every message."""

REDIRECTS = 3
"""How often one request is sent elsewhere: each is a request with the whole conversation."""

ASK_TRIES = 4
ASK_WITHIN = 60.0  # s, all tries of one `ask`

_SPARE_CONNECTIONS = 8  # above the configured concurrency, for `ask` and `check`
_CHECK_WITHIN = 15.0  # s, one look-up of a model
_GRACE = 0.5  # s, for the end of the response after `message_stop`, so that the connection can be used again


class Claude:
    """The Model port over the Messages API. To be built inside a running event loop, once per process.

    Args:
        api_key: the API key.
        base_url: where the API is; None for Anthropic's.
        model: what answers, unless a request names another.
        small_model: what `ask` asks, unless a request names another.
        max_tokens: upper bound on an answer, thinking included, unless a request names another.
        concurrency: how many streams there may be at once; the connection pool is a little larger.
        connect_timeout: seconds to a connection, waiting for a free place in the pool included.
        read_timeout: seconds without a byte after which a stream is given up.
        watchdog: seconds without progress after which it is, whatever pings come.
        longest: seconds after which it is, whatever comes.
        sleep: how `ask` waits between its tries.
        rng: where the jitter of those waits comes from.

    Raises:
        SettingsError: the key cannot be one.
    """

    def __init__(
        self,
        api_key: str,
        *,
        model: str,
        small_model: str,
        max_tokens: int,
        base_url: str | None = None,
        concurrency: int = 100,
        connect_timeout: float = CONNECT_TIMEOUT,
        read_timeout: float = READ_TIMEOUT,
        watchdog: float = WATCHDOG,
        longest: float = LONGEST_STREAM,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        check_key(api_key)
        self._key = api_key
        self._model, self._small_model, self._max_tokens = model, small_model, max_tokens
        self._host = urlsplit(base_url or BASE_URL).hostname
        self._optional = OptionalFields(self._host or "")
        self._read_timeout, self._watchdog, self._longest = read_timeout, watchdog, longest
        self._response_within = connect_timeout + read_timeout
        self._sleep = sleep
        self._rng = rng or random.Random()  # noqa: S311 - jitter
        connections = concurrency + _SPARE_CONNECTIONS
        self._client = AsyncAnthropic(
            api_key=api_key,
            base_url=base_url or BASE_URL,
            max_retries=0,
            open_telemetry=False,  # the stream is read here, so the SDK's span would never see its end
            http_client=httpx2.AsyncClient(
                transport=Wire(httpx2.create_ssl_context(), connections=connections, keepalive=KEEPALIVE),
                timeout=httpx2.Timeout(read_timeout, connect=connect_timeout, pool=connect_timeout),
                headers={"accept-encoding": "identity"},  # who compresses holds text back
                follow_redirects=True,
                max_redirects=REDIRECTS,
            ),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    # --- streaming ----------------------------------------------------------------------------------------

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Finished, None]:
        """Yield text as it arrives and one `Finished` last.

        One call is one request on the wire, and another one at once where a field was refused that it can do without
        (see `OptionalFields`). Closing the iterator, or cancelling who waits for it, frees the
        connection at once. Text that arrived in one piece is one `Delta`.

        Raises:
            Interrupted: the connection broke, went silent or made no progress, or the stream ended without
                `message_stop` or without any text.
            Busy: overloaded or rate limited, before any text.
            Refused: the API does not take the request.
        """
        sent_at = time.monotonic()
        first_token: float | None = None
        answer = AnswerReader()
        watch: Watch | None = None
        body: Body | None = None
        request_id: str | None = None
        try:
            body, request_id = _body_of(await self._send(request, self._model, stream=True))
            watch = Watch(self._read_timeout, self._watchdog, body.fail, longest=self._longest)
            while answer.failure is None and not answer.whole:
                seen = answer.events
                watch.reading = True
                chunk = await body.read()
                watch.reading = False
                text = answer.feed(chunk) if chunk else answer.end()
                watch.note(progress=answer.events != seen)
                if text:
                    if first_token is None:
                        first_token = time.monotonic() - sent_at
                    yield Delta(text)
                if not chunk:
                    break
            yield self._outcome(answer, request.model or self._model, request_id, first_token)
        except ModelError:
            raise
        except anthropic.APIStatusError as error:
            raise self._failed(error, shown=False, request_id=None) from None  # its text is the API's, unchecked
        except Exception as error:
            # The wire can raise what no list names (see `_failed`), and none of it may kill a turn.
            raise self._failed(error, shown=first_token is not None, request_id=request_id) from error
        finally:
            if watch is not None:
                watch.stop()
            if body is not None:
                await _let_go(body, whole=answer.whole)

    async def _send(self, request: Request, model: str, *, stream: bool) -> httpx2.Response:
        """Send the request and return the response once its headers are there; of a standard call, with its body."""
        messages: list[MessageParam] = [
            UserMessageParam(role="user", content=whole_characters(said.text))
            if said.role == "user"
            else AssistantMessageParam(role="assistant", content=whole_characters(said.text))
            for said in request.messages
        ]
        # The SDK reads an error's body before it raises, and the HTTP client can wait for ever for a broken one.
        async with asyncio.timeout(self._response_within):
            dropped: list[str] = []
            while True:
                optional = self._optional.left({"cache_control": {"type": "ephemeral"}}, dropped)
                try:
                    raw = await self._client.messages.with_raw_response.create(
                        model=request.model or model,
                        max_tokens=request.max_tokens or self._max_tokens,
                        messages=messages,
                        system=whole_characters(request.system) if request.system else anthropic.omit,
                        stream=stream,
                        extra_body=optional,
                    )
                except anthropic.APIStatusError as error:
                    if (name := to_blame(optional, error.status_code, error.response.text)) is None:
                        raise
                    dropped.append(name)
                else:
                    self._optional.give_up(dropped)
                    return raw.http_response

    def _outcome(self, answer: AnswerReader, model: str, request_id: str | None, first_token: float | None) -> Finished:
        """What an answer that has ended comes to. Raises what `stream` raises."""
        if answer.failure is not None:
            raise self._failed(answer.failure, shown=first_token is not None, request_id=request_id)
        text = answer.text
        if answer.stop is StopReason.END_TURN and not visible(text):
            raise Interrupted("Claude's answer ended without any text.", request_id=request_id)
        return Finished(
            text=text,
            stop=answer.stop,
            usage=answer.usage,
            model=answer.model or model,
            request_id=request_id or "",
            first_token=first_token,
            detail=answer.detail,
        )

    def _failed(self, error: Exception | ApiFailure, *, shown: bool, request_id: str | None) -> ModelError:
        """The one error of ours that this is."""
        if isinstance(error, anthropic.APIStatusError):
            error = failure_of(error.body, error.status_code, error.response.headers)
        if isinstance(error, ApiFailure):
            made = to_model_error(error, shown=shown, secret=self._key)
            made.request_id = made.request_id or request_id
            return made
        if isinstance(error, Silent):
            message = str(error)
        elif isinstance(error, EOFError):
            message = "Claude's answer ended before it was whole."
        elif isinstance(error, (anthropic.APITimeoutError, httpx2.TimeoutException, TimeoutError)):
            message = f"{self._host} did not answer in time."
        elif isinstance(error, anthropic.APIConnectionError):
            message = f"No connection to {self._host}: {_cause(error)}."
        elif isinstance(error, BROKEN):
            message = f"The connection to {self._host} broke while Claude was answering."
        else:
            message = f"Claude's answer could not be read ({type(error).__name__})."
        return Interrupted(message, request_id=request_id)

    # --- one standard call --------------------------------------------------------------------------------

    async def ask(self, request: Request) -> Finished:
        """Ask the small model, or the one the request names, and return its whole answer; for text that code consumes.

        Tries up to four times within a minute. Raises Interrupted, Busy or Refused like `stream`.
        """
        until = time.monotonic() + ASK_WITHIN
        attempt = 0
        while True:
            attempt += 1
            try:
                async with asyncio.timeout(max(1.0, until - time.monotonic())):
                    return await self._ask_once(request)
            except TimeoutError as error:
                raise self._failed(error, shown=False, request_id=None) from error
            except (Interrupted, Busy) as error:
                wait = backoff(attempt, error.retry_after, rng=self._rng)
                if attempt >= ASK_TRIES or time.monotonic() + wait > until:
                    raise
            await self._sleep(wait)

    async def _ask_once(self, request: Request) -> Finished:
        request_id: str | None = None
        answer = AnswerReader()
        try:
            response = await self._send(request, self._small_model, stream=False)
            request_id = response.headers.get("request-id")
            answer.message(json.loads(response.content))
        except anthropic.APIStatusError as error:
            raise self._failed(error, shown=False, request_id=None) from None  # as in `stream`
        except Exception as error:
            raise self._failed(error, shown=False, request_id=request_id) from error
        return self._outcome(answer, request.model or self._small_model, request_id, None)

    # --- at start -----------------------------------------------------------------------------------------

    async def check(self, *, ask: bool = False) -> list[str]:
        """Ask the API about the configured models, and return warnings, a sentence each.

        An API that cannot be reached, or does not tell about models, is a warning: it may be well a minute later.

        Args:
            ask: also send a request as people's questions are sent, for one token. It is sent in any case where the
                key is refused by the look-up of models, which some gateways do not offer.

        Raises:
            SettingsError: the key or the request is refused, a model does not exist (any more), or CLAUDE_MAX_TOKENS is
                above its.
        """
        warnings: list[str] = []
        now = datetime.now(UTC)
        asked = False
        configured = [("CLAUDE_MODEL", self._model), ("CLAUDE_SMALL_MODEL", self._small_model)]
        for variable, model in configured[: 1 if self._small_model == self._model else 2]:
            try:
                async with asyncio.timeout(_CHECK_WITHIN):
                    info = await self._client.models.retrieve(model)
            except anthropic.APIStatusError as error:
                failure = failure_of(error.body, error.status_code, error.response.headers)
                if is_about_key(failure):
                    if not asked:
                        warnings += await self._try_out(failure)
                    asked = True
                    continue
                known = await self._known_models() if failure.type == "not_found_error" else []
                warnings.append(judge_failure(variable, model, failure, known))
            except Exception as error:  # noqa: BLE001 - as in `stream`
                reason = self._failed(error, shown=False, request_id=None)
                warnings.append(f"{variable} ({model}) could not be checked: {reason}")
            else:
                warnings += judge(variable, model, _facts(info), max_tokens=self._max_tokens, now=now)
        if ask and not asked:
            warnings += await self._try_out(None)
        return warnings + [
            f"The Claude API at {self._host} refuses the field {name}, and is asked without it ({WORTH[name]})."
            for name in self._optional.refused
        ]

    async def _try_out(self, refused: ApiFailure | None) -> list[str]:
        """Send a request as people's questions are sent, and return warnings.

        Args:
            refused: how the look-up of models refused the key, if it did.

        Raises:
            SettingsError: the request is refused.
        """
        trial = Request(messages=(Said("user", "Hello"),), max_tokens=1)
        try:
            async with asyncio.timeout(_CHECK_WITHIN):
                body, _ = _body_of(await self._send(trial, self._model, stream=True))
            await _let_go(body, whole=True)
        except anthropic.APIStatusError as error:
            failure = failure_of(error.body, error.status_code, error.response.headers)
            if isinstance(reason := to_model_error(failure, shown=False, secret=self._key), Refused):
                raise refusal_of(refused or failure, self._model, str(reason)) from None
            return [f"A question could not be tried: {reason}"]
        except Exception as error:  # noqa: BLE001 - as in `stream`
            return [f"A question could not be tried: {self._failed(error, shown=False, request_id=None)}"]
        return [NO_LOOK_UP.format(host=self._host, status=refused.status)] if refused else []

    async def _known_models(self) -> list[str]:
        with suppress(Exception):  # a list for people, in an error that is raised anyway
            async with asyncio.timeout(_CHECK_WITHIN):
                return [model.id for model in (await self._client.models.list()).data]
        return []


def _facts(info: ModelInfo) -> ModelFacts:
    """The SDK does not validate what it is answered, so neither fields nor their types are sure."""
    retires, most = getattr(info, "retires_at", None), getattr(info, "max_tokens", None)
    return ModelFacts(
        retired=getattr(info, "lifecycle", None) == "retired",
        retires_at=retires if isinstance(retires, datetime) else None,
        max_tokens=most if isinstance(most, int) else None,
    )


def _body_of(response: httpx2.Response) -> tuple[Body, str | None]:
    """The body of an answer and the request's id: all that is kept of the response, which holds the whole request."""
    body: Body = response.extensions[BODY]
    return body, response.headers.get("request-id")


async def _let_go(body: Body, *, whole: bool) -> None:
    """Free the connection: for the next request when the response comes to its end, else by closing it."""
    try:
        if whole:
            with suppress(Exception):  # the answer is whole, whatever happens to its connection
                async with asyncio.timeout(_GRACE):
                    while await body.read():
                        pass
    finally:
        with suppress(Exception):
            await body.aclose()


def _cause(error: BaseException) -> str:
    """What the system said about a failed connection; without addresses, which may hold a password."""
    reason = type(error).__name__
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            reason = cause.strerror
        cause = cause.__cause__
    return reason
