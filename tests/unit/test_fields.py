"""The table of fields agrees with everything that is declared beside it."""

from __future__ import annotations

import dataclasses
import json

import pytest

from cloakrai.v1 import model_service_pb2 as pb
from modelservice.domain.field_kind import Kind
from modelservice.domain.fields import BY_NAME, CHANGEABLE, CLAIMS, FIELDS, INHERITED, OWN
from modelservice.domain.layers import STATED
from modelservice.domain.model import Model, OrganizationModel
from tests.support.harness import ROOT

# What the service sets.
SET = {"updated", "position", "organization_id", "parent_id", "parent_name"}
# Names of fields on the wire: of the list, of its members, and of the get document.
LISTED = {"id": "name", "owned_by": "provider", "permission": "permission_id"}
GOTTEN = {"created_at": "created", "model_name": "name"}
# Facts that follow from others, or that the service sets.
DERIVED = {"object", "root", "parent", "cloakr_metadata", "is_system_model", "parent_model_id", "updated_at"}
DERIVED |= {"supports_reasoning", "supports_vision"}


def test_the_model_has_every_field_and_no_other() -> None:
    assert {one.name for one in FIELDS} | SET == {field.name for field in dataclasses.fields(Model)}


def test_an_organizations_model_has_the_fields_that_it_can_own() -> None:
    names = {field.name for field in dataclasses.fields(OrganizationModel)}

    assert {*OWN, "id", "created"} | SET - {"parent_name"} == names


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_a_default_is_the_models(field: dataclasses.Field[object]) -> None:
    one = Model.__dataclass_fields__[field.name]
    default = one.default_factory() if one.default_factory is not dataclasses.MISSING else one.default
    has_one = default is not dataclasses.MISSING

    assert (BY_NAME[field.name].default if has_one else dataclasses.MISSING) == default


def test_a_field_without_a_default_is_required_or_set_by_the_service() -> None:
    without = {field.name for field in dataclasses.fields(Model) if field.default is field.default_factory}

    assert {one.name for one in FIELDS if one.required} == without - SET - {"id", "created"}


def test_each_default_passes_its_check() -> None:
    for one in FIELDS:
        if not one.required and one.name not in ("id", "created"):
            one.check(one.name, one.default)


def test_a_models_attribute_is_nullable_where_the_field_is() -> None:
    nullable = {field.name for field in dataclasses.fields(Model) if "None" in str(field.type)}
    own = {field.name for field in dataclasses.fields(OrganizationModel) if "None" in str(field.type)}

    # Only models of organizations have an owner and a parent, and no provider.
    assert {one.name for one in FIELDS if one.nullable} | {"provider"} == nullable - SET
    assert set(INHERITED) == own


def test_layers_state_every_field_but_what_identifies_a_model() -> None:
    assert {one.name for one in FIELDS} - {"id", "name"} == {one.name for one in STATED}


def test_every_field_is_on_the_wire() -> None:
    listed = {LISTED.get(name, name) for name in pb.ListedModel.DESCRIPTOR.fields_by_name}
    gotten = {GOTTEN.get(name, name) for name in pb.Model.DESCRIPTOR.fields_by_name}
    members = set(pb.CloakrMetadata.DESCRIPTOR.fields_by_name)

    assert {one.name for one in FIELDS} == (listed | gotten | members) - DERIVED


def test_the_groups_contain_each_other() -> None:
    assert set(CLAIMS) < set(INHERITED) < set(OWN) < {one.name for one in FIELDS}
    assert set(INHERITED) < set(CHANGEABLE) | {"name"}


def test_options_are_unique() -> None:
    options = [one.option for one in FIELDS if one.option]

    assert len(options) == len(set(options))


def test_the_published_schema_is_the_tables() -> None:
    path = ROOT / "src" / "modelservice" / "manage" / "catalogue.schema.json"
    properties = json.loads(path.read_text())["properties"]["models"]["items"]["properties"]

    assert [one.name for one in FIELDS] == list(properties)


def test_a_help_text_is_one_line_without_a_period_at_the_end() -> None:
    assert [] == [one.name for one in FIELDS if one.help.endswith(".") or "\n" in one.help]


def test_only_labels_are_kept_as_tuples() -> None:
    assert ("a",) == BY_NAME["capabilities"].read(["a"])
    assert ["a"] == BY_NAME["metadata"].read(["a"])
    assert {"capabilities", "compliance"} == {one.name for one in FIELDS if one.kind is Kind.LABELS}
