"""The two published documents. The catalogue is rendered in this dialect, so its answers are ready."""

from __future__ import annotations

from typing import Final

from modelservice.auth.authorize import Viewer
from modelservice.catalogue.snapshot import Snapshot
from modelservice.dialects import paths
from modelservice.dialects.dialect import Dialect, RestAnswer
from modelservice.dialects.query_string import read_list_request, refuse_parameters


def _list_models(snapshot: Snapshot, viewer: Viewer, query: str) -> RestAnswer:
    request = read_list_request(query)
    return snapshot.choose(request, viewer) if request.ListFields() else snapshot.list(viewer)


def _get_model(snapshot: Snapshot, viewer: Viewer, model_id: str, query: str) -> RestAnswer:
    refuse_parameters(query)
    return snapshot.get(model_id, viewer)


DOCUMENTS: Final = Dialect(paths.DOCUMENTS, _list_models, _get_model, lambda refusal: refusal.document)
