"""Texts that came as files: read from their own hosts alone, and only so much and for so long."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from adapters.texts import LARGEST, MOST, TextFiles
from bot.conversation import Attachment, Author, Message, Place, ThreadKey

HOST = "127.0.0.1"


class Files:
    """A host of files on loopback, which notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.url = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer as the path says."""
        self.asked.append(request.path)
        match request.path.rpartition("/")[2]:
            case "large":
                return web.Response(text="a" * (LARGEST + 1))
            case "slow":
                response = web.StreamResponse()
                await response.prepare(request)
                await response.write(b"the beginning")
                await asyncio.sleep(30)
                return response
            case "elsewhere":
                raise web.HTTPFound(f"{self.url}/plain")
            case "gone":
                raise web.HTTPNotFound
            case "login":
                return web.Response(text="<html>", content_type="text/html")
            case "packed":
                return web.Response(body=gzip.compress(b"a" * 100), headers={"Content-Encoding": "gzip"})
            case "broken":
                assert request.transport is not None
                request.transport.close()
                return web.Response()
            case "wide":
                return web.Response(body="Grüße".encode("utf-16"))
            case "marked":
                return web.Response(body="Grüße".encode("utf-8-sig"))
            case "old":
                return web.Response(
                    body="Grüße".encode("latin-1"), headers={"Content-Type": "text/plain; charset=iso-8859-1"}
                )
            case "unnamed":
                return web.Response(
                    body="Grüße".encode("latin-1"), headers={"Content-Type": "text/plain; charset=iso-x"}
                )
            case _:
                return web.Response(text="a text")


@pytest.fixture
async def files() -> AsyncIterator[Files]:
    made = Files()
    app = web.Application()
    app.router.add_get("/{name:.*}", made.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.0, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0)
    await site.start()
    made.url = f"http://{HOST}:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


def attached(url: str, *, size: int = 10, mime: str = "text/plain; charset=utf-8") -> Attachment:
    return Attachment("message.txt", mime, size, url)


def said(text: str, *files: Attachment) -> Message:
    return Message(
        key=ThreadKey("discord", "@me", "1"),
        installation="discord:1",
        id="2",
        author=Author("3", "Ada"),
        text=text,
        sent_at=0.0,
        place=Place("1", direct=True),
        attachments=files,
    )


async def read(*messages: Message, within: float = 5.0) -> tuple[Message, ...]:
    async with aiohttp.ClientSession() as session:
        return await TextFiles(session, {HOST}, within=within).complete(messages)


@pytest.mark.parametrize("name", ["plain", "wide", "marked", "old"])
async def test_a_text_is_read_in_its_encoding(files: Files, name: str) -> None:
    """It stands in place of the file, as if it had been typed, whatever encoding it is in."""
    [message] = await read(said("", attached(f"{files.url}/{name}")))
    assert message.text == ("a text" if name == "plain" else "Grüße")
    assert message.attachments == ()


async def test_an_encoding_that_nobody_knows_costs_the_odd_characters_alone(files: Files) -> None:
    """What can be read of the text is told."""
    [message] = await read(said("", attached(f"{files.url}/unnamed")))
    assert message.text == "Gr\ufffd\ufffde"


@pytest.mark.parametrize("name", ["large", "elsewhere", "gone", "login", "packed", "broken"])
async def test_a_text_that_cannot_be_read_stays_a_file(files: Files, name: str) -> None:
    """Neither is more read than a message holds, nor are redirections followed, nor packed bytes unpacked."""
    before = said("see", attached(f"{files.url}/{name}"))
    assert await read(before) == (before,)
    assert set(files.asked) == {f"/{name}"}  # aiohttp asks again where a connection breaks


async def test_a_slow_text_takes_no_other_along(files: Files) -> None:
    """After a while what has come is told, and what has not stays a file."""
    slow, plain = attached(f"{files.url}/slow"), attached(f"{files.url}/plain")
    [message] = await read(said("see", slow, plain), within=0.3)
    assert message.text == "see\n\n[message.txt]\na text"
    assert message.attachments == (slow,)


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace(HOST, "localhost"),
        lambda url: url.replace("http://", "http://ada:word@"),
        lambda url: url.replace(HOST, f"{HOST}.example.invalid"),
        lambda url: f"file:///etc/hostname?{url}",
        lambda url: "http://[::1",
        lambda url: "",
    ],
)
async def test_nothing_is_asked_of_a_host_that_keeps_no_files(files: Files, change) -> None:
    """An address that is not on the platform's own hosts is never called."""
    before = said("see", attached(change(f"{files.url}/plain")))
    assert await read(before) == (before,)
    assert files.asked == []


async def test_other_files_are_left_alone(files: Files) -> None:
    """A picture, a page, and a text that is too large are not asked for."""
    url = f"{files.url}/plain"
    before = said("", attached(url, mime="image/png"), attached(url, mime="text/html"), attached(url, size=LARGEST + 1))
    assert await read(before) == (before,)
    assert files.asked == []


async def test_of_many_texts_the_newest_are_read(files: Files) -> None:
    """The question's own are read first; what was said before only as far as there is room."""
    before = [said(str(number), attached(f"{files.url}/{number}")) for number in range(MOST + 2)]
    after = await read(*before)
    assert [bool(message.attachments) for message in after] == [True, True] + [False] * MOST
