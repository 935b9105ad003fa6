"""Pages of a list whose models come and go while they are taken."""

from __future__ import annotations

import base64
import dataclasses
import itertools
import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloakrai.v1 import model_service_pb2 as pb
from modelservice.auth.authorize import Viewer
from modelservice.catalogue.listing import Listing
from modelservice.catalogue.query.filtered_list import FilteredList, choose
from modelservice.catalogue.query.filters import FILTERS, WORDS_MAX
from modelservice.catalogue.query.list_query import PAGE_SIZE_MAX, Query
from modelservice.catalogue.query.order import FIELDS, Order
from modelservice.catalogue.query.page_token import seal, unseal
from modelservice.catalogue.rendering import Entry, render_entry
from modelservice.errors import INVALID_REQUEST, Refusal
from tests.support.models import model

ORDERS = ["", *FIELDS, *(f"{field} desc" for field in FIELDS)]


def asked(request: pb.ListModelsRequest, viewing_for: str | None = None, secret: str = "s") -> Query:  # noqa: S107
    return Query.of(request, Viewer(viewing_for), secret)


def entry(number: int, *, own: bool, position: int | None = None) -> Entry:
    """Returns a model; those whose numbers are near have much in common."""
    owner: dict[str, Any] = {"organization_id": "acme", "provider": None} if own else {}
    one = model(
        id=UUID(int=number),
        # Not in the order of their positions.
        name=f"m{number * 7919 % 10_007}",
        position=number if position is None else position,
        created=1_700_000_000 + number % 3,
        context_window=(0, 8192, 128_000)[number % 3],
        cost_per_1k_tokens=(None, 0.0, 0.03)[number // 2 % 3],
        enabled=number % 7 != 0,
    )
    return render_entry(dataclasses.replace(one, **owner))


# A model is there before some page, and after some page it is not.
lives = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.booleans()), max_size=30)


def ids(page: FilteredList) -> list[UUID]:
    return [one.model.id for one in page.entries]


@given(lives, st.sampled_from(ORDERS), st.integers(1, 6))
def test_none_is_repeated_and_none_that_stays_is_left_out(
    spans: list[tuple[int, int, bool]], order_by: str, page_size: int
) -> None:
    models = [(born, died, entry(number, own=own)) for number, (born, died, own) in enumerate(spans)]
    found: list[UUID] = []
    token = ""
    for moment in itertools.count():
        here = [one for born, died, one in models if born <= moment < died]
        system = [one for one in here if one.model.organization_id is None]
        own = [one for one in here if one.model.organization_id]
        request = pb.ListModelsRequest(order_by=order_by, page_size=page_size, page_token=token)
        page = choose(asked(request, "acme"), Listing(system), own)
        found += ids(page)
        if page.next_page_token is None:
            break
        token = page.next_page_token

    assert len(set(found)) == len(found)
    stayed = {one.model.id for born, died, one in models if born == 0 and died > moment and one.model.enabled}
    assert stayed <= set(found)


@given(st.sampled_from(ORDERS), st.integers(1, 40))
def test_pages_are_in_one_order(order_by: str, page_size: int) -> None:
    system, own = ([entry(number, own=mine) for number in range(20 * mine, 20 + 20 * mine)] for mine in (False, True))
    listing = Listing(system)
    whole = choose(asked(pb.ListModelsRequest(order_by=order_by), "acme"), listing, own)
    found: list[UUID] = []
    token: str | None = ""
    while token is not None:
        request = pb.ListModelsRequest(order_by=order_by, page_size=page_size, page_token=token)
        page = choose(asked(request, "acme"), listing, own)
        found, token = found + ids(page), page.next_page_token

    assert ids(whole) == found


def test_a_page_has_at_most_1000_models() -> None:
    some = [entry(number, own=False) for number in range(1, 14)]
    many = Listing([one for one in some if one.model.enabled] * 100)
    page = choose(asked(pb.ListModelsRequest(page_size=2**31 - 1)), many, ())

    assert PAGE_SIZE_MAX == len(page.entries) == 1_000
    assert page.next_page_token is not None


def token_of(request: pb.ListModelsRequest, viewing_for: str | None = None) -> str:
    page = choose(asked(request, viewing_for), Listing([entry(number, own=False) for number in (1, 2, 3)]), ())
    assert page.next_page_token
    return page.next_page_token


def is_refused(request: pb.ListModelsRequest, viewing_for: str | None = None) -> bool:
    try:
        asked(request, viewing_for)
    except Refusal as refusal:
        return refusal.kind is INVALID_REQUEST and refusal.message.startswith("page_token: must be ")
    return False


def test_a_token_that_was_changed_anywhere_is_refused() -> None:
    token = token_of(pb.ListModelsRequest(page_size=1))
    assert not is_refused(pb.ListModelsRequest(page_token=token))
    for place, letter in itertools.product(range(len(token)), "Ab9-_=.+/ \n"):
        changed = token[:place] + letter + token[place + 1 :]
        assert changed == token or is_refused(pb.ListModelsRequest(page_token=changed)), changed
    for changed in (token[:-1], token[1:], token + "A", token + "=", token + "\n", f" {token}", token * 2, token[:22]):
        assert is_refused(pb.ListModelsRequest(page_token=changed)), changed


