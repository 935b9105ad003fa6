"""Declares settings as attributes of a class, and reads their values from environment variables."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Generic, NoReturn, TypeVar, overload

from modelservice.config.parsers import Parser
from modelservice.errors import InvalidSettingError

PREFIX: Final = "MODELSERVICE_"
# Suffix of a variable that names a file with the setting's value, such as a mounted secret.
FILE: Final = "_FILE"

T = TypeVar("T")


@dataclasses.dataclass(eq=False)
class Setting(Generic[T]):
    """Declares a setting as an attribute of a `Group`. In an instance, the attribute is the value.

    Attributes:
        parser: Makes the value.
        meaning: A sentence for the manual.
        default: The text to parse if the setting is not set.
        unit: The unit of a number.
        show: Removes secrets from a text.
        field: The attribute's name.
    """

    parser: Parser[T]
    meaning: str
    default: str = ""
    unit: str = ""
    show: Callable[[str], str] = str
    field: str = dataclasses.field(default="", init=False)

    @property
    def name(self) -> str:
        """The environment variable."""
        return variable(self.field)

    @property
    def bounds(self) -> str:
        """The values that are allowed."""
        return self.parser.accepts

    def __set_name__(self, owner: type, name: str) -> None:
        self.field = name

    @overload
    def __get__(self, instance: None, owner: type) -> Setting[T]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> Setting[T] | T:
        if instance is None:
            return self
        value: T = vars(instance)[self.field]
        return value

    def text(self, environment: Mapping[str, str]) -> str:
        """Returns the setting's text: a variable's, a file's, or the default.

        Raises:
            InvalidSettingError: The setting is set twice, or its file cannot be read.
        """
        given, file = environment.get(self.name), environment.get(self.name + FILE)
        if given and file:
            raise InvalidSettingError(f"{self.name}: is set twice: set it or {self.name}{FILE}, not both")
        if file:
            try:
                # Files end with a line break that is not part of the value.
                given = Path(file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                raise InvalidSettingError(f"{self.name}{FILE}: cannot read the file") from None
        return given or self.default

    def parse(self, text: str) -> T:
        """Returns the value of a text.

        Raises:
            InvalidSettingError: The value is not allowed. The text does not quote it: it may hold a password.
        """
        try:
            return self.parser(text)
        except (ValueError, KeyError):
            raise InvalidSettingError(f"{self.name}: must be {self.bounds}") from None


class Group:
    """Base of classes that declare settings. An instance holds their values.

    Args:
        environment: The environment variables. An empty variable is not set.

    Raises:
        InvalidSettingError: A value is not allowed.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        texts = [(setting, setting.text(environment)) for setting in self.declared()]
        vars(self).update({setting.field: setting.parse(text) for setting, text in texts})

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name} is read-only")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Group) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def declared(cls) -> tuple[Setting[Any], ...]:
        """Returns the settings of this class and of its bases."""
        return tuple(item for base in cls.__mro__ for item in vars(base).values() if isinstance(item, Setting))


def variable(field: str) -> str:
    """Returns the name of the environment variable of a setting."""
    return PREFIX + field.upper()


def missing(field: str, because: str) -> InvalidSettingError:
    """Returns the error for a setting that another one requires."""
    return InvalidSettingError(f"{variable(field)}: must be set, because {variable(because)} is")


def require_known(environment: Mapping[str, str], settings: tuple[Setting[Any], ...]) -> None:
    """Checks that every variable with the prefix is a setting.

    Raises:
        InvalidSettingError: One is not.
    """
    known = {setting.name + suffix for setting in settings for suffix in ("", FILE)}
    for name in environment:
        if name.startswith(PREFIX) and name not in known and not _set_by_kubernetes(name, environment):
            raise InvalidSettingError(f"{name}: there is no such setting (`modelservice config` lists them)")


def _set_by_kubernetes(name: str, environment: Mapping[str, str]) -> bool:
    """Returns whether Kubernetes sets this variable in containers beside a service `modelservice` or `modelservice-…`.

    A variable of the latter always comes with that service's `…_SERVICE_HOST`.
    """
    match = re.fullmatch(r"(.+?)_(?:SERVICE_HOST|SERVICE_PORT(?:_.+)?|PORT(?:_.+)?)", name)
    return match is not None and (match[1] == PREFIX[:-1] or f"{match[1]}_SERVICE_HOST" in environment)
