"""The other calls of the REST API: the bot itself, its application and commands, the gateway, users and the guild."""

from __future__ import annotations

from typing import Any

from . import payloads
from .errors import ApiError, form_error
from .gateway import Gateway
from .rest import Call, Endpoint
from .world import DM, THREAD, World


class Guilds:
    """The bot, its guild and the people in it."""

    def __init__(self, world: World, gateway: Gateway) -> None:
        self.world = world
        self.gateway = gateway
        self.shards = 1
        self._commands: dict[str, list[dict[str, Any]]] = {}

    def calls(self) -> list[Endpoint]:
        """The calls by name."""
        return [
            Endpoint("GET me", "GET", "/users/@me", self.me),
            Endpoint("GET my guilds", "GET", "/users/@me/guilds", self.my_guilds),
            Endpoint("GET user", "GET", "/users/{user}", self.user),
            Endpoint("GET application", "GET", "/oauth2/applications/@me", self.application),
            Endpoint("GET application", "GET", "/applications/@me", self.application),
            Endpoint("GET commands", "GET", "/applications/{application}/commands", self.commands),
            Endpoint("PUT commands", "PUT", "/applications/{application}/commands", self.set_commands),
            Endpoint("GET commands", "GET", "/applications/{application}/guilds/{guild}/commands", self.commands),
            Endpoint("PUT commands", "PUT", "/applications/{application}/guilds/{guild}/commands", self.set_commands),
            Endpoint("GET gateway", "GET", "/gateway", self.gateway_url, public=True),
            Endpoint("GET gateway bot", "GET", "/gateway/bot", self.gateway_bot),
            Endpoint("GET guild", "GET", "/guilds/{guild}", self.guild),
            Endpoint("GET channels", "GET", "/guilds/{guild}/channels", self.channels),
            Endpoint("GET roles", "GET", "/guilds/{guild}/roles", self.roles),
            Endpoint("GET members", "GET", "/guilds/{guild}/members", self.members),
            Endpoint("GET member", "GET", "/guilds/{guild}/members/{user}", self.member),
        ]

    def _guild(self, call: Call) -> None:
        if call.path["guild"] != self.world.guild_id or not self.world.bot_in_guild:
            raise ApiError(10004)

    def me(self, _: Call) -> tuple[int, Any]:
        """The bot's own user."""
        return 200, payloads.bot_user(self.world)

    def my_guilds(self, _: Call) -> tuple[int, Any]:
        """The guilds the bot is in."""
        if not self.world.bot_in_guild:
            return 200, []
        guild = payloads.guild(self.world)
        keys = ("id", "name", "icon", "banner", "features")
        return 200, [{key: guild[key] for key in keys} | {"owner": False, "permissions": "0"}]

    def user(self, call: Call) -> tuple[int, Any]:
        """Any user."""
        person = self.world.users.get(call.path["user"])
        if person is None:
            raise ApiError(10013)
        return 200, payloads.user(person)

    def application(self, _: Call) -> tuple[int, Any]:
        """The bot's application, whose flags tell the privileged intents."""
        return 200, payloads.application(self.world, self.gateway.application_flags())

    def commands(self, call: Call) -> tuple[int, Any]:
        """The application commands of a scope."""
        return 200, self._commands.get(call.path.get("guild", ""), [])

    def command(self, name: str) -> dict[str, Any]:
        """The registered command with that name; raises KeyError."""
        for command in (each for scope in self._commands.values() for each in scope):
            if command["name"] == name:
                return command
        raise KeyError(name)

    def set_commands(self, call: Call) -> tuple[int, Any]:
        """Replace the application commands of a scope."""
        if call.path["application"] != self.world.application_id:
            raise ApiError(50001)
        given = {
            "application_id": self.world.application_id,
            "default_member_permissions": None,
            "version": self.world.snowflake(),
        }
        if "guild" in call.path:
            given["guild_id"] = call.path["guild"]
        stored = [
            {"type": 1, "description": "", "options": [], **each, **given, "id": self.world.snowflake()}
            for each in call.body.get("items", [])
        ]
        self._commands[call.path.get("guild", "")] = stored
        return 200, stored

    def gateway_url(self, _: Call) -> tuple[int, Any]:
        """The gateway's address."""
        return 200, {"url": self.gateway.url}

    def gateway_bot(self, _: Call) -> tuple[int, Any]:
        """The gateway's address, with the shards advised and what is left of the day's IDENTIFYs."""
        start = {
            "total": 1000,
            "remaining": self.gateway.identifies_left,
            "reset_after": 86_400_000,
            "max_concurrency": 1,
        }
        return 200, {"url": self.gateway.url, "shards": self.shards, "session_start_limit": start}

    def guild(self, call: Call) -> tuple[int, Any]:
        """The guild."""
        self._guild(call)
        return 200, payloads.guild(self.world)

    def channels(self, call: Call) -> tuple[int, Any]:
        """The guild's channels, without threads."""
        self._guild(call)
        return 200, [
            payloads.channel(self.world, each) for each in self.world.channels.values() if each.kind not in (DM, THREAD)
        ]

    def roles(self, call: Call) -> tuple[int, Any]:
        """The guild's roles."""
        self._guild(call)
        return 200, [payloads.role(each) for each in self.world.roles.values()]

    def members(self, call: Call) -> tuple[int, Any]:
        """The guild's members after an id; needs the privileged intent."""
        self._guild(call)
        if "guild_members" not in self.gateway.privileged:
            raise ApiError(50001)
        try:
            after, limit = int(call.query.get("after", "0")), int(call.query.get("limit", "1"))
        except ValueError:
            raise form_error("after", "NUMBER_TYPE_COERCE", "Value is not snowflake.") from None
        people = sorted((p for p in self.world.users.values() if int(p.id) > after), key=lambda p: int(p.id))
        return 200, [payloads.member(person) for person in people[:limit]]

    def member(self, call: Call) -> tuple[int, Any]:
        """One member."""
        self._guild(call)
        if call.path["user"] not in self.world.users:
            raise ApiError(10007)
        return 200, payloads.member(self.world.users[call.path["user"]])
