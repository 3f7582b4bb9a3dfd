"""The command line: reads settings, starts one thing, and says errors in one line."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from bot.app.invocation import COMMAND
from bot.app.roles import Role
from bot.errors import BotError, SettingsError

SANDBOX_PORT = 8090


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, or 2 for what the operator must mend."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="A Slack and Discord bot that answers with Claude as it writes."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="say which version this is and leave")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    run = commands.add_parser("run", help="run the bot on every platform that has a token")
    run.add_argument("--or-sandbox", action="store_true", help="with no token at all, start the sandbox instead")
    _role(run, "what this process does: take messages in, answer them, or both (%(default)s)")
    chat = commands.add_parser("chat", help="talk to it in this terminal")
    chat.add_argument("--sandbox", action="store_true", help="ask the stand-in for Claude; needs no key")
    chat.add_argument("--resume", metavar="SESSION", nargs="?", const="", help="go on with a session (the last one)")
    chat.add_argument("--stats", action="store_true", help="show tokens and times after each answer")
    sandbox = commands.add_parser("sandbox", help="try it in the browser, without any token")
    sandbox.add_argument("--port", type=int, default=SANDBOX_PORT, help="port of the page (%(default)s; 0: any)")
    check = commands.add_parser("check", help="try tokens, scopes, the model and Redis, and say what is wrong")
    _role(check, "try what `run` needs in this role (%(default)s)")
    options = parser.parse_args(arguments)
    try:
        return _COMMANDS[options.command](options)
    except BotError as error:
        from bot.app.logs import clean  # noqa: PLC0415 - --help needs nothing of it

        for problem in getattr(error, "problems", (str(error),)):
            print(" ".join(clean(problem).splitlines()), file=sys.stderr)
        return 2 if isinstance(error, SettingsError) else 1
    except KeyboardInterrupt:
        return 130


class _Version(argparse.Action):
    """`--version`; the version is looked up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib import metadata  # noqa: PLC0415 - as above

        print(f"firsttoken {metadata.version('firsttoken')}")
        parser.exit()


def _role(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument("--role", choices=[role.value for role in Role], default=Role.ALL.value, help=what)


def _run(options: argparse.Namespace) -> int:
    with _leaving():
        settings, role = _needed(options), Role(options.role)
        if _without_platform(options, settings):
            return _sandbox(argparse.Namespace(port=SANDBOX_PORT))
        from bot.app.app import App  # noqa: PLC0415 - --help needs none of the libraries behind it

        _on_loop(lambda: App(settings, role=role).run())
    return 0


def _chat(options: argparse.Namespace) -> int:
    _starting()
    from bot.app.first_run import chat  # noqa: PLC0415 - as above

    status: int = _on_loop(lambda: chat(_quiet, sandbox=options.sandbox, resume=options.resume, stats=options.stats))
    return status


def _sandbox(options: argparse.Namespace) -> int:
    with _leaving():
        _starting()
        from bot.app.first_run import sandbox  # noqa: PLC0415 - as above

        _on_loop(lambda: sandbox(_quiet, options.port))
    return 0


def _check(options: argparse.Namespace) -> int:
    settings = _needed(options)
    from bot.app.check import check  # noqa: PLC0415 - as above

    found = _on_loop(lambda: check(settings, Role(options.role)))
    for line in found.errors:
        print(line, file=sys.stderr)
    for line in found.warnings:
        print(f"warning: {line}")
    if not found.errors:
        count = len(found.warnings)
        print(f"it runs, with {count} warning(s)" if count else "everything needed works")
    return 2 if found.errors else 0


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": _run,
    "chat": _chat,
    "sandbox": _sandbox,
    "check": _check,
}


def _starting() -> None:
    """Tell a person at a terminal that it begins; what is said next takes the place of this. Nothing into a pipe."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        print("starting ...", end="\r", flush=True)


@contextmanager
def _leaving() -> Iterator[None]:
    """Leave at once when told to, until the running bot has handlers of its own: nothing has begun yet.

    Not by an exception, which some libraries do not take well while they are imported.
    """
    before = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is _leave:
                signal.signal(number, handler)


def _leave(*_: object) -> None:
    os._exit(0)


def _needed(options: argparse.Namespace) -> Any:
    """The settings of `run` and `check`; where some cannot be read, what is wrong with the rest is told, too."""
    from bot.app.settings import WrongSettings  # noqa: PLC0415 - as above

    try:
        return _settings()
    except WrongSettings as error:
        if error.rest is None or _without_platform(options, error.rest):
            raise
        from bot.app import preflight  # noqa: PLC0415 - as above

        raise WrongSettings([*error.problems, *preflight.wrong(error.rest, Role(options.role))]) from None


def _without_platform(options: argparse.Namespace, settings: Any) -> bool:
    """Whether the sandbox is started in the place of the bot."""
    may = options.command == "run" and options.or_sandbox and Role(options.role) is Role.ALL
    return may and not settings.any_platform


def _settings(*, quiet: bool = False, **overrides: Any) -> Any:
    """The settings, with the log set up; `quiet`: warnings only, unless the operator named a level."""
    from bot.app import logs, settings  # noqa: PLC0415 - as above

    read = settings.read(**overrides)
    level = "warning" if quiet and "log_level" not in read.model_fields_set else read.log_level
    logs.set_up(level, read.log_format, read.secrets)
    return read


_quiet = partial(_settings, quiet=True)


def _on_loop(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a coroutine on uvloop where there is one."""
    try:
        import uvloop  # noqa: PLC0415 - there is none on Windows
    except ImportError:
        return asyncio.run(work())
    return uvloop.run(work())


if __name__ == "__main__":
    sys.exit(main())
