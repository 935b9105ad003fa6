"""`modelservice models`."""

from __future__ import annotations

import os
from typing import Any

import click

from modelservice import config
from modelservice.cli.options import actor_option, field_options, given_fields
from modelservice.cli.output import json_option, print_record, print_rows, time_text
from modelservice.domain.inheritance import INHERITED
from modelservice.domain.model import Model
from modelservice.manage.models import (
    ModelRef,
    create_model,
    delete_model,
    list_models,
    show_model,
    update_model,
)

_organization = click.option("--organization", help="Whose model MODEL is; without it, a system model.")


@click.group()
def models() -> None:
    """Manage models. MODEL is a name or a UUID."""


@models.command()
@click.option("--organization", required=True, help="Who owns it.")
@click.option("--parent", required=True, help="The system model from which it inherits: a name or a UUID.")
@click.option("--display-name", required=True, help="Its name for people.")
@click.option("--name", help="Its id in the list; else one is made of the display name.")
@field_options(system=False)
@actor_option
@json_option
def create(organization: str, parent: str, actor: str, *, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """Create a model of an organization. What is not given is inherited."""
    settings = config.load(os.environ)
    model = create_model(
        settings.database_url,
        actor,
        organization,
        parent,
        given_fields(options),
        prompt_quota=settings.prompt_quota_bytes,
    )
    print_record(_record(model), as_json=as_json)


@models.command()
@click.argument("model")
@_organization
@click.option("--display-name", help="Its name for people.")
@field_options(system=True)
@click.option("--inherit", "inherited", multiple=True, type=click.Choice(INHERITED), help="Repeatable: own no more.")
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
    """Change MODEL. What is said of a system model here outlasts every later import."""
    changed = _update(model, organization, actor, given_fields(options), inherited)
    print_record(_record(changed), as_json=as_json)


@models.command()
@click.argument("model")
@_organization
@actor_option
def enable(model: str, organization: str | None, actor: str) -> None:
    """List MODEL (while its parent is enabled, too)."""
    _update(model, organization, actor, {"enabled": True}, ())


@models.command()
@click.argument("model")
@_organization
@actor_option
def disable(model: str, organization: str | None, actor: str) -> None:
    """List MODEL no more, nor what inherits from it. It can still be fetched."""
    _update(model, organization, actor, {"enabled": False}, ())


@models.command()
@click.argument("model")
@_organization
@actor_option
def delete(model: str, organization: str | None, actor: str) -> None:
    """Delete MODEL, from which nothing may inherit."""
    delete_model(config.load(os.environ).database_url, actor, ModelRef(model, organization))


@models.command("list")
@click.option("--organization", help="Whose models; without it, the system models.")
@json_option
def list_(organization: str | None, *, as_json: bool) -> None:
    """List models, the disabled ones too."""
    found = list_models(config.load(os.environ).database_url, organization)
    origin = "parent_name" if organization else "provider"
    columns = ("name", "display_name", origin, "context_window", "cost_per_1k_tokens", "enabled", "id")
    print_rows([_record(model) for model in found], columns, as_json=as_json)


@models.command()
@click.argument("model")
@_organization
@json_option
def show(model: str, organization: str | None, *, as_json: bool) -> None:
    """Show MODEL as callers see it."""
    found = show_model(config.load(os.environ).database_url, ModelRef(model, organization))
    print_record(_record(found.model), as_json=as_json)


def _update(
    model: str, organization: str | None, actor: str, fields: dict[str, Any], inherited: tuple[str, ...]
) -> Model:
    settings = config.load(os.environ)
    return update_model(
        settings.database_url,
        actor,
        ModelRef(model, organization),
        fields,
        inherited=inherited,
        prompt_quota=settings.prompt_quota_bytes,
    )


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
