"""Calls with raw bytes, and the errors that come back."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from cloakrai.v1 import model_service_pb2 as pb
from modelservice.rpc.status import DETAILS_KEY
from tests.support.harness import channel, unary

GET = "/modelservice.v1.ModelService/GetModel"
LIST = "/modelservice.v1.ModelService/ListModels"
Metadata = tuple[tuple[str, str | bytes], ...]


def call(address: str, method: str, message: bytes = b"", metadata: Metadata | None = None, timeout: float = 20) -> Any:
    """Calls a method with raw bytes; returns the error."""
    with channel(address) as one, pytest.raises(grpc.RpcError) as raised:
        unary(one, method)(message, metadata=metadata or (), timeout=timeout)
    return raised.value


def details(error: Any) -> tuple[Status, ErrorInfo]:
    """Returns what a client of the standard library for statuses reads."""
    (binary,) = [value for key, value in error.trailing_metadata() if key == DETAILS_KEY]
    status = Status.FromString(binary)
    info = ErrorInfo()
    (packed,) = status.details
    assert packed.Unpack(info)
    return status, info


def bearer(key: str) -> Metadata:
    return (("authorization", f"Bearer {key}"),)


def unknown_model(name: str = "nobody/nothing") -> bytes:
    return pb.GetModelRequest(model_id=name).SerializeToString()
