"""The list in pieces: the same as in one, whatever changed before."""

from __future__ import annotations

import json
import zlib
from uuid import UUID

from google.api.httpbody_pb2 import HttpBody
from hypothesis import given
from hypothesis import strategies as st

from modelservice.catalogue.listing import Listing
from modelservice.catalogue.rendering import Answer, Entry, render_entry
from tests.support.models import model


def entries(count: int, *, first: int = 0, hidden: frozenset[int] = frozenset()) -> list[Entry]:
    return [
        render_entry(model(id=UUID(int=number), name=f"m{number}", enabled=number not in hidden))
        for number in range(first, first + count)
    ]


def text(answer: Answer) -> bytes:
    body: bytes = HttpBody.FromString(answer.http_body).data
    return body


def tag(answer: Answer) -> str:
    """Returns the entity tag, which both forms have."""
    found: str = HttpBody.FromString(answer.http_body).content_type
    assert found.startswith("application/json;etag=")
    if answer.http_body_gzip:
        assert f"{found};gzip" == HttpBody.FromString(answer.http_body_gzip).content_type
    return found


def unpacked(answer: Answer) -> bytes:
    """Returns what a client reads that knows of one gzip member alone."""
    assert answer.http_body_gzip
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
    data = reader.decompress(HttpBody.FromString(answer.http_body_gzip).data)
    assert (True, b"") == (reader.eof, reader.unused_data)
    return data


MODELS = entries(300)
OWN = entries(3, first=1000, hidden=frozenset({1001}))
# Each change replaces, hides or removes a model, or adds one.
CHANGES = st.lists(st.tuples(st.sampled_from(["replace", "hide", "remove", "add"]), st.integers(0, 299)), max_size=8)


@given(CHANGES, st.integers(0, 300))
def test_after_any_changes_it_is_the_list_that_is_made_at_once(changes: list[tuple[str, int]], count: int) -> None:
    held = MODELS[:count]
    listing = Listing(held)
    for number, (change, somewhere) in enumerate(changes):
        place = somewhere % (len(held) + 1)
        changed = {
            "replace": entries(1, first=2000 + number),
            "hide": entries(1, first=3000 + number, hidden=frozenset({3000 + number})),
            "remove": [],
            "add": [*entries(1, first=4000 + number), *held[place : place + 1]],
        }[change]
        held = [*held[:place], *changed, *held[place + 1 :]]
        listing = Listing(held, listing)

        at_once = Listing(held)
        for own in ((), OWN, OWN[1:2]):
            answer = listing.followed_by(own)
            assert at_once.followed_by(own) == answer
            shown = [entry.model.name for entry in (*held, *own) if entry.model.enabled]
            assert shown == [item["id"] for item in json.loads(text(answer))["data"]]
            if answer.http_body_gzip:
                assert text(answer) == unpacked(answer)


def test_a_change_makes_one_piece_anew() -> None:
    held = list(MODELS)
    before = Listing(held)
    # Hidden: the pieces after it begin with the same models as ever.
    held[140] = entries(1, first=140, hidden=frozenset({140}))[0]
    after = Listing(held, before)

    assert [True, False, True] == [a is b for a, b in zip(before.pieces, after.pieces, strict=True)]
    assert len(json.loads(text(before.alone))["data"]) - 1 == len(json.loads(text(after.alone))["data"])


def test_the_compressed_list_is_one_member_and_small() -> None:
    answer = Listing(MODELS).followed_by(OWN)

    assert text(answer) == unpacked(answer)
    assert answer.http_body_gzip
    assert len(answer.http_body_gzip) < len(text(answer)) / 10


def test_what_fits_into_a_packet_is_not_compressed() -> None:
    assert Listing([]).alone.http_body_gzip is None
    assert entries(1)[0].get.http_body_gzip is None
    long = render_entry(model(system_prompt="word " * 1000)).get
    assert text(long) == unpacked(long)


def test_an_entity_tag_is_the_contents_own() -> None:
    one, other = Listing(MODELS), Listing(entries(300))
    hidden = Listing([*MODELS, *entries(5, first=500, hidden=frozenset(range(500, 505)))])

    assert tag(one.alone) == tag(other.alone) == tag(hidden.alone)
    tags = {tag(Listing(MODELS[:number]).alone) for number in range(50)} | {tag(one.followed_by(OWN))}
    assert 51 == len(tags)
    assert tag(MODELS[0].get) == tag(entries(1)[0].get) != tag(MODELS[1].get)
