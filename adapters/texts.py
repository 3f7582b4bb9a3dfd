"""Texts that came as files, for both adapters: a long paste, a snippet. They are read as if they had been typed.

Read is only what the platform keeps: from the hosts the adapter names, without redirections, bounded in size and time.
"""

from __future__ import annotations

import asyncio
import codecs
import logging
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

import aiohttp

from adapters.proxies import LOOPBACK, proxy_for
from bot.conversation import Attachment, Message
from bot.text import LONGEST_MESSAGE, bounded, wellformed

log = logging.getLogger(__name__)

LARGEST = 4 * LONGEST_MESSAGE
"""Bytes of a text that is read: a character takes at most four."""

MOST = 10
"""Files that are read for one question."""

WITHIN = 10.0
"""Seconds for all of them: the answer waits for it."""

_CHARSET = re.compile(r"(?:utf|iso|windows|cp|koi8|big5|gb|euc|shift)[\w-]{0,20}", re.IGNORECASE)


def is_text(file: Attachment) -> bool:
    """Whether a file is plain text that can be read as if it had been typed."""
    return bool(file.url) and file.mime.partition(";")[0].strip().lower() == "text/plain" and file.size <= LARGEST


class TextFiles:
    """Reads texts that came as files.

    Args:
        session: makes the requests.
        hosts: from which they may be read.
        headers: of every request; they may hold a credential, which no other host ever sees.
        within: seconds for all files together.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        hosts: Collection[str],
        headers: Mapping[str, str] | None = None,
        *,
        within: float = WITHIN,
    ) -> None:
        self._session = session
        self._hosts = frozenset(hosts)
        # What is packed may unpack to any size at once.
        self._headers = {"Accept-Encoding": "identity", **(headers or {})}
        self._within = within

    async def complete(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """Return the messages with the texts of their files; a file that cannot be read stays a file. Never raises."""
        wanted = [file for message in reversed(messages) for file in message.attachments if is_text(file)][:MOST]
        if not wanted:
            return tuple(messages)
        reading = {file: asyncio.create_task(self._read(file), name="text file") for file in wanted}
        try:
            await asyncio.wait(reading.values(), timeout=self._within)
        finally:
            for task in reading.values():
                task.cancel()
            await asyncio.gather(*reading.values(), return_exceptions=True)
        texts = {
            file: task.result() for file, task in reading.items() if not task.cancelled() and task.exception() is None
        }
        return tuple(_with_texts(message, texts) for message in messages)

    async def _read(self, file: Attachment) -> str | None:
        """Return a file's text; None when it cannot be read."""
        if not self._allowed(file.url):
            log.warning("a text file is not read: it lies on a foreign host", extra={"file": file.name})
            return None
        try:
            async with self._session.get(
                file.url, headers=self._headers, proxy=proxy_for(file.url), allow_redirects=False
            ) as response:
                # Where a credential is not enough, Slack answers with its login page.
                packed = response.headers.get("Content-Encoding", "identity") != "identity"
                if response.status != 200 or response.content_type == "text/html" or packed:
                    log.info("a text file cannot be read", extra={"status": response.status})
                    return None
                body = bytearray()
                async for piece in response.content.iter_any():
                    body += piece
                    if len(body) > LARGEST:
                        return None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            log.info("a text file cannot be read", extra={"error": type(error).__name__})
            return None
        return _decoded(bytes(body), response.charset)

    def _allowed(self, url: str) -> bool:
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").lower()
            if parts.username or parts.password or (parts.scheme != "https" and host not in LOOPBACK):
                return False
        except ValueError:
            return False
        return host in self._hosts


def _decoded(body: bytes, charset: str | None) -> str:
    """Return a text in the encoding that its first bytes tell, in UTF-8, or in the one named. Does not raise."""
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return wellformed(body.decode("utf-16", "replace"))
    try:
        return wellformed(body.decode("utf-8-sig"))
    except UnicodeDecodeError:
        named = charset if charset and _CHARSET.fullmatch(charset) else "utf-8"
    try:
        return wellformed(body.decode(named, "replace"))
    except LookupError:
        return wellformed(body.decode("utf-8", "replace"))


def _with_texts(message: Message, texts: Mapping[Attachment, str | None]) -> Message:
    """Return a message in which texts stand in place of files. One without words of its own says just that text."""
    read = [(file, text) for file in message.attachments if (text := texts.get(file))]
    if not read:
        return message
    if not message.text.strip() and len(read) == 1:
        said = read[0][1]
    else:
        said = "\n\n".join([message.text, *(f"[{file.name}]\n{text}" for file, text in read)]).strip()
    left = tuple(file for file in message.attachments if not texts.get(file))
    return replace(message, text=bounded(said), attachments=left)
