"""How much one caller may ask of Envoy: its local rate limiters, as settings say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

# The limiters of the source, by the setting that each is about: their filters' names, and what else is for them alone.
_PER_ADDRESS: Final = "envoy.filters.http.local_ratelimit.address"
_PER_CREDENTIAL: Final = "envoy.filters.http.local_ratelimit.credential"
_FOR_CREDENTIALS: Final = "envoy.filters.http.header_to_metadata"

# What a bucket holds, in seconds of its rate.
_BURST: Final = 2


@dataclass(frozen=True, slots=True)
class Rates:
    """How much one caller may ask.

    Attributes:
        per_address: In requests per second; 0: as much as they like.
        per_credential: The same for a credential.
        trusted_proxies: How many proxies before Envoy are believed about their caller's address.
    """

    per_address: int
    per_credential: int
    trusted_proxies: int


def limit_rates(manager: dict[str, Any], rates: Rates) -> None:
    """Sets the limits in the source's connection manager, or takes them out of it."""
    manager["xff_num_trusted_hops"] = rates.trusted_proxies
    filters = {item["name"]: item for item in manager["http_filters"]}
    for name, rate in ((_PER_ADDRESS, rates.per_address), (_PER_CREDENTIAL, rates.per_credential)):
        for descriptor in filters[name]["typed_config"]["descriptors"]:
            descriptor["token_bucket"] |= {"max_tokens": rate * _BURST, "tokens_per_fill": rate}
    needless = set() if rates.per_address else {_PER_ADDRESS}
    needless |= set() if rates.per_credential else {_PER_CREDENTIAL, _FOR_CREDENTIALS}
    manager["http_filters"] = [item for item in manager["http_filters"] if item["name"] not in needless]
