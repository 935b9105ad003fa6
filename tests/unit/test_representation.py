"""Which form of an answer a caller gets, and what REST says of it."""

from __future__ import annotations

import pytest

from modelservice.catalogue.rendering import Answer
from modelservice.rpc.representation import Caching, Representations, accepts_gzip

ANSWER = Answer(message=b"", http_body=b"plain", http_body_gzip=b"compressed", etag='W/"x"')


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


def test_an_answer_says_how_it_is_coded_and_for_how_long_it_holds() -> None:
    representations = Representations(Caching(client=60, edge=0.5))

    body, headers = representations.choose(ANSWER, ("gzip",), ())
    plain_body, plain_headers = representations.choose(ANSWER, (), ("x-other",))

    assert (b"compressed", b"plain") == (body, plain_body)
    both = {"etag": 'W/"x"', "cache-control": "private, max-age=60", "x-modelservice-edge-ttl": "500"}
    assert both | {"content-encoding": "gzip", "vary": "Authorization, Accept-Encoding"} == dict(headers)
    assert both | {"vary": "Authorization, Accept-Encoding, x-other"} == dict(plain_headers)


def test_an_answer_without_a_compressed_form_is_sent_as_it_is() -> None:
    answer = Answer(message=b"", http_body=b"plain", http_body_gzip=None, etag='W/"x"')
    body, headers = Representations(Caching(client=0, edge=0)).choose(answer, ("gzip",), ())

    assert b"plain" == body
    assert "content-encoding" not in dict(headers)
