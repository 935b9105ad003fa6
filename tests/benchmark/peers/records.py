"""The catalogue as plain records, and the protobuf messages that are built from them for each call."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from cloakrai.v1 import model_service_pb2 as pb


@dataclass(frozen=True, slots=True)
class Listed:
    """A model of the list."""

    id: str
    created: int
    owned_by: str
    permission_id: str
    organization: str
    root: str
    parent: str | None
    encryption_supported: bool
    pii_redaction_supported: bool
    cost_per_1k_tokens: float | None
    max_tokens: int | None
    context_window: int
    capabilities: tuple[str, ...]
    compliance: tuple[str, ...]

    @classmethod
    def of(cls, entry: dict[str, Any]) -> Self:
        (permission,), metadata = entry["permission"], entry["cloakr_metadata"]
        return cls(
            id=entry["id"],
            created=entry["created"],
            owned_by=entry["owned_by"],
            permission_id=permission["id"],
            organization=permission["organization"],
            root=entry["root"],
            parent=entry["parent"],
            encryption_supported=metadata["encryption_supported"],
            pii_redaction_supported=metadata["pii_redaction_supported"],
            cost_per_1k_tokens=metadata.get("cost_per_1k_tokens"),
            max_tokens=metadata.get("max_tokens"),
            context_window=metadata["context_window"],
            capabilities=tuple(metadata["capabilities"]),
            compliance=tuple(metadata["compliance"]),
        )

    def message(self) -> pb.ListedModel:
        return pb.ListedModel(
            id=self.id,
            object="model",
            created=self.created,
            owned_by=self.owned_by,
            permission=[
                pb.ModelPermission(
                    id=self.permission_id,
                    object="model_permission",
                    created=self.created,
                    allow_sampling=True,
                    allow_logprobs=True,
                    allow_view=True,
                    organization=self.organization,
                )
            ],
            root=self.root,
            parent=Value(null_value=0) if self.parent is None else Value(string_value=self.parent),
            cloakr_metadata=pb.CloakrMetadata(
                encryption_supported=self.encryption_supported,
                pii_redaction_supported=self.pii_redaction_supported,
                cost_per_1k_tokens=self.cost_per_1k_tokens,
                max_tokens=self.max_tokens,
                context_window=self.context_window,
                capabilities=self.capabilities,
                compliance=self.compliance,
            ),
        )


@dataclass(frozen=True, slots=True)
class One:
    """A model as get shows it: what its JSON says, by the names of the message's fields."""

    id: str
    created: int
    updated: int
    metadata: dict[str, Any]
    values: dict[str, Any]

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        fields = {field.json_name: field.name for field in pb.Model.DESCRIPTOR.fields}
        values = {fields[name]: value for name, value in document.items()}
        created, updated, metadata = (values.pop(name) for name in ("created_at", "updated_at", "metadata"))
        return cls(values["id"], _seconds(created), _seconds(updated), metadata, values)

    def message(self) -> pb.Model:
        metadata = Struct()
        metadata.update(self.metadata)
        return pb.Model(
            created_at=Timestamp(seconds=self.created),
            updated_at=Timestamp(seconds=self.updated),
            metadata=metadata,
            **self.values,
        )


class Catalogue:
    """What a peer serves: records that are read once.

    Args:
        listed: The list's JSON.
        one: The JSON of the one model that `get` answers.
    """

    def __init__(self, listed: bytes, one: bytes) -> None:
        self._listed = [Listed.of(entry) for entry in json.loads(listed)["data"]]
        record = One.of(json.loads(one))
        self._models = {record.id: record}

    def list(self) -> pb.ListModelsResponse:
        return pb.ListModelsResponse(object="list", data=[record.message() for record in self._listed])

    def get(self, model_id: str) -> pb.Model | None:
        record = self._models.get(model_id)
        return record and record.message()


def _seconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp())
