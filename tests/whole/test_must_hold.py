"""What must always hold, tried on the whole bot through the real clients."""

from __future__ import annotations

import logging
import signal

import pytest

from bot.app.logs import set_up
from bot.turn import phrases
from sandbox.faults import Fault
from tests.whole.house import Side, Slack, start_process

PINGING = (
    "Attention @everyone and @here! <!channel> <!here> <!everyone> <!subteam^S1> <@{bot}> <@{person}> <@!{person}> "
    "<@&{person}> &lt;!channel&gt; [<!channel>](https://x.example) `<!here>`\n\n"
    "| a | <!channel> |\n|---|---|\n| <@{person}> | b |\n\n"
)

UNKNOWN: dict[str, str | int] = {"slack": "update_failed", "discord": 99999}
"""Error codes whose meaning nobody knows."""


@pytest.mark.parametrize("fault", ["status", "reset", "lost"])
@pytest.mark.parametrize("call", ["post", "edit"])
async def test_1_the_last_thing_seen_is_the_whole_answer(side: Side, call: str, fault: str):
    """Through failed, dropped and lost platform calls the reader ends with the whole stored answer, once."""
    name = side.post_call if call == "post" else side.edit_call
    side.server.faults.add(Fault(name, fault, times=2, status=503))
    side.house.box.claude.answer("The whole answer, however often they hang up.", rate=30)
    async with side.house.bot():
        await side.ask("Well?")
        await side.shows("The whole answer, however often they hang up.", timeout=30)


@pytest.mark.parametrize("removes", [True, False])
async def test_1_an_edit_refused_for_an_unknown_reason(side: Side, removes: bool):
    """The reader gets the whole answer in a new message, and no placeholder stays, even where none may be removed."""
    delete = {"slack": "chat.delete", "discord": "DELETE message"}[side.name]
    side.server.faults.add(Fault(side.edit_call, "error", code=UNKNOWN[side.name], times=1))
    if not removes:
        side.server.faults.add(Fault(delete, "error", code=UNKNOWN[side.name], times=None))
    side.house.box.claude.answer("The whole answer, though that message is stuck.", rate=30)
    async with side.house.bot():
        await side.ask("Well?")
        left = [] if removes else [phrases.ELSEWHERE]
        await side.shows(*left, "The whole answer, though that message is stuck.")


async def test_1_nothing_stays_a_placeholder(side: Side):
    """When every attempt breaks, the reader is told for good; no placeholder is left."""
    side.house.box.claude.fault("reset", times=3, at=30)
    async with side.house.bot():
        await side.ask("Well?")
        await side.shows_text(phrases.INTERRUPTED_FOR_GOOD, timeout=30)
    assert "…" not in side.texts


async def test_2_history_is_whole_messages_in_alternation(side: Side):
    """No text of a broken attempt and no empty message is ever sent; a failed question precedes the next."""
    claude = side.house.box.claude
    claude.fault("reset", text="A PARTIAL that broke. " * 9, times=3, at=60)
    claude.answer("The whole answer.")
    claude.answer("The last answer.")
    async with side.house.bot():
        root = await side.ask("First question?")
        await side.shows_text(phrases.INTERRUPTED_FOR_GOOD, timeout=30)
        await side.follow_up(root, "Second question?")
        await side.shows_text("The whole answer.")
        await side.follow_up(root, "Third question?")
        await side.shows_text("The last answer.")
    for asked in claude.asked():
        roles = [message["role"] for message in asked["messages"]]
        assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]
        assert all(str(message["content"]).strip() for message in asked["messages"])
        assert "PARTIAL" not in str(asked["messages"])
    first = str(claude.asked()[-1]["messages"][0])
    assert first.index("First question?") < first.index("Second question?")


async def test_3_nothing_pings(side: Side):
    """No mention in Claude's text pings anyone, on create and on edit, also when it arrives a character at a time."""
    text = PINGING.format(bot=side.bot, person=side.person)
    side.house.box.claude.answer(text + "End.", chunk=1, rate=400)
    side.house.box.claude.answer(text + "End.", chunk=0)
    async with side.house.bot():
        root = await side.ask(text)
        await side.house.until(lambda: any(text.rstrip().endswith("End.") for text in side.texts))
        await side.follow_up(root, text)
        await side.house.until(lambda: sum(text.rstrip().endswith("End.") for text in side.texts) == 2)
    assert side.pings() == []


async def test_4_delivered_twice_answered_once(slack: Slack):
    """Any event that arrives again after its answer, and a post that arrives as two events, are answered once."""
    for text in ("Once.", "Twice.", "Three times."):
        slack.house.box.claude.answer(text)
    async with slack.house.bot():
        root = await slack.ask("How often?")
        await slack.shows("Once.")
        await slack.follow_up(root, "And now?")
        await slack.shows("Once.", "Twice.")  # the first turn is committed by now
        sent = {event["id"] for event in slack.journal.of("slack", "event")}
        for id_ in sent:
            await slack.server.redeliver(id_)
        await slack.house.until(
            lambda: sent <= {ack["id"] for ack in slack.journal.of("slack", "ack") if ack["attempt"]}, "acks"
        )
        await slack.ask("The end?")
        await slack.shows_text("Three times.")
    assert slack.texts == ["Once.", "Twice.", "Three times."]
    assert len(slack.house.box.claude.asked()) == 3


