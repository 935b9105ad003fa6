"""The composition root: what is built from what, started, drained, closed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from typing import Final

from structlog.typing import FilteringBoundLogger

from modelservice.auth.issuer_keys import DEFAULT, FILE, IssuerKeys
from modelservice.auth.key_source import is_url, key_source
from modelservice.auth.token import TokenRules, TokenVerifier
from modelservice.background import Task
from modelservice.catalogue.freshness import FreshAnswers
from modelservice.catalogue.refresher import Catalogue
from modelservice.config import Address, Settings, Tls, Tokens
from modelservice.errors import InvalidSettingError
from modelservice.preconditions import require_key_file
from modelservice.rpc.server import Server
from modelservice.rpc.tls_certificates import ServerCertificate
from modelservice.stop import Stop
from modelservice.store.access import Access
from modelservice.store.changes import read_changes
from modelservice.store.database import Database
from modelservice.telemetry import LineBudget
from modelservice.telemetry.endpoint import MetricsEndpoint
from modelservice.telemetry.metrics import Metrics, State

# How long calls under way may take to end, in seconds, once the server takes no new ones.
_GRACE: Final = 5.0
# How long a server that is ready waits for the issuer's first answer, in seconds, so that no caller comes too early.
_ISSUER_PATIENCE: Final = 3.0


def serve(
    settings: Settings, log: FilteringBoundLogger, stop: Stop, log_lines_dropped: Callable[[], int] = lambda: 0
) -> None:
    """Serves gRPC until told to stop, then drains.

    A server is NOT_SERVING until the catalogue is loaded. Told to stop, it says NOT_SERVING again and goes on
    answering, so that whoever checks its health has time to turn away; then it takes no new calls.

    Args:
        settings: The settings.
        log: Where it tells what it does.
        stop: When to stop.
        log_lines_dropped: Returns how many lines of the log were dropped.

    Raises:
        InvalidSettingError: An address cannot be listened on, or a file of certificates or of the issuer's keys
            cannot be used.
        DefectError: The catalogue cannot be loaded, and no other try can help.
    """
    require_key_file(settings.tokens)
    certificate = _certificate(settings.tls, log)
    keys = _issuer_keys(settings.tokens, log) if settings.tokens else None
    tokens = _verifier(settings.tokens, keys) if settings.tokens and keys else None
    database = Database(settings.database_url, Access.READ, kept=True)
    catalogue = Catalogue(partial(read_changes, database), settings.refresh_interval, log)
    metrics, budget = Metrics(version("modelservice")), LineBudget(settings.log_calls_per_second)
    fresh = FreshAnswers(catalogue, settings.max_staleness, log)
    server = Server(fresh, tokens, log, metrics, budget, reflection_enabled=settings.reflection)
    tasks = [part.task for part in (catalogue, fresh, server, keys, certificate) if part]
    metrics.show(lambda: _state(catalogue, server, certificate, tasks, log_lines_dropped()))
    endpoint = _endpoint(settings.metrics_address, metrics, log)
    if not server.start(str(settings.grpc_address), certificate):
        raise InvalidSettingError(
            f"MODELSERVICE_GRPC_ADDRESS: cannot listen on {settings.grpc_address}: it is taken, or not of this machine"
        )
    log.info(
        "listening",
        address=str(settings.grpc_address),
        tls=("mutual" if certificate.mutual else "on") if certificate else "off",
        metrics=str(settings.metrics_address or "off"),
        database=database.name,
    )
    _warn_of_plaintext(database, log)
    if keys:
        keys.start()

    def loaded() -> None:
        if keys:
            keys.asked.wait(_ISSUER_PATIENCE)
        server.health.serve()

    catalogue.start(loaded, stop.give_up)
    fresh.start(server.health.suspend, server.health.resume)
    stop.requested.wait()
    log.info("draining", seconds=settings.drain_seconds)
    server.health.drain()
    stop.hurried.wait(settings.drain_seconds)
    server.stop(_GRACE, stop.hurried)
    fresh.close()
    catalogue.close()
    database.close()
    if keys:
        keys.close()
    if certificate:
        certificate.close()
    if endpoint:
        endpoint.close()
    log.info("stopped")
    if catalogue.defect:
        raise catalogue.defect


def _warn_of_plaintext(database: Database, log: FilteringBoundLogger) -> None:
    if host := database.unencrypted_host():
        log.warning("the connection to the database may be without TLS", host=host, remedy="sslmode=verify-full")


def _certificate(tls: Tls, log: FilteringBoundLogger) -> ServerCertificate | None:
    return ServerCertificate(tls.server, tls.client_authority, log) if tls.server else None


def _endpoint(address: Address | None, metrics: Metrics, log: FilteringBoundLogger) -> MetricsEndpoint | None:
    if address is None:
        return None
    try:
        return MetricsEndpoint(*address, metrics.registry, log)
    except OSError as error:
        raise InvalidSettingError(
            f"MODELSERVICE_METRICS_ADDRESS: cannot listen on {address}: {os.strerror(error.errno or 0)}"
        ) from None


def _state(
    catalogue: Catalogue,
    server: Server,
    certificate: ServerCertificate | None,
    tasks: Sequence[Task],
    log_lines_dropped: int,
) -> State:
    held = catalogue.snapshot
    return State(
        ready=server.health.serving,
        revision=held.revision.number if held else 0,
        system_models=len(held.entries) if held else 0,
        organization_models=len(held.records) if held else 0,
        keys=len(held.keys) if held else 0,
        left_out=catalogue.left_out,
        age=catalogue.age,
        refresh_failures=catalogue.failures,
        certificate_expires=certificate.expires.timestamp() if certificate else None,
        log_lines_dropped=log_lines_dropped,
        tasks=tasks,
    )


def _verifier(tokens: Tokens, keys: IssuerKeys) -> TokenVerifier:
    rules = TokenRules(
        issuers=tokens.issuers,
        audience=tokens.audience,
        algorithms=tokens.algorithms,
        leeway=tokens.leeway,
        organization_claim=tokens.organization_claim,
        required_role=tokens.required_role,
    )
    return TokenVerifier(rules, keys)


def _issuer_keys(tokens: Tokens, log: FilteringBoundLogger) -> IssuerKeys:
    schedule = DEFAULT if is_url(tokens.key_set) else FILE
    return IssuerKeys(key_source(tokens.key_set), tokens.algorithms, log, schedule)
