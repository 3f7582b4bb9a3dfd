"""Logging: one line an event, as console text or JSON, with every secret struck out wherever it turns up.

Other rooms use the standard `logging` module and put fields into `extra`; only this file knows the form. Nothing is
logged per delta.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable
from typing import Any

import structlog

_STRUCK_OUT = "[secret]"
_SHAPES = (
    r"xox[a-z]-[\w-]{8,}|xapp-[\w-]{8,}|sk-ant-[\w-]{8,}|(?<=://)[^/\s@:]*+:[^/\s@]++(?=@)"
    r"|[\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}"
)
"""What tokens of Slack and Anthropic, passwords in addresses and tokens of Discord look like: a second net."""


class Redactor:
    """Strikes secrets out of text that is about to leave the process."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted((secret for secret in secrets if len(secret) >= 4), key=len, reverse=True)
        self._pattern = re.compile("|".join([*map(re.escape, known), _SHAPES]))

    def clean(self, text: str) -> str:
        """Return `text` with known secrets and token-shaped words struck out."""
        return self._pattern.sub(_STRUCK_OUT, text)


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Renders a record and cleans the finished line, traceback included."""

    def __init__(self, redactor: Redactor, **options: Any) -> None:
        super().__init__(**options)
        self.redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        return self.redactor.clean(super().format(record))


def clean(text: str) -> str:
    """Return `text` as it may leave the process by another way than the log: without what the log strikes out."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, _Formatter):
            return handler.formatter.redactor.clean(text)
    return Redactor().clean(text)


def set_up(level: str, form: str, secrets: Iterable[str] = ()) -> None:
    """Send every log record of the process to standard error in one form.

    Args:
        level: "debug", "info", "warning" or "error"; libraries speak from warning on.
        form: "console" or "json".
        secrets: values that may appear in no line.
    """
    redactor = Redactor(secrets)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if form == "json":
        shared.append(structlog.processors.format_exc_info)
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=24
        )
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _Formatter(
            redactor,
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("bot", "adapters", "sandbox"):
        logging.getLogger(name).setLevel(level.upper())
