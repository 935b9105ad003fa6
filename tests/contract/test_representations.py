"""Forms of an answer over REST, and how long they hold: through Envoy, asked each time and answered by its cache."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator

import pytest

from modelservice.manage.lookup import ModelRef
from modelservice.manage.models import create_model, update_models
from modelservice.manage.organizations import create_organization
from tests.support.documents import EXAMPLE
from tests.support.harness import Place, Process, Response, wait_until
from tests.support.service import Service, prepare

LIST, GET = "/v1/models", "/v1/models/gpt-4o"
GZIP = {"accept-encoding": "gzip, deflate, br"}


@pytest.fixture(scope="module", params=["asked each time", "answered by the cache"])
def rest(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    ttl = "0" if request.param == "asked each time" else "1"
    settings = {"MODELSERVICE_EDGE_CACHE_TTL": ttl, "MODELSERVICE_CLIENT_CACHE_MAX_AGE": "7"}
    place = Place(tmp_path_factory.mktemp("rest"), settings)
    keys = prepare(place)
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        yield Service(place, process, keys)


def twice(rest: Service, target: str, **headers: str) -> Response:
    """Sends a request twice, which Envoy may answer the second time, and makes sure that the answers are alike."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    first, second = (rest.place.rest(target, rest.keys.reader, headers=named) for _ in range(2))
    assert (first.status, first.body) == (second.status, second.body)
    ids = {answer.headers.pop("x-request-id") for answer in (first, second)}
    assert 2 == len(ids)
    for answer in (first, second):
        answer.headers.pop("date")
    assert first.headers == second.headers
    return second


@pytest.mark.parametrize("target", [LIST, GET])
def test_an_answer_says_for_whom_and_how_long_it_holds(rest: Service, target: str) -> None:
    headers = twice(rest, target).headers

    assert {"content-type", "content-length", "etag", "vary", "cache-control"} == headers.keys()
    assert "private, max-age=7" == headers["cache-control"]
    assert "Authorization, Accept-Encoding" == headers["vary"]
    assert headers["etag"].startswith('W/"')


def test_the_list_is_compressed_for_who_takes_it(rest: Service) -> None:
    plain, packed = twice(rest, LIST), twice(rest, LIST, **{"accept-encoding": GZIP["accept-encoding"]})

    assert "content-encoding" not in plain.headers
    assert "gzip" == packed.headers["content-encoding"]
    assert plain.headers["etag"] == packed.headers["etag"]
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
    assert plain.body == reader.decompress(packed.body)
    assert (True, b"") == (reader.eof, reader.unused_data)
    for model in EXAMPLE["data"]:
        assert json.dumps(model, separators=(",", ":")) in gzip.decompress(packed.body).decode()


@pytest.mark.parametrize("accepted", ["gzip;q=0", "identity", "br", "*", ""])
def test_nobody_gets_gzip_who_does_not_take_it(rest: Service, accepted: str) -> None:
    answer = twice(rest, LIST, **{"accept-encoding": accepted})

    assert "content-encoding" not in answer.headers
    assert answer.json["data"]


@pytest.mark.parametrize("target", [LIST, GET])
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
@pytest.mark.parametrize("form", ["{}", '"x", {}', "W/{}", "*"])
def test_who_has_the_answer_is_told_so(rest: Service, target: str, encoding: str, form: str) -> None:
    whole = twice(rest, target, **{"accept-encoding": encoding})
    opaque = whole.headers["etag"].removeprefix("W/")
    answer = twice(rest, target, **{"accept-encoding": encoding, "if-none-match": form.format(opaque)})

    assert (304, b"") == (answer.status, answer.body)
    assert {name: whole.headers[name] for name in ("etag", "vary", "cache-control")} == answer.headers


@pytest.mark.parametrize("value", ['"x"', 'W/"x"', "x", '"', ""])
def test_who_has_another_gets_the_answer(rest: Service, value: str) -> None:
    assert twice(rest, GET).body == twice(rest, GET, **{"if-none-match": value}).body


@pytest.mark.parametrize(
    ("target", "key", "status"),
    [
        ("/v1/models/nonesuch", "reader", 404),
        ("/v1/models?x=1", "reader", 400),
        (LIST, "without_scope", 403),
        (LIST, None, 401),
        ("/nowhere", "reader", 404),
    ],
)
def test_an_error_is_neither_compressed_nor_kept(rest: Service, target: str, key: str | None, status: int) -> None:
    credential = getattr(rest.keys, key) if key else None
    for _ in range(2):
        answer = rest.place.rest(target, credential, headers=GZIP | {"if-none-match": "*"})
        assert status == answer.status
        assert not {"content-encoding", "etag", "cache-control", "vary"} & answer.headers.keys()
        assert "error" in answer.json


def test_a_tag_changes_with_what_its_caller_sees_and_with_nothing_else(place: Place) -> None:
    reader, url = prepare(place).reader, place.database_url
    create_organization(url, "test", "other")
    theirs, system = ModelRef("theirs", "other"), ModelRef("gpt-4o")

    def tags() -> tuple[str, str]:
        one, two = (place.rest(target, reader) for target in (LIST, GET))
        return one.headers["etag"], two.headers["etag"]

    with Process(place, "run") as process:
        process.wait_for("ready: ")
        before = tags()
        create_model(url, "test", "other", "gpt-4o", {"name": "theirs", "display_name": "Theirs"}, prompt_quota=0)
        create_model(url, "test", "acme", "gpt-4o", {"name": "ours", "display_name": "Ours"}, prompt_quota=0)
        wait_until(lambda: 200 == place.rest("/v1/models/ours", reader).status, "it is there")
        with_own = tags()
        assert (True, False) == (before[0] != with_own[0], before[1] != with_own[1])

        update_models(url, "test", [theirs], {"display_name": "Other"}, prompt_quota=0)
        update_models(url, "test", [system], {"description": "shown by the model alone"}, prompt_quota=0)
        wait_until(lambda: tags()[1] != with_own[1], "the change is there")
        assert with_own[0] == tags()[0]


def test_every_server_gives_the_same_tag(place: Place) -> None:
    keys = prepare(place)
    with Process(place, "run", "--workers", "2") as process:
        process.wait_for("ready: ")
        found = [place.rest(LIST, keys.reader, headers=GZIP) for _ in range(20)]

        # Both have answered.
        for port in process.workers():
            process.wait_for(f'"upstream":"127.0.0.1:{port}"')
    assert 1 == len({(answer.headers["etag"], answer.body) for answer in found})
