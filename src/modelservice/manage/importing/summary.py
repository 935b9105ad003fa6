"""Summarizes an import in a few lines."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from modelservice.manage.catalogue_file import GUESSES, Entry
from modelservice.manage.importing.account import Conversion, Finding
from modelservice.manage.importing.reading import GUESSED, LEFT_OUT
from modelservice.manage.outcome import Outcome

# Fields that an imported catalogue may state, in the order of the table.
_FIELDS: Final = (
    "display_name",
    "context_window",
    "max_tokens_per_request",
    "cost_per_1k_tokens",
    "capabilities",
    "supports_tools",
    "supports_streaming",
    "metadata",
)
_EXAMPLES: Final = 3
_NAME_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Summary:
    """An import in tables.

    Attributes:
        counts: How many entries the file has, and what became of them: `entries` is the sum of `not_selected`,
            `left_out`, `added`, `changed`, `restored` and `unchanged`. Then what became of models that the file no
            longer states: `removed`, `disabled`, or `withdrawn` if other sources state them; and `values_shadowed`.
        providers: What became of each provider's entries.
        fields: How many of the imported entries state each field, for how many it is at least partly guessed, for how
            many unknown.
        reasons: Why something was left out, guessed or is unknown; for how many entries, with examples.
        findings: The same for each entry.
    """

    counts: dict[str, int]
    providers: list[dict[str, Any]]
    fields: list[dict[str, Any]]
    reasons: list[dict[str, Any]]
    findings: list[Finding]


def summary(conversion: Conversion, outcome: Outcome) -> Summary:
    """Returns the summary of an import.

    Args:
        conversion: What was made of the file.
        outcome: What the catalogue made of that.
    """
    provider_of = {entry["name"]: entry["provider"] for entry in conversion.entries}
    held = [
        Finding(name, provider_of[name], LEFT_OUT, "", "an organization has a model of its name", organization_id)
        for name, organization_id in outcome.held.items()
    ]
    findings = [*conversion.findings, *held]
    fates = {
        "added": outcome.added.keys(),
        "changed": outcome.changed.keys(),
        "restored": outcome.restored.keys(),
        # No value changes: what the file states may have changed, or the model may be deleted.
        "unchanged": {*outcome.restated, *outcome.unchanged, *outcome.deleted},
    }
    counts = {
        "entries": conversion.total,
        "not_selected": conversion.not_selected,
        "left_out": sum(not finding.field for finding in findings),
        # With pruning, what happens to models that are not in the file is in the outcome, too.
        **{what: len(names & provider_of.keys()) for what, names in fates.items()},
        "removed": len(outcome.removed),
        "disabled": len(outcome.disabled),
        "withdrawn": sum(len(names - provider_of.keys()) for names in fates.values()),
        "values_shadowed": len(outcome.shadowed),
    }
    entries = [entry for entry in conversion.entries if entry["name"] not in outcome.held]
    return Summary(
        counts,
        _providers(provider_of, findings, fates),
        [_field(name, entries) for name in _FIELDS],
        _reasons(findings),
        findings,
    )


def _providers(
    provider_of: Mapping[str, str], findings: Iterable[Finding], fates: Mapping[str, AbstractSet[str]]
) -> list[dict[str, Any]]:
    tables: dict[str, Counter[str]] = defaultdict(Counter)
    for what, names in fates.items():
        for name in names & provider_of.keys():
            tables[provider_of[name]][what] += 1
    for finding in findings:
        if not finding.field:
            tables[finding.provider]["left_out"] += 1
    rows = [
        {"provider": shortened(provider), "entries": table.total()}
        | {what: table[what] for what in (*fates, "left_out")}
        for provider, table in tables.items()
    ]
    return sorted(rows, key=lambda row: (-row["entries"], row["provider"]))


def _field(name: str, entries: Sequence[Entry]) -> dict[str, Any]:
    guessed = [name in entry.get(GUESSES, {}) for entry in entries]
    stated = [name in entry and not partly for entry, partly in zip(entries, guessed, strict=True)]
    return {
        "field": name,
        "stated": sum(stated),
        "guessed": sum(guessed),
        "unknown": len(entries) - sum(stated) - sum(guessed),
    }


def _reasons(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    grouped: dict[tuple[str, str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        grouped[finding.what, finding.field, finding.reason].append(finding)
    rows = [
        {
            "what": what,
            "field": field,
            "reason": reason,
            "entries": len(found),
            "examples": ", ".join(_example(finding) for finding in found[:_EXAMPLES]),
        }
        for (what, field, reason), found in grouped.items()
    ]
    # What lost an entry first, then what lost a value.
    order = {LEFT_OUT: 0, GUESSED: 1}
    return sorted(rows, key=lambda row: (bool(row["field"]), order.get(row["what"], 2), -row["entries"]))


def _example(finding: Finding) -> str:
    name = shortened(finding.model)
    return f"{name} ({finding.value})" if finding.value else name


def shortened(name: str) -> str:
    """Returns what a file has for a name, as far as it fits: what is no model's name may be as long as the file."""
    return name if len(name) <= _NAME_MAX else f"{name[:_NAME_MAX]}…"
