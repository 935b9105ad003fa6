"""Credentials that are nearly right, and where secrets may not be."""

from __future__ import annotations

import random
import sqlite3
import string
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import grpc
import pytest

from cloakrai.v1 import model_service_pb2 as pb
from cloakrai.v1.model_service_pb2_grpc import ModelServiceStub
from modelservice.auth import api_key
from modelservice.auth.authenticate import authenticate
from modelservice.domain.principal import MODELS_READ, ApiKey
from modelservice.errors import INVALID_API_KEY, Refusal
from modelservice.manage.lookup import ModelRef
from modelservice.manage.models import create_model, update_models
from tests.support.harness import DEADLINE, Place, Process, channel, wait_until
from tests.support.issuer import Issuer, member, sign
from tests.support.service import Service, prepare

LETTERS = string.ascii_letters + string.digits
SEED = 8


def near_misses(key: str, count: int) -> Iterator[str]:
    """Yields credentials that differ from a key in little: every other with a checksum that is right."""
    dice = random.Random(SEED)
    body = key[:-6]
    found = {key}
    while len(found) <= count:
        # Not the `msk_`, nor what divides id and secret.
        place = dice.choice([*range(4, 16), *range(17, len(body))])
        changed = body[:place] + dice.choice(LETTERS) + body[place + 1 :]
        if dice.random() < 0.1:
            changed = changed.swapcase().replace("MSK_", "msk_")
        text = changed + (api_key._checksum(changed) if len(found) % 2 else key[-6:])
        if text not in found:
            found.add(text)
            yield text
    yield from (key[:-1], f"{key}A", key[1:], key.lower(), key.upper(), f"{key}\t", f'"{key}"', key * 2, key[::-1])


def known(*texts: str) -> Any:
    """Returns callers whose keys these are."""
    presented = [api_key.parse(text) for text in texts]
    keys = [
        ApiKey(
            id=one.id, digest=one.digest(), organization_id="acme", name="", scopes=frozenset({MODELS_READ}), created=0
        )
        for one in presented
        if one
    ]
    return SimpleNamespace(keys={key.id: key for key in keys}, clients={})


def test_none_of_10000_near_misses_gets_in() -> None:
    key = api_key.generate().text
    callers = known(key, api_key.generate().text)
    assert "acme" == authenticate([f"Bearer {key}"], callers, None, 0).organization_id

    let_in = []
    for text in near_misses(key, 10_000):
        try:
            authenticate([f"Bearer {text}"], callers, None, 0)
            let_in.append(text)
        except Refusal as refusal:
            if refusal.kind is not INVALID_API_KEY or refusal.reason:
                let_in.append(f"{text}: {refusal.kind} {refusal.reason}")

    assert [] == let_in


def test_near_misses_get_one_answer_from_the_service(service: Service) -> None:
    def refusal(metadata: tuple[tuple[str, str], ...]) -> tuple[Any, ...]:
        with pytest.raises(grpc.RpcError) as raised:
            stub.GetModel(pb.GetModelRequest(model_id="gpt-4o"), metadata=metadata, timeout=DEADLINE)
        trailing: Any = raised.value.trailing_metadata()
        return raised.value.code(), raised.value.details(), dict(trailing)["grpc-status-details-bin"]

    with channel(service.place.grpc) as one:
        stub = ModelServiceStub(one)
        over_grpc = {
            refusal((("authorization", f"Bearer {text.strip()}"),))
            for text in near_misses(service.keys.reader, 300)
            if text.strip() != service.keys.reader
        }
    over_rest = set()
    for text in near_misses(service.keys.reader, 100):
        answer = service.place.rest("/v1/models/gpt-4o", text.strip() + "~")
        over_rest.add((answer.status, answer.body, tuple(sorted(answer.headers.keys() - {"date", "x-request-id"}))))

    assert 1 == len(over_grpc)
    assert 1 == len(over_rest)


