"""`modelservice models`."""

from __future__ import annotations

import os
from typing import Any, Final

import click

from modelservice import config
from modelservice.cli.options import actor_option, database_url, field_options, given_fields
from modelservice.cli.output import json_option, print_json, print_record, print_rows, say, time_text
from modelservice.domain.fields import INHERITED
from modelservice.domain.model import Model
from modelservice.manage.models import (
    ModelRef,
    Updated,
    create_model,
    delete_model,
    list_models,
    show_model,
    update_model,
)

_INHERIT: Final = "Clear the override, so that the field is inherited. Repeatable."
_organization = click.option("--organization", help="Owner of MODEL. Default: a system model.")


@click.group()
def models() -> None:
    """Manage models. MODEL is a name or a UUID."""


@models.command()
@click.option("--organization", required=True, help="Owner of the model.")
@click.option("--parent", required=True, help="System model to inherit from: a name or a UUID.")
@click.option("--name", help="Id in the list. Default: derived from the display name.")
@field_options(system=False, required=["display_name"])
@actor_option
@json_option
def create(organization: str, parent: str, actor: str, *, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """Create a model of an organization. Fields that are not set are inherited."""
    settings, fields = config.load(os.environ), given_fields(options)
    quota = settings.prompt_quota_bytes
    model = create_model(settings.database_url, actor, organization, parent, fields, prompt_quota=quota)
    if as_json:
        print_json(_record(model))
    else:
        say(f"created model {model.name} of organization {organization}: id {model.id}")


@models.command()
@click.argument("model")
@_organization
@field_options(system=True)
@click.option("--inherit", "inherited", multiple=True, type=click.Choice(INHERITED), help=_INHERIT)
@actor_option
@json_option
def update(
    model: str,
    organization: str | None,
    inherited: tuple[str, ...],
    actor: str,
    *,
    as_json: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Change MODEL. Imports do not overwrite these values of a system model."""
    updated = _update(model, organization, actor, given_fields(options), inherited)
    if as_json:
        print_json(_record(updated.model))
    elif updated.fields:
        say(f"updated model {updated.model.name}: {', '.join(updated.fields)}")
    else:
        say(f"model {updated.model.name}: already has these values")


@models.command()
@click.argument("model")
@_organization
@actor_option
def enable(model: str, organization: str | None, actor: str) -> None:
    """Enable MODEL: it is listed as long as its parent is enabled, too."""
    _enable(model, organization, actor, enabled=True)


@models.command()
@click.argument("model")
@_organization
@actor_option
def disable(model: str, organization: str | None, actor: str) -> None:
    """Disable MODEL: it and the models that inherit from it are not listed, but can still be fetched."""
    _enable(model, organization, actor, enabled=False)


@models.command()
@click.argument("model")
@_organization
@actor_option
def delete(model: str, organization: str | None, actor: str) -> None:
    """Delete MODEL. No other model may inherit from it."""
    deleted = delete_model(database_url(), actor, ModelRef(model, organization))
    say(f"deleted model {deleted.name}: id {deleted.id}")


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
@_organization
@json_option
def show(model: str, organization: str | None, *, as_json: bool) -> None:
    """Show MODEL as callers see it."""
    found = show_model(database_url(), ModelRef(model, organization))
    print_record(_record(found.model), as_json=as_json)


def _update(
    model: str, organization: str | None, actor: str, fields: dict[str, Any], inherited: tuple[str, ...]
) -> Updated:
    settings, ref = config.load(os.environ), ModelRef(model, organization)
    quota = settings.prompt_quota_bytes
    return update_model(settings.database_url, actor, ref, fields, inherited=inherited, prompt_quota=quota)


def _enable(model: str, organization: str | None, actor: str, *, enabled: bool) -> None:
    updated = _update(model, organization, actor, {"enabled": enabled}, ())
    done = "enabled" if enabled else "disabled"
    name = updated.model.name
    say(f"{done} model {name}" if updated.fields else f"model {name}: is already {done}")


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
