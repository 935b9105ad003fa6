from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelservice.auth import api_key
from modelservice.auth.authenticate import authenticate
from modelservice.domain.principal import MODELS_READ, ApiKey, Client
from modelservice.errors import INVALID_API_KEY, Refusal

NOW = 1_000_000


@dataclass
class Known:
    """Who is known."""

    keys: Mapping[str, ApiKey]
    clients: Mapping[str, Client] = field(default_factory=dict)


def stored(presented: api_key.PresentedKey) -> ApiKey:
    return ApiKey(
        id=presented.id,
        digest=presented.digest(),
        organization_id="acme",
        name="",
        scopes=frozenset({MODELS_READ}),
        created=NOW - 10,
    )


def test_a_key_has_its_documented_form() -> None:
    key = api_key.generate()

    assert re.fullmatch(r"msk_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}", key.text)
    assert key == api_key.parse(key.text)
    # 32 characters of 62: 190 bits.
    assert 62**32 > 2**160


def test_keys_differ() -> None:
    assert 1000 == len({api_key.generate().text for _ in range(1000)})


@given(st.integers(0, 54), st.sampled_from("0Zz-_ é"))
def test_a_changed_character_is_found_without_a_look_up(place: int, character: str) -> None:
    key = api_key.generate().text
    changed = key[:place] + character + key[place + 1 :]

    assert (changed == key) == (api_key.parse(changed) is not None)


@given(st.text())
def test_rubbish_is_no_key(text: str) -> None:
    assert api_key.parse(text) is None


def test_the_secret_is_in_no_repr() -> None:
    key = api_key.generate()

    assert key.text[17:] not in repr(key)
    assert repr(key.digest()) not in repr(stored(key))


def test_a_known_key_is_its_principal() -> None:
    key = api_key.generate()
    principal = authenticate([f"Bearer {key.text}"], Known({key.id: stored(key)}), None, NOW)

    assert ("acme", key.id, frozenset({MODELS_READ})) == (principal.organization_id, principal.key_id, principal.scopes)


def test_the_right_id_with_another_secret_is_refused() -> None:
    key, other = api_key.generate(), api_key.generate()
    known = Known({key.id: replace(stored(other), id=key.id)})

    with pytest.raises(Refusal) as raised:
        authenticate([f"Bearer {key.text}"], known, None, NOW)
    assert INVALID_API_KEY == raised.value.kind


@pytest.mark.parametrize(
    ("revoked", "expires", "usable"),
    [(None, None, True), (None, NOW + 1, True), (None, NOW, False), (NOW - 1, None, False), (NOW + 5, None, False)],
)
def test_a_key_ends_when_it_is_revoked_or_expires(revoked: int | None, expires: int | None, *, usable: bool) -> None:
    key = api_key.generate()
    known = Known({key.id: replace(stored(key), revoked=revoked, expires=expires)})

    if usable:
        assert authenticate([f"Bearer {key.text}"], known, None, NOW)
    else:
        with pytest.raises(Refusal):
            authenticate([f"Bearer {key.text}"], known, None, NOW)
