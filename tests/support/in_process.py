"""A server in the test's own process."""

from __future__ import annotations

import contextlib
import io
import json
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple, TextIO

import grpc
from google.api.httpbody_pb2 import HttpBody

from modelservice.auth.token import TokenVerifier
from modelservice.catalogue.refresher import Catalogue
from modelservice.dialects.paths import read_address
from modelservice.rpc.rest_service import ORIGINAL_PATH, REST_SERVICE
from modelservice.rpc.server import Server
from modelservice.store.access import Access
from modelservice.store.changes import read_changes
from modelservice.store.database import Database
from modelservice.telemetry import LineBudget, make_log
from modelservice.telemetry.metrics import Metrics
from tests.support.harness import channel, unary, wait_until
from tests.support.ports import free_ports


class Serving(NamedTuple):
    """A running server.

    Attributes:
        url: Its database.
        catalogue: What it answers from.
        channel: A channel to it.
    """

    url: str
    catalogue: Catalogue
    channel: grpc.Channel

    def settle(self) -> None:
        """Waits until the server has everything that the database has."""

        def settled() -> bool:
            snapshot = self.catalogue.snapshot
            return snapshot is not None and read_changes(Database(self.url, Access.READ), snapshot.revision) is None

        wait_until(settled, "the server is up to date")

    def rest(self, path: str, credential: str) -> Any:
        """Returns the JSON that Envoy gets for a REST request."""
        return json.loads(self.http_body(path, credential).data)

    def http_body(self, path: str, credential: str) -> HttpBody:
        """Returns the message that Envoy gets for a REST request."""
        method = f"/{REST_SERVICE}/{read_address(path).resource.value}"
        metadata = (("authorization", f"Bearer {credential}"), (ORIGINAL_PATH, path))
        return HttpBody.FromString(unary(self.channel, method)(b"", metadata=metadata))


@contextlib.contextmanager
def serving(
    url: str, tokens: TokenVerifier | None = None, lines: TextIO | None = None, metrics: Metrics | None = None
) -> Iterator[Serving]:
    """Serves a database.

    Args:
        url: The database.
        tokens: Verifies tokens.
        lines: Where the log is written; it has every call then.
        metrics: What counts the calls.
    """
    log = make_log(lines or io.StringIO(), "info" if lines else "error")
    database = Database(url, Access.READ)
    catalogue = Catalogue(partial(read_changes, database), 0.01, log)
    server = Server(catalogue, tokens, log, metrics or Metrics("0"), LineBudget(0), reflection_enabled=False)
    address = f"127.0.0.1:{free_ports(1)[0]}"
    assert server.start(address)
    catalogue.start(server.health.serve)
    try:
        with channel(address) as one:
            running = Serving(url, catalogue, one)
            running.settle()
            yield running
    finally:
        hurried = threading.Event()
        hurried.set()
        server.stop(0, hurried)
        catalogue.close()
        database.close()
