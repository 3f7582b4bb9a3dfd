"""The sandbox by itself: starts the stand-ins and the page, prints the environment to reach them, waits to be ended."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import signal
import sys
from collections.abc import Sequence
from typing import get_args

from sandbox.app import Sandbox
from sandbox.claude import ClaudeServer
from sandbox.discord import DiscordServer
from sandbox.journal import Journal
from sandbox.limits import Counting
from sandbox.slack import Rates, SlackServer

NAMES = ("slack", "discord", "claude")

CONNECTING = """\
to connect a bot to them:
  made=$(mktemp); .venv/bin/python -m sandbox --page-port 0 > $made &
  until grep "the page" $made; do sleep 0.2; done; . $made
  HTTP_PORT=0 DATA_DIR=$(mktemp -d) .venv/bin/firsttoken run"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    line = argparse.ArgumentParser(
        prog="python -m sandbox",
        description=__doc__,
        epilog=CONNECTING,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    line.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="the stand-ins to start (all)")
    line.add_argument("--page-port", type=int, default=8090, metavar="PORT", help="port of the page (%(default)s)")
    for name in NAMES:
        line.add_argument(f"--{name}-port", type=int, default=0, metavar="PORT", help="0 takes any free one (0)")
    limits = ("on", "halved", "off")
    line.add_argument("--limits", choices=limits, default="on", help="how the platforms' limits are kept (on)")
    line.add_argument("--counting", choices=get_args(Counting), help="how they count (each platform's own way)")
    line.add_argument("--rate", type=float, default=30.0, help="deltas a second of Claude's stand-in (%(default)g)")
    line.add_argument("--first-delay", type=float, default=0.5, help="seconds before its first text (%(default)g)")
    return line


def build(options: argparse.Namespace) -> Sandbox:
    """The sandbox the options ask for, not started."""
    journal = Journal()
    factor = 0.5 if options.limits == "halved" else 1.0
    slack = SlackServer(
        journal,
        port=options.slack_port,
        rates=Rates(options.counting or "sliding", enforced=options.limits != "off", factor=factor),
    )
    discord = DiscordServer(
        journal,
        port=options.discord_port,
        counting=options.counting or "anchored",
        enforce_limits=options.limits != "off",
    )
    discord.limits.share = factor
    claude = ClaudeServer(journal, port=options.claude_port, rate=options.rate, first_delay=options.first_delay)
    return Sandbox(
        journal,
        slack=slack if "slack" in options.only else False,
        discord=discord if "discord" in options.only else False,
        claude=claude if "claude" in options.only else False,
        page_port=options.page_port,
    )


async def serve(options: argparse.Namespace) -> None:
    """Run until SIGINT or SIGTERM."""
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with build(options) as sandbox:
        for name, value in sandbox.environment().items():
            sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
        sys.stdout.write(f"# the page: {sandbox.page_url}\n")
        sys.stdout.flush()
        await ended.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    try:
        asyncio.run(serve(parser().parse_args(arguments)))
    except OSError as error:
        sys.stderr.write(f"the sandbox cannot listen: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
