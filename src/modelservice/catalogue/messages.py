"""Messages of a model: one per document."""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import NULL_VALUE, Value

from cloakrai.v1 import model_service_pb2 as pb
from modelservice.domain.field_kind import Kind
from modelservice.domain.fields import BY_NAME
from modelservice.domain.model import Model

_EVERYBODY: Final = "*"


def _plain_members(message: type[Message]) -> tuple[str, ...]:
    """Returns the members of a message that hold a model's field as it is."""
    names = [member.name for member in message.DESCRIPTOR.fields if member.message_type is None]
    return tuple(name for name in names if name in BY_NAME and BY_NAME[name].kind is not Kind.UUID)


_LISTED: Final = _plain_members(pb.CloakrMetadata)
_FULL: Final = _plain_members(pb.Model)


def listed_model(model: Model) -> pb.ListedModel:
    """Returns a model as in the list document."""
    return pb.ListedModel(
        id=model.name,
        object="model",
        created=model.created,
        # Like OpenAI's fine-tuned models, an organization's model names its owner and its base model.
        owned_by=model.organization_id or model.provider,
        permission=[
            pb.ModelPermission(
                id=model.permission,
                object="model_permission",
                created=model.created,
                allow_sampling=True,
                allow_logprobs=True,
                allow_view=True,
                organization=model.organization_id or _EVERYBODY,
            )
        ],
        root=model.parent_name or model.name,
        parent=Value(string_value=model.parent_name) if model.parent_name else Value(null_value=NULL_VALUE),
        cloakr_metadata=pb.CloakrMetadata(**_values(model, _LISTED)),
    )


def full_model(model: Model) -> pb.Model:
    """Returns a model as in the get document."""
    message = pb.Model(
        **_values(model, _FULL),
        id=str(model.id),
        is_system_model=model.organization_id is None,
        metadata={},
        # The provider knows an organization's model by its parent's name.
        model_name=model.name if model.organization_id is None else None,
        parent_model_id=None if model.parent_id is None else str(model.parent_id),
        supports_reasoning=model.supports_reasoning,
        supports_vision=model.supports_vision,
        system_prompt_id=None if model.system_prompt_id is None else str(model.system_prompt_id),
    )
    message.metadata.update(model.metadata)
    message.created_at.FromSeconds(model.created)
    message.updated_at.FromSeconds(model.updated)
    return message


def _values(model: Model, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(model, name) for name in names}