def test_a_token_is_for_the_callers_view_alone() -> None:
    token = token_of(pb.ListModelsRequest(page_size=1), "acme")

    assert not is_refused(pb.ListModelsRequest(page_token=token), "acme")
    assert is_refused(pb.ListModelsRequest(page_token=token), "other")
    assert is_refused(pb.ListModelsRequest(page_token=token), None)


def own_token(position: int, secret: str = "s") -> str:  # noqa: S107
    """Returns the token behind an organization's model, made after so many of all organizations."""
    own = [entry(1, own=True, position=position), entry(2, own=True, position=position + 1)]
    token = choose(asked(pb.ListModelsRequest(page_size=1), "acme", secret), Listing(()), own).next_page_token
    assert token
    return token


def test_a_token_does_not_say_how_many_models_others_have() -> None:
    """Its length is the same, no part of it is in clear text, and it has nothing in common with its neighbour."""
    first, second, far = map(own_token, (1, 2, 10**15))

    assert len(first) == len(second) == len(far)
    data = [base64.urlsafe_b64decode(token + "==") for token in (first, second)]
    assert not any(text in data[0] for text in (b"true", b"[", b"1]"))
    assert sum(one == other for one, other in zip(*data, strict=True)) < len(data[0]) / 2


def test_a_token_is_sealed_with_the_database_s_secret() -> None:
    request = pb.ListModelsRequest(page_token=own_token(1))

    assert asked(request, "acme").after == (True, 1)
    with pytest.raises(Refusal):
        asked(request, "acme", "another")
    assert own_token(1) == own_token(1)
    assert own_token(1) != own_token(1, "another")


@given(st.binary(min_size=32, max_size=32), st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_sealed_is_read_again(key: bytes, place: str) -> None:
    assert place.ljust(32) == unseal(key, seal(key, place))


@pytest.mark.parametrize("order_by", ORDERS)
@pytest.mark.parametrize(
    "place",
    [
        *("", "null", "[]", "{}", "1", '"x"', "[1]", "[true]", "[true,1,2]", '[true,"1"]', "[0,1]", "[false,1.5]"),
        *('["a","b"]', "[null]", '[0,1,"a"]', '[true,"0","a"]', "[false,1,2]", '[false,NaN,"a"]', '[false,1e999,"a"]'),
        *(f'[false,{"9" * 400},"a"]', f'[false,{"9" * 5000},"a"]', "[" * 100_000, '[false,Infinity,"a"]'),
    ],
    ids=lambda text: text[:20] or "empty",
)
def test_a_forged_place_is_refused(order_by: str, place: str) -> None:
    """No caller has the key; but a server of another version, which does, may write other places."""
    token = seal(asked(pb.ListModelsRequest(order_by=order_by)).binding, place)

    assert is_refused(pb.ListModelsRequest(order_by=order_by, page_token=token))


@pytest.mark.parametrize("order_by", ORDERS)
def test_a_place_survives_its_journey(order_by: str) -> None:
    order = Order.of(order_by)
    for number in range(9):
        key = order.key(entry(number, own=number % 2 == 0))
        assert key == order.read_key(json.dumps(key))


def test_every_field_of_a_request_is_a_filter_or_shapes_the_list() -> None:
    shaping = {"order_by", "page_size", "page_token"}

    assert {one.name for one in FILTERS} | shaping == set(pb.ListModelsRequest.DESCRIPTOR.fields_by_name)


def test_a_search_has_few_words() -> None:
    words = [f"word{number}" for number in range(WORDS_MAX + 1)]

    assert {"q": frozenset(words[:-1])} == asked(pb.ListModelsRequest(q=f" {' '.join(words[:-1])} ")).filters
    for text in (" ".join(words), "a\u2003" * (WORDS_MAX + 1), "x" * 257):
        with pytest.raises(Refusal, match=r"^q: must be at most 8 words, of 256 characters together$"):
            asked(pb.ListModelsRequest(q=text))


def test_equal_requests_have_one_binding() -> None:
    one = pb.ListModelsRequest(capability=["b", "a"], order_by="created desc", q="B a", page_size=5)
    other = pb.ListModelsRequest(capability=["a", "b", "a"], order_by="created desc", q="a  b A")

    assert asked(one, "acme").binding == asked(other, "acme").binding


def test_a_binding_is_of_everything() -> None:
    requests = [
        pb.ListModelsRequest(),
        pb.ListModelsRequest(capability=["a"]),
        pb.ListModelsRequest(compliance=["a"]),
        pb.ListModelsRequest(owned_by=["a"]),
        pb.ListModelsRequest(q="a"),
        pb.ListModelsRequest(min_context_window=0),
        pb.ListModelsRequest(max_cost_per_1k_tokens=0),
        pb.ListModelsRequest(encryption_supported=False),
        pb.ListModelsRequest(encryption_supported=True),
        pb.ListModelsRequest(pii_redaction_supported=False),
        *(pb.ListModelsRequest(order_by=order_by) for order_by in ORDERS if order_by),
    ]
    bindings = {asked(request, viewing_for).binding for request in requests for viewing_for in (None, "a", "b")}

    assert 3 * len(requests) == len(bindings)
