"""Where a system model and its values come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from modelservice.domain.model import Model


@dataclass(frozen=True, slots=True)
class Sourced:
    """A system model, with its sources.

    Attributes:
        model: The model.
        source: Who brought it: the name of a catalogue file.
        sources: Who said the value of each field that somebody said: the name of a catalogue file, or "update".
    """

    model: Model
    source: str
    sources: Mapping[str, str] = field(default_factory=dict)
