"""Models of organizations, as operators manage them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from modelservice.domain.model import Model
from modelservice.domain.principal import MODELS_READ, MODELS_READ_ANY
from modelservice.errors import ConflictError, InvalidValueError, NotFoundError
from modelservice.manage.auditing import list_audit
from modelservice.manage.explain import explain
from modelservice.manage.keys import create_key, list_keys, revoke_key, rotate_key
from modelservice.manage.lookup import ModelRef
from modelservice.manage.models import create_model, delete_models, list_models, show_model, update_models
from modelservice.manage.organizations import create_organization, delete_organization, list_organizations
from modelservice.manage.system_catalogue import import_catalogue, load_documented
from modelservice.store.access import Access
from modelservice.store.changes import read_changes
from modelservice.store.database import Database
from tests.support.databases import holders

QUOTA = 1_000


@pytest.fixture
def url(url: str) -> str:
    load_documented(url, "test")
    create_organization(url, "test", "acme")
    create_organization(url, "test", "rival")
    return url


def create(url: str, organization: str = "acme", parent: str = "gpt-4o", **fields: Any) -> Model:
    return create_model(url, "test", organization, parent, {"display_name": "Bot", **fields}, prompt_quota=QUOTA)


def update(url: str, model: str, organization: str | None = None, **fields: Any) -> Model:
    return update_models(url, "test", [ModelRef(model, organization)], fields, prompt_quota=QUOTA).model


def revision(url: str) -> int:
    changes = read_changes(Database(url, Access.READ), None)
    assert changes is not None
    return changes.revision.number


def test_a_name_is_made_of_the_display_name(url: str) -> None:
    first, second = create(url, display_name="Support Bot (ü)!"), create(url, display_name="Support Bot (ü)!")

    assert first.name.startswith("support-bot-")
    assert first.name != second.name
    assert create(url, display_name="模型").name.startswith("model-")


def test_models_are_in_the_order_of_their_creation(url: str) -> None:
    for name in ("z", "a", "m"):
        create(url, name=name)

    assert ["z", "a", "m"] == [model.name for model in list_models(url, "acme")]
    assert [] == list_models(url, "rival")


def test_a_name_is_free_for_another_organization_but_not_a_system_models(url: str) -> None:
    create(url, name="bot")
    create(url, "rival", name="bot")

    with pytest.raises(ConflictError, match="model bot: the organization acme has a model of this name"):
        create(url, name="bot")
    with pytest.raises(ConflictError, match="model gpt-4o: a system model has this name"):
        create(url, name="gpt-4o")


@pytest.mark.parametrize(
    ("organization", "parent", "fields", "error", "sentence"),
    [
        ("none", "gpt-4o", {}, NotFoundError, "organization none: does not exist"),
        ("acme", "none", {}, NotFoundError, "parent none: there is no such system model"),
        ("acme", str(UUID(int=1)), {}, NotFoundError, "there is no such system model"),
        ("acme", "gpt-4o", {"context_window": 128_001}, InvalidValueError, "must be at most 128000, gpt-4o's"),
        ("acme", "gpt-4o", {"name": "a b"}, InvalidValueError, "model name 'a b'"),
        ("acme", "gpt-4o", {"system_prompt": "ü" * 501}, InvalidValueError, "1002 bytes: must have at most 1000"),
    ],
)
def test_what_cannot_be_created_changes_nothing(
    url: str, organization: str, parent: str, fields: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    before = revision(url)

    with pytest.raises(error, match=sentence):
        create(url, organization, parent, **fields)

    assert before == revision(url)


def test_a_parent_must_be_a_system_model(url: str) -> None:
    child = create(url, name="child")

    for parent in ("child", str(child.id)):
        with pytest.raises(NotFoundError, match="there is no such system model"):
            create(url, parent=parent)


def test_a_child_follows_its_parent(url: str) -> None:
    create(url, name="bot", context_window=100_000)
    update(url, "gpt-4o", context_window=50_000, max_tokens_per_request=10, compliance=("gdpr",))

    (bot,) = list_models(url, "acme")
    assert (50_000, 10, ("gdpr",)) == (bot.context_window, bot.max_tokens_per_request, bot.compliance)
    # What it said before its parent shrank is no obstacle to saying something else.
    assert "New" == update(url, "bot", "acme", display_name="New").display_name
    assert 128_000 == update(url, "gpt-4o", context_window=128_000).context_window
    assert 100_000 == list_models(url, "acme")[0].context_window


def test_a_value_can_be_inherited_again(url: str) -> None:
    create(url, name="bot", context_window=5, system_prompt="x")

    ref, unset = ModelRef("bot", "acme"), ("context_window", "system_prompt")
    changed = update_models(url, "test", [ref], {}, unset=unset, prompt_quota=QUOTA).model

    assert (128_000, None) == (changed.context_window, changed.system_prompt)


def test_the_prompts_of_an_organization_have_a_quota(url: str) -> None:
    create(url, name="one", system_prompt="x" * 600)
    create(url, "rival", name="two", system_prompt="x" * 600)
    create(url, name="three", system_prompt="x" * 400)

    with pytest.raises(InvalidValueError, match="system_prompt: the prompts of acme would have 1001 bytes"):
        update(url, "three", "acme", system_prompt="x" * 401)
    update(url, "one", "acme", system_prompt="")
    update(url, "three", "acme", system_prompt="x" * 401)


@pytest.mark.parametrize("field", ["provider", "credit_multiplier"])
def test_what_is_its_parents_it_cannot_say(url: str, field: str) -> None:
    create(url, name="bot")

    with pytest.raises(InvalidValueError, match=f"model bot: {field}: is its parent's"):
        update(url, "bot", "acme", **{field: 5})


def test_the_same_again_changes_nothing(url: str) -> None:
    create(url, name="bot", context_window=5)
    # What another source states too, and is stated by a command now: imports cannot change it any longer.
    update(url, "gpt-4o", display_name="GPT-4 Omni (latest)")
    before = revision(url)

    update(url, "bot", "acme", context_window=5, display_name="Bot")
    update(url, "gpt-4o", display_name="GPT-4 Omni (latest)")

    assert before == revision(url)


def test_a_deleted_model_frees_its_name_and_not_its_uuid(url: str) -> None:
    first = create(url, name="bot")
    delete_models(url, "test", [ModelRef("bot", "acme")])

    with pytest.raises(NotFoundError, match="there is no such model"):
        show_model(url, ModelRef(str(first.id)))
    second = create(url, name="bot")
    assert first.id != second.id
    with pytest.raises(InvalidValueError, match="was another model's, and is never used again"):
        import_catalogue(url, "test", [{"name": "x", "id": str(first.id), "display_name": "X", "provider": "p"}])


def test_a_deleted_models_prompt_and_metadata_are_gone_from_what_servers_read(url: str) -> None:
    create(url, name="bot", system_prompt="a secret recipe", metadata={"deep": "hidden"})
    delete_models(url, "test", [ModelRef("bot", "acme")])

    changes = read_changes(Database(url, Access.READ), None)
    assert changes is not None
    assert () == changes.organization_models
    with Database(url, Access.READ).transaction() as connection:
        rows = connection.exec_driver_sql("SELECT name, document FROM models WHERE deleted").all()
    # Its name stays, so that it can be undeleted by name.
    assert [("bot", "{}")] == [tuple(row) for row in rows]


def test_a_deleted_models_prompt_is_gone_from_the_database(url: str) -> None:
    create(url, name="bot", system_prompt="a secret recipe")
    assert {"models", "layers"} == holders(url, "a secret recipe")

    delete_models(url, "test", [ModelRef("bot", "acme")])

    assert set() == holders(url, "a secret recipe")


def test_a_parent_with_children_stays(url: str) -> None:
    create(url, name="bot")

    with pytest.raises(ConflictError, match="model gpt-4o: 1 models of organizations inherit from it"):
        delete_models(url, "test", [ModelRef("gpt-4o")])
    delete_models(url, "test", [ModelRef("bot", "acme")])
    delete_models(url, "test", [ModelRef("gpt-4o")])
    assert "gpt-4o" not in [model.name for model in list_models(url, None)]


def test_a_model_is_meant_by_name_or_uuid(url: str) -> None:
    bot = create(url, name="bot")

    assert {bot.id} == {
        show_model(url, ref).id
        for ref in (ModelRef("bot", "acme"), ModelRef(str(bot.id)), ModelRef(str(bot.id).upper(), "acme"))
    }
    for ref in (ModelRef("bot"), ModelRef("bot", "rival"), ModelRef(str(bot.id), "rival"), ModelRef("gpt-4o", "acme")):
        with pytest.raises(NotFoundError, match="there is no such model"):
            show_model(url, ref)


def test_an_organization_with_keys_or_models_is_deleted_only_with_them(url: str) -> None:
    create(url, name="bot")
    key = create_key(url, "test", "acme", scopes={MODELS_READ})

    with pytest.raises(ConflictError, match="has 1 keys, 0 clients and 1 models: --cascade deletes them too"):
        delete_organization(url, "test", "acme", cascade=False)
    delete_organization(url, "test", "acme", cascade=True)
    delete_organization(url, "test", "rival", cascade=False)

    assert ([], []) == (list_organizations(url), list_keys(url))
    # Its id is free again, and nothing of the old one comes back with it.
    create_organization(url, "test", "acme")
    assert ([], []) == (list_models(url, "acme"), list_keys(url))
    with pytest.raises(NotFoundError, match="does not exist"):
        revoke_key(url, "test", key.id)


def test_a_rotated_key_and_its_successor_are_both_valid_for_a_while(url: str) -> None:
    old = create_key(url, "test", "acme", scopes={MODELS_READ}, name="CI", lifetime=90 * 86_400)

    new = rotate_key(url, "test", old.id, overlap=3_600).new

    keys = {key.id: key for key in list_keys(url)}
    assert (keys[old.id].created + 3_600) - (keys[old.id].expires or 0) in (0, -1)
    assert ("acme", "CI", frozenset({MODELS_READ})) == (
        keys[new.id].organization_id,
        keys[new.id].name,
        keys[new.id].scopes,
    )
    assert 90 * 86_400 == (keys[new.id].expires or 0) - keys[new.id].created


def test_a_key_that_has_ended_is_not_rotated(url: str) -> None:
    key = create_key(url, "test", "acme", scopes=())
    revoke_key(url, "test", key.id)

    with pytest.raises(ConflictError, match="is revoked or expired"):
        rotate_key(url, "test", key.id, overlap=5)


@pytest.mark.parametrize(
    ("organization", "scopes"), [("acme", {MODELS_READ_ANY}), (None, {MODELS_READ}), (None, set()), ("acme", {"x"})]
)
def test_a_key_belongs_to_an_organization_or_may_read_for_any(
    url: str, organization: str | None, scopes: set[str]
) -> None:
    with pytest.raises(InvalidValueError, match=r"^key (organization|scope)"):
        create_key(url, "test", organization, scopes=scopes)


def test_every_write_is_audited_with_before_and_after_and_no_secret(url: str) -> None:
    begin = len(list_audit(url, 0))
    create(url, name="bot", system_prompt="a secret recipe", context_window=7)
    update(url, "bot", "acme", context_window=8)
    key = create_key(url, "test", "acme", scopes={MODELS_READ})
    new = rotate_key(url, "rotator", key.id, overlap=5).new
    revoke_key(url, "revoker", new.id)
    delete_models(url, "test", [ModelRef("bot", "acme")])
    delete_organization(url, "test", "acme", cascade=True)

    rows = list_audit(url, 0)[begin:]
    assert [
        ("test", "models.create", "acme: bot"),
        ("test", "models.update", "acme: bot"),
        ("test", "keys.create", key.id),
        ("rotator", "keys.rotate", key.id),
        ("revoker", "keys.revoke", new.id),
        ("test", "models.delete", "acme: bot"),
        ("test", "organizations.delete", "acme"),
    ] == [(row.actor, row.action, row.subject) for row in rows]
    (created,), (updated,) = rows[0].detail["models"], rows[1].detail["models"]
    assert {"context_window": [7, 8]} == updated["fields"]
    assert 15 == created["fields"]["system_prompt"][1]["characters"]
    text = str(rows)
    assert "recipe" not in text
    assert key.text.split("_")[2] not in text
    assert [] == list_audit(url, 2**40)
    assert list(range(rows[0].revision, rows[-1].revision + 1)) == [row.revision for row in rows]


def shadowed(url: str, model: str, organization: str) -> dict[str, tuple[str, ...]]:
    found = explain(url, model, organization_id=organization, key_id=None)
    return {row.field: row.shadowed for row in found.fields}


def origins(url: str, model: str, organization: str) -> dict[str, tuple[Any, str]]:
    found = explain(url, model, organization_id=organization, key_id=None)
    return {row.field: (row.value, row.origin) for row in found.fields}


def test_explain_says_where_each_value_comes_from(url: str) -> None:
    create(url, name="bot", context_window=1_000, compliance=("soc2",))
    update(url, "gpt-4o", context_window=500, provider="someone")

    bot, base = origins(url, "bot", "acme"), origins(url, "gpt-4o", "acme")

    assert (500, "limited by gpt-4o (manual)") == bot["context_window"]
    assert ("manual: 1000",) == shadowed(url, "bot", "acme")["context_window"]
    assert (("soc2",), "manual") == bot["compliance"]
    assert (16_384, "inherited from gpt-4o (documented)") == bot["max_tokens_per_request"]
    assert (None, "inherited from gpt-4o (documented)") == bot["description"]
    assert (True, "derived from capabilities") == bot["supports_vision"]
    assert ("someone", "manual") == base["provider"]
    assert ("documented: 'openai'",) == shadowed(url, "gpt-4o", "acme")["provider"]
    assert (0.03, "documented") == base["cost_per_1k_tokens"]
    assert (None, "documented") == base["credit_multiplier"]
    assert ("modelperm-abc123", "given") == base["permission"]


def test_explain_says_who_sees_a_model_and_why(url: str) -> None:
    bot = create(url, name="bot")
    reader = create_key(url, "test", "acme", scopes={MODELS_READ})
    without = create_key(url, "test", "acme", scopes=())
    revoked = create_key(url, "test", "acme", scopes={MODELS_READ})
    revoke_key(url, "test", revoked.id)

    def rule(model: str, organization: str | None = None, key: str | None = None) -> tuple[bool, bool, str]:
        found = explain(url, model, organization_id=organization, key_id=key)
        return found.visible, found.listed, found.rule

    belongs = "it belongs to acme"
    assert (True, True, f"{belongs}, which the caller reads for") == rule("bot", "acme")
    assert rule("bot", "acme") == rule(str(bot.id), key=reader.id)
    assert (False, False, f"{belongs}, but the caller reads for rival") == rule("bot", "rival")
    assert (False, False, f"{belongs}, but the caller reads for no organization") == rule(str(bot.id))
    assert (False, False, f"the key {without.id} lacks the scope models:read") == rule("bot", key=without.id)
    assert (False, False, f"the key {revoked.id} is revoked or expired") == rule("bot", key=revoked.id)
    assert (False, False, "there is no such model") == rule("none", "acme")
    update(url, "gpt-4o", enabled=False)
    assert (True, False, f"{belongs}, which the caller reads for; it is not listed: gpt-4o is disabled") == rule(
        "bot", "acme"
    )
    with pytest.raises(NotFoundError, match="organization none: does not exist"):
        rule("bot", "none")
