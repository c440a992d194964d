"""A server that runs on this machine as one process: PostgreSQL, Kafka, Zipkin."""

from abc import ABC, abstractmethod
from typing import Self

from deploy.local.processes.process import Process, wait_until

START_TIMEOUT_S = 90


class LocalServer(ABC):
    """A server with one process, which its subclass makes in `start`: what a supervisor and the tests ask of it."""

    name: str
    process: Process | None

    @abstractmethod
    def launch(self) -> None:
        """Start the process without waiting for it. Raises StartFailed."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it can be used now."""

    def wait(self) -> None:
        """Wait until it is ready. Raises StartFailed, and leaves nothing running then or when interrupted."""
        assert self.process, f"{self.name} was not started"
        try:
            wait_until(self.is_ready, what=self.name, timeout_s=START_TIMEOUT_S, process=self.process)
        except BaseException:
            self.process.kill()
            raise

    def start(self) -> Self:
        """Launch it and wait. Raises StartFailed."""
        self.launch()
        self.wait()
        return self

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self.process.pid if self.process else None

    def poll(self) -> int | None:
        """Exit code, or None while it runs (or before it was started)."""
        return self.process.poll() if self.process else None

    def stop(self) -> None:
        """Orderly end; stopping twice does nothing."""
        if self.process:
            self.process.stop()

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self.process:
            self.process.kill()

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing is answered."""
        assert self.process, f"{self.name} was not started"
        self.process.pause()

    def resume(self) -> None:
        """SIGCONT after `pause`."""
        assert self.process, f"{self.name} was not started"
        self.process.resume()

    def last_words(self) -> str:
        """The last lines of its log, introduced."""
        return self.process.last_words() if self.process else ""
