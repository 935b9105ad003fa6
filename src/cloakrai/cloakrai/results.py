"""Models as the API returns them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Self, overload


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _Record:
    """A JSON object of the API. Members that this version does not know are in `extra`."""

    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def from_wire(cls, members: Mapping[str, Any]) -> Self:
        """Raises TypeError, ValueError or AttributeError if the object is not as documented."""
        rest, values = dict(members), {}
        for one in fields(cls):
            value = None if one.name == "extra" else rest.pop(cls._wire_name(one.name), None)
            if value is not None:
                values[one.name] = one.metadata["read"](value) if one.metadata else value
        return cls(**values, extra=rest)

    @staticmethod
    def _wire_name(name: str) -> str:
        return name

    def __repr__(self) -> str:
        values = ((one.name, getattr(self, one.name)) for one in fields(self))
        shown = (f"{name}={value!r}" for name, value in values if value is not None and value not in ((), {}))
        return f"{type(self).__name__}({', '.join(shown)})"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ModelPermission(_Record):
    """A permission in the shape that OpenAI's clients expect."""

    id: str
    object: str = "model_permission"
    created: int | None = None
    allow_create_engine: bool = False
    allow_sampling: bool = False
    allow_logprobs: bool = False
    allow_search_indices: bool = False
    allow_view: bool = False
    allow_fine_tuning: bool = False
    organization: str | None = None
    group: str | None = None
    is_blocking: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CloakrMetadata(_Record):
    """What a model can do, what it costs in US dollars, and what it complies with. None is unknown."""

    encryption_supported: bool | None = None
    pii_redaction_supported: bool | None = None
    cost_per_1k_tokens: float | None = None
    max_tokens: int | None = None
    context_window: int | None = None
    capabilities: tuple[str, ...] = field(default=(), metadata={"read": tuple})
    compliance: tuple[str, ...] = field(default=(), metadata={"read": tuple})


def _permissions(values: Sequence[Mapping[str, Any]]) -> tuple[ModelPermission, ...]:
    return tuple(map(ModelPermission.from_wire, values))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ListedModel(_Record):
    """An element of the list. `created` is in seconds since 1970."""

    id: str
    object: str = "model"
    created: int
    owned_by: str
    permission: tuple[ModelPermission, ...] = field(default=(), metadata={"read": _permissions})
    root: str | None = None
    parent: str | None = None
    cloakr_metadata: CloakrMetadata = field(default_factory=CloakrMetadata, metadata={"read": CloakrMetadata.from_wire})


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Model(_Record):
    """A model in full. Names are the document's in snake case; None is unknown."""

    id: str
    display_name: str
    context_window: int
    supports_streaming: bool
    enabled: bool
    is_system_model: bool
    created_at: datetime = field(metadata={"read": datetime.fromisoformat})
    updated_at: datetime = field(metadata={"read": datetime.fromisoformat})
    description: str | None = None
    provider: str | None = None
    model_name: str | None = None
    max_tokens_per_request: int | None = None
    supports_tools: bool = False
    supports_vision: bool = False
    supports_reasoning: bool = False
    credit_multiplier: int | None = None
    metadata: Any = field(default=None, hash=False)
    parent_model_id: str | None = None
    system_prompt_id: str | None = None
    system_prompt: str | None = None

    @staticmethod
    def _wire_name(name: str) -> str:
        first, *others = name.split("_")
        return first + "".join(map(str.capitalize, others))


@dataclass(frozen=True, slots=True)
class ModelList(Sequence[ListedModel]):
    """The listed models, in the service's order. Prints as a table."""

    data: tuple[ListedModel, ...]
    object: str = "list"

    @overload
    def __getitem__(self, index: int) -> ListedModel: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[ListedModel, ...]: ...
    def __getitem__(self, index: int | slice) -> ListedModel | tuple[ListedModel, ...]:
        return self.data[index]

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[ListedModel]:
        return iter(self.data)

    def __str__(self) -> str:
        rows = [("id", "owned by", "context", "$ per 1K", "capabilities")]
        for model in self.data:
            known = model.cloakr_metadata
            context = f"{known.context_window:,}" if known.context_window else "-"
            cost = "-" if known.cost_per_1k_tokens is None else f"{known.cost_per_1k_tokens:g}"
            rows.append((model.id, model.owned_by, context, cost, ", ".join(known.capabilities)))
        first, second, third, fourth = (max(len(row[column]) for row in rows) for column in range(4))
        return "\n".join(
            f"{row[0]:<{first}}  {row[1]:<{second}}  {row[2]:>{third}}  {row[3]:>{fourth}}  {row[4]}".rstrip()
            for row in rows
        )