def test_a_wrong_id_and_a_wrong_secret_take_the_same_work() -> None:
    """Function by function, as the interpreter sees it: so there is no difference that a clock could find."""
    key, other = api_key.generate(), api_key.generate()
    callers = known(key.text)
    # The id of a key that is there, with another's secret; and a key of nobody.
    body = f"msk_{key.id}_{other.text[17:-6]}"
    wrong_secret, wrong_id = body + api_key._checksum(body), other.text

    def work(text: str) -> list[str]:
        done: list[str] = []

        def note(frame: FrameType, event: str, argument: Any) -> None:
            done.append(f"{event} {argument.__qualname__ if event.startswith('c_') else frame.f_code.co_qualname}")

        sys.setprofile(note)
        try:
            authenticate([f"Bearer {text}"], callers, None, 0)
        except Refusal:
            pass
        finally:
            sys.setprofile(None)
        return done

    assert work(wrong_secret) == work(wrong_id)
    assert any("compare_digest" in step for step in work(wrong_id))
    # What has not even the form is refused sooner: that tells nothing of which keys there are.
    assert len(work("msk_nothing")) < len(work(wrong_id))


PROMPT = "You are a bot that knows the sentinel 8d1f."


def test_secrets_are_nowhere_but_in_the_documents_of_models(place: Place) -> None:
    with Issuer() as issuer:
        place.settings |= {**issuer.settings, "MODELSERVICE_LOG_LEVEL": "debug"}
        keys = prepare(place)
        ref = ModelRef("sentinel", "acme")
        fields = {"name": "sentinel", "display_name": "S", "system_prompt": PROMPT}
        create_model(place.database_url, "test", "acme", "gpt-4o", fields, prompt_quota=10**6)
        update_models(place.database_url, "test", [ref], {"system_prompt": PROMPT + " Still."}, prompt_quota=10**6)
        expired = sign(member() | {"exp": int(time.time()) - 3600})
        tokens = [sign(member()), expired, sign(member(), "key-9")]
        rotated = place.command("keys", "create", "--organization", "acme", "--scope", "models:read").stdout
        made = rotated.split("msk_")[1].split()[0]
        with Process(place, "run") as process:
            process.wait_for("ready: ")
            use(place, [keys.reader, keys.without_scope, keys.reader[:-1] + "-", f"msk_{made}", *tokens])
            wait_until(lambda: "the-last-one" in process.output, "Envoy's log is written")
            written = {
                "log": process.errors,
                "output": process.output,
                "metrics": fetch(place.metrics_port, "/metrics"),
                "Envoy's statistics": fetch(place.admin_port, "/stats"),
                "Envoy's metrics": fetch(place.admin_port, "/stats/prometheus"),
                # What it was given; its administration does not show it.
                **{f"Envoy's {file.name}": file.read_text("latin-1") for file in process.envoy_folder().iterdir()},
                "Envoy's clusters": fetch(place.admin_port, "/clusters"),
                "audit": place.command("audit", "--json").stdout,
                "config": place.command("config").stdout,
            }
    secrets = [keys.reader[17:49], keys.without_scope[17:49], made[13:45]]
    secrets += [part for token in tokens for part in token.split(".")[1:]]
    for where, text in written.items():
        assert text, where
        for secret in (*secrets, PROMPT, "sentinel 8d1f"):
            assert secret not in text, where

    columns = holders(place.folder / "test.db", [*secrets, PROMPT])
    assert {("models", "document"), ("layers", "document")} == columns


def use(place: Place, credentials: list[str]) -> None:
    """Sends credentials in every way, where they belong and where they do not."""
    for credential in credentials:
        for path in ("/v1/models", "/v1/models/sentinel", f"/v1/models?api_key={credential}"):
            place.rest(path, credential)
        place.rest("/v1/models", headers={"authorization": credential, "cookie": credential, "x-api-key": credential})
        for address in (place.grpc, place.http):
            with channel(address) as one:
                for metadata in ((("authorization", f"Bearer {credential}"),), (("authorization", credential),)):
                    call: Any = ModelServiceStub(one).GetModel
                    call.future(
                        pb.GetModelRequest(model_id="sentinel"), metadata=metadata, timeout=DEADLINE
                    ).exception()
    place.rest("/v1/nothing", headers={"x-request-id": "the-last-one"})


def fetch(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=DEADLINE) as answer:
        text: str = answer.read().decode()
        return text


def holders(file: Path, secrets: list[str]) -> set[tuple[str, str]]:
    """Returns the tables and columns that hold one of the secrets, in any row, old ones too."""
    found = set()
    with sqlite3.connect(file) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            rows = connection.execute(f'SELECT * FROM "{table}"')  # noqa: S608  (the database's own names)
            names = [column[0] for column in rows.description]
            for row in rows:
                for name, value in zip(names, row, strict=True):
                    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
                    if any(secret in text for secret in secrets):
                        found.add((table, name))
    connection.close()
    return found
