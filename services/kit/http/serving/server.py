"""A service's HTTP server: uvicorn with limits, TLS and the proxies that are believed."""

import asyncio
import signal
import socket
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Final, cast

import structlog
import uvicorn
from cryptography import x509
from fastapi import FastAPI
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE

from services.kit.http.client_address import TrustedProxies
from services.kit.http.serving.connections import KEEP_ALIVE_S, LimitedProtocol, OpenConnections
from services.kit.observability import metrics
from services.kit.runtime.gc_tuning import tune_gc
from services.kit.settings import Settings, refused

_GRACEFUL_S: Final = 10
_TICKS_PER_S: Final = 10
"""Of uvicorn's main loop."""
_log = structlog.get_logger(__name__)


def before_drain(app: FastAPI, callback: Callable[[], None]) -> None:
    """Call `callback` on shutdown, before open responses are awaited: endless ones must end then."""
    app.state.before_drain.append(callback)


class Server(uvicorn.Server):
    """Closes late connections, and calls the `before_drain` callbacks of `app`."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._open = OpenConnections(
            settings.max_connections, settings.max_connections_per_address, TrustedProxies(settings.trusted_proxies)
        )
        super().__init__(self._configure(app))
        self._certificate_read = self._certificate_refused = _changed_at(settings)
        _measure_certificate(settings.tls_certificate)

    def _configure(self, app: ASGIApp) -> uvicorn.Config:
        settings = self._settings
        return uvicorn.Config(
            app,
            interface="asgi3",
            host=settings.http_host,
            port=settings.http_port,
            loop="auto",
            http=cast(Any, partial(LimitedProtocol, open_connections=self._open)),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=settings.trusted_proxies,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=_GRACEFUL_S,
            ssl_certfile=settings.tls_certificate,
            ssl_keyfile=settings.tls_key,
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._settings.operator_port is not None:
            await self._listen_for_operators(self._settings.operator_port)

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_PER_S == 0:
            now_s = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                cast(LimitedProtocol, connection).close_if_late(now_s)
            self._open.report()
            self._reload_certificate()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # The lifespan ends too late: only after the last response.
        for callback in getattr(self._app.state, "before_drain", ()):
            callback()
        await super().shutdown(sockets)

    async def _listen_for_operators(self, port: int) -> None:
        """Its connections are drained with the others, and count with them."""
        config = self._configure(self._app.state.operator)
        config.load()

        def protocol() -> LimitedProtocol:
            return LimitedProtocol(config, self.server_state, self.lifespan.state, open_connections=self._open)

        loop = asyncio.get_running_loop()
        try:
            # The one context, so that a renewed certificate is theirs too.
            listener = await loop.create_server(protocol, self._settings.operator_host, port, ssl=self.config.ssl)
        except OSError as error:
            _log.critical("operator_port.failed", error=error.strerror)
            await self.lifespan.shutdown()
            raise SystemExit(STARTUP_FAILURE) from None
        self.servers.append(listener)

    def _reload_certificate(self) -> None:
        """New connections get a certificate that was put in the place of the old one."""
        changed = _changed_at(self._settings)
        if changed == self._certificate_read or self.config.ssl is None or self._settings.tls_certificate is None:
            return
        try:
            # First into a context that nobody uses: half of a pair takes away the key of the context it is loaded into.
            for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.config.ssl):
                context.load_cert_chain(self._settings.tls_certificate, self._settings.tls_key)
        except (OSError, ValueError) as error:
            # Half of the pair has been replaced, or may not be read yet, which changes no time: tried again, said once.
            if changed != self._certificate_refused:
                _log.error("certificate.refused", error=type(error).__name__)
            self._certificate_refused = changed
        else:
            _log.info("certificate.reloaded")
            _measure_certificate(self._settings.tls_certificate)
            self._certificate_read = self._certificate_refused = changed


def serve(app: FastAPI, settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then drain; exits with 0, 2 for a wrong certificate, 3 if the start failed."""
    server = Server(app, settings)
    tune_gc()
    # Once drained, uvicorn raises the signal again, which would end the process before the telemetry is flushed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    try:
        _load(server.config)
        server.run()
    finally:
        if app.state.telemetry is not None:
            app.state.telemetry.stop()
    if not server.started:
        raise SystemExit(3)


def _load(config: uvicorn.Config) -> None:
    """Reads certificate and key; ends the process as wrong settings do if they are none."""
    try:
        config.load()
    except OSError as error:
        why = error.reason or "one is no PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise refused([f"LIXIAO_TLS_CERTIFICATE and LIXIAO_TLS_KEY cannot be used together: {why}"]) from None


def _measure_certificate(file: Path | None) -> None:
    if file is None:
        return
    try:
        first, *_ = x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError):
        return  # uvicorn names the fault
    metrics.CERTIFICATE_END.set(first.not_valid_after_utc.timestamp())


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def _changed_at(settings: Settings) -> tuple[int, ...]:
    files = (settings.tls_certificate, settings.tls_key)
    try:
        return tuple(file.stat().st_mtime_ns for file in files if file is not None)
    except OSError:
        return ()
