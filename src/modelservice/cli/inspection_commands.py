"""`modelservice explain` and `audit`."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from modelservice.cli.options import Duration, database_url
from modelservice.cli.output import (
    BRIEF,
    NOTHING,
    brief,
    json_option,
    on_a_terminal,
    print_json,
    print_rows,
    say,
    time_text,
)
from modelservice.manage.auditing import list_audit
from modelservice.manage.explain import Origin
from modelservice.manage.explain import explain as explain_model

# Characters of a value, and of a layer that it shadows, in `explain` on a terminal.
_VALUE_MAX: Final = 80
_SHADOWED_MAX: Final = 40


@click.command()
@click.argument("model")
@click.option("--organization", help="Explain what callers of this organization see. Default: callers of none.")
@click.option("--key-id", help="Explain what callers with this key see.")
@json_option
def explain(model: str, organization: str | None, key_id: str | None, *, as_json: bool) -> None:
    """Show whether a caller sees MODEL, by which rule, and where each of its values comes from."""
    if organization and key_id:
        raise click.UsageError("--organization or --key-id, not both")
    found = explain_model(database_url(), model, organization_id=organization, key_id=key_id)
    if as_json:
        print_json(dataclasses.asdict(found))
        return
    say(f"{'visible' if found.visible else 'not visible'}: {found.rule}")
    if found.fields:
        click.echo()
        _print_fields(found.fields)


@click.command()
@click.option("--since", type=Duration(), help="How far to look back, such as 7d. Default: everything.")
@json_option
def audit(since: int | None, *, as_json: bool) -> None:
    """Show who changed what: one row for each write, oldest first. --json has every value."""
    begin = 0 if since is None else int(time.time()) - since
    rows = [row._asdict() | {"time": time_text(row.created)} for row in list_audit(database_url(), begin)]
    if not as_json:
        rows = [row | {"detail": _detail(row["detail"])} for row in rows]
    print_rows(rows, ("revision", "time", "actor", "action", "subject", "detail"), as_json=as_json)


def _print_fields(fields: Sequence[Origin]) -> None:
    """Prints where values come from. On a terminal, fields that say little share a line, so that one screen has all."""
    is_short = on_a_terminal()
    little: dict[str, list[str]] = defaultdict(list)
    rows = []
    for one in fields:
        value = brief(one.value, _VALUE_MAX if is_short else BRIEF)
        origin = one.origin.removeprefix("inherited from ") if is_short else one.origin
        is_derived = origin.startswith(("derived", "given", "not set"))
        if not is_short or one.shadowed or not (is_derived or value == NOTHING):
            shadowed = "; ".join(brief(layer, _SHADOWED_MAX if is_short else BRIEF) for layer in one.shadowed)
            rows.append({"field": one.field, "value": value, "origin": origin, "shadowed": shadowed})
        elif value == NOTHING:
            little[origin if is_derived else f"{origin}, without a value"].append(one.field)
        else:
            little[origin].append(f"{one.field} {value}")
    print_rows(rows, ("field", "value", "origin", "shadowed"), as_json=False, is_folded=True)
    for origin, names in little.items():
        say(f"{origin}: {', '.join(names)}")


def _detail(detail: Mapping[str, Any]) -> str:
    """Returns a row's detail in a few words: an import's may have megabytes."""
    models = detail.get("models")
    if not isinstance(models, list) or not all(isinstance(one, Mapping) and "what" in one for one in models):
        return brief(detail)
    whats = Counter(one["what"] for one in models)
    fields = models[0].get("fields") if len(models) == 1 else None
    parts = [f"{what} {count}" for what, count in whats.items()]
    if isinstance(fields, Mapping) and models[0]["what"] == "changed":
        parts = [f"changed {', '.join(fields)}"]
    if "purged" in [one.get("fields") for one in models]:
        parts.append("values purged")
    parts += [f"rank of {name} {before} to {after}" for name, (before, after) in detail.get("ranks", {}).items()]
    return brief(", ".join(parts))
