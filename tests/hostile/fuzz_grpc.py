"""Generated gRPC requests: bytes, metadata, ids, parameters. Seeded, so that a run can be repeated."""

from __future__ import annotations

import random
import string
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from cloakrai.v1 import model_service_pb2 as pb
from modelservice.rpc.status import STATUS_CODES
from tests.support.harness import DEADLINE

SERVICE = "/modelservice.v1.ModelService/"
METHODS = ("GetModel", "ListModels", "getmodel", "", "GetModel/x", "\u00e9")
UNDER_WAY = 64
_NAME_PARTS = (
    "gpt-4o",
    "/",
    "..",
    ".",
    "%2e",
    "\0",
    "\u202e",
    "ﬀ",
    "A",
    "?",
    "#",
    ";",
    "\\",
    "'",
    '"',
    "\U0001f600",
    " ",
)

# What a refusal may be, from outside: status and reason.
DOCUMENTED = {(code, kind.code.upper()) for kind, code in STATUS_CODES.items()}
# Documented too, and no answer to a caller's mistake.
FAILURES = ("INTERNAL_ERROR", "UNAVAILABLE", "TIMEOUT")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One generated call.

    Attributes:
        method: Its path.
        data: The request's bytes.
        metadata: Its metadata.
        is_authorized: Whether its credential is good, and there is but that one. None where that depends on the way:
            Envoy takes the name of an organization away.
    """

    method: str
    data: bytes
    metadata: tuple[tuple[str, str | bytes], ...]
    is_authorized: bool | None


@dataclass
class Outcome:
    """What came of the calls: how many of each code, and those that are neither right nor documented."""

    codes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def attempts(seed: int, key: str, names: list[str]) -> Iterator[Attempt]:
    """Yields calls without end.

    Args:
        seed: Which.
        key: A good key.
        names: Of models that there are.
    """
    dice = random.Random(seed)
    while True:
        method = SERVICE + (dice.choice(METHODS[:2]) if dice.random() < 0.9 else dice.choice(METHODS))
        metadata, is_authorized = _metadata(dice, key)
        data = _list_request(dice) if method.endswith("ListModels") and dice.random() < 0.6 else _bytes(dice, names)
        yield Attempt(method, data, metadata, is_authorized)


def _metadata(dice: random.Random, key: str) -> tuple[tuple[tuple[str, str | bytes], ...], bool | None]:
    """Returns metadata, and whether a caller comes in with it."""
    draw = dice.random()
    if draw < 0.6:
        credentials = [f"{dice.choice(['Bearer', 'bearer', 'BEARER'])} {key}"]
    elif draw < 0.9:
        near = list(key)
        near[dice.randrange(len(near))] = dice.choice(string.printable[:94])
        credentials = [f"Bearer {''.join(near)}", key, "Bearer", _ascii(dice, 80), f"Basic {key}"][dice.randrange(5) :][
            :1
        ]
    else:
        credentials = [f"Bearer {key}"] * dice.choice([0, 2])
    metadata: list[tuple[str, str | bytes]] = [("authorization", text) for text in credentials]
    for _ in range(dice.choice([0, 0, 0, 1, 3])):
        name = "x-" + "".join(dice.choices("abc-0._", k=dice.randrange(8)))
        metadata.append((f"{name}-bin", dice.randbytes(40)) if dice.random() < 0.3 else (name, _ascii(dice, 200)))
    if dice.random() < 0.05:
        metadata.append(("x-modelservice-organization", dice.choice(["acme", "other", _ascii(dice, 20)])))
    dice.shuffle(metadata)
    is_authorized = [f"Bearer {key}".lower()] == [text.lower() for text in credentials] and key in credentials[0]
    depends = is_authorized and any(name.startswith("x-modelservice") for name, _ in metadata)
    return tuple(metadata), None if depends else is_authorized


def _ascii(dice: random.Random, most: int) -> str:
    return "".join(
        dice.choices(string.ascii_letters + string.digits + string.punctuation + " ", k=dice.randrange(most))
    ).strip()


def _bytes(dice: random.Random, names: list[str]) -> bytes:
    """Returns what may be a GetModelRequest."""
    good = pb.GetModelRequest(model_id=dice.choice(names)).SerializeToString()
    place = dice.randrange(len(good))
    match dice.randrange(8):
        case 0:
            data = dice.randbytes(dice.randrange(200))
        case 1:
            data = good[:place] + dice.randbytes(1) + good[place + 1 :]
        case 2:
            data = good[:place]
        case 3:
            data = good + dice.randbytes(dice.randrange(1, 20))
        case 4:
            data = pb.GetModelRequest(model_id=_name(dice)).SerializeToString()
        case 5:
            # A text that is not UTF-8, or far too long.
            text = dice.randbytes(dice.choice([3, 300, 70_000]) if dice.random() < 0.1 else 12)
            data = b"\x0a" + _varint(len(text)) + text
        case _:
            data = good
    return data


def _name(dice: random.Random) -> str:
    return "".join(dice.choices(_NAME_PARTS, k=dice.randrange(6)))


def _list_request(dice: random.Random) -> bytes:
    request = pb.ListModelsRequest()
    for name in dice.sample(sorted(request.DESCRIPTOR.fields_by_name), dice.randrange(4)):
        described = request.DESCRIPTOR.fields_by_name[name]
        value: Any
        match described.type:
            case described.TYPE_BOOL:
                value = dice.random() < 0.5
            case described.TYPE_DOUBLE:
                value = dice.choice([0.01, -1.0, float("nan"), float("inf"), 1e308, 5e-324])
            case described.TYPE_STRING:
                value = dice.choice(["reasoning", "id desc", "openai", "", _name(dice), _ascii(dice, 300)])
            case _:
                value = dice.choice([0, 1, 3, 2**31 - 1, -1 if name == "page_size" else 2**32 - 1])
        if described.is_repeated:
            getattr(request, name).extend([value] * dice.choice([1, 2, 30]))
        else:
            setattr(request, name, value)
    return request.SerializeToString()


def _varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + _varint(number >> 7)


def send(address: str, calls: Iterator[Attempt], count: int, names: dict[str, str]) -> Outcome:
    """Sends so many calls, some at a time, and looks at every answer.

    Args:
        address: The server, or Envoy.
        calls: The calls.
        count: How many.
        names: The names of models by name and by UUID.
    """
    outcome = Outcome()
    slots, lock = threading.Semaphore(UNDER_WAY), threading.Lock()

    def look(attempt: Attempt, call: Any) -> None:
        try:
            code, problem = judge(attempt, call, names)
            with lock:
                outcome.codes[code] += 1
                if problem:
                    outcome.wrong.append(f"{problem}: {attempt}"[:600])
        finally:
            slots.release()

    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(address, options=options) as channel:
        for _ in range(count):
            attempt = next(calls)
            assert slots.acquire(timeout=DEADLINE), "no answer in time"
            method: Any = channel.unary_unary(attempt.method)
            call = method.future(attempt.data, metadata=attempt.metadata, timeout=DEADLINE)
            call.add_done_callback(partial(look, attempt))
        for _ in range(UNDER_WAY):
            assert slots.acquire(timeout=DEADLINE), "no answer in time"
    return outcome


def judge(attempt: Attempt, call: Any, names: dict[str, str]) -> tuple[str, str]:
    """Returns what an answer was, and what is wrong with it."""
    if call.code() is grpc.StatusCode.OK:
        return "OK", _wrong_answer(attempt, call.result(), names)
    details = [value for key, value in call.trailing_metadata() or () if key == "grpc-status-details-bin"]
    if not details and any("_" in name for name, _ in attempt.metadata):
        # Envoy refuses such names, over HTTP/2 by the stream's end.
        return "RESET", "" if "RST_STREAM" in str(call.details()) else f"{call.code().name}: {call.details()}"
    if len(details) != 1:
        return call.code().name, f"{call.code().name} without details: {call.details()}"
    status, info = Status.FromString(details[0]), ErrorInfo()
    if len(status.details) != 1 or not status.details[0].Unpack(info) or info.domain != "modelservice":
        return call.code().name, "no ErrorInfo of this service"
    is_right = (call.code(), info.reason) in DOCUMENTED and info.reason not in FAILURES
    return info.reason, "" if is_right else f"{call.code().name} {info.reason}: {call.details()}"


def _wrong_answer(attempt: Attempt, data: bytes, names: dict[str, str]) -> str:
    if attempt.is_authorized is False:
        return "let in"
    if attempt.method.endswith("ListModels"):
        listed = pb.ListModelsResponse.FromString(data)
        known = all(names.get(model.id) == model.id for model in listed.data)
        return "" if listed.object == "list" and known else "not the list"
    asked = pb.GetModelRequest.FromString(attempt.data).model_id
    model = pb.Model.FromString(data)
    return "" if names.get(asked.lower() if asked.lower() in names else asked) == model.model_name else "another model"
