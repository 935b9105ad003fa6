"""Messages of a model: one per document."""

from __future__ import annotations

from typing import Final

from google.protobuf.struct_pb2 import NULL_VALUE, Value

from cloakrai.v1 import model_service_pb2 as pb
from modelservice.domain.model import Model

_EVERYBODY: Final = "*"


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
        cloakr_metadata=pb.CloakrMetadata(
            encryption_supported=model.encryption_supported,
            pii_redaction_supported=model.pii_redaction_supported,
            cost_per_1k_tokens=model.cost_per_1k_tokens,
            max_tokens=model.max_tokens,
            context_window=model.context_window,
            capabilities=model.capabilities,
            compliance=model.compliance,
        ),
    )


def full_model(model: Model) -> pb.Model:
    """Returns a model as in the get document."""
    message = pb.Model(
        context_window=model.context_window,
        credit_multiplier=model.credit_multiplier,
        description=model.description,
        display_name=model.display_name,
        enabled=model.enabled,
        id=str(model.id),
        is_system_model=model.organization_id is None,
        max_tokens_per_request=model.max_tokens_per_request,
        metadata={},
        # The provider knows an organization's model by its parent's name.
        model_name=model.name if model.organization_id is None else None,
        parent_model_id=None if model.parent_id is None else str(model.parent_id),
        provider=model.provider,
        supports_reasoning=model.supports_reasoning,
        supports_streaming=model.supports_streaming,
        supports_tools=model.supports_tools,
        supports_vision=model.supports_vision,
        system_prompt=model.system_prompt,
        system_prompt_id=None if model.system_prompt_id is None else str(model.system_prompt_id),
    )
    message.metadata.update(model.metadata)
    message.created_at.FromSeconds(model.created)
    message.updated_at.FromSeconds(model.updated)
    return message
