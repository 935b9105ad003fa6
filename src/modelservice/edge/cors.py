"""Which pages may ask from a browser (CORS): Envoy's filter for it, and a route that it reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

_FILTER: Final = "envoy.filters.http.cors"
_TYPE: Final = "type.googleapis.com/envoy.extensions.filters.http.cors.v3"
# In seconds: for how long a browser need not ask again whether it may.
_KNOWN_FOR: Final = 600


def allow_origins(manager: dict[str, Any], origins: Sequence[str]) -> None:
    """Lets pages of some origins ask, and read the answers.

    No cookie is ever a credential here, so none is allowed. The filter comes first, so that each answer passes it last:
    whatever is kept of answers names no origin.

    Args:
        manager: Envoy's HTTP connection manager.
        origins: As browsers write them.
    """
    policy = {
        "@type": f"{_TYPE}.CorsPolicy",
        "allow_origin_string_match": [{"exact": origin} for origin in origins],
        "allow_methods": "GET",
        "allow_headers": "authorization, cache-control, if-none-match, x-request-id, traceparent",
        "expose_headers": "etag, retry-after, x-request-id",
        "max_age": str(_KNOWN_FOR),
    }
    manager["http_filters"].insert(0, {"name": _FILTER, "typed_config": {"@type": f"{_TYPE}.Cors"}})
    (host,) = manager["route_config"]["virtual_hosts"]
    # Until it is transcoded, a request of REST has no other route. What cannot be transcoded is answered before it
    # would take this one, but for gRPC.
    not_grpc = {
        "name": "content-type",
        "string_match": {"prefix": "application/grpc"},
        "treat_missing_header_as_empty": True,
        "invert_match": True,
    }
    host["routes"].insert(
        0,
        {
            "match": {"path_separated_prefix": "/v1/models", "headers": [not_grpc]},
            "route": {"cluster": "modelservice"},
            "typed_per_filter_config": {_FILTER: policy},
        },
    )
