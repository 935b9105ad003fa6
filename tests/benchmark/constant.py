"""An Envoy that answers by itself: the floor of what REST through Envoy costs."""

from __future__ import annotations

from typing import Any

from tests.benchmark.payloads import Payloads

_TYPES = "type.googleapis.com/envoy.extensions.filters"
# In bytes.
_LONGEST_BODY = 64 * 1024 * 1024


def constant_envoy(payloads: Payloads, port: int) -> dict[str, Any]:
    """Returns a configuration with the answers in it, for the caller with the right credential alone."""
    paths = {f"/v1/models/{payloads.model_id}": "get.json", "/v1/models": "list.json"}
    right = {"name": "authorization", "string_match": {"exact": f"Bearer {payloads.key}"}}
    content_type = {
        "header": {"key": "content-type", "value": "application/json"},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }
    routes: list[dict[str, Any]] = [
        {
            "match": {"path": path, "headers": [right]},
            "direct_response": {"status": 200, "body": {"filename": str(payloads.folder / file)}},
            "response_headers_to_add": [content_type],
        }
        for path, file in paths.items()
    ]
    routes.append({"match": {"prefix": "/"}, "direct_response": {"status": 401}})
    manager = {
        "@type": f"{_TYPES}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "constant",
        "route_config": {
            "max_direct_response_body_size_bytes": _LONGEST_BODY,
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}],
        },
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{_TYPES}.http.router.v3.Router"},
            }
        ],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    listener = {
        "name": "constant",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "enable_reuse_port": False,
        "filter_chains": [{"filters": filters}],
    }
    return {"static_resources": {"listeners": [listener]}}
