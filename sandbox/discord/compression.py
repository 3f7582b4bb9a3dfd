"""How gateway messages are put into frames: plain text, `zlib-stream` or `zstd-stream`, one stream a connection."""

from __future__ import annotations

import zlib
from typing import Protocol


class Encoder(Protocol):
    """Turns one gateway message into one WebSocket message."""

    def encode(self, text: str) -> str | bytes:
        """Text stays a text frame, bytes become a binary one."""
        ...


class Plain:
    """No transport compression."""

    def encode(self, text: str) -> str:
        """The text itself."""
        return text


class ZlibStream:
    """One zlib stream for the connection; each message ends with the marker of a sync flush (00 00 ff ff)."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj()

    def encode(self, text: str) -> bytes:
        """The stream's next piece."""
        return self._stream.compress(text.encode()) + self._stream.flush(zlib.Z_SYNC_FLUSH)


class ZstdStream:
    """One zstd frame for the connection, of raw blocks (RFC 8878): every decoder takes it, and it needs no library."""

    _HEAD = bytes.fromhex("28b52ffd 00 38")
    """Magic number, frame header descriptor without options, window descriptor for 128 KiB."""
    _BLOCK = 1 << 17
    """A block's largest size, bytes."""

    def __init__(self) -> None:
        self._begun = False

    def encode(self, text: str) -> bytes:
        """The frame's next blocks, none of them the last."""
        data = text.encode()
        pieces = [] if self._begun else [self._HEAD]
        self._begun = True
        for start in range(0, len(data), self._BLOCK):
            block = data[start : start + self._BLOCK]
            pieces += [(len(block) << 3).to_bytes(3, "little"), block]
        return b"".join(pieces)


def encoder(compress: str | None) -> Encoder:
    """The encoder for a connection's `compress` query parameter."""
    if compress == "zlib-stream":
        return ZlibStream()
    if compress == "zstd-stream":
        return ZstdStream()
    return Plain()
