"""One price of a model, from the two that others publish."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from modelservice.manage.catalogue_file import Entry
from modelservice.manage.importing.reading import UNKNOWN, Reader

_FIELD: Final = "cost_per_1k_tokens"


def take_prices(entry: Entry, reader: Reader, input_key: str, output_key: str, factor: Decimal) -> dict[str, float]:
    """Adds the higher of both prices for 1,000 tokens to an entry, and returns those that the file states, by key.

    Args:
        entry: The entry.
        reader: Where the prices are.
        input_key: The price of input.
        output_key: The price of output.
        factor: How many of the file's units 1,000 tokens are.
    """
    prices = {key: reader.price(key, _FIELD) for key in (input_key, output_key)}
    stated = {key: price for key, price in prices.items() if price is not None}
    if reader.lost(input_key, output_key):
        reader.note(UNKNOWN, _FIELD, "one of its prices is unusable")
    elif input_key in stated:
        # In decimal, as a person would reckon it: 1.5e-07 times 1,000 is 0.00015.
        entry[_FIELD] = float(Decimal(repr(max(stated.values()))) * factor)
    elif stated:
        # Input is charged by the second, image or query: an output price of zero does not make it free.
        reader.note(UNKNOWN, _FIELD, "only an output price")
    else:
        reader.note(UNKNOWN, _FIELD, "no price for tokens")
    return stated
