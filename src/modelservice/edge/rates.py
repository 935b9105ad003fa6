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

# How an address that a proxy names is counted, by the kind of address. A proxy that listens on `[::]` may write an IPv4
# address as an IPv6 one; it is the same caller. Of other IPv6 addresses 64 bits count. (Addresses that connect directly
# are never written that way.)
_ADDRESS: Final = "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT"
_MAPPED: Final = "source.address.startsWith('[::ffff:')"
_NAMED: Final = (
    ("!source.address.startsWith('[')", f"::ffff:{_ADDRESS}%"),
    (_MAPPED, f"{_ADDRESS}%"),
    (f"source.address.startsWith('[') && !{_MAPPED}", f"{_ADDRESS}(64)%"),
)


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
    if rates.trusted_proxies:
        _count_named_addresses(filters[_PER_ADDRESS]["typed_config"])
    needless = set() if rates.per_address else {_PER_ADDRESS}
    needless |= set() if rates.per_credential else {_PER_CREDENTIAL, _FOR_CREDENTIALS}
    manager["http_filters"] = [item for item in manager["http_filters"] if item["name"] not in needless]


def _count_named_addresses(limiter: dict[str, Any]) -> None:
    """Has a limiter count addresses as proxies write them, instead of the source's rule for those that connect."""
    matches = [limit["actions"][0] for limit in limiter["rate_limits"]]
    limiter["rate_limits"] = [
        {"actions": [match, _key("is", f"%CEL({condition})%"), _key("address", value)]}
        for match in matches
        for condition, value in _NAMED
    ]
    for descriptor in limiter["descriptors"]:
        descriptor["entries"][1:] = [{"key": "is", "value": "true"}, {"key": "address"}]


def _key(name: str, value: str) -> dict[str, Any]:
    return {"generic_key": {"descriptor_key": name, "descriptor_value": value}}
