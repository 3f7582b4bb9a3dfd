"""What the tests of this room ask, and how they listen."""

from __future__ import annotations

from contextlib import aclosing

from bot.claude.client import Claude
from bot.conversation import Delta, Finished
from bot.errors import ModelError
from bot.ports import Request, Said

QUESTION = Request(messages=(Said("user", "What is a queue?"),), system="Be brief.")


async def listen(claude: Claude, request: Request = QUESTION) -> tuple[str, Finished | ModelError]:
    """The text the deltas held, and how the stream ended."""
    shown = ""
    finished: Finished | None = None
    try:
        async with aclosing(claude.stream(request)) as stream:
            async for event in stream:
                assert finished is None, "nothing may follow Finished"
                if isinstance(event, Delta):
                    assert event.text
                    shown += event.text
                else:
                    finished = event
    except ModelError as error:
        return shown, error
    assert finished is not None
    return shown, finished
