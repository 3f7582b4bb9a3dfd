"""How long what a person wrote may be, and what is said in place of the rest."""

from __future__ import annotations

LONGEST_MESSAGE = 250_000
"""Characters of one message that are kept: six times what Slack stores of a text (40,000), as some forward others.
Discord's messages have 4,000. Blocks, attachments and the names that mentions stand for can make more of it."""

LONGEST_NAME = 255
"""Characters of a person's or a file's name that are kept: as many as file systems allow."""


def bounded(text: str, most: int = LONGEST_MESSAGE) -> str:
    """Return `text`; where it has more than `most` characters, its beginning and a note, together no longer."""
    if len(text) <= most:
        return text
    note = f"\n[the rest of this message is left out: it is longer than {most:,} characters]"
    return text[: max(0, most - len(note))] + note
