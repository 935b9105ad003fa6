"""Asks through each of the three clients, and returns what happened in one form, so that one test holds for all."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import os
import subprocess
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

import cloakrai
from tests.support.harness import DEADLINE, ROOT

JAVASCRIPT = ROOT / "src/cloakrai-js"
# A call is the filters of `models()`, or {"model": id}.
Call = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What came of some calls.

    Attributes:
        outcomes: One for each call: `ids`, `model`, or the members of an error.
        statuses: Of the responses, one for each attempt.
        shown: All that a person may see of client and errors: repr, text, traceback, log.
    """

    outcomes: list[dict[str, Any]]
    statuses: list[int]
    shown: str

    @property
    def only(self) -> dict[str, Any]:
        (outcome,) = self.outcomes
        return outcome


Ask = Callable[..., Asked]


def ask_python(base_url: str | None, keys: str | Sequence[str], *calls: Call, **options: Any) -> Asked:
    """Asks through CloakrClient. Several keys are used in turn, and the last one for all further requests."""
    return asyncio.run(_ask(cloakrai.CloakrClient, httpx.Client, base_url, keys, calls, options))


def ask_python_async(base_url: str | None, keys: str | Sequence[str], *calls: Call, **options: Any) -> Asked:
    """Asks through AsyncCloakrClient."""
    return asyncio.run(_ask(cloakrai.AsyncCloakrClient, httpx.AsyncClient, base_url, keys, calls, options))


class _Statuses(list[int]):
    """Notes the statuses of responses, as a hook of either of httpx's clients."""

    def note(self, response: httpx.Response) -> None:
        self.append(response.status_code)

    async def note_async(self, response: httpx.Response) -> None:
        self.note(response)


async def _ask(
    make: Any,
    make_http: type[httpx.Client | httpx.AsyncClient],
    base_url: str | None,
    keys: str | Sequence[str],
    calls: Sequence[Call],
    options: dict[str, Any],
) -> Asked:
    statuses, outcomes, log = _Statuses(), [], io.StringIO()
    note = statuses.note if make_http is httpx.Client else statuses.note_async
    rest = [keys] if isinstance(keys, str) else list(keys)
    key = (lambda: rest.pop(0) if len(rest) > 1 else rest[0]) if len(rest) > 1 else rest[0]
    http: Any = make_http(timeout=options.pop("timeout", 10), event_hooks={"response": [note]})
    with _logged_to(log):
        try:
            client = make(key, base_url, http_client=http, **options)
            outcomes = [await _outcome(client, call, log) for call in calls]
            print(client, vars(client), file=log)
        except cloakrai.ConfigurationError as error:
            outcomes = [{"error": type(error).__name__, "message": error.message}]
            traceback.print_exception(error, file=log)
        finally:
            await (http.aclose() if isinstance(http, httpx.AsyncClient) else asyncio.to_thread(http.close))
    return Asked(outcomes, list(statuses), log.getvalue())


@contextlib.contextmanager
def _logged_to(log: io.StringIO) -> Iterator[None]:
    root, handler = logging.getLogger(), logging.StreamHandler(log)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


async def _outcome(client: Any, call: Call, log: io.StringIO) -> dict[str, Any]:
    try:
        result = client.model(call["model"]) if "model" in call else client.models(**call)
        if asyncio.iscoroutine(result):
            result = await result
    except cloakrai.CloakrError as error:
        traceback.print_exception(error, file=log)
        print(repr(error), vars(error), file=log)
        facts = ("message", "status", "code", "type", "request_id", "retry_after")
        members = {name: getattr(error, name) for name in facts if getattr(error, name) is not None}
        return {"error": type(error).__name__, "base": True, **members}
    if "model" in call:
        return {"model": result.model_name, **({"extra": result.extra["invented"]} if result.extra else {})}
    return {"ids": [model.id for model in result]}


def node_project(folder: Path) -> Path:
    """Makes a folder in which `@cloakrai/sdk` is the one of this repository."""
    modules = folder / "node_modules/@cloakrai"
    modules.mkdir(parents=True, exist_ok=True)
    if not (modules / "sdk").exists():
        (modules / "sdk").symlink_to(JAVASCRIPT)
    return folder


def environment(**variables: str) -> dict[str, str]:
    """Returns this process's environment with these variables, and none of the clients' own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CLOAKR_")} | variables


class JavaScript:
    """Runs JavaScript in Node, next to an installed `@cloakrai/sdk`."""

    def __init__(self, folder: Path, node: Path) -> None:
        self._folder = node_project(folder)
        self._node = node

    def run(self, program: str, given: str = "", **variables: str) -> str:
        """Runs a module, and returns what it prints."""
        (self._folder / "program.mjs").write_text(program)
        done = subprocess.run(
            # A link to the package resolves beside the program, as an installed one does.
            [self._node, "--preserve-symlinks", "program.mjs"],
            input=given,
            env=environment(**variables),
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE,
        )
        assert 0 == done.returncode, done.stderr
        return done.stdout

    def ask(self, base_url: str | None, keys: str | Sequence[str], *calls: Call, **options: Any) -> Asked:
        """Asks through CloakrClient of `@cloakrai/sdk`."""
        given = {
            "keys": [keys] if isinstance(keys, str) else keys,
            "options": {"base_url": base_url, **options},
            "calls": calls,
        }
        driver = (Path(__file__).parent / "driver.mjs").read_text()
        return Asked(**json.loads(self.run(driver, json.dumps(given))))
