"""Documented errors as gRPC statuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import ErrorInfo

from modelservice import errors
from modelservice.errors import Refusal, RefusalKind
from modelservice.rest.v1.rest_service_pb2 import ErrorBody, ErrorStatus

ERROR_DOMAIN: Final = "modelservice"
DETAILS_KEY: Final = "grpc-status-details-bin"

# The gRPC column of the table of documented errors. METHOD_NOT_ALLOWED is missing because only Envoy answers it.
STATUS_CODES: Final[Mapping[RefusalKind, grpc.StatusCode]] = {
    errors.INVALID_API_KEY: grpc.StatusCode.UNAUTHENTICATED,
    errors.INVALID_TOKEN: grpc.StatusCode.UNAUTHENTICATED,
    errors.ACCESS_DENIED: grpc.StatusCode.PERMISSION_DENIED,
    errors.MODEL_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    errors.INVALID_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
    errors.UNKNOWN_SERVICE: grpc.StatusCode.NOT_FOUND,
    errors.NOT_FOUND: grpc.StatusCode.UNIMPLEMENTED,
    errors.REQUEST_TOO_LARGE: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.RATE_LIMITED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.INTERNAL_ERROR: grpc.StatusCode.INTERNAL,
    errors.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    errors.TIMEOUT: grpc.StatusCode.DEADLINE_EXCEEDED,
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
