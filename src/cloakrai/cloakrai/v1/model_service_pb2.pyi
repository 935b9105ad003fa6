import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    INVALID_API_KEY: _ClassVar[ErrorReason]
    ACCESS_DENIED: _ClassVar[ErrorReason]
    MODEL_NOT_FOUND: _ClassVar[ErrorReason]
    INVALID_REQUEST: _ClassVar[ErrorReason]
    NOT_FOUND: _ClassVar[ErrorReason]
    METHOD_NOT_ALLOWED: _ClassVar[ErrorReason]
    REQUEST_TOO_LARGE: _ClassVar[ErrorReason]
    INTERNAL_ERROR: _ClassVar[ErrorReason]
    UNAVAILABLE: _ClassVar[ErrorReason]
    TIMEOUT: _ClassVar[ErrorReason]
    UNKNOWN_SERVICE: _ClassVar[ErrorReason]
    INVALID_TOKEN: _ClassVar[ErrorReason]
    RATE_LIMITED: _ClassVar[ErrorReason]
ERROR_REASON_UNSPECIFIED: ErrorReason
INVALID_API_KEY: ErrorReason
ACCESS_DENIED: ErrorReason
MODEL_NOT_FOUND: ErrorReason
INVALID_REQUEST: ErrorReason
NOT_FOUND: ErrorReason
METHOD_NOT_ALLOWED: ErrorReason
REQUEST_TOO_LARGE: ErrorReason
INTERNAL_ERROR: ErrorReason
UNAVAILABLE: ErrorReason
TIMEOUT: ErrorReason
UNKNOWN_SERVICE: ErrorReason
INVALID_TOKEN: ErrorReason
RATE_LIMITED: ErrorReason

