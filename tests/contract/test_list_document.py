"""The list document, through Envoy."""

from __future__ import annotations

import json

from tests.support.documents import EXAMPLE, TABLES
from tests.support.service import Service

COMPLIANCE = {
    "gpt-4o": ["soc2", "gdpr", "hipaa"],
    "cloakr-enterprise": ["soc2", "gdpr", "hipaa", "pci-dss"],
}


def test_the_documents_two_models_come_out_equal_to_the_byte(service: Service) -> None:
    body = service.place.rest("/v1/models", service.keys.reader).body.decode()

    for model in EXAMPLE["data"]:
        # Compact, and otherwise the document's text: its key order, its numbers, its nulls.
        assert json.dumps(model, separators=(",", ":")) in body


def test_the_list_has_the_documents_frame_and_nothing_else(service: Service) -> None:
    answer = service.place.rest("/v1/models", service.keys.reader)

    assert 200 == answer.status
    assert "application/json" == answer.headers["content-type"]
    assert ["object", "data"] == list(answer.json)
    assert answer.body.startswith(b'{"object":"list","data":[{"id":"gpt-4o",')
    assert not [name for name in answer.headers if name.startswith(("grpc-", "x-envoy-")) or name == "server"]


def test_the_documents_ten_models_are_listed_in_its_order(service: Service) -> None:
    models = service.place.rest("/v1/models", service.keys.reader).json["data"]

    assert [row[0] for row in TABLES] == [model["id"] for model in models]
    for (name, _, window, price, capabilities, owner), model in zip(TABLES, models, strict=True):
        assert list(EXAMPLE["data"][0]) == list(model)
        assert owner == model["owned_by"]
        assert (name, None, 1640995200) == (model["root"], model["parent"], model["created"])
        assert {
            "encryption_supported": True,
            "pii_redaction_supported": True,
            "cost_per_1k_tokens": price,
            "max_tokens": window,
            "context_window": window,
            "capabilities": capabilities,
            "compliance": COMPLIANCE.get(name, ["soc2", "gdpr"]),
        } == model["cloakr_metadata"]
        (permission,) = model["permission"]
        assert list(EXAMPLE["data"][0]["permission"][0]) == list(permission)
        assert "*" == permission["organization"]


def test_no_two_models_share_a_permission_id(service: Service) -> None:
    models = service.place.rest("/v1/models", service.keys.reader).json["data"]

    assert len(models) == len({model["permission"][0]["id"] for model in models})


def test_a_get_may_leave_out_the_content_type_or_send_the_documents(service: Service) -> None:
    plain = service.place.rest("/v1/models", service.keys.reader)
    documented = service.place.rest("/v1/models", service.keys.reader, headers={"content-type": "application/json"})

    assert plain.body == documented.body
