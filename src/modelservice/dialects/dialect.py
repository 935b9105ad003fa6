"""What a dialect is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from modelservice.auth.authorize import Viewer
from modelservice.catalogue.query.filtered_list import FilteredList
from modelservice.catalogue.rendering import Answer
from modelservice.catalogue.snapshot import Snapshot
from modelservice.errors import Refusal

RestAnswer: TypeAlias = Answer | FilteredList


@dataclass(frozen=True, slots=True)
class Dialect:
    """A wire format. Its functions raise a `Refusal` if they do not answer.

    Attributes:
        name: The name in `dialects.paths.PATHS`.
        list_models: Returns the list, given what the caller sees and the query.
        get_model: Returns a model, given what the caller sees, the model's id and the query.
        error: Returns the body of an error as JSON values.
    """

    name: str
    list_models: Callable[[Snapshot, Viewer, str], RestAnswer]
    get_model: Callable[[Snapshot, Viewer, str, str], RestAnswer]
    error: Callable[[Refusal], object]