class ListModelsRequest(_message.Message):
    __slots__ = ("capability", "compliance", "owned_by", "min_context_window", "max_cost_per_1k_tokens", "encryption_supported", "pii_redaction_supported", "q", "order_by", "page_size", "page_token")
    CAPABILITY_FIELD_NUMBER: _ClassVar[int]
    COMPLIANCE_FIELD_NUMBER: _ClassVar[int]
    OWNED_BY_FIELD_NUMBER: _ClassVar[int]
    MIN_CONTEXT_WINDOW_FIELD_NUMBER: _ClassVar[int]
    MAX_COST_PER_1K_TOKENS_FIELD_NUMBER: _ClassVar[int]
    ENCRYPTION_SUPPORTED_FIELD_NUMBER: _ClassVar[int]
    PII_REDACTION_SUPPORTED_FIELD_NUMBER: _ClassVar[int]
    Q_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    capability: _containers.RepeatedScalarFieldContainer[str]
    compliance: _containers.RepeatedScalarFieldContainer[str]
    owned_by: _containers.RepeatedScalarFieldContainer[str]
    min_context_window: int
    max_cost_per_1k_tokens: float
    encryption_supported: bool
    pii_redaction_supported: bool
    q: str
    order_by: str
    page_size: int
    page_token: str
    def __init__(self, capability: _Optional[_Iterable[str]] = ..., compliance: _Optional[_Iterable[str]] = ..., owned_by: _Optional[_Iterable[str]] = ..., min_context_window: _Optional[int] = ..., max_cost_per_1k_tokens: _Optional[float] = ..., encryption_supported: _Optional[bool] = ..., pii_redaction_supported: _Optional[bool] = ..., q: _Optional[str] = ..., order_by: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("model_id",)
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    def __init__(self, model_id: _Optional[str] = ...) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("object", "data", "next_page_token")
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    object: str
    data: _containers.RepeatedCompositeFieldContainer[ListedModel]
    next_page_token: str
    def __init__(self, object: _Optional[str] = ..., data: _Optional[_Iterable[_Union[ListedModel, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListedModel(_message.Message):
    __slots__ = ("id", "object", "created", "owned_by", "permission", "root", "parent", "cloakr_metadata")
    ID_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    OWNED_BY_FIELD_NUMBER: _ClassVar[int]
    PERMISSION_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    CLOAKR_METADATA_FIELD_NUMBER: _ClassVar[int]
    id: str
    object: str
    created: int
    owned_by: str
    permission: _containers.RepeatedCompositeFieldContainer[ModelPermission]
    root: str
    parent: _struct_pb2.Value
    cloakr_metadata: CloakrMetadata
    def __init__(self, id: _Optional[str] = ..., object: _Optional[str] = ..., created: _Optional[int] = ..., owned_by: _Optional[str] = ..., permission: _Optional[_Iterable[_Union[ModelPermission, _Mapping]]] = ..., root: _Optional[str] = ..., parent: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., cloakr_metadata: _Optional[_Union[CloakrMetadata, _Mapping]] = ...) -> None: ...

class ModelPermission(_message.Message):
    __slots__ = ("id", "object", "created", "allow_create_engine", "allow_sampling", "allow_logprobs", "allow_search_indices", "allow_view", "allow_fine_tuning", "organization", "group", "is_blocking")
    ID_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    ALLOW_CREATE_ENGINE_FIELD_NUMBER: _ClassVar[int]
    ALLOW_SAMPLING_FIELD_NUMBER: _ClassVar[int]
    ALLOW_LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    ALLOW_SEARCH_INDICES_FIELD_NUMBER: _ClassVar[int]
    ALLOW_VIEW_FIELD_NUMBER: _ClassVar[int]
    ALLOW_FINE_TUNING_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    IS_BLOCKING_FIELD_NUMBER: _ClassVar[int]
    id: str
    object: str
    created: int
    allow_create_engine: bool
    allow_sampling: bool
    allow_logprobs: bool
    allow_search_indices: bool
    allow_view: bool
    allow_fine_tuning: bool
    organization: str
    group: _struct_pb2.NullValue
    is_blocking: bool
    def __init__(self, id: _Optional[str] = ..., object: _Optional[str] = ..., created: _Optional[int] = ..., allow_create_engine: _Optional[bool] = ..., allow_sampling: _Optional[bool] = ..., allow_logprobs: _Optional[bool] = ..., allow_search_indices: _Optional[bool] = ..., allow_view: _Optional[bool] = ..., allow_fine_tuning: _Optional[bool] = ..., organization: _Optional[str] = ..., group: _Optional[_Union[_struct_pb2.NullValue, str]] = ..., is_blocking: _Optional[bool] = ...) -> None: ...

class CloakrMetadata(_message.Message):
    __slots__ = ("encryption_supported", "pii_redaction_supported", "cost_per_1k_tokens", "max_tokens", "context_window", "capabilities", "compliance")
    ENCRYPTION_SUPPORTED_FIELD_NUMBER: _ClassVar[int]
    PII_REDACTION_SUPPORTED_FIELD_NUMBER: _ClassVar[int]
    COST_PER_1K_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_WINDOW_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    COMPLIANCE_FIELD_NUMBER: _ClassVar[int]
    encryption_supported: bool
    pii_redaction_supported: bool
    cost_per_1k_tokens: float
    max_tokens: int
    context_window: int
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    compliance: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, encryption_supported: _Optional[bool] = ..., pii_redaction_supported: _Optional[bool] = ..., cost_per_1k_tokens: _Optional[float] = ..., max_tokens: _Optional[int] = ..., context_window: _Optional[int] = ..., capabilities: _Optional[_Iterable[str]] = ..., compliance: _Optional[_Iterable[str]] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("context_window", "created_at", "credit_multiplier", "description", "display_name", "enabled", "id", "is_system_model", "max_tokens_per_request", "metadata", "model_name", "parent_model_id", "provider", "supports_reasoning", "supports_streaming", "supports_tools", "supports_vision", "system_prompt", "system_prompt_id", "updated_at")
    CONTEXT_WINDOW_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    CREDIT_MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    IS_SYSTEM_MODEL_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_PER_REQUEST_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
    PARENT_MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_REASONING_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_STREAMING_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_TOOLS_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_VISION_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_PROMPT_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_PROMPT_ID_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    context_window: int
    created_at: _timestamp_pb2.Timestamp
    credit_multiplier: int
    description: str
    display_name: str
    enabled: bool
    id: str
    is_system_model: bool
    max_tokens_per_request: int
    metadata: _struct_pb2.Struct
    model_name: str
    parent_model_id: str
    provider: str
    supports_reasoning: bool
    supports_streaming: bool
    supports_tools: bool
    supports_vision: bool
    system_prompt: str
    system_prompt_id: str
    updated_at: _timestamp_pb2.Timestamp
    def __init__(self, context_window: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., credit_multiplier: _Optional[int] = ..., description: _Optional[str] = ..., display_name: _Optional[str] = ..., enabled: _Optional[bool] = ..., id: _Optional[str] = ..., is_system_model: _Optional[bool] = ..., max_tokens_per_request: _Optional[int] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., model_name: _Optional[str] = ..., parent_model_id: _Optional[str] = ..., provider: _Optional[str] = ..., supports_reasoning: _Optional[bool] = ..., supports_streaming: _Optional[bool] = ..., supports_tools: _Optional[bool] = ..., supports_vision: _Optional[bool] = ..., system_prompt: _Optional[str] = ..., system_prompt_id: _Optional[str] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
