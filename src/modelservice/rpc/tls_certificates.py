"""The certificate of the gRPC port, read again when its files change."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, cast

import grpc
from structlog.typing import FilteringBoundLogger

from modelservice.background import ReportedError, Task
from modelservice.certificates.files import PairFiles, PemFile
from modelservice.certificates.reading import Pair, parse_authority, parse_pair, read_file
from modelservice.errors import InvalidSettingError

# In seconds: how often the files are looked at.
_INTERVAL: Final = 1.0


class ServerCertificate:
    """What the gRPC port shows its callers, and who vouches for them.

    Files are looked at rather than watched: so it is all one how they are replaced. While the new ones cannot be used,
    the last ones that could serve on. A connection keeps what it began with.

    Args:
        files: The certificate and its key.
        client_authority: Who must vouch for callers; None where they show no certificate.
        log: Where renewals are said, and what stands in their way.

    Attributes:
        task: The background task.

    Raises:
        InvalidSettingError: The files cannot be used.
    """

    def __init__(self, files: PairFiles, client_authority: PemFile | None, log: FilteringBoundLogger) -> None:
        self._files = files
        self._client_authority = client_authority
        self._log = log
        # What the files held when they were last taken.
        self._taken = self._read()
        self._held, self._first = self._parse(self._taken)
        # What gRPC has not taken yet: the newest.
        self._renewed: deque[grpc.ServerCertificateConfiguration] = deque(maxlen=1)
        self._failure: str | None = None
        self.task = Task("certificate", self._step, _INTERVAL, log)

    @property
    def mutual(self) -> bool:
        """Whether callers must show a certificate."""
        return self._client_authority is not None

    @property
    def expires(self) -> datetime:
        """Until when the certificate that is shown is valid."""
        return self._held.expires

    def credentials(self) -> grpc.ServerCredentials:
        """Returns what a port takes, and follows the files from now on. To be called once."""
        self.task.start()
        # That it may return None, for no news, is missing in gRPC's types.
        take = cast("Callable[[], grpc.ServerCertificateConfiguration]", self._take)
        return grpc.dynamic_ssl_server_credentials(self._first, take, require_client_authentication=self.mutual)

    def close(self) -> None:
        """Stops looking at the files."""
        self.task.close()

    def look(self) -> bool:
        """Looks at the files, and takes them when they are others than before. Says whether they can be used."""
        try:
            texts = self._read()
            if texts == self._taken and self._failure is None and datetime.now(UTC) < self._held.expires:
                return True
            held, configuration = self._parse(texts)
        except InvalidSettingError as error:
            self._say_once(str(error))
            return False
        self._failure = None
        if texts != self._taken:
            self._taken, self._held = texts, held
            self._renewed.append(configuration)
            self._log.info("certificate renewed", expires=held.expires.isoformat())
        return True

    def _step(self) -> None:
        if not self.look():
            raise ReportedError

    def _take(self) -> grpc.ServerCertificateConfiguration | None:
        # gRPC asks at each handshake, one at a time, and keeps what it was given last.
        return self._renewed.pop() if self._renewed else None

    def _read(self) -> tuple[bytes, bytes, bytes | None]:
        authority = read_file(self._client_authority) if self._client_authority else None
        return read_file(self._files.certificate), read_file(self._files.key), authority

    def _parse(self, texts: tuple[bytes, bytes, bytes | None]) -> tuple[Pair, grpc.ServerCertificateConfiguration]:
        chain, key, authority = texts
        pair = parse_pair(self._files, chain, key)
        if self._client_authority and authority is not None:
            parse_authority(self._client_authority, authority)
        return pair, grpc.ssl_server_certificate_configuration([(pair.key, pair.chain)], authority)

    def _say_once(self, failure: str) -> None:
        if failure != self._failure:
            self._failure = failure
            self._log.warning("the certificate is not renewed", reason=failure, expires=self._held.expires.isoformat())
