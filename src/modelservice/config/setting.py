"""What a setting is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

PREFIX: Final = "MODELSERVICE_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        field: Its name in `Settings`.
        default: The text that stands for it when it is not set.
        bounds: What it may be.
        meaning: What it does, in a sentence.
        parse: Makes the value of the text, or raises ValueError.
        unit: Of a number.
        show: Makes the text without any secret.
    """

    field: str
    default: str
    bounds: str
    meaning: str
    parse: Callable[[str], Any]
    unit: str = ""
    show: Callable[[str], str] = str

    @property
    def name(self) -> str:
        """The environment variable."""
        return PREFIX + self.field.upper()
