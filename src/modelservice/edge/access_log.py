"""How many lines Envoy writes into its access log about anything but calls that succeeded."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, Final

import yaml

BUDGET: Final = "log_budget.yaml"
# Lines per second: more than there can be.
_UNLIMITED: Final = 1_000_000_000


def limit_lines(manager: dict[str, Any], lines_per_second: int, found_at: Path) -> dict[str, dict[str, Any]]:
    """Sets the budget of lines.

    Args:
        manager: Envoy's HTTP connection manager, which is changed.
        lines_per_second: How many there may be; 0: all.
        found_at: The folder's path for the Envoy that will read it.

    Returns:
        The file that Envoy reads the budget from, by name.
    """
    config = budget(manager)["extension_filter"]["typed_config"]["dynamic_config"]["config_source"]
    # Not joined by pathlib: Envoy watches the folder, which a relative path must name.
    config["path_config_source"]["path"] = f"{found_at}/{BUDGET}"
    package = resources.files("modelservice.edge")
    content: dict[str, Any] = yaml.safe_load((package / BUDGET).read_text(encoding="utf-8"))
    lines = lines_per_second or _UNLIMITED
    content["resources"][0]["resource"] |= {"max_tokens": lines, "tokens_per_fill": lines}
    return {BUDGET: content}


def budget(manager: dict[str, Any]) -> dict[str, Any]:
    """Returns the filter that counts lines: the last of its logger's, so that only what passes the others counts."""
    _, others = manager["access_log"]
    counting: dict[str, Any] = others["filter"]["and_filter"]["filters"][-1]
    return counting
