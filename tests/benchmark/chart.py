"""Draws the comparison: `python chart.py comparison.json comparison.svg`, with the comparison's own environment."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

_OURS, _OTHERS, _INK, _FAINT = "#1f5fbf", "#b4bac4", "#1c2430", "#6b7480"
_CALLS = ("get", "list of 10", "list of 1,000")
# In inches.
_WIDTH, _BAR, _FRAME = 14.0, 0.34, 1.1
# How far the axis goes beyond the longest bar, so that its figure has room.
_ROOM = 4.0


def draw(document: dict[str, Any], path: Path) -> None:
    """Writes a chart of CPU per request: a row of panels for each protocol, a panel for each call."""
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "modelservice", "font.family": "sans-serif"}
    measured = {
        protocol: [row for row in document["rows"] if row["protocol"] == protocol] for protocol in ("REST", "gRPC")
    }
    measured = {protocol: rows for protocol, rows in measured.items() if rows}
    heights = [len(_labels(rows)) * _BAR + _FRAME for rows in measured.values()]
    figure = Figure(figsize=(_WIDTH, sum(heights) + _FRAME), facecolor="white", layout="constrained")
    grid = figure.subplots(len(measured), len(_CALLS), squeeze=False, height_ratios=heights)
    for axes, (protocol, rows) in zip(grid, measured.items(), strict=True):
        for axis, call in zip(axes, _CALLS, strict=True):
            _panel(axis, f"{protocol}, {call}", rows, call)
        for axis in axes[1:]:
            axis.tick_params(labelleft=False)
    machine = document["machine"]
    figure.suptitle("CPU of the server per request, µs: logarithmic, less is better", color=_INK, fontsize=14)
    figure.supxlabel(
        f"medians of {document['rounds']} rounds of {document['seconds']} s; {document['connections']} connections; "
        f"{machine['processor']}, {machine['cores']} cores; {document['date']}",
        color=_FAINT,
        fontsize=9,
    )
    figure.savefig(path, format="svg", metadata={"Date": None})


def _labels(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["label"] for row in rows))


def _panel(axis: Any, title: str, rows: list[dict[str, Any]], call: str) -> None:
    labels = _labels(rows)
    values = {row["label"]: row["cpu"] for row in rows if row["call"] == call}
    for place, label in enumerate(labels):
        if label in values:
            ours = label.startswith("modelservice")
            axis.barh(place, values[label], color=_OURS if ours else _OTHERS, height=0.72)
            text = f" {values[label]:,.0f}"
            axis.text(values[label], place, text, va="center", fontsize=9, color=_INK, weight="bold" if ours else None)
        else:
            axis.text(0, place, "  –", va="center", transform=axis.get_yaxis_transform(), color=_FAINT)
    axis.set_yticks(range(len(labels)), labels, color=_INK, fontsize=10)
    axis.set_ylim(len(labels) - 0.4, -0.6)
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(lambda micros, _: f"{micros:,.0f}")
    axis.minorticks_off()
    everything = [row["cpu"] for row in rows]
    axis.set_xlim(min(everything) / 3, max(everything) * _ROOM)
    axis.set_title(title, loc="left", fontsize=11, color=_INK)
    axis.tick_params(axis="x", colors=_FAINT, labelsize=8)
    axis.tick_params(axis="y", length=0)
    axis.grid(visible=True, axis="x", color="#e6e9ee", linewidth=0.8)
    axis.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.spines["bottom"].set_color("#c9ced6")


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
