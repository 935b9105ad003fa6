"""Several processes write to one log."""

from __future__ import annotations

import io

from modelservice.telemetry import make_log


def test_a_line_is_written_at_once_so_that_no_other_comes_into_it() -> None:
    written: list[str] = []

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            written.append(text)
            return len(text)

    log = make_log(Stream(), "info")
    log.info("one", number=1)
    log.info("two")

    assert ["}\n", "}\n"] == [text[-2:] for text in written]
