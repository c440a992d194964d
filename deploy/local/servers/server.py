"""A server on this machine, as one process."""

from abc import abstractmethod
from pathlib import Path
from typing import Self

from deploy.local.processes.process import Process

START_TIMEOUT_S = 90


class LocalServer(Process):
    """`folder` has data, log and port, for a later start too."""

    serves_others = True

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder.absolute()
        log = self.folder / f"{type(self).__name__.lower()}.log"
        super().__init__(name, (), log=log, cwd=self.folder, ready=self.is_ready)

    @abstractmethod
    def prepare(self) -> None:
        """Set the command. Raises StartFailed."""

    @property
    @abstractmethod
    def address(self) -> str:
        """As its variable has it (obtain.py)."""

    @abstractmethod
    def is_ready(self) -> bool: ...

    def launch(self) -> None:
        """Without waiting. Raises StartFailed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.prepare()
        super().start()

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Kills it at the timeout, raising StartFailed, and when interrupted."""
        try:
            super().wait_ready(timeout_s)
        except BaseException:
            self.kill()
            raise

    def start(self) -> Self:
        """Raises StartFailed."""
        self.launch()
        self.wait_ready()
        return self

    def stop(self, timeout_s: float = 30) -> None:
        super().stop(timeout_s)
