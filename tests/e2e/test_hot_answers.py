"""The micro-cache before the service: what it saves the server, and what it must not."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from cloakrai.v1 import model_service_pb2 as pb
from cloakrai.v1.model_service_pb2_grpc import ModelServiceStub
from modelservice.domain.principal import MODELS_READ, MODELS_READ_ANY
from modelservice.manage.keys import create_key, revoke_key
from modelservice.manage.models import create_model
from modelservice.manage.organizations import create_organization
from tests.support.harness import DEADLINE, Place, Process, channel, wait_until
from tests.support.metrics import requests
from tests.support.service import Service, prepare

LIST, GET = "/v1/models", "/v1/models/gpt-4o"
ORGANIZATION = "x-modelservice-organization"


@pytest.fixture(scope="module")
def hot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = {"MODELSERVICE_EDGE_CACHE_TTL": "1", "MODELSERVICE_ORGANIZATION_HEADER": "true"}
    place = Place(tmp_path_factory.mktemp("hot"), settings)
    keys = prepare(place)
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        yield Service(place, process, keys)


def asked(place: Place, method: str = "ListModels") -> float:
    return requests(place, f"/modelservice.rest.v1.RestService/{method}", "ok")


def test_the_server_is_asked_once_a_second_and_thread(hot: Service) -> None:
    before, begun = asked(hot.place), time.monotonic()
    for _ in range(200):
        assert 200 == hot.place.rest(LIST, hot.keys.reader).status
    # Each of Envoy's threads asks for itself.
    seconds = time.monotonic() - begun + 1
    threads = len([line for line in hot.process.thread_names("envoy") if line.startswith("wrk:")])

    assert asked(hot.place) - before <= seconds * threads
    # Envoy's access log has or counts them all, and says which it answered by itself. A count is in a later line.
    wait_until(
        lambda: hot.place.rest(LIST, hot.keys.reader).status == 200 and by_itself(hot) > 100,
        "they are in the access log",
    )


def by_itself(hot: Service) -> int:
    lines = [json.loads(line) for line in hot.process.log.splitlines() if '"message":"access"' in line]
    return sum(line["upstream"] is None for line in lines) + sum(line["skipped"] or 0 for line in lines)


def test_a_revoked_key_stops_within_two_seconds(hot: Service) -> None:
    key = create_key(hot.place.database_url, "test", "acme", scopes={MODELS_READ})
    wait_until(lambda: 200 == hot.place.rest(LIST, key.text).status, "the key is known")
    revoke_key(hot.place.database_url, "test", key.id)
    revoked = time.monotonic()

    last, refused = revoked, 0
    # Each of Envoy's threads must have learned it: new connections go to all.
    while refused < 100:
        status = hot.place.rest(LIST, key.text).status
        refused = refused + 1 if status == 401 else 0
        last = time.monotonic() if status == 200 else last
        assert last - revoked < DEADLINE
    # The promise is two; a machine that stands still does not break the test.
    assert last - revoked < 10


def test_a_key_that_differs_in_its_last_character_is_refused(hot: Service) -> None:
    key = hot.keys.reader
    other = key[:-1] + ("a" if key[-1] != "a" else "b")
    for _ in range(20):
        assert [200, 401] == [hot.place.rest(LIST, one).status for one in (key, other)]


def test_two_keys_never_share_an_answer(hot: Service) -> None:
    create_organization(hot.place.database_url, "test", "rival")
    own = {"name": "secret/bot", "display_name": "Bot"}
    create_model(hot.place.database_url, "test", "rival", "gpt-4o", own, prompt_quota=0)
    rival = create_key(hot.place.database_url, "test", "rival", scopes={MODELS_READ}).text
    wait_until(lambda: b"secret/bot" in hot.place.rest(LIST, rival).body, "it is there")

    for _ in range(20):
        assert b"secret/bot" in hot.place.rest(LIST, rival).body
        assert b"secret/bot" not in hot.place.rest(LIST, hot.keys.reader).body


def test_one_key_for_two_organizations_gets_two_answers(hot: Service) -> None:
    gateway = create_key(hot.place.database_url, "test", None, scopes={MODELS_READ_ANY}).text
    for name in ("left", "right"):
        create_organization(hot.place.database_url, "test", name)
        own = {"name": f"{name}/bot", "display_name": name}
        create_model(hot.place.database_url, "test", name, "gpt-4o", own, prompt_quota=0)

    def bots(organization: str | None = None) -> list[str]:
        headers = {ORGANIZATION: organization} if organization else {}
        data = hot.place.rest(LIST, gateway, headers=headers).json["data"]
        return [item["id"] for item in data if item["id"].endswith("/bot")]

    wait_until(lambda: 200 == hot.place.rest(LIST, gateway).status and bots("right"), "all is known")
    for _ in range(20):
        assert [["left/bot"], ["right/bot"], []] == [bots("left"), bots("right"), bots()]


def test_native_calls_are_not_the_caches_business(hot: Service) -> None:
    metadata = (("authorization", f"Bearer {hot.keys.reader}"), ("if-none-match", "*"))
    method = "/modelservice.v1.ModelService/ListModels"
    before = requests(hot.place, method, "ok")
    with channel(hot.place.http) as one:
        for _ in range(10):
            assert ModelServiceStub(one).ListModels(pb.ListModelsRequest(), metadata=metadata).data

    assert 10 == requests(hot.place, method, "ok") - before


def test_who_forbids_it_asks_the_server(hot: Service) -> None:
    before = asked(hot.place, "GetModel")
    for _ in range(10):
        assert 200 == hot.place.rest(GET, hot.keys.reader, headers={"cache-control": "no-cache"}).status

    assert 10 == asked(hot.place, "GetModel") - before


def test_a_setting_turns_it_off(place: Place) -> None:
    place.settings["MODELSERVICE_EDGE_CACHE_TTL"] = "0"
    reader = prepare(place).reader
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        before = asked(place)
        answers = [place.rest(LIST, reader) for _ in range(10)]

        assert 10 == asked(place) - before
    assert {200} == {answer.status for answer in answers}
