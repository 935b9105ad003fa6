"""The table of a model's fields.

Validation, inheritance, command options, the schema of catalogue files and the manual are derived from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from modelservice.domain.field_kind import Bounds, Field, Inheritance, Kind
from modelservice.domain.values import UINT32_MAX, check_line

_UINT32: Final = Bounds(0, UINT32_MAX)
_CONTEXT: Final = Bounds(1, 2_000_000)

FIELDS: Final = (
    Field(
        name="id",
        kind=Kind.UUID,
        help="UUID of the model, which never changes. Default: a new one",
    ),
    Field(
        name="name",
        kind=Kind.NAME,
        help="Id in the list",
        required=True,
        inheritance=Inheritance.OWN,
    ),
    Field(
        name="display_name",
        kind=Kind.TEXT,
        help="Display name",
        required=True,
        bounds=Bounds(1, 1_000),
        own_bounds=Bounds(1, 200),
        inheritance=Inheritance.OWN,
        option="--display-name",
        line=True,
    ),
    Field(
        name="provider",
        kind=Kind.TEXT,
        help="Owner in the list",
        required=True,
        bounds=Bounds(1, 256),
        option="--provider",
        line=True,
    ),
    Field(
        name="created",
        kind=Kind.NUMBER,
        help="When the model was created, in Unix seconds. Default: the time of its first import",
        bounds=_UINT32,
    ),
    Field(
        name="permission_id",
        kind=Kind.TEXT,
        help="Id of the permission entry in the list. Default: derived from the UUID",
        nullable=True,
        bounds=Bounds(0, 256),
        line=True,
    ),
    Field(
        name="enabled",
        kind=Kind.FLAG,
        help="Whether the model is listed",
        default=True,
        inheritance=Inheritance.BOTH,
    ),
    Field(
        name="context_window",
        kind=Kind.NUMBER,
        help="Context window in tokens; 0 means unknown or not applicable",
        default=0,
        bounds=_UINT32,
        own_bounds=_CONTEXT,
        inheritance=Inheritance.AT_MOST,
        option="--context-window",
    ),
    Field(
        name="max_tokens",
        kind=Kind.NUMBER,
        help="The list document's max_tokens, in tokens",
        nullable=True,
        bounds=_UINT32,
        own_bounds=_CONTEXT,
        inheritance=Inheritance.AT_MOST,
        option="--max-tokens",
    ),
    Field(
        name="max_tokens_per_request",
        kind=Kind.NUMBER,
        help="Output limit in tokens",
        nullable=True,
        bounds=_UINT32,
        own_bounds=Bounds(1, 200_000),
        inheritance=Inheritance.AT_MOST,
        option="--max-tokens-per-request",
    ),
    Field(
        name="capabilities",
        kind=Kind.LABELS,
        help="Capabilities in the order shown, such as reasoning",
        default=(),
        inheritance=Inheritance.COMMON,
        option="--capability",
        vocabulary=(
            "text-generation",
            "code-generation",
            "reasoning",
            "multimodal",
            "enhanced-security",
            "full-compliance",
        ),
    ),
    Field(
        name="compliance",
        kind=Kind.LABELS,
        help="Standards in the order shown, such as soc2",
        default=(),
        inheritance=Inheritance.COMMON,
        option="--compliance",
        vocabulary=("soc2", "gdpr", "hipaa", "pci-dss"),
    ),
    Field(
        name="encryption_supported",
        kind=Kind.FLAG,
        help="Whether requests can be encrypted end to end",
        default=False,
        inheritance=Inheritance.BOTH,
        option="--encryption-supported",
    ),
    Field(
        name="pii_redaction_supported",
        kind=Kind.FLAG,
        help="Whether personal data can be redacted",
        default=False,
        inheritance=Inheritance.BOTH,
        option="--pii-redaction-supported",
    ),
    Field(
        name="supports_streaming",
        kind=Kind.FLAG,
        help="Whether the model can stream its output",
        default=False,
        inheritance=Inheritance.BOTH,
        option="--supports-streaming",
    ),
    Field(
        name="supports_tools",
        kind=Kind.FLAG,
        help="Whether the model can call tools",
        default=False,
        inheritance=Inheritance.BOTH,
        option="--supports-tools",
    ),
    Field(
        name="description",
        kind=Kind.TEXT,
        help="One or two sentences",
        nullable=True,
        bounds=Bounds(0, 1_000_000),
        own_bounds=Bounds(0, 10_000),
        inheritance=Inheritance.FREE,
        option="--description",
    ),
    Field(
        name="cost_per_1k_tokens",
        kind=Kind.PRICE,
        help="Price per 1,000 tokens in US dollars",
        nullable=True,
        inheritance=Inheritance.FREE,
        option="--cost-per-1k-tokens",
    ),
    Field(
        name="credit_multiplier",
        kind=Kind.NUMBER,
        help="Billing multiplier",
        nullable=True,
        bounds=_UINT32,
        option="--credit-multiplier",
    ),
    Field(
        name="metadata",
        kind=Kind.OBJECT,
        help="Any JSON object of at most 30 levels",
        default={},
        own_bounds=Bounds(0, 16 * 1024),
        inheritance=Inheritance.FREE,
        option="--metadata",
    ),
    Field(
        name="system_prompt",
        kind=Kind.TEXT,
        help="The complete system prompt",
        nullable=True,
        bounds=Bounds(0, 1_000_000),
        own_bounds=Bounds(0, 100_000),
        inheritance=Inheritance.FREE,
        option="--system-prompt",
    ),
    Field(
        name="system_prompt_id",
        kind=Kind.UUID,
        help="UUID of a system prompt composition",
        nullable=True,
        inheritance=Inheritance.FREE,
        option="--system-prompt-id",
    ),
)

BY_NAME: Final[Mapping[str, Field]] = {field.name: field for field in FIELDS}

# Fields that an organization's model inherits unless it sets them.
INHERITED: Final = tuple(one.name for one in FIELDS if one.is_inherited)
# Those of them that claim what the model can do, which is at most what its parent can.
CLAIMS: Final = tuple(name for name in INHERITED if BY_NAME[name].inheritance is not Inheritance.FREE)
# Fields of an organization's model.
OWN: Final = tuple(one.name for one in FIELDS if one.inheritance)
# Fields that a change of an existing system model may set.
CHANGEABLE: Final = tuple(one.name for one in FIELDS if one.option or one.name == "enabled")


def check_new(what: str, name: str, value: object) -> None:
    """Raises an InvalidValueError if a stored value is acceptable, and a new one is not: it has control characters."""
    if BY_NAME[name].line:
        check_line(what, value)
