"""OpenAI's API, under `/openai/v1`: its objects in the list and for one model, no pages, and `param` in errors."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Final

from modelservice.auth.authorize import Viewer
from modelservice.catalogue.listing import HEAD
from modelservice.catalogue.rendering import COMPRESSION, GZIP, Answer, Entry, make_answer, to_json
from modelservice.catalogue.snapshot import Snapshot
from modelservice.dialects import paths
from modelservice.dialects.dialect import Dialect, RestAnswer
from modelservice.dialects.query_string import LIST_PARAMETERS, read_list_request, refuse_parameters
from modelservice.errors import MODEL_NOT_FOUND, RATE_LIMITED, Refusal

# The filters and the order, which OpenAI does not have.
_PARAMETERS: Final = LIST_PARAMETERS - {"page_size", "page_token"}
_SERVER_ERRORS: Final = 500


def _list_models(snapshot: Snapshot, viewer: Viewer, query: str) -> RestAnswer:
    request = read_list_request(query, _PARAMETERS)
    if request.ListFields():
        text = _list_of(snapshot.choose(request, viewer).entries)
        # Compressing a list of one request would cost more than selecting its models.
        return make_answer(b"", text, text, None)
    return snapshot.list_in(paths.OPENAI, viewer, lambda entries: _answer(_list_of(entries)))


def _get_model(snapshot: Snapshot, viewer: Viewer, model_id: str, query: str) -> RestAnswer:
    refuse_parameters(query)
    return snapshot.get_in(paths.OPENAI, model_id, viewer, lambda entry: _answer(_element(entry)))


def _error(refusal: Refusal) -> object:
    kind = refusal.kind
    is_callers = kind.http_status < _SERVER_ERRORS and kind != RATE_LIMITED
    # OpenAI calls what is in the path `model`.
    in_path = kind == MODEL_NOT_FOUND or refusal.parameter == "model_id"
    return {
        "error": {
            "message": refusal.message,
            "type": "invalid_request_error" if is_callers else kind.type,
            "param": "model" if in_path else refusal.parameter,
            "code": kind.code,
        }
    }


def _list_of(entries: Iterable[Entry]) -> bytes:
    return HEAD + b",".join(map(_element, entries)) + b"]}"


def _element(entry: Entry) -> bytes:
    element = entry.shapes.get(paths.OPENAI)
    if element is None:
        model = entry.model
        owner = model.organization_id or model.provider
        fields = {"id": model.name, "object": "model", "created": model.created, "owned_by": owner}
        element = entry.shapes[paths.OPENAI] = to_json(fields)
    return element


def _answer(text: bytes) -> Answer:
    return make_answer(b"", text, text, lambda: zlib.compress(text, COMPRESSION, GZIP))


OPENAI: Final = Dialect(paths.OPENAI, _list_models, _get_model, _error)
