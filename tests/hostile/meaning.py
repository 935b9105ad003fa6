"""What a REST request means, by a rule of its own: what generated requests are judged by."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_plus, unquote_to_bytes

from modelservice import errors
from modelservice.dialects.query_string import IGNORED
from modelservice.errors import RefusalKind
from tests.support.filters import ORDERS, expected
from tests.support.harness import Place

REPEATABLE: Final = ("capability", "compliance", "owned_by")
FLAGS: Final = ("encryption_supported", "pii_redaction_supported")
ONCE: Final = (*FLAGS, "min_context_window", "max_cost_per_1k_tokens", "q", "order_by", "page_size", "page_token")
# Of what Envoy answers without the server.
PROBES: Final = ("/healthz", "/readyz")
DOCUMENT: Final = "/openapi.json"

_LIST: Final = b"/v1/models"
_NAME: Final = re.compile(r"[A-Za-z0-9._:@/-]{1,256}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_LABEL: Final = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
_DECIMAL: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_ORDERS: Final = {"", *ORDERS, *(f"{field} desc" for field in ORDERS)}


@dataclass(frozen=True)
class World:
    """What there is.

    Attributes:
        models: The list's elements, in order, each with its texts (`contract.test_filters`).
        bodies: The answer of each model, by its name, and by its UUID in lower case.
        etags: Their entity tags, likewise; that of the whole list under the empty name.
        token: The token of the page behind the third model of the whole list.
        document: The OpenAPI document.
    """

    models: list[dict[str, Any]]
    bodies: dict[str, bytes]
    etags: dict[str, str]
    token: str
    document: bytes

    @classmethod
    def of(cls, place: Place, key: str) -> World:
        """Returns what a service shows a caller who asks plainly."""
        whole = place.rest("/v1/models", key)
        models, bodies, etags = whole.json["data"], {}, {"": whole.headers["etag"]}
        for model in models:
            answer = place.rest(f"/v1/models/{model['id']}", key)
            for name in (model["id"], answer.json["id"]):
                bodies[name], etags[name] = answer.body, answer.headers["etag"]
            said = answer.json
            model["texts"] = f"{model['id']}\n{said['displayName']}\n{said.get('description', '')}".casefold()
        token = place.rest("/v1/models?page_size=3", key).json["next_page_token"]
        return cls(models, bodies, etags, token, place.rest(DOCUMENT).body)


@dataclass(frozen=True)
class Meaning:
    """What a GET means to a caller who may read.

    Attributes:
        refusal: Why it is refused, or None.
        place: The path, or what is asked for: `list`, or a model's name or UUID as `World.bodies` has it.
        listed: The models of the list.
        has_more: Whether the list has further pages.
        model_id: What names no model.
    """

    refusal: RefusalKind | None = None
    place: str = ""
    listed: tuple[str, ...] = ()
    has_more: bool = False
    model_id: str = ""


MALFORMED: Final = Meaning(errors.INVALID_REQUEST)


def _shown(target: bytes) -> bytes:
    """Returns a target's path, without the parameters of `.` and `..`. Dots may be encoded, or have some, not both."""
    return re.sub(rb"(?<=/)(\.\.?);[^/]*", rb"\1", target.partition(b"?")[0])


def path_of(target: bytes) -> bytes:
    """Returns the path that a target means, without the decoding of ids: what there is of `.`, `..`, `\\` and `//`."""
    kept: list[bytes] = []
    segments = _shown(target).replace(b"\\", b"/").split(b"/")[1:]
    for segment in segments:
        dots = re.sub(rb"%2e", b".", segment, flags=re.IGNORECASE)
        if dots == b"..":
            kept = kept[:-1]
        elif dots != b".":
            # An empty one goes last: `a//..` is `a`.
            kept.append(segment)
    kept = list(filter(None, kept))
    is_open = kept and re.fullmatch(rb"(\.|%2e){0,2}", segments[-1], re.IGNORECASE)
    return b"/" + b"/".join(kept) + (b"/" if is_open else b"")


def meaning(target: bytes, world: World) -> Meaning:
    """Returns what a target means that has nothing but visible ASCII."""
    path = path_of(target)
    # Even where `..` takes it back.
    if b"%00" in _shown(target):
        return MALFORMED
    # What need not be encoded may be, anywhere.
    plain = re.sub(rb"%([46][1-9a-f]|[57][0-9a]|3[0-9]|2[de]|5f|7e)", _decoded, path, flags=re.IGNORECASE)
    query = target.partition(b"?")[2].decode("ascii")
    if plain.decode("ascii") in (*PROBES, DOCUMENT):
        return Meaning(place=plain.decode("ascii"))
    if plain.rstrip(b"/") == _LIST:
        return _listed(query, world)
    if not plain.startswith(_LIST + b"/"):
        return Meaning(errors.NOT_FOUND)
    return _model(unquote_to_bytes(path.rstrip(b"/").split(b"/", 3)[3]), query, world)


def _decoded(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode())


def _model(name: bytes, query: str, world: World) -> Meaning:
    for pair in query.split("&"):
        if pair and unquote_plus(pair.partition("=")[0], errors="replace") not in IGNORED:
            return MALFORMED
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return MALFORMED
    is_uuid = _UUID.fullmatch(text)
    known = text.lower() if is_uuid else text
    if known in world.bodies:
        return Meaning(place=known)
    if is_uuid or (_NAME.fullmatch(text) and not {"", ".", ".."} & set(text.split("/"))):
        return Meaning(errors.MODEL_NOT_FOUND, model_id=text)
    return MALFORMED


def _listed(query: str, world: World) -> Meaning:
    given: dict[str, list[str]] = {}
    for pair in filter(None, query.split("&")):
        name, equals, value = pair.partition("=")
        name = unquote_plus(name, errors="replace")
        if name in IGNORED:
            continue
        if not equals or name not in (*REPEATABLE, *ONCE):
            return MALFORMED
        try:
            given.setdefault(name, []).append(unquote_to_bytes(value.replace("+", " ")).decode())
        except UnicodeDecodeError:
            return MALFORMED
    asked = {name: _value(name, texts) for name, texts in given.items()}
    if None in asked.values():
        return MALFORMED
    size = min(asked.pop("page_size", 0), 1_000)
    token = asked.pop("page_token", "")
    asked = {name: value for name, value in asked.items() if value != ""}
    if token and (token != world.token or asked):
        return MALFORMED
    found = expected(world.models, asked)[3 if token else 0 :]
    return Meaning(place="list", listed=tuple(found[: size or None]), has_more=bool(size) and len(found) > size)


def _value(name: str, texts: list[str]) -> Any:
    """Returns what a parameter says, or None: what it does not take."""
    if name in REPEATABLE:
        takes = _is_owner if name == "owned_by" else _LABEL.fullmatch
        return texts if len(texts) <= 20 and all(map(takes, texts)) else None
    if len(texts) > 1:
        return None
    text: str = texts[0]
    found: Any = None
    match name:
        case "q" if len(text) <= 256 and len(text.split()) <= 8:
            found = text
        case "order_by" if text in _ORDERS:
            found = text
        case "page_token":
            found = text
        case "max_cost_per_1k_tokens" if _DECIMAL.fullmatch(text) and 0 <= float(text) < float("inf"):
            found = float(text)
        case "min_context_window" | "page_size" if re.fullmatch(r"[0-9]+", text):
            found = int(text) if int(text) < (2**31 if name == "page_size" else 2**32) else None
        case "encryption_supported" | "pii_redaction_supported":
            found = {"true": True, "false": False}.get(text)
    return found


def _is_owner(text: str) -> bool:
    return 1 <= len(text) <= 256
