"""A whole file of LiteLLM's is imported and listed, and every id in it is answered."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from itertools import chain
from typing import Any
from urllib.parse import quote

import pytest

from cloakrai.v1 import model_service_pb2 as pb
from cloakrai.v1.model_service_pb2_grpc import ModelServiceStub
from tests.support.catalogues import IN_BOTH, WHOLE_FILES, whole_file
from tests.support.harness import DEADLINE, Place, Process, channel, wait_until
from tests.support.service import prepare

pytestmark = pytest.mark.slow

CONNECTIONS = 4
# In seconds: many times what a server takes to load so many models, on a machine that is busy.
START = 120


def fetched(place: Place, key: str, names: Iterable[str]) -> list[tuple[str, object]]:
    """Fetches models over one connection, raw and percent-encoded; returns those whose answer is not theirs."""
    connection = http.client.HTTPConnection("127.0.0.1", place.http_port, timeout=DEADLINE)
    answers: list[tuple[int, bytes]] = []

    def answered(target: str) -> bool:
        connection.request("GET", target, headers={"authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        answers.append((answer.status, answer.read()))
        # "Try again": on a machine this busy, Envoy may take the server for gone, for a moment.
        return answer.status != HTTPStatus.SERVICE_UNAVAILABLE

    wrong: list[tuple[str, object]] = []
    for name in names:
        for target in {f"/v1/models/{name}", f"/v1/models/{quote(name, safe='')}"}:
            wait_until(partial(answered, target), target)
            status, body = answers.pop()
            if status != HTTPStatus.OK or json.loads(body)["modelName"] != name:
                wrong.append((target, body))
    connection.close()
    return wrong


@pytest.mark.timeout(300)
@pytest.mark.parametrize("which", WHOLE_FILES)
def test_every_id_of_a_whole_file_is_listed_and_answered(place: Place, which: str) -> None:
    file = whole_file(which, place.folder)
    content: dict[str, Any] = json.loads(file.read_text())
    models = [name for name, said in content.items() if name != "sample_spec" and "litellm_provider" in said]
    models = [name for name in models if "*" not in name]
    assert 6 == len(content) - len(models)
    key = prepare(place).reader
    # A line for each of 8,000 calls is not what this is about.
    place.settings["MODELSERVICE_LOG_CALLS_PER_SECOND"] = "1"

    done = place.command("catalogue", "import", "--format", "litellm", str(file)).stdout

    assert f"\n{len(content)} entries: {len(models)} mapped, 6 left out, 0 not selected\n" in done
    assert f"\nadded {len(models) - len(IN_BOTH)}, changed 0, unchanged {len(IN_BOTH)}," in done
    assert set(IN_BOTH) == set(re.findall(r"^(\S+)\tshadowed by documented", done, re.MULTILINE))
    with Process(place, "run") as process:
        wait_until(place.ready, lambda: process.output + process.errors, START)
        listed = [model["id"] for model in place.rest("/v1/models", key).json["data"]]
        with channel(place.grpc) as one:
            answer = ModelServiceStub(one).ListModels(
                pb.ListModelsRequest(), metadata=(("authorization", f"Bearer {key}"),), timeout=DEADLINE
            )

        assert 10 + len(models) - len(IN_BOTH) == len(listed)
        assert set(models) < set(listed)
        assert listed == [model.id for model in answer.data]
        with ThreadPoolExecutor(CONNECTIONS) as callers:
            shares = [listed[number::CONNECTIONS] for number in range(CONNECTIONS)]
            assert [] == list(chain(*callers.map(lambda names: fetched(place, key, names), shares)))
