"""Who sees what: drawn at random, asked over gRPC, and compared with the rule in ten lines."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloakrai.v1 import model_service_pb2 as pb
from cloakrai.v1.model_service_pb2_grpc import ModelServiceStub
from modelservice.auth.authorize import Viewer
from modelservice.auth.issuer_keys import IssuerKeys
from modelservice.auth.token import TokenVerifier
from modelservice.dialects.paths import PATHS
from modelservice.domain.model import Model, OrganizationModel
from modelservice.domain.principal import MODELS_READ, MODELS_READ_ANY
from modelservice.manage.clients import add_client
from modelservice.manage.explain import explain
from modelservice.manage.keys import create_key
from modelservice.manage.lookup import ModelRef
from modelservice.manage.maintenance import migrate
from modelservice.manage.models import create_model, update_models
from modelservice.manage.organizations import create_organization
from modelservice.manage.system_catalogue import import_catalogue
from modelservice.telemetry import make_log
from tests.support import in_process
from tests.support.issuer import RULES, key_set, machine, member, public, sign

SYSTEM = ("base-1", "base-2")
ORGANIZATIONS = ("one", "two", "three")
QUOTA = 10_000
HEADER = "x-modelservice-organization"


@dataclass
class World:
    """A running server, and what was put into its database."""

    url: str
    serving: Any = None
    stub: Any = None
    # Name, owner (None: the system), and whether it is enabled in effect, by UUID.
    models: dict[str, tuple[str, str | None, bool]] = field(default_factory=dict)
    # Organization and scopes, by key or token.
    credentials: dict[str, tuple[str | None, frozenset[str]]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    one = World(f"sqlite:///{Path(tmp_path_factory.mktemp('world')) / 'test.db'}")
    migrate(one.url)
    keys = IssuerKeys(lambda: key_set(public("key-1")), ("RS256",), make_log(io.StringIO(), "error"))
    keys.refresh()
    verifier = TokenVerifier(RULES, keys)
    entries = [{"name": name, "display_name": name, "provider": "p"} for name in SYSTEM]
    import_catalogue(one.url, "test", [entries[0], entries[1] | {"enabled": False}])
    for name in ORGANIZATIONS:
        create_organization(one.url, "test", name)
        one.credentials[create_key(one.url, "test", name, scopes={MODELS_READ}).text] = (name, frozenset({MODELS_READ}))
        one.credentials[create_key(one.url, "test", name, scopes=()).text] = (name, frozenset())
        one.credentials[sign(member(name))] = (name, frozenset({MODELS_READ}))
        add_client(one.url, "test", f"m2m-client-{name}", name)
        one.credentials[sign(machine(f"m2m-client-{name}"))] = (name, frozenset({MODELS_READ}))
        one.credentials[sign(machine(f"m2m-client-{name}", scope="models:write"))] = (name, frozenset())
    any_reader = create_key(one.url, "test", None, scopes={MODELS_READ_ANY}).text
    one.credentials[any_reader] = (None, frozenset({MODELS_READ_ANY}))
    one.credentials[sign(member("nobody"))] = (None, frozenset({MODELS_READ}))
    one.credentials[sign(machine("m2m-client-nobody"))] = (None, frozenset({MODELS_READ}))
    # What an issuer cannot give.
    one.credentials[sign(machine("m2m-client-any", scope="models:read_any"))] = (None, frozenset())
    with in_process.serving(one.url, verifier) as one.serving:
        one.stub = ModelServiceStub(one.serving.channel)
        for entry in one.serving.catalogue.snapshot.names.values():
            one.models[str(entry.model.id)] = (entry.model.name, None, entry.model.enabled)
        yield one


def rule(world: World, key: str, named: str | None) -> set[str] | str:
    """The rule: the UUIDs of the models that a caller sees, or the refusal."""
    organization, scopes = world.credentials[key]
    if MODELS_READ_ANY in scopes:
        organization = named
    elif MODELS_READ not in scopes or named is not None:
        return "ACCESS_DENIED"
    return {uuid for uuid, (_, owner, _) in world.models.items() if owner in (None, organization)}


names = st.sampled_from(["a", "b", "c/d"])
creations = st.tuples(st.sampled_from(ORGANIZATIONS), names, st.sampled_from(SYSTEM), st.booleans())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(created=st.lists(creations, max_size=3), data=st.data())
def test_every_answer_is_what_the_rule_says(
    world: World, created: list[tuple[str, str, str, bool]], data: st.DataObject
) -> None:
    for organization, name, parent, enabled in created:
        if (name, organization) in {(taken, owner) for taken, owner, _ in world.models.values()}:
            continue
        model = create_model(
            world.url, "test", organization, parent, {"name": name, "display_name": name}, prompt_quota=QUOTA
        )
        ref = ModelRef(name, organization)
        update_models(world.url, "test", [ref], {"enabled": enabled}, prompt_quota=QUOTA)
        world.models[str(model.id)] = (name, organization, enabled and parent == "base-1")
    world.serving.settle()
    key = data.draw(st.sampled_from(sorted(world.credentials)), "key")
    named = data.draw(st.none() | st.sampled_from([*ORGANIZATIONS, "nobody"]), "named")
    metadata = [("authorization", f"Bearer {key}"), *([(HEADER, named)] if named else [])]
    expected = rule(world, key, named)

    def get(model_id: str) -> str:
        try:
            return str(world.stub.GetModel(pb.GetModelRequest(model_id=model_id), metadata=metadata).id)
        except grpc.RpcError as error:
            return str(error.details())

    if isinstance(expected, str):
        with pytest.raises(grpc.RpcError) as raised:
            world.stub.ListModels(pb.ListModelsRequest(), metadata=metadata)
        assert grpc.StatusCode.PERMISSION_DENIED == raised.value.code()
        assert {"Access to models endpoint denied"} == {get(uuid) for uuid in world.models}
        return
    listed = world.stub.ListModels(pb.ListModelsRequest(), metadata=metadata).data
    enabled_names = [world.models[uuid][0] for uuid in world.models if uuid in expected and world.models[uuid][2]]
    assert sorted(enabled_names) == sorted(item.id for item in listed)
    visible_names = {world.models[uuid][0]: uuid for uuid in expected}
    for uuid, (name, _, _) in world.models.items():
        assert (uuid if uuid in expected else f"The model '{uuid}' does not exist") == get(uuid)
        assert visible_names.get(name, f"The model '{name}' does not exist") == get(name)


LISTS = [
    pb.ListModelsRequest(),
    pb.ListModelsRequest(page_size=5),
    pb.ListModelsRequest(order_by="id desc"),
    pb.ListModelsRequest(encryption_supported=False, owned_by=["p", "one"]),
]


class Reads:
    """Every way to read a model with the key of organization "one", which owns a child of each system model."""

    def __init__(self, world: World) -> None:
        names = {name for name, owner, _ in world.models.values() if owner == "one"}
        for parent in SYSTEM:
            if f"own-{parent}" not in names:
                fields = {"name": f"own-{parent}", "display_name": parent}
                own = create_model(world.url, "test", "one", parent, fields, prompt_quota=QUOTA)
                world.models[str(own.id)] = (own.name, "one", parent == "base-1")
        world.serving.settle()
        self._world = world
        allowed = ("one", frozenset({MODELS_READ}))
        self._key = next(key for key, caller in world.credentials.items() if caller == allowed)
        self.metadata = [("authorization", f"Bearer {self._key}")]

    def names(self) -> set[str]:
        """Returns the names of the models that some way of reading shows."""
        found = set()
        for request in LISTS:
            found |= {item.id for item in self._world.stub.ListModels(request, metadata=self.metadata).data}
        for uuid, (name, _, _) in self._world.models.items():
            for model_id in (uuid, uuid.upper(), name):
                with contextlib.suppress(grpc.RpcError):
                    model = self._world.stub.GetModel(pb.GetModelRequest(model_id=model_id), metadata=self.metadata)
                    found.add(self._world.models[model.id][0])
        for dialect in PATHS:
            found |= self._names_in(dialect.collection)
        for uuid, (name, _, _) in self._world.models.items():
            for ref in (uuid, name):
                if explain(self._world.url, ref, organization_id="one", key_id=None).visible:
                    found.add(name)
        return found

    def _names_in(self, collection: str) -> set[str]:
        """Returns the names of the models that a dialect shows: its list, a filtered one, and each model."""
        found = set()
        for query in ("", "?order_by=id", "?q=base"):
            found |= {item["id"] for item in self._rest(f"{collection}{query}")["data"]}
        for uuid, (name, _, _) in self._world.models.items():
            for ref in (uuid, name):
                model = self._rest(f"{collection}/{ref}")
                if "error" not in model:
                    # The document's id is the UUID, OpenAI's the name, which organizations' models may share.
                    shown = model["id"]
                    assert name == (self._world.models[shown][0] if shown in self._world.models else shown)
                    found.add(name)
        return found

    def _rest(self, path: str) -> Any:
        return self._world.serving.rest(path, self._key)


class DeniesAll(Viewer):
    def sees_all(self, _: str | None) -> bool:
        return False

    def may_see(self, _: Model | OrganizationModel, __: Model | None = None) -> bool:
        return False


class DeniesOne(DeniesAll):
    """Has a rule against a system model."""

    def may_see(self, model: Model | OrganizationModel, parent: Model | None = None) -> bool:
        seen = model.name != "base-1" and model.organization_id in self.owners
        return seen and (parent is None or self.may_see(parent))


@pytest.fixture
def decided_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[type[Viewer]], None]:
    def decide(kind: type[Viewer]) -> None:
        monkeypatch.setattr("modelservice.rpc.admission.viewer", lambda principal, _: kind(principal.organization_id))
        monkeypatch.setattr("modelservice.manage.explain.Viewer", kind)

    return decide


def test_every_way_to_read_asks_the_viewer(world: World, decided_by: Callable[[type[Viewer]], None]) -> None:
    reads = Reads(world)
    assert {"base-1", "base-2", "own-base-1", "own-base-2"} <= reads.names()

    decided_by(DeniesAll)

    assert set() == reads.names()
    for request in LISTS:
        answer = world.stub.ListModels(request, metadata=reads.metadata)
        assert ("list", "") == (answer.object, answer.next_page_token)


def test_a_model_that_is_denied_hides_its_children(world: World, decided_by: Callable[[type[Viewer]], None]) -> None:
    reads = Reads(world)

    decided_by(DeniesOne)

    names = reads.names()
    assert {"base-2", "own-base-2"} <= names
    assert names.isdisjoint({"base-1", "own-base-1"})
