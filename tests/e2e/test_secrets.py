"""No secret gets into a log."""

from __future__ import annotations

from tests.conftest import prepare
from tests.contract.test_errors import GET, bearer, call, unknown_model
from tests.harness import Place, Process, wait_until


def test_no_key_is_logged_however_it_is_sent(place: Place) -> None:
    keys = prepare(place)
    place.settings["MODELSERVICE_LOG_LEVEL"] = "debug"
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        for key in (keys.reader, keys.without_scope, keys.reader[:-1] + "-"):
            place.rest("/v1/models", key)
            place.rest(f"/v1/models?api_key={key}", key)
            place.rest("/v1/models", headers={"authorization": key, "cookie": key, "x-api-key": key})
            call(place.grpc, GET, unknown_model(), bearer(key))
            call(place.http, GET, unknown_model(), bearer(key))
        place.rest("/v1/nothing", headers={"x-request-id": "the-last-one"})
        wait_until(lambda: "the-last-one" in process.output, "Envoy's log is written")

        for key in (keys.reader, keys.without_scope):
            secret = key.split("_")[2]
            assert secret[:-6] not in process.log
            # Which key it was, the log does tell.
            assert f'"key_id": "{key.split("_")[1]}"' in process.errors
