"""Documented errors as gRPC statuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import ErrorInfo

from modelservice.errors import REFUSALS, Refusal, RefusalKind
from modelservice.rest.v1.rest_service_pb2 import ErrorBody, ErrorStatus

ERROR_DOMAIN: Final = "modelservice"
DETAILS_KEY: Final = "grpc-status-details-bin"

_BY_NUMBER: Final = {code.value[0]: code for code in grpc.StatusCode}
STATUS_CODES: Final[Mapping[RefusalKind, grpc.StatusCode]] = {
    kind: _BY_NUMBER[kind.grpc_status] for kind in REFUSALS if kind.grpc_status is not None
}


@dataclass(frozen=True, slots=True)
class Status(grpc.Status):
    """The argument of `grpc.ServicerContext.abort_with_status`."""

    code: grpc.StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, str | bytes], ...]


def status_of(refusal: Refusal, request_id: str) -> Status:
    """Returns a refusal as a status.

    One message carries the standard details for gRPC clients and the documented error for Envoy (proto/edge).
    """
    code = STATUS_CODES[refusal.kind]
    info = Any()
    info.Pack(ErrorInfo(reason=refusal.kind.code.upper(), domain=ERROR_DOMAIN))
    details = ErrorStatus(
        code=code.value[0],
        message=refusal.message,
        details=[info],
        error=ErrorBody(type=refusal.kind.type, message=refusal.message, code=refusal.kind.code),
    )
    return Status(code, refusal.message, ((DETAILS_KEY, details.SerializeToString()), ("x-request-id", request_id)))
