"""Who a text mentions, and whom it would ping under `allowed_mentions`. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import ApiError, form_error

USER = re.compile(r"<@!?(\d+)>")
ROLE = re.compile(r"<@&(\d+)>")
EVERYONE = re.compile(r"@(everyone|here)\b")


@dataclass(frozen=True, slots=True)
class Mentions:
    """What a message's text and reference mention, after `allowed_mentions`; ids in the order of the text."""

    users: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    everyone: bool = False
    here: bool = False
    replied: str | None = None

    def pings(self) -> list[str]:
        """Whom it would ping: `everyone`, `here`, `role:ID`, `user:ID`, `reply:ID`."""
        return [
            *(["everyone"] if self.everyone else []),
            *(["here"] if self.here else []),
            *(f"role:{role}" for role in self.roles),
            *(f"user:{user}" for user in self.users),
            *([f"reply:{self.replied}"] if self.replied else []),
        ]

    def mentioned_users(self) -> list[str]:
        """The ids of the message's `mentions`: the users of the text and the replied one, each once."""
        return list(dict.fromkeys([*self.users, *([self.replied] if self.replied else [])]))


def read(
    text: str,
    allowed: Mapping[str, Any] | None,
    *,
    users: Collection[str],
    roles: Mapping[str, bool],
    may_mention_all: bool,
    replied_to: str | None = None,
) -> Mentions:
    """What `text` mentions.

    Args:
        text: the message's content.
        allowed: the request's `allowed_mentions`; None when it had none, and then everything pings.
        users: the ids of the users who can be mentioned there.
        roles: the ids of the guild's roles, and whether anybody may mention each.
        may_mention_all: whether the author may ping everyone and every role.
        replied_to: the author of the message this one replies to.

    Code blocks and backslashes are no shelter here: what they do is not documented, so the worst is assumed.
    Raises ApiError (50035) when `allowed` contradicts itself.
    """
    check(allowed)
    parse = None if allowed is None else list(allowed.get("parse") or [])

    def permits(kind: str, id_: str) -> bool:
        if allowed is None or parse is None or kind in parse:
            return True
        return id_ in {str(each) for each in allowed.get(kind) or []}

    loud = may_mention_all and (parse is None or "everyone" in parse)
    words = set(EVERYONE.findall(text))
    return Mentions(
        users=tuple(u for u in dict.fromkeys(USER.findall(text)) if u in users and permits("users", u)),
        roles=tuple(
            r
            for r in dict.fromkeys(ROLE.findall(text))
            if r in roles and (roles[r] or may_mention_all) and permits("roles", r)
        ),
        everyone=loud and "everyone" in words,
        here=loud and "here" in words,
        replied=replied_to if allowed is None or allowed.get("replied_user") else None,
    )


def check(allowed: Mapping[str, Any] | None) -> None:
    """Refuse what Discord refuses in `allowed_mentions`: unknown kinds, lists beside their kind, lists over 100."""
    if allowed is None:
        return
    parse = allowed.get("parse") or []
    for kind in parse:
        if kind not in {"users", "roles", "everyone"}:
            raise form_error(
                "allowed_mentions.parse", "BASE_TYPE_CHOICES", "Value must be one of ('users', 'roles', 'everyone')."
            )
    for kind in ("users", "roles"):
        listed = allowed.get(kind) or []
        if listed and kind in parse:
            raise ApiError(
                50035,
                errors={
                    "allowed_mentions": {
                        "_errors": [
                            {
                                "code": "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
                                "message": f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.',
                            }
                        ]
                    }
                },
            )
        if len(listed) > 100:
            raise form_error(f"allowed_mentions.{kind}", "BASE_TYPE_MAX_LENGTH", "Must be 100 or fewer in length.")
