"""The dialects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from modelservice.dialects.dialect import Dialect
from modelservice.dialects.documents import DOCUMENTS
from modelservice.dialects.openai import OPENAI

# By name.
DIALECTS: Final[Mapping[str, Dialect]] = {dialect.name: dialect for dialect in (DOCUMENTS, OPENAI)}
