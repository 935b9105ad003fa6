"""Whether the answer to a generated REST request is the right one, or the documented error."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from typing import Any, Final

from modelservice import errors
from modelservice.errors import REFUSALS, RefusalKind
from tests.hostile.fuzz_rest import NATIVE, SOON, Attempt
from tests.hostile.meaning import DOCUMENT, PROBES, Meaning, World, meaning, path_of
from tests.support.harness import Response

_KINDS: Final[Mapping[str, RefusalKind]] = {kind.code: kind for kind in REFUSALS}
_CREDENTIAL: Final = {"": errors.INVALID_API_KEY, "without_scope": errors.ACCESS_DENIED}
# What comes with one status alone.
_HEADERS: Final = ((401, ("www-authenticate", "Bearer")), (405, ("allow", "GET, HEAD")))
# OK, UNKNOWN, INTERNAL. HEAD, which gRPC does not know, has no message and may have INTERNAL: what HTTP's 400 is there.
_NO_REFUSALS: Final = {"GET": {"0", "2", "13"}, "HEAD": {"0", "2"}}
_CONTENT_TYPE: Final = b"content-type:"
_GRANTED: Final = ("GET", "HEAD")


def judge(attempt: Attempt, answer: Response, world: World) -> str:
    """Returns what an answer is: the code of an error, or a word of its own.

    Raises:
        AssertionError: It is wrong.
        ValueError: It cannot be read.
        KeyError: Something is missing, or unheard of.
    """
    if answer.headers.get("content-type", "").startswith("application/grpc"):
        assert _is_native(attempt), "an answer for gRPC"
        wrong = _NO_REFUSALS["HEAD" if attempt.method == "HEAD" else "GET"]
        assert (b"", False) == (answer.body, answer.headers["grpc-status"] in wrong), "no documented refusal"
        leaks = [name for name in answer.headers if name.startswith(("x-envoy-", "server"))]
        assert not leaks, "leaks"
        return "grpc"
    assert not [name for name in answer.headers if name.startswith(("grpc-", "x-envoy-", "server"))], "leaks"
    target = attempt.target.removeprefix(b"http://x")
    # What is there that no address has is refused: it means nothing.
    meant = meaning(target, world) if target.startswith(b"/") and target.isascii() else None
    if answer.status not in {200, 304}:
        return _refused(attempt, answer, meant)
    assert meant, "granted"
    if meant.place in PROBES and (200, b"") == (answer.status, answer.body):
        return "probe"
    if (attempt.method, path_of(target), answer.body) == ("OPTIONS", b"/", b""):
        return "probe"
    assert attempt.method in _GRANTED, "granted"
    assert (False, None) == (_is_native(attempt), meant.refusal), "granted"
    if meant.place == DOCUMENT and answer.body == (b"" if attempt.method == "HEAD" else world.document):
        return "document"
    # What Envoy answers by itself, from the micro-cache, it answers beyond the limit for headers (docs/api.md).
    refusals = attempt.refusals if attempt.body else attempt.refusals - {errors.REQUEST_TOO_LARGE}
    assert ("reader", frozenset()) == (attempt.caller, refusals), "granted"
    return _granted(attempt, answer, meant, world)


def _is_native(attempt: Attempt) -> bool:
    """Says whether this is gRPC to Envoy, which joins lines of one name with a comma."""
    return [NATIVE] == [line for line in attempt.headers if line.startswith(_CONTENT_TYPE)]


def _granted(attempt: Attempt, answer: Response, meant: Meaning, world: World) -> str:
    etag = answer.headers["etag"]
    is_known = attempt.if_none_match == "*" or etag in attempt.if_none_match
    assert (304 if is_known else 200) == answer.status, "200 and 304 mixed up"
    assert world.etags.get(meant.place, etag) == etag, "another entity tag"
    if answer.status == 304:
        assert not answer.body, "304 with a body"
        return "not modified"
    assert "application/json" == answer.headers["content-type"], "no JSON"
    if attempt.method == "HEAD":
        assert not answer.body, "HEAD with a body"
        return "HEAD"
    is_zipped = answer.headers.get("content-encoding") == "gzip"
    body = gzip.decompress(answer.body) if is_zipped else answer.body
    if meant.place != "list":
        assert world.bodies[meant.place] == body, "another model"
        return "model"
    _check_list(json.loads(body), meant, world)
    return "list"


def _check_list(listed: Any, meant: Meaning, world: World) -> None:
    by_id = {model["id"]: {name: value for name, value in model.items() if name != "texts"} for model in world.models}
    assert [by_id[name] for name in meant.listed] == listed["data"], f"not the list: {meant.listed}"
    assert meant.has_more == ("next_page_token" in listed), "pages"


def _refused(attempt: Attempt, answer: Response, meant: Meaning | None) -> str:
    allowed = _refusals(attempt, meant)
    if attempt.method == "HEAD":
        assert answer.status in {status for kind in allowed for status in _statuses(kind)}, f"not one of {allowed}"
        return f"HEAD {answer.status}"
    error = json.loads(answer.body)["error"]
    kind = _KINDS[error["code"]]
    assert ["type", "message", "code"] == list(error), "not the documented form"
    assert (kind.type, True) == (error["type"], answer.status in _statuses(kind)), "not the documented error"
    assert "application/json" == answer.headers["content-type"], "no JSON"
    for status, header in _HEADERS:
        assert (answer.status == status) == (header in answer.headers.items()), f"{header} with {answer.status}"
    assert kind in allowed, f"not one of {[one.code for one in allowed]}"
    if kind == errors.MODEL_NOT_FOUND:
        assert meant, "no such model"
        assert f"The model '{meant.model_id}' does not exist" == error["message"], "another model's name"
    elif kind != errors.INVALID_REQUEST:
        compact = f'{{"error":{{"type":"{kind.type}","message":"{kind.message}","code":"{kind.code}"}}}}'
        assert compact.encode() == answer.body, "not the documented body"
    return kind.code


def _statuses(kind: RefusalKind) -> set[int]:
    return {413, 431} if kind == errors.REQUEST_TOO_LARGE else {kind.http_status}


def _refusals(attempt: Attempt, meant: Meaning | None) -> set[RefusalKind]:
    """Returns the errors of which one must come, if any comes."""
    found = set(attempt.refusals)
    if SOON in attempt.headers:
        found.add(errors.TIMEOUT)
    if meant is None:
        return found
    if meant.refusal == errors.NOT_FOUND:
        return found | {errors.NOT_FOUND}
    if attempt.method not in _GRANTED:
        # An id is not looked at.
        return found | {errors.METHOD_NOT_ALLOWED} | ({errors.INVALID_REQUEST} if b"%00" in attempt.target else set())
    if attempt.caller != "reader" and meant.place not in (*PROBES, DOCUMENT):
        # What is not of a parameter's type, Envoy refuses before anybody looks at a credential.
        early = {meant.refusal} & {errors.INVALID_REQUEST}
        return found | {_CREDENTIAL[attempt.caller]} | {kind for kind in early if kind}
    return found | ({meant.refusal} if meant.refusal else set())