async def test_4_answered_even_if_killed(side: Side, tmp_path):
    """A process killed in the middle of an answer is followed by one that answers, once and visibly."""
    claude = side.house.box.claude
    claude.answer("Half an answer that will never be whole. " * 40, rate=10)
    claude.answer("The whole answer.")
    first = await start_process(side, tmp_path)
    await side.ask("Well?")
    await side.shows_text("Half an")
    first.send_signal(signal.SIGKILL)
    await first.wait()
    second = await start_process(side, tmp_path)
    await side.shows(phrases.INTERRUPTED_AGAIN, "The whole answer.", timeout=30)
    second.send_signal(signal.SIGTERM)
    assert await second.wait() == 0


async def test_5_one_turn_at_a_time_in_order(side: Side):
    """Messages that arrive while a turn runs are answered together in the next, in order."""
    claude = side.house.box.claude
    claude.answer("A slow first answer. " * 8, rate=15)
    claude.answer("The second answer.")
    async with side.house.bot():
        root = await side.ask("One?")
        await side.shows_text("A slow")
        await side.follow_up(root, "Two?")
        await side.follow_up(root, "Three?")
        await side.shows_text("The second answer.")
    assert len(claude.asked()) == 2
    last = str(claude.asked()[1]["messages"][-1])
    assert "One?" not in last
    assert last.index("Two?") < last.index("Three?")
    posted = [shown.versions[0][0] for shown in side.answers()]
    assert side.answers()[0].versions[-1][0] <= posted[1]


async def test_6_no_write_is_refused(side: Side):
    """Many answers at once stay within the platform's limits: no call is refused."""
    side.house.box.claude.handle(None)
    count = 6
    for n in range(count):
        side.house.box.claude.answer(f"Answer number {n} of them. " * 6, rate=30)
    async with side.house.bot():
        for n in range(count):
            await side.ask(f"Question {n}?")
        await side.house.until(lambda: sum("of them." in t and len(t) > 140 for t in side.texts) == count, "all", 60)
    assert list(side.journal.of(side.name, "refused")) == []


async def test_6_a_429_loses_nothing(side: Side):
    """After a 429 the bucket rests as long as asked, and the reader still gets the whole answer."""
    side.server.faults.add(Fault(side.edit_call, "status", times=1, status=429, retry_after=2.0))
    side.house.box.claude.answer("The whole answer after a rest.", rate=10)
    async with side.house.bot():
        await side.ask("Well?")
        await side.shows("The whole answer after a rest.", timeout=30)
    [fault] = side.journal.of(side.name, "fault")
    edits = [version[0] for version in side.answers()[0].versions[1:]]
    assert not [at for at in edits if fault.at + 0.2 < at < fault.at + 1.9]


async def test_7_shutdown_drains(side: Side):
    """SIGTERM's way out lets a running answer finish, cancels no platform call, and takes nothing new."""
    side.house.box.claude.answer("An answer that is let finish. " * 3, rate=20)
    side.server.latency = 0.3
    async with side.house.bot() as app:
        await side.ask("Well?")
        await side.shows_text("An answer")
        app.stop()
        await side.shows_text(("An answer that is let finish. " * 3).strip())
    calls = [entry for entry in side.journal.of(side.name, "call") if entry["call"] != "GATEWAY IDENTIFY"]
    assert len(calls) == len(list(side.journal.of(side.name, "answer")))


async def test_7_no_call_is_cancelled_in_flight(side: Side):
    """However suddenly the process must leave, every platform call it began hears its answer."""
    side.house.box.claude.answer("An answer that is cut short. " * 30, rate=20)
    side.server.latency = 0.3
    async with side.house.bot(drain_seconds="0s") as app:
        await side.ask("Well?")
        begun = await side.house.until(
            lambda: [e for e in side.journal.of(side.name, "call") if side.edit_call in (e["call"], e["method"])]
        )
        assert begun
        app.stop()
    assert list(side.journal.of(side.name, "unheard")) == []
    assert side.texts[-1].endswith(phrases.INTERRUPTED_AGAIN)


async def test_8_secrets_are_nowhere(side: Side, capfd):
    """No token is in a log line, an error or a message, however the services fail."""
    settings = side.house.settings()
    set_up("debug", "json", settings.secrets)
    claude = side.house.box.claude
    claude.fault("bad_key", message=f"invalid key {claude.api_key}")
    claude.fault("server_error", message=f"error with {claude.api_key}")
    claude.answer("Fine.")
    side.server.faults.add(Fault("*", "status", times=2, skip=12, status=500))
    async with side.house.bot():
        root = await side.ask("Well?")
        await side.shows_text("could not be asked")
        await side.follow_up(root, "Again?")
        await side.shows_text("Fine.", timeout=30)
    logging.getLogger("bot").error("tokens: %s", settings.secrets)
    out = "".join(capfd.readouterr())
    everything = out + repr(side.journal.messages(side.name)) + repr(settings)
    assert "[secret]" in out
    for secret in settings.secrets:
        assert secret not in everything
