"""Addresses that two readers could take for different ones: each has one meaning, through the micro-cache too."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.support.harness import Response, wait_until
from tests.support.service import Service, Services

LIST, INVALID, MISSING, UNKNOWN = "list", "invalid_request", "model_not_found", "not_found"
ONE, OTHER = "gpt-4o", "claude-3-opus"

# What each means: a model, the list, or the code of an error.
TRICKS = {
    # Dots are resolved first, encoded as well. What is encoded beside them is a part of the name.
    f"/v1/models/{OTHER}/../{ONE}": ONE,
    f"/v1/models/{OTHER}/%2e%2e/{ONE}": ONE,
    f"/v1/models/{OTHER}/.%2E/{ONE}": ONE,
    f"/v1/models/{OTHER}/%2e/{ONE}": MISSING,
    f"/v1/models/{OTHER}/..%2f{ONE}": INVALID,
    f"/v1/models/{OTHER}%2f..%2f{ONE}": INVALID,
    f"/v1/models/{OTHER}%2f%2e%2e%2f{ONE}": INVALID,
    f"/v1/models/{OTHER}/...": MISSING,
    "/v1/models/%2e%2e/models": LIST,
    "/v1/models/%252e%252e/models": INVALID,
    f"/../../v1/models/{ONE}": ONE,
    "/healthz/../v1/models": LIST,
    # Of several slashes one counts, and none at the end; an empty segment goes before a name does.
    f"//v1///models//{ONE}//": ONE,
    f"/v1/models/{OTHER}//../{ONE}": MISSING,
    f"/v1/models/%2f{ONE}": INVALID,
    f"/v1/models/{ONE}%2f": INVALID,
    f"/v1%2fmodels/{ONE}": UNKNOWN,
    f"/v1/models%2f{ONE}": UNKNOWN,
    # A backslash is a slash, as browsers have it. Encoded, it is none.
    f"/v1\\models\\{ONE}": ONE,
    f"/v1/models/{OTHER}\\..\\{ONE}": ONE,
    f"/v1/models/{OTHER}%5c..%5c{ONE}": INVALID,
    # Parameters of a segment are a part of the name, but for those of dots.
    f"/v1/models/{ONE};{OTHER}": INVALID,
    f"/v1/models/{ONE}%3b{OTHER}": INVALID,
    f"/v1/models/{OTHER}/..;x=y/{ONE}": ONE,
    f"/v1/models/{OTHER}/%2e%2e;/{ONE}": INVALID,
    f"/v1;x/models/{ONE}": UNKNOWN,
    # NUL and its like end nothing.
    f"/v1/models/{ONE}%00": INVALID,
    f"/v1/models/{ONE}%00/../{OTHER}": INVALID,
    f"/v1/models/{ONE}%0a": INVALID,
    f"/v1/models/{ONE}%0d%0ax-some:%20y": INVALID,
    f"/v1/models/{ONE}%20": INVALID,
    f"/v1/models/{ONE}+": INVALID,
    # What is not UTF-8, or looks like something else.
    "/v1/models/%c0%ae%c0%ae/models": INVALID,
    f"/v1/models/{OTHER}%c0%af{ONE}": INVALID,
    f"/v1/models/{ONE}%ed%a0%80": INVALID,
    f"/v1/models/{ONE}%e2%80%8b": INVALID,
    "/v1/models/%ef%bd%87pt-4o": INVALID,
    "/v1/models/%u0067pt-4o": INVALID,
    # Decoded once.
    "/v1/models/%67%70%74%2D%34%6f": ONE,
    "/%76%31/%6dodels/gpt%2d4o": ONE,
    "/v1/models/%2567pt-4o": INVALID,
    "/v1/models/%%36%37pt-4o": INVALID,
    # The query gives no model.
    f"/v1/models/{ONE}?model_id={OTHER}": INVALID,
    f"/v1/models/{ONE}?limit=1&model%255fid={OTHER}": INVALID,
    f"/v1/models?model_id={OTHER}": INVALID,
    f"/v1/models/{ONE}%3Fmodel_id={OTHER}": INVALID,
    f"/v1/models/{ONE}&model_id={OTHER}": INVALID,
    f"/v1/models/{ONE}?limit=/../{OTHER}": ONE,
    f"/v1/models/{ONE}?limit=?model_id={OTHER}": ONE,
    # Letters count as they are, but in UUIDs.
    "/v1/models/GPT-4O": MISSING,
    "/v1/Models": UNKNOWN,
    "/v1/models/A7B8CEBD-10EC-4977-9FEB-7C8EF05BF3AF": ONE,
    "/v1/models/{a7b8cebd-10ec-4977-9feb-7c8ef05bf3af}": INVALID,
    "/v1/models/a7b8cebd10ec49779feb7c8ef05bf3af": MISSING,
    # An address that names a host.
    f"http://{OTHER}/v1/models/{ONE}": ONE,
    f"http://x:1@y/v1/models/{ONE}": ONE,
    f"https://x/v1/models/{ONE}": INVALID,
    f"/http://x/v1/models/{ONE}": UNKNOWN,
    f"/v1/models/http://x/{ONE}": MISSING,
    f"/v1/models/{ONE}#/../{OTHER}": INVALID,
}


@pytest.fixture
def caching(services: Services) -> Service:
    """A service with the micro-cache, as it comes."""
    return services.of(MODELSERVICE_EDGE_CACHE_TTL="1")


def said(answer: Response) -> str:
    """Returns what an answer is: a model's name, the list, or the code of an error."""
    found = answer.json
    if answer.status == 200:
        return str(found.get("modelName") or found["object"])
    assert 400 <= answer.status < 500, answer
    return str(found["error"]["code"])


@pytest.mark.parametrize(("target", "meaning"), TRICKS.items())
def test_an_address_has_one_meaning(service: Service, target: str, meaning: str) -> None:
    assert meaning == said(service.place.rest(target, service.keys.reader))


def test_the_micro_cache_takes_no_spelling_for_another(caching: Service) -> None:
    place, key = caching.place, caching.keys.reader
    # Each twice, so that what was kept may answer; then the other way round, after all others.
    targets = [target for target in TRICKS for _ in range(2)] + list(reversed(TRICKS))
    mine = {"x-request-id": str(uuid4())}
    answers = [(target, place.rest(target, key, headers=mine)) for target in targets]

    assert [(target, TRICKS[target]) for target in targets] == [(target, said(answer)) for target, answer in answers]

    # What was kept did answer. Other tests use the service, too.
    def kept() -> bool:
        lines = caching.process.log.splitlines()
        return any("lua_response" in line and mine["x-request-id"] in line for line in lines)

    wait_until(kept, "the access log has an answer of the micro-cache")


def test_the_micro_cache_shares_nothing_between_credentials(caching: Service) -> None:
    place, key = caching.place, caching.keys.reader
    for target in (f"/v1/models/{ONE}", f"/v1/models/x/../{ONE}", "/v1/models/"):
        assert 200 == place.rest(target, key).status
        assert 401 == place.rest(target).status
        assert 403 == place.rest(target, caching.keys.without_scope).status
        # Two lines are not one with both.
        assert 401 == place.rest(target, headers={"authorization": f"Bearer {key}\t/v1/models"}).status
