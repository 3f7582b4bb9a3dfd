"""Points the asker to an answer that took long: edits notify nobody."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from bot.conversation import MessageRef, Place
from bot.errors import PlatformError
from bot.pacing import Urgency
from bot.ports import NotifiesAsker, Write
from bot.turn.writer import Writer

log = logging.getLogger(__name__)


async def tell_asker(writer: Writer, place: Place, asker: str, answer: Sequence[MessageRef], turn_id: str) -> None:
    """Tell `asker` (a user id), once and best effort, that the turn's answer stands in the messages `answer`."""
    platform = writer.platform
    if place.direct or not isinstance(platform, NotifiesAsker) or not answer:
        return
    try:
        await writer.pacer.admit(platform.rate_limits(Write.POST, place), Urgency.HOUSEKEEPING)
        await writer.once(platform.notify(place, asker, answer[0], f"{turn_id}.n"))
    except PlatformError as error:
        log.info("the asker could not be told", extra={"turn": turn_id, "error": str(error)})
