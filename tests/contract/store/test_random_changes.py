"""Random changes of a catalogue, against a model of what layers mean."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from modelservice.domain.layers import MANUAL, default_rank
from modelservice.errors import ConflictError, NotFoundError
from modelservice.manage.history import revert
from modelservice.manage.models import create_model, list_models
from modelservice.manage.past import past
from modelservice.manage.sources import set_rank, withdraw_source
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.queries import read
from tests.support.changes import LITELLM, delete, revision, state, undelete, update
from tests.support.databases import migrated
from tests.support.models import entry

SOURCES = ("a.yaml", "b.yaml", LITELLM)
NAMES, LABELS, KEYS = ("m", "n", "o"), ("x", "y", "z"), ("k", "l")
# What a layer states, by label, key or field.
Leaves = dict[str, Any]

numbers = st.none() | st.integers(1, 3)
statements = st.fixed_dictionaries(
    {},
    optional={
        "max_tokens": numbers,
        **{f"capabilities.{label}": st.booleans() for label in LABELS},
        **{f"metadata.{key}": st.integers(1, 2) for key in KEYS},
    },
)
sources = st.sampled_from(SOURCES)
names = st.sampled_from(NAMES)


class Reference:
    """The layers by model and key (the source, and whether it guesses), and the ranks of sources."""

    def __init__(self) -> None:
        self.layers: dict[tuple[str, str, bool], Leaves] = {}
        self.ranks: dict[str, int] = {}

    def rank(self, source: str) -> int:
        return self.ranks.get(source, default_rank(source))

    def of(self, name: str) -> list[tuple[str, bool, Leaves]]:
        """Returns the layers of a model, the highest first."""
        found = [(source, guessed, leaves) for (one, source, guessed), leaves in self.layers.items() if one == name]
        return sorted(found, key=lambda one: (one[1], -self.rank(one[0]), one[0]))

    def exists(self, name: str) -> bool:
        own = self.layers.get((name, MANUAL, False), {})
        stated = any(not guessed and source != MANUAL for source, guessed, _ in self.of(name))
        return "$deleted" not in own and ("$created" in own or stated)

    def values(self, name: str) -> tuple[Any, set[str], dict[str, Any]]:
        merged: Leaves = {}
        for _, _, leaves in self.of(name):
            merged = {**leaves, **merged}
        labels = {label for label in LABELS if merged.get(f"capabilities.{label}")}
        metadata = {key: merged[f"metadata.{key}"] for key in KEYS if f"metadata.{key}" in merged}
        return merged.get("max_tokens"), labels, metadata

    def put(self, name: str, source: str, leaves: Leaves | None, *, guessed: bool = False) -> None:
        if leaves:
            self.layers[name, source, guessed] = leaves
        else:
            self.layers.pop((name, source, guessed), None)

    def changed(self, before: Reference) -> set[Any]:
        """Returns the layers, and the sources by name, that differ from those before."""
        keys = {key for key in {**self.layers, **before.layers} if self.layers.get(key) != before.layers.get(key)}
        return keys | {source for source in (*SOURCES, MANUAL) if self.rank(source) != before.rank(source)}

    def restore(self, before: Reference, keys: set[Any]) -> None:
        for key in keys:
            if isinstance(key, str):
                self.ranks[key] = before.rank(key)
            else:
                self.put(key[0], key[1], before.layers.get(key), guessed=key[2])


def fields(leaves: Leaves) -> dict[str, Any]:
    """Returns leaves as members of an entry."""
    found: dict[str, Any] = {name: value for name, value in leaves.items() if "." not in name}
    for kind in ("has", "lacks"):
        labels = [one for one in LABELS if leaves.get(f"capabilities.{one}") is (kind == "has")]
        if labels:
            found.setdefault("capabilities", {})[kind] = labels
    metadata = {key: leaves[f"metadata.{key}"] for key in KEYS if f"metadata.{key}" in leaves}
    return found | ({"metadata": metadata} if metadata else {})


class Changes(RuleBasedStateMachine):
    """Makes each change of the catalogue and of the reference, and compares them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.url = migrated(Path(self.folder.name) / "test.db")
        self.now = Reference()
        # The reference after each revision; before the first, there is nothing.
        self.past = [Reference()]
        self.uuids: dict[str, str] = {}

    def teardown(self) -> None:
        self.folder.cleanup()

    @rule(number=st.integers(0, 30))
    def look_back(self, number: int) -> None:
        then = self.past[number % len(self.past)]
        with read(Database(self.url, Access.READ)) as queries:
            found = past(queries, number % len(self.past))
        shown = {one.name: self.shown(one.values) for one in found.values()}
        assert {name: then.values(name) for name in NAMES if then.exists(name)} == shown
        assert all(self.uuids[one.name] == str(model_id) for model_id, one in found.items())

    def done(self) -> None:
        """Counts a revision if there should be one."""
        if self.now.changed(self.past[-1]):
            self.past.append(copy.deepcopy(self.now))
        assert len(self.past) - 1 == revision(self.url)

    @staticmethod
    def conflicts(change: Callable[..., object], *arguments: object, **options: object) -> bool:
        """Makes a change, and returns whether it is refused."""
        try:
            change(*arguments, **options)
        except ConflictError:
            return True
        return False

    @staticmethod
    def shown(values: Mapping[str, Any]) -> tuple[Any, set[str], dict[str, Any]]:
        return values.get("max_tokens"), set(values.get("capabilities", ())), dict(values.get("metadata", {}))

    @rule(
        source=sources,
        stated=st.dictionaries(names, st.tuples(statements, statements), max_size=2),
        prune=st.booleans(),
    )
    def import_(self, source: str, stated: dict[str, tuple[Leaves, Leaves]], prune: bool) -> None:  # noqa: FBT001
        entries = [
            entry(name, **fields(leaves), **({"guesses": fields(guesses)} if guesses else {}))
            for name, (leaves, guesses) in stated.items()
        ]
        state(self.url, source, *entries, prune=prune, guesses=True, confirmed=True)
        for name in NAMES:
            if name in stated:
                leaves, guesses = stated[name]
                # What every entry states.
                self.now.put(name, source, {"provider": "p", **leaves})
                self.now.put(name, source, guesses, guessed=True)
            elif prune:
                self.now.put(name, source, None)
                self.now.put(name, source, None, guessed=True)
        self.done()

    @rule(source=sources)
    def withdraw(self, source: str) -> None:
        try:
            withdraw_source(self.url, "test", source, confirmed=True)
        except NotFoundError:
            assert not any(one == source for then in self.past for _, one, _ in then.layers)
        for name in NAMES:
            self.now.put(name, source, None)
            self.now.put(name, source, None, guessed=True)
        self.done()

    @rule(source=sources, rank=st.sampled_from((50, 500, 600)))
    def rank(self, source: str, rank: int) -> None:
        list(set_rank(self.url, "test", source, rank))
        self.now.ranks[source] = rank
        self.done()

    @rule(name=names, leaves=statements)
    def create(self, name: str, leaves: Leaves) -> None:
        if name not in self.uuids:
            given: dict[str, Any] = {"name": name, "display_name": name, "provider": "p", **self.options(leaves)}
            create_model(self.url, "test", None, None, given, prompt_quota=0)
            self.now.put(name, MANUAL, {"$created": True, **self.whole(leaves)})
            self.done()

    @rule(name=names, leaves=statements, unset=st.sets(st.sampled_from(("max_tokens", "capabilities", "metadata"))))
    def update(self, name: str, leaves: Leaves, unset: set[str]) -> None:
        kept = {leaf: value for leaf, value in leaves.items() if leaf.partition(".")[0] not in unset}
        if self.now.exists(name):
            update(self.url, name, unset=sorted(unset), **self.options(kept))
            before = self.now.layers.get((name, MANUAL, False), {})
            before = {leaf: value for leaf, value in before.items() if leaf.partition(".")[0] not in unset}
            self.now.put(name, MANUAL, {**before, **self.whole(kept)})
            self.done()

    @rule(name=names)
    def delete(self, name: str) -> None:
        if self.now.exists(name):
            delete(self.url, name)
            own = self.now.layers.get((name, MANUAL, False), {})
            self.now.put(name, MANUAL, {**own, "$deleted": True})
            self.done()

    @rule(name=names)
    def undelete(self, name: str) -> None:
        if name in self.uuids and not self.now.exists(name):
            own = dict(self.now.layers.get((name, MANUAL, False), {}))
            own.pop("$deleted", None)
            then = copy.deepcopy(self.now)
            then.put(name, MANUAL, own)
            if then.exists(name):
                undelete(self.url, name)
                self.now = then
            else:
                assert self.conflicts(undelete, self.url, name)
            self.done()

    @precondition(lambda self: len(self.past) > 1)
    @rule(back=st.integers(0, 3))
    def revert(self, back: int) -> None:
        number = max(1, len(self.past) - 1 - back)
        keys = self.past[number].changed(self.past[number - 1])
        later = [
            after.changed(before) for before, after in zip(self.past[number:], self.past[number + 1 :], strict=False)
        ]
        if any(keys & changed for changed in later):
            assert self.conflicts(revert, self.url, "test", number, confirmed=True)
        else:
            revert(self.url, "test", number, confirmed=True)
            self.now.restore(self.past[number - 1], keys)
        self.done()

    @invariant()
    def every_model_is_what_the_reference_says(self) -> None:
        found = {model.name: model for model in list_models(self.url, None)}
        for name, model in found.items():
            assert self.uuids.setdefault(name, str(model.id)) == str(model.id)
        shown = {name: (one.max_tokens, set(one.capabilities), dict(one.metadata)) for name, one in found.items()}
        assert {name: self.now.values(name) for name in NAMES if self.now.exists(name)} == shown

    @staticmethod
    def options(leaves: Leaves) -> dict[str, Any]:
        """Returns leaves as the options of a command: all labels, or none of them, are given."""
        found = fields(leaves)
        if "capabilities" in found:
            found["capabilities"] = tuple(found["capabilities"].get("has", ()))
        return found

    @staticmethod
    def whole(leaves: Leaves) -> Leaves:
        """Returns what a command with these options states: no other labels."""
        if any(leaf.startswith("capabilities.") for leaf in leaves):
            return {
                **leaves,
                **{f"capabilities.{label}": bool(leaves.get(f"capabilities.{label}")) for label in LABELS},
            }
        return leaves


TestChanges = Changes.TestCase
# A failing example is short; to make it shorter would take minutes.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
TestChanges.settings = settings(max_examples=40, stateful_step_count=12, deadline=None, phases=PHASES)
