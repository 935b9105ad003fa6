from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelservice.manage.database import migrate


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A migrated database, with nothing in it."""
    made = f"sqlite:///{tmp_path / 'test.db'}"
    migrate(made)
    return made


def entry(name: str, **fields: Any) -> dict[str, Any]:
    """Returns an entry of a catalogue file."""
    return {"name": name, "display_name": name, "provider": "p"} | fields
