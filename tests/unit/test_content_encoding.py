"""Which form of an answer a caller gets."""

from __future__ import annotations

import pytest

from modelservice.catalogue.rendering import Answer
from modelservice.rpc.content_encoding import accepts_gzip, http_body


@pytest.mark.parametrize(
    ("values", "accepted"),
    [
        ((), False),
        (("",), False),
        (("gzip",), True),
        (("GZIP",), True),
        (("gzip, deflate, br, zstd",), True),
        (("br;q=1.0, gzip ; q=0.5, *;q=0.1",), True),
        (("br", "gzip"), True),
        (("identity",), False),
        (("gzip;q=0",), False),
        (("gzip; q=0.000",), False),
        (("gzip;q=0.001",), True),
        (("gzip;q=1",), True),
        (("gzip;q=1.000",), True),
        (("*",), False),
        (("gzipped, x-gzip",), False),
    ],
)
def test_gzip_is_for_callers_that_name_it(values: tuple[str, ...], accepted: bool) -> None:  # noqa: FBT001
    assert accepted == accepts_gzip(values)


def test_who_takes_gzip_gets_what_there_is_of_it() -> None:
    answer = Answer(message=b"", http_body=b"plain", http_body_gzip=b"compressed")
    short = Answer(message=b"", http_body=b"plain", http_body_gzip=None)

    assert [b"compressed", b"plain"] == [http_body(answer, ("gzip",)), http_body(answer, ())]
    assert b"plain" == http_body(short, ("gzip",))
