"""What every peer is told on its command line."""

from __future__ import annotations

import argparse
import secrets
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Arguments:
    """A peer's command line: `--port P --data FOLDER --key KEY`.

    Attributes:
        port: Where it listens, on loopback.
        data: The folder with the answers: `get.json`, `list.json`, `get.pb`, `list.pb`, and the id in `get.id`.
        key: The one bearer token that it accepts.
    """

    port: int
    data: Path
    key: str

    @property
    def model_id(self) -> str:
        """The id of the one model that `get` answers."""
        return self.read("get.id").decode()

    def read(self, name: str) -> bytes:
        """Returns an answer."""
        return (self.data / name).read_bytes()

    def accepts(self, authorization: str) -> bool:
        """Says whether an `authorization` is right, in a time that tells nothing."""
        return secrets.compare_digest(authorization.encode(), f"Bearer {self.key}".encode())


def arguments() -> Arguments:
    """Reads the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--key", required=True)
    return Arguments(**vars(parser.parse_args()))
