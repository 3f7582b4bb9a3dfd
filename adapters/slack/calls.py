"""Calls of Slack's Web API through slack_sdk, one try each: what went wrong comes back as one of `bot.errors`.

Nothing is retried here. The library's own handlers repeat a request after a dropped connection, which for a post means
two messages; the core knows which call may be repeated.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from adapters.answers import BoundedResponse, no_redirections
from adapters.proxies import LOOPBACK, proxy_for
from adapters.slack.refusals import refusal
from adapters.texts import TextFiles
from bot.errors import OutcomeUnknown, PlatformError, Unavailable

SLACK_API_URL = "https://slack.com/api/"

READS = frozenset(
    {"chat.getPermalink", "conversations.history", "conversations.replies", "users.conversations", "users.info"}
)
STRUCTURED = frozenset({"assistant.threads.setStatus", "chat.postMessage", "chat.update", "views.open"})
"""Methods sent as GET with a query, and those sent as JSON; all others are a POST with a query, as in slack_sdk."""

TIMEOUT = aiohttp.ClientTimeout(total=40.0, connect=10.0, sock_connect=10.0, sock_read=30.0)
"""Seconds. The total bounds an answer that drips; one that is only slow has thirty from its last byte."""

FILE_HOSTS = frozenset({"files.slack.com", "files.slack-gov.com"})
"""Where Slack keeps files, for which the bot's token is the key."""

KEEP_ALIVE = 60.0
"""Seconds an idle connection is kept, so that an edit costs no handshake."""

CONNECTIONS = 100
"""How many calls may be under way at once."""


def library_logger() -> logging.Logger:
    """Return the logger of Slack's libraries: errors only, since their lower levels print messages and tickets."""
    logger = logging.getLogger("adapters.slack.library")
    logger.setLevel(logging.ERROR)
    return logger


@dataclass(frozen=True, slots=True)
class Answer:
    """What Slack said. `error` is a code the caller was prepared for, empty on success."""

    data: Mapping[str, Any]
    headers: Mapping[str, str]
    error: str = ""

    def text(self, name: str) -> str:
        """The value of `name` if it is text, else an empty text."""
        value = self.data.get(name)
        return value if isinstance(value, str) else ""


class Api:
    """One workspace's Web API over one shared connection pool.

    Args:
        token: the bot token.
        base_url: address of the API, ends in `/api/`; None for Slack's own.
    """

    def __init__(self, token: str, base_url: str | None = None) -> None:
        self.base_url = base_url or SLACK_API_URL
        self._token = token
        self._client: AsyncWebClient | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The shared session; made at the first use, inside the event loop."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE)
            self._session = aiohttp.ClientSession(
                timeout=TIMEOUT, connector=connector, response_class=BoundedResponse, trace_configs=[no_redirections()]
            )
        return self._session

    @property
    def texts(self) -> TextFiles:
        """Reads texts that came as files; they lie on Slack's own hosts, or beside another API's address."""
        own = urlsplit(self.base_url).hostname or ""
        hosts = {*FILE_HOSTS, own} if own in LOOPBACK else FILE_HOSTS
        return TextFiles(self.session, hosts, {"Authorization": f"Bearer {self._token}"})

    @property
    def proxy(self) -> str | None:
        """The proxy the environment names for this address; None for an address it exempts, and on loopback."""
        return self._web.proxy

    @property
    def _web(self) -> AsyncWebClient:
        if self._client is None:
            self._client = AsyncWebClient(
                self._token, self.base_url, session=self.session, retry_handlers=[], logger=library_logger()
            )
            self._client.proxy = proxy_for(self.base_url)  # its own look at the environment knows no ALL_PROXY
        return self._client

    async def call(
        self,
        method: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        token: str | None = None,
        accept: Collection[str] = (),
    ) -> Answer:
        """Call `method` once.

        Args:
            method: such as `chat.update`.
            arguments: its arguments; None values are left out.
            token: another token than the bot's, for calls that take nothing else.
            accept: error codes that are returned as an answer instead of raised.

        Raises:
            RateLimited: HTTP 429, `ratelimited` or `rate_limited`.
            Unavailable: no connection could be made, or Slack says so; the call had no effect.
            OutcomeUnknown: sent, but the answer was lost or is no answer.
            PlatformError: any other refusal, as `adapters.slack.refusals` words it.
        """
        given = {name: value for name, value in (arguments or {}).items() if value is not None}
        try:
            if method in STRUCTURED:
                response = await self._web.api_call(method, json=given)
            else:
                # A token among the parameters goes into the header, in place of the bot's.
                parameters = given if token is None else {**given, "token": token}
                verb = "GET" if method in READS else "POST"
                response = await self._web.api_call(method, http_verb=verb, params=parameters)
            return Answer(_mapping(response.data), _headers(response.headers))
        except SlackApiError as error:
            status, body, headers = _told(error.response)
            if isinstance(body, Mapping) and isinstance(body.get("error"), str) and body["error"] in accept:
                return Answer(body, headers, str(body["error"]))
            raise refusal(method, status, body, headers) from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Unavailable(f"{method}: cannot connect to {self.address} ({type(error).__name__})") from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise PlatformError(f"{method}: {self.address} is not an address") from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise OutcomeUnknown(f"{method}: the answer was lost ({type(error).__name__})") from error
        except (SlackClientError, AttributeError, RecursionError, TypeError, ValueError) as error:
            # The library takes for granted that a body is a JSON object in UTF-8.
            raise OutcomeUnknown(f"{method}: the answer is not one of Slack's ({type(error).__name__})") from error

    @property
    def address(self) -> str:
        """Scheme, host and port of the API, without anything secret an address could hold."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


def _mapping(body: object) -> Mapping[str, Any]:
    if not isinstance(body, Mapping):
        raise TypeError("not a JSON object")
    return body


def _headers(headers: object) -> Mapping[str, str]:
    return headers if isinstance(headers, Mapping) else {}


def _told(response: object) -> tuple[int, object, Mapping[str, str]]:
    """Status, decoded body and headers of the response inside a SlackApiError, which is one of two kinds."""
    if isinstance(response, AsyncSlackResponse):
        return response.status_code, response.data, _headers(response.headers)
    if isinstance(response, aiohttp.ClientResponse):  # the body was not JSON
        return response.status, None, response.headers
    return 200, None, {}
