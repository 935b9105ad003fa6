"""ModelService as internal services call it: direct, and through Envoy."""

from __future__ import annotations

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from cloakrai.v1 import model_service_pb2 as pb
from cloakrai.v1.model_service_pb2_grpc import ModelServiceStub
from tests.support.calls import GET, bearer, call, details
from tests.support.harness import Place, Process, channel, unary, wait_until
from tests.support.service import Keys, Service, prepare

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
WAYS = pytest.mark.parametrize("way", ["direct", "through Envoy"])


def address(place: Place, way: str) -> str:
    return place.grpc if way == "direct" else place.http


@WAYS
def test_a_generated_client_lists_and_gets(service: Service, way: str) -> None:
    metadata = bearer(service.keys.reader)
    with channel(address(service.place, way)) as one:
        stub = ModelServiceStub(one)
        listed = stub.ListModels(pb.ListModelsRequest(), metadata=metadata)
        models = [stub.GetModel(pb.GetModelRequest(model_id=item.id), metadata=metadata) for item in listed.data]

    assert ("list", 10) == (listed.object, len(listed.data))
    assert [item.id for item in listed.data] == [model.model_name for model in models]
    assert [item.owned_by for item in listed.data] == [model.provider for model in models]
    assert [item.cloakr_metadata.context_window for item in listed.data] == [model.context_window for model in models]


def test_what_is_unknown_is_absent_not_zero(service: Service) -> None:
    with channel(service.place.grpc) as one:
        model = ModelServiceStub(one).GetModel(
            pb.GetModelRequest(model_id="cloakr-claude"), metadata=bearer(service.keys.reader)
        )

    for field in ("max_tokens_per_request", "credit_multiplier", "description", "parent_model_id", "system_prompt"):
        assert not model.HasField(field)
    assert model.HasField("metadata")


@WAYS
def test_the_request_id_comes_back(service: Service, way: str) -> None:
    metadata = (*bearer(service.keys.reader), ("x-request-id", "my-own-id"))
    with channel(address(service.place, way)) as one:
        _, done = unary(one, "/modelservice.v1.ModelService/ListModels").with_call(b"", metadata=metadata)
        trailing = dict(done.trailing_metadata())
    failed = call(address(service.place, way), GET, b"", (("x-request-id", "my-own-id"),))

    assert "my-own-id" == trailing["x-request-id"]
    assert "my-own-id" == dict(failed.trailing_metadata())["x-request-id"]


def test_a_request_id_is_kept_made_echoed_and_logged_over_rest(service: Service) -> None:
    given = service.place.rest("/v1/models", service.keys.reader, headers={"x-request-id": "abc-123.Z"})
    uuid = service.place.rest("/v1/nothing", headers={"x-request-id": "550e8400-e29b-41d4-a716-446655440000"})
    made = service.place.rest("/v1/models", service.keys.reader)

    assert "abc-123.Z" == given.headers["x-request-id"]
    assert "550e8400-e29b-41d4-a716-446655440000" == uuid.headers["x-request-id"]
    assert 36 == len(made.headers["x-request-id"])
    ids = ("abc-123.Z", made.headers["x-request-id"])
    wait_until(lambda: all(service.process.log.count(one) >= 2 for one in ids), "the server's and Envoy's log")


@WAYS
def test_the_internal_service_cannot_be_called_by_its_name(service: Service, way: str) -> None:
    metadata = bearer(service.keys.reader)
    if way == "through Envoy":
        # Envoy removes what would open the door.
        metadata = (*metadata, ("x-envoy-original-path", "/v1/models"))
    for method in ("ListModels", "GetModel"):
        error = call(address(service.place, way), f"/modelservice.rest.v1.RestService/{method}", b"", metadata)
        assert (grpc.StatusCode.UNIMPLEMENTED, "Unknown path") == (error.code(), error.details())


@WAYS
@pytest.mark.parametrize("name", ["", "modelservice.v1.ModelService"])
def test_health_is_serving_without_a_credential(service: Service, way: str, name: str) -> None:
    with channel(address(service.place, way)) as one:
        assert SERVING == HealthStub(one).Check(health_pb2.HealthCheckRequest(service=name)).status


@WAYS
def test_health_lists_both_names(service: Service, way: str) -> None:
    with channel(address(service.place, way)) as one:
        listed = HealthStub(one).List(health_pb2.HealthListRequest())

    assert {"": SERVING, "modelservice.v1.ModelService": SERVING} == {
        name: status.status for name, status in listed.statuses.items()
    }


def test_watch_tells_the_state_and_each_change(place: Place) -> None:
    prepare(place)
    place.settings["MODELSERVICE_DRAIN_SECONDS"] = "5"
    with Process(place, "serve") as process, channel(place.grpc) as one:
        process.wait_for('"SERVING"')
        watch = HealthStub(one).Watch(health_pb2.HealthCheckRequest())
        unknown = HealthStub(one).Watch(health_pb2.HealthCheckRequest(service="nothing"))
        assert SERVING == next(watch).status
        assert SERVICE_UNKNOWN == next(unknown).status

        process.popen.terminate()

        assert NOT_SERVING == next(watch).status


def test_watch_is_not_for_clients_of_envoy(service: Service) -> None:
    with channel(service.place.http) as one, pytest.raises(grpc.RpcError) as raised:
        next(HealthStub(one).Watch(health_pb2.HealthCheckRequest()))

    assert grpc.StatusCode.UNIMPLEMENTED == raised.value.code()


def test_a_server_is_not_serving_until_the_catalogue_is_there(place: Place) -> None:
    with Process(place, "serve") as process, channel(place.grpc) as one:
        process.wait_for("modelservice init")
        assert NOT_SERVING == HealthStub(one).Check(health_pb2.HealthCheckRequest()).status
        error = call(place.grpc, GET)
        assert (grpc.StatusCode.UNAVAILABLE, "Service unavailable") == (error.code(), error.details())
        assert "UNAVAILABLE" == details(error)[1].reason

        keys: Keys = prepare(place)

        process.wait_for('"SERVING"')
        with channel(place.grpc) as another:
            stub = ModelServiceStub(another)

            def admitted() -> bool:
                # The database was ready before the key was in it.
                try:
                    stub.ListModels(pb.ListModelsRequest(), metadata=bearer(keys.reader))
                except grpc.RpcError as refused:
                    # Anything else ends the wait, and fails below.
                    return refused.code() != grpc.StatusCode.UNAUTHENTICATED
                return True

            wait_until(admitted, "the key has arrived")
            assert stub.ListModels(pb.ListModelsRequest(), metadata=bearer(keys.reader)).data


def reflected(place: Place) -> set[str]:
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    with channel(place.grpc) as one:
        (answer,) = ServerReflectionStub(one).ServerReflectionInfo(iter([request]))
    return {service.name for service in answer.list_services_response.service}


def test_reflection_names_the_public_services(service: Service) -> None:
    assert {
        "modelservice.v1.ModelService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    } == reflected(service.place)


def test_reflection_is_off_by_default(place: Place) -> None:
    prepare(place)
    with Process(place, "serve") as process:
        process.wait_for('"SERVING"')
        with pytest.raises(grpc.RpcError) as raised:
            reflected(place)

    assert grpc.StatusCode.UNIMPLEMENTED == raised.value.code()
