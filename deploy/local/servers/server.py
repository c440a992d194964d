"""A server that runs on this machine as one process: PostgreSQL, Kafka, Zipkin."""

from abc import ABC, abstractmethod
from typing import Self

from deploy.local.processes.process import Process, wait_until

START_TIMEOUT_S = 90


class LocalServer(ABC):
    """What launchers and tests do with a server; `launch` of the subclass makes its process."""

    name: str
    process: Process | None

    @abstractmethod
    def launch(self) -> None:
        """Start the process without waiting until it is ready. Raises StartFailed."""

    @abstractmethod
    def is_ready(self) -> bool: ...

    def wait(self) -> None:
        """Wait until it is ready. Kills it and raises StartFailed when it is not in time; also when interrupted."""
        process = self._launched()
        try:
            wait_until(self.is_ready, what=self.name, timeout_s=START_TIMEOUT_S, process=process)
        except BaseException:
            process.kill()
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
        """Shut down in order. A second call does nothing."""
        if self.process:
            self.process.stop(timeout_s=30)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self.process:
            self.process.kill()

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        self._launched().pause()

    def resume(self) -> None:
        """SIGCONT after `pause`."""
        self._launched().resume()

    def last_lines(self) -> str:
        """The last lines of its log, for the end of an error message."""
        return self.process.last_lines() if self.process else ""

    def _launched(self) -> Process:
        assert self.process, f"{self.name} was not started"
        return self.process
