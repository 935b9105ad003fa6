"""What the two API documents show."""

from __future__ import annotations

import json
from pathlib import Path

TESTDATA = Path(__file__).parents[1] / "testdata"
EXAMPLE = json.loads((TESTDATA / "list_models_example.json").read_text())
# The tables of the list document: id, display name, context window, price, capabilities, owner.
TEXT, CODE, REASONING = "text-generation", "code-generation", "reasoning"
TABLES = [
    ("gpt-4o", "GPT-4 Omni (latest)", 128_000, 0.03, [TEXT, CODE, REASONING, "multimodal"], "openai"),
    ("gpt-4o-mini", "GPT-4 Omni Mini", 128_000, 0.015, [TEXT, CODE, REASONING], "openai"),
    ("gpt-4-turbo", "GPT-4 Turbo", 128_000, 0.03, [TEXT, CODE, REASONING], "openai"),
    ("gpt-3.5-turbo", "GPT-3.5 Turbo", 16_000, 0.002, [TEXT, CODE], "openai"),
    ("claude-3-opus", "Claude 3 Opus", 200_000, 0.075, [TEXT, CODE, REASONING], "anthropic"),
    ("claude-3-sonnet", "Claude 3 Sonnet", 200_000, 0.015, [TEXT, CODE, REASONING], "anthropic"),
    ("claude-3-haiku", "Claude 3 Haiku", 200_000, 0.0025, [TEXT, CODE], "anthropic"),
    ("cloakr-gpt-4", "Cloakr-optimized GPT-4", 128_000, 0.025, [TEXT, CODE, REASONING, "enhanced-security"], "cloakr"),
    (
        "cloakr-claude",
        "Cloakr-optimized Claude",
        200_000,
        0.012,
        [TEXT, CODE, REASONING, "enhanced-security"],
        "cloakr",
    ),
    (
        "cloakr-enterprise",
        "Enterprise-grade model",
        256_000,
        0.05,
        [TEXT, CODE, REASONING, "full-compliance"],
        "cloakr",
    ),
]
