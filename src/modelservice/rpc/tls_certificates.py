"""The certificate of the gRPC port, reloaded when its files change."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, cast

import grpc
from structlog.typing import FilteringBoundLogger

from modelservice.background import ReportedError, Task
from modelservice.certificates import check_pair, parse_certificates
from modelservice.errors import InvalidSettingError
from modelservice.pem_files import PairFiles, PemFile

# In seconds.
_POLL_INTERVAL: Final = 1.0


class ServerCertificate:
    """The certificate that the gRPC port presents, and the authority that its callers need.

    The files are polled, so any way of replacing them works. While new ones cannot be used, the last good ones are
    served. Open connections keep the certificate that they began with.

    Args:
        files: The certificate and its key.
        client_authority: The authority that must have signed callers' certificates; None if callers need none.
        log: Where renewals and failures are logged.

    Raises:
        InvalidSettingError: The files cannot be used.
    """

    def __init__(self, files: PairFiles, client_authority: PemFile | None, log: FilteringBoundLogger) -> None:
        self._files = files
        self._client_authority = client_authority
        self._log = log
        # The contents of the files that are served.
        self._texts = self._read()
        self._expires, self._first = self._parse(self._texts)
        # The newest configuration, until gRPC takes it.
        self._renewed: deque[grpc.ServerCertificateConfiguration] = deque(maxlen=1)
        self._failure: str | None = None
        self.task = Task("certificate", self.poll, _POLL_INTERVAL, log)

    @property
    def mutual(self) -> bool:
        """Whether callers must present a certificate."""
        return self._client_authority is not None

    @property
    def expires(self) -> datetime:
        """When the served certificate expires."""
        return self._expires

    def credentials(self) -> grpc.ServerCredentials:
        """Returns the credentials of a port, and starts polling. Call it once."""
        self.task.start()
        # gRPC's types lack the None that means "no change".
        take = cast("Callable[[], grpc.ServerCertificateConfiguration]", self._take)
        return grpc.dynamic_ssl_server_credentials(self._first, take, require_client_authentication=self.mutual)

    def poll(self) -> None:
        """Reads the files, and serves them if they changed.

        Raises:
            ReportedError: They cannot be used. The log says why, once until the reason changes.
        """
        try:
            texts = self._read()
            if texts == self._texts and self._failure is None and datetime.now(UTC) < self._expires:
                return
            expires, configuration = self._parse(texts)
        except InvalidSettingError as error:
            if str(error) != self._failure:
                self._failure = str(error)
                self._log.warning("certificate not renewed", reason=str(error), expires=self._expires.isoformat())
            raise ReportedError from None
        self._failure = None
        if texts != self._texts:
            self._texts, self._expires = texts, expires
            self._renewed.append(configuration)
            self._log.info("certificate renewed", expires=expires.isoformat())

    def _take(self) -> grpc.ServerCertificateConfiguration | None:
        # gRPC asks at each handshake, one at a time, and keeps the last configuration that it got.
        return self._renewed.pop() if self._renewed else None

    def _read(self) -> tuple[bytes, bytes, bytes | None]:
        authority = self._client_authority.read() if self._client_authority else None
        return self._files.certificate.read(), self._files.key.read(), authority

    def _parse(self, texts: tuple[bytes, bytes, bytes | None]) -> tuple[datetime, grpc.ServerCertificateConfiguration]:
        chain, key, authority = texts
        expires = check_pair(self._files, chain, key)
        if self._client_authority and authority is not None:
            parse_certificates(self._client_authority, authority)
        return expires, grpc.ssl_server_certificate_configuration([(key, chain)], authority)
