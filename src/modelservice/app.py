"""The composition root: what is built from what, started, drained, closed."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Final

from structlog.typing import FilteringBoundLogger

from modelservice.auth.authenticate import authenticate
from modelservice.auth.authorize import viewer
from modelservice.auth.issuer_keys import DEFAULT, FILE, IssuerKeys
from modelservice.auth.jwks import KeySetError, parse_key_set
from modelservice.auth.key_source import is_url, key_source
from modelservice.auth.token import TokenRules, TokenVerifier
from modelservice.catalogue.refresher import Catalogue
from modelservice.catalogue.snapshot import Snapshot
from modelservice.config import Settings, Tokens
from modelservice.domain.principal import Principal
from modelservice.errors import InvalidSettingError
from modelservice.rpc.server import Server
from modelservice.rpc.servicers import Gate
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.reading import read_changes

STOP_SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT})
# How long calls under way may take to end, in seconds, once the server takes no new ones.
_GRACE: Final = 5.0
# How long a server that is ready waits for the issuer's first answer, in seconds, so that no caller comes too early.
_ISSUER_PATIENCE: Final = 3.0


class Stop:
    """What SIGTERM and SIGINT (Ctrl-C) ask for: the first to drain and end, a second one to end at once.

    Attributes:
        requested: Set by the first.
        hurried: Set by the second.
    """

    def __init__(self) -> None:
        self.requested = threading.Event()
        self.hurried = threading.Event()

    def listen(self) -> None:
        """Takes the signals from now on. To be called before any other thread is started.

        The signals are blocked, and a thread waits for them. A handler would run in the main thread, between any two
        of its instructions: while that thread waits for an event, or holds its lock, a handler that sets the event can
        come too late or wait for ever.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        threading.Thread(target=self._wait, name="signals", daemon=True).start()

    def _wait(self) -> None:
        signal.sigwait(STOP_SIGNALS)
        self.requested.set()
        signal.sigwait(STOP_SIGNALS)
        self.hurried.set()


def serve(settings: Settings, log: FilteringBoundLogger, stop: Stop) -> None:
    """Serves gRPC until told to stop, then drains.

    A server is NOT_SERVING until the catalogue is loaded. Told to stop, it says NOT_SERVING again and goes on
    answering, so that whoever checks its health has time to turn away; then it takes no new calls.

    Args:
        settings: The settings.
        log: Where it tells what it does.
        stop: When to stop.

    Raises:
        InvalidSettingError: The address is not to be had, or the file of the issuer's keys cannot be used.
    """
    require_key_file(settings.tokens)
    keys = _issuer_keys(settings.tokens, log) if settings.tokens else None
    tokens = _verifier(settings.tokens, keys) if settings.tokens and keys else None
    database = Database(settings.database_url, Access.READ, kept=True)
    catalogue = Catalogue(partial(read_changes, database), settings.refresh_interval, log)
    server = Server(catalogue, make_gate(tokens), log, reflection_enabled=settings.reflection)
    if not server.start(str(settings.grpc_address)):
        raise InvalidSettingError(
            f"MODELSERVICE_GRPC_ADDRESS: cannot listen on {settings.grpc_address}: it is taken, or not of this machine"
        )
    log.info("listening", address=str(settings.grpc_address), database=database.name)
    if keys:
        keys.start()

    def loaded() -> None:
        if keys:
            keys.asked.wait(_ISSUER_PATIENCE)
        server.health.serve()

    catalogue.start(loaded)
    stop.requested.wait()
    log.info("draining", seconds=settings.drain_seconds)
    server.health.drain()
    stop.hurried.wait(settings.drain_seconds)
    server.stop(_GRACE, stop.hurried)
    catalogue.close()
    database.close()
    if keys:
        keys.close()
    log.info("stopped")


def require_key_file(tokens: Tokens | None) -> None:
    """Makes sure that the issuer's keys can be used, when they are a file. An issuer may be down for a while.

    Raises:
        InvalidSettingError: They cannot.
    """
    if tokens and not is_url(tokens.key_set):
        try:
            parse_key_set(key_source(tokens.key_set)(), tokens.algorithms)
        except KeySetError as error:
            raise InvalidSettingError(f"MODELSERVICE_JWT_JWKS: {error}") from None


def make_gate(tokens: TokenVerifier | None) -> Gate:
    """Returns what decides who may pass.

    Args:
        tokens: Verifies tokens; None where none are accepted.
    """

    def caller(authorization: Sequence[object], snapshot: Snapshot) -> Principal:
        return authenticate(authorization, snapshot, tokens, time.time())

    return Gate(authenticate=caller, viewer=viewer)


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
