"""`modelservice models`."""

from __future__ import annotations

import os
from typing import Any, Final

import click

from modelservice import config
from modelservice.cli.changes import note_lost, yes_option
from modelservice.cli.options import Moment, actor_option, database_url, field_options, given_fields
from modelservice.cli.output import json_option, print_json, print_record, print_rows, say, time_text
from modelservice.domain.fields import BY_NAME, CHANGEABLE
from modelservice.domain.model import Model
from modelservice.manage.history import show_past
from modelservice.manage.lookup import ModelRef
from modelservice.manage.models import (
    Changed,
    create_model,
    delete_models,
    list_models,
    show_model,
    undelete_models,
    update_models,
)
from modelservice.manage.outcome import Outcome

_UNSET: Final = "Withdraw the value that a command has set: other sources', or the parent's, counts again. Repeatable."
_organization = click.option("--organization", help="Owner of the models. Default: system models.")
_models = click.argument("names", metavar="MODEL...", nargs=-1, required=True)


@click.group()
def models() -> None:
    """Manage models. MODEL is a name or a UUID."""


@models.command()
@click.option("--organization", help="Owner of the model. Default: a system model.")
@click.option("--parent", help="System model that an organization's model inherits from: a name or a UUID.")
@click.option("--name", help="Id in the list. Default: derived from the display name.")
@field_options(system=True, required=["display_name"])
@actor_option
@json_option
def create(organization: str | None, parent: str | None, actor: str, *, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """Create a model. Fields of an organization's model that are not set are inherited."""
    if (organization is None) != (parent is None):
        raise click.UsageError("--organization and --parent go together")
    settings, fields = config.load(os.environ), given_fields(options)
    if organization is None and "provider" not in fields:
        raise click.UsageError("a system model needs --provider, an organization's model --organization and --parent")
    quota = settings.prompt_quota_bytes
    model = create_model(settings.database_url, actor, organization, parent, fields, prompt_quota=quota)
    if as_json:
        print_json(_record(model))
    else:
        owner = f" of organization {organization}" if organization else ""
        say(f"created model {model.name}{owner}: id {model.id}")


@models.command()
@_models
@_organization
@field_options(system=True)
@click.option(
    "--unset", "--inherit", "unset", metavar="FIELD", multiple=True, type=click.Choice(CHANGEABLE), help=_UNSET
)
@actor_option
@json_option
def update(
    names: tuple[str, ...],
    organization: str | None,
    unset: tuple[str, ...],
    actor: str,
    *,
    as_json: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Change each MODEL. These values outrank those of every other source."""
    fields = given_fields(options)
    if not fields and not unset:
        raise click.UsageError("nothing to change: give a field's option, such as --context-window 128000, or --unset")
    for name in unset:
        if name in fields:
            raise click.UsageError(f"--unset {name} and {BY_NAME[name].option}: only one of both")
    changed = _update(names, organization, actor, fields, unset)
    if as_json:
        _print_models(changed)
        return
    for model in changed.models:
        say(_updated(model, changed.outcome, unset, only_unset=not fields))


@models.command()
@_models
@_organization
@actor_option
def enable(names: tuple[str, ...], organization: str | None, actor: str) -> None:
    """Enable each MODEL: it is listed as long as its parent is enabled, too."""
    _enable(names, organization, actor, enabled=True)


@models.command()
@_models
@_organization
@actor_option
def disable(names: tuple[str, ...], organization: str | None, actor: str) -> None:
    """Disable each MODEL: it and the models that inherit from it are not listed, but can still be fetched."""
    _enable(names, organization, actor, enabled=False)


@models.command()
@_models
@_organization
@yes_option
@actor_option
def delete(names: tuple[str, ...], organization: str | None, actor: str, *, confirmed: bool) -> None:
    """Delete each MODEL. No other model may inherit from it. Imports do not bring it back."""
    settings = config.load(os.environ)
    days = settings.history_days
    deleted = delete_models(
        settings.database_url, actor, _refs(names, organization), confirmed=confirmed, history_days=days
    )
    for model in deleted.models:
        say(f"deleted model {model.name}: id {model.id}")


@models.command()
@_models
@_organization
@click.option("--as", "name", help="Another name, if the model's own is taken. Only for a single model.")
@actor_option
def undelete(names: tuple[str, ...], organization: str | None, name: str | None, actor: str) -> None:
    """Bring each deleted MODEL back, with the same UUID. System prompts do not come back."""
    if name and len(names) > 1:
        raise click.UsageError("--as is for a single model")
    settings = config.load(os.environ)
    days = settings.history_days
    done = undelete_models(settings.database_url, actor, _refs(names, organization), name=name, history_days=days)
    for model in done.models:
        say(f"restored model {model.name}: id {model.id}")
    note_lost(done.outcome)


@models.command("list")
@click.option("--organization", help="Owner of the models. Default: the system models.")
@json_option
def list_(organization: str | None, *, as_json: bool) -> None:
    """List models, including disabled ones."""
    found = list_models(database_url(), organization)
    origin = "parent_name" if organization else "provider"
    columns = ("name", "display_name", origin, "context_window", "cost_per_1k_tokens", "enabled", "id")
    print_rows([_record(model) for model in found], columns, as_json=as_json)


@models.command()
@click.argument("model")
@click.option("--organization", help="Owner of MODEL. Default: a system model.")
@click.option("--as-of", "moment", type=Moment(), help="Show what was stated at a revision or a time.")
@json_option
def show(model: str, organization: str | None, moment: int | str | None, *, as_json: bool) -> None:
    """Show MODEL as callers see it. With --as-of, an organization's model shows only its own values."""
    ref = ModelRef(model, organization)
    if moment is None:
        print_record(_record(show_model(database_url(), ref)), as_json=as_json)
        return
    revision, found = show_past(database_url(), ref, moment)
    is_system = found.record.organization_id is None
    fields = [BY_NAME[name] for name in CHANGEABLE if name in found.values or is_system]
    values = {field.name: found.values.get(field.name, field.plain(field.default)) for field in fields}
    record = {"revision": revision, "id": str(found.record.id), "name": found.name, **values}
    print_record(record, as_json=as_json)


def _refs(names: tuple[str, ...], organization: str | None) -> list[ModelRef]:
    return [ModelRef(name, organization) for name in dict.fromkeys(names)]


def _update(
    names: tuple[str, ...], organization: str | None, actor: str, fields: dict[str, Any], unset: tuple[str, ...]
) -> Changed:
    settings = config.load(os.environ)
    return update_models(
        settings.database_url,
        actor,
        _refs(names, organization),
        fields,
        unset=unset,
        prompt_quota=settings.prompt_quota_bytes,
        history_days=settings.history_days,
    )


def _enable(names: tuple[str, ...], organization: str | None, actor: str, *, enabled: bool) -> None:
    changed = _update(names, organization, actor, {"enabled": enabled}, ())
    done = "enabled" if enabled else "disabled"
    for model in changed.models:
        is_new = _title(model) in changed.outcome.changed
        say(f"{done} model {model.name}" if is_new else f"model {model.name}: is already {done}")


def _updated(model: Model, outcome: Outcome, unset: tuple[str, ...], *, only_unset: bool) -> str:
    title = _title(model)
    changed = outcome.changed.get(title)
    if changed:
        return f"updated model {model.name}: {', '.join(sorted(changed))}"
    shadowed = [item.field for item in outcome.shadowed if item.model == title]
    if shadowed:
        return f"model {model.name}: no value changes: other sources outrank commands in {', '.join(shadowed)}"
    if title in outcome.restated and only_unset:
        return f"model {model.name}: no value changes, but imports may change these again: {', '.join(unset)}"
    if title in outcome.restated:
        return f"model {model.name}: no value changes, but imports no longer change these"
    if only_unset:
        return f"model {model.name}: no command has set {', '.join(unset)}"
    return f"model {model.name}: already has these values"


def _title(model: Model) -> str:
    return f"{model.organization_id}: {model.name}" if model.organization_id else model.name


def _print_models(changed: Changed) -> None:
    records = [_record(model) for model in changed.models]
    print_json(records[0] if len(records) == 1 else records)


def _record(model: Model) -> dict[str, Any]:
    record = {name: getattr(model, name) for name in Model.__dataclass_fields__ if name != "position"}
    return record | {
        "id": str(model.id),
        "parent_id": model.parent_id and str(model.parent_id),
        "system_prompt_id": model.system_prompt_id and str(model.system_prompt_id),
        "permission_id": model.permission,
        "created": time_text(model.created),
        "updated": time_text(model.updated),
    }
