"""The rule that filtered and ordered lists follow, written a second time."""

from __future__ import annotations

from typing import Any

ORDERS = ["created", "id", "context_window", "cost_per_1k_tokens"]


def passes(model: dict[str, Any], asked: dict[str, Any]) -> bool:
    said = model["cloakr_metadata"]
    return (
        set(asked.get("capability", ())) <= set(said["capabilities"])
        and set(asked.get("compliance", ())) <= set(said["compliance"])
        and model["owned_by"] in asked.get("owned_by", [model["owned_by"]])
        and ("min_context_window" not in asked or said["context_window"] >= max(1, asked["min_context_window"]))
        and (
            "max_cost_per_1k_tokens" not in asked
            or said.get("cost_per_1k_tokens", float("inf")) <= asked["max_cost_per_1k_tokens"]
        )
        and all(
            said[flag] == asked.get(flag, said[flag]) for flag in ("encryption_supported", "pii_redaction_supported")
        )
        and all(word.casefold() in model["texts"] for word in asked.get("q", "").split())
    )


def expected(models: list[dict[str, Any]], asked: dict[str, Any]) -> list[str]:
    """Returns the ids that the rule gives, in order."""
    kept = [model for model in models if passes(model, asked)]
    field, _, direction = asked.get("order_by", "").partition(" ")
    if field == "id":
        kept.sort(key=lambda model: model["id"], reverse=bool(direction))
    elif field:
        kept.sort(key=lambda model: model["id"])
        values = {model["id"]: model.get(field) or model["cloakr_metadata"].get(field) for model in kept}
        unknown = {None} if field == "cost_per_1k_tokens" else {None, 0}
        known = [model for model in kept if values[model["id"]] not in unknown]
        # Stable, in reverse too: equals stay in the order of ids.
        known.sort(key=lambda model: values[model["id"]], reverse=bool(direction))
        kept = known + [model for model in kept if values[model["id"]] in unknown]
    return [model["id"] for model in kept]
