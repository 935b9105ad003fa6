"""A subset of YAML for catalogues: one document of plain values, without anchors, aliases, merges and tags.

Values are built from the parser's events, with bounds checked first. PyYAML's own loader builds all nodes before, and
expands a few hundred bytes of aliases to gigabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import yaml

from modelservice.manage.untrusted_files import UnusableFileError, object_of, require_depth, require_values

# libyaml is ten times as fast as the Python loader.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER: Final[Any] = yaml.resolver.Resolver()
_CONSTRUCTOR: Final = yaml.constructor.SafeConstructor()
_TAG: Final = "tag:yaml.org,2002:"
# Types of plain scalars (YAML 1.1). All others, such as dates, are strings.
_READ: Final[Mapping[str, Callable[[yaml.ScalarNode], Any]]] = {
    f"{_TAG}null": _CONSTRUCTOR.construct_yaml_null,
    f"{_TAG}bool": _CONSTRUCTOR.construct_yaml_bool,
    f"{_TAG}int": _CONSTRUCTOR.construct_yaml_int,
    f"{_TAG}float": _CONSTRUCTOR.construct_yaml_float,
}
# Longer numbers exceed every bound, and parsing one with colons (1:30:00) takes quadratic time.
_NUMBER_CHARACTERS_MAX: Final = 40
_MERGE: Final = "<<"


def parse_yaml(text: str) -> Any:  # noqa: ANN401  (YAML)
    """Returns the value of a YAML text, None if it is empty. Mappings with repeated keys are `Repeated`.

    Raises:
        UnusableFileError: It is not YAML, uses a feature outside the subset, or exceeds a bound.
    """
    try:
        return _Document(yaml.parse(text, Loader=_LOADER)).content()
    except yaml.MarkedYAMLError as error:
        line = getattr(error.problem_mark, "line", 0) + 1
        raise UnusableFileError(f"is not YAML: line {line}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise UnusableFileError(f"is not YAML: {' '.join(str(error).split())}") from None


class _Document:
    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._values = 0

    def content(self) -> Any:  # noqa: ANN401
        content, number = None, 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                number += 1
                if number > 1:
                    raise _refused(event, "a second document: must be one")
                content = self._value(next(self._events), depth=1)
        return content

    def _value(self, event: Any, depth: int) -> Any:  # noqa: ANN401  (PyYAML's own types are incomplete)
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise _refused(event, "an anchor or an alias: must be written out")
        if event.tag is not None:
            raise _refused(event, "a tag: must be left out")
        self._values += 1
        require_values(self._values)
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        require_depth(depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return [self._value(item, depth + 1) for item in self._until(yaml.SequenceEndEvent)]
        keys = self._until(yaml.MappingEndEvent)
        return object_of([(self._key(key), self._value(next(self._events), depth + 1)) for key in keys])

    def _key(self, event: Any) -> str:  # noqa: ANN401
        # Verbatim: as a key, `no` is a name, not a boolean.
        if not isinstance(event, yaml.ScalarEvent) or event.tag is not None or event.anchor is not None:
            raise _refused(event, "a key: must be a plain text")
        if event.value == _MERGE and event.implicit[0]:
            raise _refused(event, "a merge (<<): must be written out")
        self._values += 1
        return str(event.value)

    def _until(self, end: type[yaml.Event]) -> Iterator[Any]:
        for event in self._events:
            if isinstance(event, end):
                return
            yield event


def _scalar(event: yaml.ScalarEvent) -> Any:  # noqa: ANN401
    plain, _ = event.implicit
    read = _READ.get(_RESOLVER.resolve(yaml.ScalarNode, event.value, (True, False))) if plain else None
    if read is None:
        return event.value
    if len(event.value) > _NUMBER_CHARACTERS_MAX:
        raise _refused(event, f"a number: must have at most {_NUMBER_CHARACTERS_MAX} characters")
    try:
        return read(yaml.ScalarNode("", event.value))
    except ValueError:
        raise _refused(event, "a number without a digit") from None


def _refused(event: Any, what: str) -> UnusableFileError:  # noqa: ANN401
    return UnusableFileError(f"line {event.start_mark.line + 1}: {what}")
