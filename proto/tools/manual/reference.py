"""The manual's generated tables: settings, errors, metrics, commands and fields."""

from __future__ import annotations

import fnmatch
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

import click
from prometheus_client import Metric, ProcessCollector

from manual.pages import Cells, MakeTable
from modelservice.cli import modelservice
from modelservice.config import SETTINGS
from modelservice.domain.field_kind import Bounds, Field, Kind
from modelservice.domain.fields import FIELDS
from modelservice.errors import REFUSALS, RefusalKind
from modelservice.rpc.status import STATUS_CODES
from modelservice.telemetry.metrics import Metrics
from openapi.responses import meaning
from openapi.responses import rows as rest_errors
from openapi.source import Source

_NONE: Final = "\N{EN DASH}"


class Tables:
    """Makes the tables, by their names in markers (`by_name`)."""

    def __init__(self, source: Source) -> None:
        self._source = source
        # Number of tables that show each setting.
        self._shown = dict.fromkeys((setting.field for setting in SETTINGS), 0)
        self.by_name: dict[str, MakeTable] = {
            "settings": self._settings,
            "errors": lambda _: self._errors(),
            "metrics": lambda _: _metrics(),
            "commands": lambda _: _commands(),
            "fields": lambda _: _fields(),
        }

    def require_all_settings(self) -> None:
        """Raises SystemExit unless every setting is in exactly one table."""
        for field, times in self._shown.items():
            if times != 1:
                raise SystemExit(f"docs: setting {field} is in {times} tables: must be in one")

    def _settings(self, patterns: Sequence[str]) -> Cells:
        rows = []
        for pattern in patterns:
            found = [setting for setting in SETTINGS if fnmatch.fnmatchcase(setting.field, pattern)]
            if not found:
                raise SystemExit(f"docs: {pattern} matches no setting")
            for setting in found:
                self._shown[setting.field] += 1
                rows.append(
                    (_code(setting.name), _code(setting.default), setting.unit, setting.bounds, setting.meaning)
                )
        return [("setting", "default", "unit", "takes", "meaning"), *rows]

    def _errors(self) -> Cells:
        by_status = rest_errors()

        def row(kind: RefusalKind) -> Sequence[str]:
            statuses = ", ".join(str(status) for status, kinds in by_status.items() if kind in kinds)
            grpc_status = STATUS_CODES[kind].name if kind in STATUS_CODES else _NONE
            cells = (_code(kind.code), _code(kind.type), statuses or _NONE, grpc_status)
            return *cells, meaning(self._source, kind)

        return [("code", "type", "HTTP", "gRPC", "when"), *map(row, REFUSALS)]


def _metrics() -> Cells:
    metrics = Metrics("")
    # No values: names, labels and meanings are what counts.
    metrics.show(lambda: defaultdict(dict))
    of_process = {family.name for family in ProcessCollector(registry=None).collect()}
    rows = []
    for family in metrics.registry.collect():
        if family.name not in of_process:
            suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
            kind = "gauge" if family.type == "info" else family.type
            labels = " ".join(map(_code, _labels(metrics, family)))
            rows.append((_code(family.name + suffix), kind, labels, family.documentation))
    return [("metric", "kind", "labels", "meaning"), *rows]


def _labels(metrics: Metrics, family: Metric) -> list[str]:
    # A family without samples exposes its labels only here.
    collector = metrics.registry._names_to_collectors[family.name]  # noqa: SLF001
    declared = {label for one in (collector, family) for label in getattr(one, "_labelnames", ())}
    return sorted(declared | {label for one in family.samples for label in one.labels} - {"le"})


def _fields() -> Cells:
    rows = []
    for field in FIELDS:
        own = _bounds(field, field.own_bounds or field.bounds) if field.inheritance else _NONE
        inheritance = field.inheritance.value if field.inheritance else _NONE
        rows.append((_code(field.name), field.help, _bounds(field, field.bounds), own, inheritance))
    return [("field", "meaning", "takes", "in an organization's model", "own and parent's value"), *rows]


def _bounds(field: Field, bounds: Bounds | None) -> str:
    match field.kind:
        case Kind.TEXT if bounds:
            return f"{bounds.least:,} to {bounds.most:,} characters"
        case Kind.NUMBER if bounds:
            return f"{bounds.least:,} to {bounds.most:,}"
        case Kind.OBJECT if bounds:
            return f"{field.kind.value} of at most {bounds.most:,} bytes"
        case _:
            return field.kind.value


def _commands() -> Cells:
    return [("command", "purpose"), *_commands_of(modelservice, click.Context(modelservice, info_name="modelservice"))]


def _commands_of(group: click.Group, context: click.Context) -> Iterator[Sequence[str]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            yield from _commands_of(command, inner)
        else:
            arguments = [param.make_metavar(inner) for param in command.params if isinstance(param, click.Argument)]
            purpose = " ".join((command.help or "").partition("\n\n")[0].split())
            yield _code(" ".join([f"{context.command_path} {name}", *arguments])), purpose


def _code(text: str) -> str:
    return f"`{text}`" if text else ""
