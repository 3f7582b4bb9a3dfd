"""Pauses that grow."""

from itertools import islice

from bot.backoff import growing


def test_pauses_double_up_to_the_longest_and_are_jittered() -> None:
    """Each pause lies in the upper half of its bound, which doubles until it is the longest; no two runs are alike."""
    for _ in range(20):
        for pause, bound in zip(islice(growing(0.5, 3.0), 6), (0.5, 1.0, 2.0, 3.0, 3.0, 3.0), strict=True):
            assert bound / 2 <= pause <= bound
    assert len({next(growing(0.5, 3.0)) for _ in range(20)}) > 1
