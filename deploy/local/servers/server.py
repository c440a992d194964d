"""A server that runs on this machine as one process: PostgreSQL, Kafka, Zipkin."""

from abc import abstractmethod
from pathlib import Path
from typing import Self

from deploy.local.processes.process import Process

START_TIMEOUT_S = 90


class LocalServer(Process):
    """A process prepared when it starts. `folder` has its data, log and port, and a later start may use it again."""

    serves_others = True

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder.absolute()
        log = self.folder / f"{type(self).__name__.lower()}.log"
        super().__init__(name, (), log=log, cwd=self.folder, ready=self.is_ready)

    @abstractmethod
    def prepare(self) -> None:
        """Set the command, and what else it needs. Raises StartFailed."""

    @abstractmethod
    def is_ready(self) -> bool: ...

    def launch(self) -> None:
        """Start the process without waiting until it is ready. Raises StartFailed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.prepare()
        super().start()

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until it is ready. Kills it and raises StartFailed when it is not in time; also when interrupted."""
        try:
            super().wait_ready(timeout_s)
        except BaseException:
            self.kill()
            raise

    def start(self) -> Self:
        """Launch it and wait. Raises StartFailed."""
        self.launch()
        self.wait_ready()
        return self

    def stop(self, timeout_s: float = 30) -> None:
        super().stop(timeout_s)
