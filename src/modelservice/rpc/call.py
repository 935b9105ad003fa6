"""A call, as its handler sees it."""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias, TypeVar

from google.protobuf.message import DecodeError, Message

from modelservice import errors
from modelservice.domain.principal import Principal
from modelservice.errors import Refusal

# In bytes. The longest useful request names a model of 256 characters.
REQUEST_BYTES_MAX: Final = 64 * 1024
_REQUEST_ID_SHAPE: Final = re.compile(r"[!-~]{1,128}")
# Version, trace, parent, flags. Later versions may append more. Ids of only zeros are invalid.
# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT_SHAPE: Final = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]*)?"
)

M = TypeVar("M", bound=Message)
# Names and values.
Metadata: TypeAlias = Iterable[tuple[str, str | bytes]]


class Call:
    """One call, as its handler sees it.

    Args:
        take_message: Returns the serialized request, or None if there is none: a REST call has none.

    Attributes:
        principal: The caller; set by the handler, for the log.
        organization_id: The organization that the call reads for; likewise.
        request_id: The caller's `x-request-id`, or a generated one.
    """

    def __init__(self, take_message: Callable[[], bytes | None] = lambda: None) -> None:
        self._take_message = take_message
        self._values: dict[str, list[str | bytes]] = {}
        self.principal: Principal | None = None
        self.organization_id: str | None = None
        self.request_id = ""

    def read_headers(self, metadata: Metadata) -> None:
        """Reads the metadata that the call began with."""
        for key, value in metadata:
            if key in self._values:
                self._values[key].append(value)
            else:
                self._values[key] = [value]
        self.request_id = self._request_id()

    @property
    def caller(self) -> str:
        """The name of the credential; empty without one."""
        return (self.principal.key_id or self.principal.subject or "") if self.principal else ""

    def values(self, key: str) -> Sequence[str | bytes]:
        """Returns every value of a metadata key, in the order sent."""
        return self._values.get(key, ())

    def receive(self, message_type: type[M]) -> M:
        """Returns the request.

        Raises:
            Refusal: `INVALID_REQUEST`: it is missing or cannot be decoded; `REQUEST_TOO_LARGE`; `TIMEOUT`.
        """
        data = self._take_message()
        if data is None:
            raise Refusal(errors.INVALID_REQUEST, "The request message is missing")
        if len(data) > REQUEST_BYTES_MAX:
            raise Refusal(errors.REQUEST_TOO_LARGE)
        try:
            return message_type.FromString(data)
        except DecodeError:
            raise Refusal(errors.INVALID_REQUEST, "The request message cannot be decoded") from None

    def _request_id(self) -> str:
        given = self.values("x-request-id")
        if given and isinstance(given[0], str) and _REQUEST_ID_SHAPE.fullmatch(given[0]):
            return given[0]
        # Not uuid4: its system call releases the GIL each time. The id need not be secret.
        return str(uuid.UUID(int=random.getrandbits(128), version=4))


def trace_id(traceparents: Sequence[str | bytes]) -> str | None:
    """Returns the trace id of a call, or None if its `traceparent` is missing or malformed."""
    # gRPC passes at most one.
    match = _TRACEPARENT_SHAPE.fullmatch(str(traceparents[0])) if traceparents else None
    if match is None or (match[1] == "00" and match[3] is not None):
        return None
    return match[2]
