"""The benchmark of the whole bot, on answers of a moment."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest

from benchmarks.cases import CASES, QUICK, Case, prose
from benchmarks.reader import PostedMessages, Run, measure
from benchmarks.seen import Heard, squeeze
from benchmarks.whole import our_bot, plain_bot, venue
from tests.stages.policies import every


def test_prose_is_cut_into_about_as_many_pieces_and_loses_nothing() -> None:
    """The pieces are the text, and no stretch that locates a message occurs twice."""
    pieces = prose(3000, 700, seed=1)
    text = "".join(pieces)
    assert pieces == prose(3000, 700, seed=1)
    assert 600 < len(pieces) < 800
    assert 2990 < len(text) <= 3000
    tight = squeeze(text)
    stretches = [tight[at : at + 40] for at in range(len(tight) - 40)]
    assert len(set(stretches)) == len(stretches)


def test_cases_have_names_of_their_own() -> None:
    """A row of the table says which case it is."""
    for cases in (CASES, QUICK):
        assert len({case.name for case in cases}) == len(cases)


async def test_slots_admit_what_fits_and_one_that_never_would() -> None:
    """No more streams run than there are slots, but a run larger than all of them runs alone."""
    slots = PostedMessages(3)
    running, most = 0, []

    async def run(number: int) -> None:
        nonlocal running
        async with slots.taken(number):
            running += number
            most.append(running)
            await asyncio.sleep(0)
            running -= number

    await asyncio.gather(*(run(number) for number in (2, 2, 1, 5)))
    assert max(most) == 5
    assert sorted(most)[-2] <= 3


@pytest.mark.parametrize("where", ["slack", "slack threads", "discord threads", "discord channel"])
@pytest.mark.parametrize("policy", ["ours", "plain"])
async def test_answers_are_seen_whole(where: str, policy: str, tmp_path: Path) -> None:
    """Ours and the plain bot show two short answers whole, everywhere, and every figure of them is found."""
    case = Case(where, 2, 0.2, latency=0.01, chars=60)
    heard: dict[int, Heard] = {}
    async with venue(where, case.latency, case.script, tmp_path) as (place, settings):
        await place.prepare(case.streams)
        bot = our_bot(settings, heard) if policy == "ours" else plain_bot(settings, heard, every(1.0))
        async with bot, asyncio.timeout(20):
            for number in range(case.streams):
                await place.ask(number)
            journal = place.journal
            await journal.until(
                lambda: len(heard) == 2 and all(place.sight(number, heard[number]).whole for number in heard)
            )
            # Looked at before the bot leaves: the plain one may still send an older text after its end.
            run = Run(case, policy, [place.sight(n, heard[n]) for n in heard], [heard[n].trace() for n in heard])
            row = measure(run, place, [0.001])
    assert (row.whole, row.refused) == (2, 0)
    assert row.posts >= 2  # an end that finds no room for an edit goes out as a new message
    assert 0.0 < row.first_median < 5.0
    assert 0.0 < row.mean_lag < math.inf
