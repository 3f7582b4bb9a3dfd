"""What every server here is to whoever runs it: started and stopped, or there inside an `async with`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Service(ABC):
    """Started by `start`, ended by `stop`; `async with` does both."""

    @abstractmethod
    async def start(self) -> None:
        """Listen; raises OSError where that is not possible."""

    @abstractmethod
    async def stop(self) -> None:
        """Close every connection and stop listening. Harmless where nothing was started."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
