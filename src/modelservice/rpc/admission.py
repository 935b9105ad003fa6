"""What every call passes before it is answered: authentication and authorization."""

from __future__ import annotations

import time
from typing import Final, Protocol

from modelservice.auth.authenticate import Verify, authenticate
from modelservice.auth.authorize import Viewer, viewer
from modelservice.catalogue.snapshot import Snapshot
from modelservice.errors import UNAVAILABLE, Refusal
from modelservice.rpc.call import Call

# Names the organization for which a key of none acts.
ORGANIZATION_KEY: Final = "x-modelservice-organization"


class Answers(Protocol):
    """Holds the newest catalogue (`catalogue.freshness`)."""

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest catalogue; None until one is loaded, and while it is too old."""


def loaded(catalogue: Answers) -> Snapshot:
    """Returns the newest catalogue.

    Raises:
        Refusal: `UNAVAILABLE`: there is none.
    """
    snapshot = catalogue.snapshot
    if snapshot is None:
        raise Refusal(UNAVAILABLE)
    return snapshot


def admit(call: Call, snapshot: Snapshot, verify: Verify | None) -> Viewer:
    """Returns what decides which models the caller sees.

    Raises:
        Refusal: What `authenticate` and `viewer` raise.
    """
    call.principal = authenticate(call.values("authorization"), snapshot, verify, time.time())
    # For the log, should the next line refuse.
    call.organization_id = call.principal.organization_id
    caller = viewer(call.principal, call.values(ORGANIZATION_KEY))
    call.organization_id = caller.organization_id
    return caller
