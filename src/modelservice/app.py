"""The composition root: builds the server from its parts, starts, drains and closes it."""

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
from modelservice.config import Address, Settings, Tokens
from modelservice.errors import InvalidSettingError
from modelservice.rpc.server import Server
from modelservice.rpc.tls_certificates import ServerCertificate
from modelservice.stop import Stop
from modelservice.store.access import Access
from modelservice.store.changes import read_changes
from modelservice.store.database import Database
from modelservice.telemetry import LineBudget
from modelservice.telemetry.endpoint import MetricsEndpoint
from modelservice.telemetry.metrics import Metrics, State

# In seconds: how long running calls may take to end once the server refuses new ones.
_GRACE: Final = 5.0
# In seconds: how long a loaded server waits for the issuer's first answer, so that it does not serve too early.
_ISSUER_PATIENCE: Final = 3.0


def serve(
    settings: Settings, log: FilteringBoundLogger, stop: Stop, log_lines_dropped: Callable[[], int] = lambda: 0
) -> None:
    """Serves gRPC until `stop` is requested, then drains.

    The server reports NOT_SERVING until the catalogue is loaded. While it drains, it reports NOT_SERVING again but
    still answers, so that clients that check its health can leave. Then it refuses new calls.

    Raises:
        InvalidSettingError: An address or a certificate file cannot be used.
        DefectError: The catalogue cannot be loaded, and retrying cannot help.
    """
    tls, tokens = settings.tls, settings.tokens
    certificate = ServerCertificate(tls.server, tls.client_authority, log) if tls.server else None
    keys = _issuer_keys(tokens, log) if tokens else None
    verifier = _verifier(tokens, keys) if tokens and keys else None
    database = Database(settings.database_url, Access.READ, kept=True)
    catalogue = Catalogue(partial(read_changes, database), settings.refresh_interval, log)
    metrics, budget = Metrics(version("modelservice")), LineBudget(settings.log_calls_per_second)
    fresh = FreshAnswers(catalogue, settings.max_staleness, log)
    server = Server(fresh, verifier, log, metrics, budget, reflection_enabled=settings.reflection)
    tasks = [part.task for part in (catalogue, fresh, server, keys, certificate) if part]
    metrics.show(lambda: _state(catalogue, server, certificate, tasks, log_lines_dropped()))
    endpoint = _endpoint(settings.metrics_address, metrics, log)
    if not server.start(str(settings.grpc_address), certificate):
        raise InvalidSettingError(
            f"MODELSERVICE_GRPC_ADDRESS: cannot listen on {settings.grpc_address}: already in use, or not local"
        )
    log.info(
        "listening",
        address=str(settings.grpc_address),
        tls=("mutual" if certificate.mutual else "on") if certificate else "off",
        metrics=str(settings.metrics_address or "off"),
        database=database.name,
    )
    if host := database.unencrypted_host():
        log.warning("database connection may be unencrypted", host=host, remedy="sslmode=verify-full")
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
        certificate.task.close()
    if endpoint:
        endpoint.close()
    log.info("stopped")
    if catalogue.defect:
        raise catalogue.defect


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
    return {
        "modelservice_ready": server.health.serving,
        "modelservice_catalogue_revision": held.revision.number if held else 0,
        "modelservice_catalogue_models": {
            "system": len(held.entries) if held else 0,
            "organization": len(held.records) if held else 0,
        },
        "modelservice_catalogue_keys": len(held.keys) if held else 0,
        "modelservice_catalogue_quarantined_rows": catalogue.left_out,
        "modelservice_catalogue_age_seconds": catalogue.age,
        "modelservice_refresh_failures": catalogue.failures,
        # Without TLS there is no sample: 0 would raise alarms.
        "modelservice_certificate_expiry_timestamp_seconds": certificate.expires.timestamp() if certificate else None,
        "modelservice_log_lines_dropped": log_lines_dropped,
        "modelservice_task_failures": {task.name: task.failures for task in tasks},
        "modelservice_task_failing": {task.name: task.failing for task in tasks},
    }


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
