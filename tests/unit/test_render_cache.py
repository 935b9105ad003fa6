"""What is rendered for organizations is kept while there is room, and never served stale."""

from __future__ import annotations

from modelservice.catalogue.render_cache import RenderedCache

SIZE = 10_000


def test_it_is_made_once_from_the_same_things_and_anew_from_others() -> None:
    cache, made = RenderedCache(), []
    first, second = object(), object()

    def make() -> bytes:
        made.append(True)
        return b"x"

    for source in (first, first, second, second, first):
        cache.get("key", (source,), make)

    assert 3 == len(made)


def test_it_is_bounded_in_bytes_and_the_oldest_go_first() -> None:
    cache, source = RenderedCache(bytes_max=5 * SIZE), object()
    made: list[int] = []

    def ask(number: int) -> None:
        def make() -> bytes:
            made.append(number)
            return bytes(SIZE)

        cache.get(number, (source,), make)

    for number in (1, 2, 3, 4, 1, 5):
        ask(number)
    # 1 was used since; 2 had to go.
    for number in (1, 2):
        ask(number)

    assert [1, 2, 3, 4, 5, 2] == made


def test_what_is_larger_than_all_the_room_is_made_each_time() -> None:
    cache, source, made = RenderedCache(bytes_max=SIZE), object(), []

    def make() -> bytes:
        made.append(True)
        return bytes(SIZE)

    assert [SIZE, SIZE] == [len(cache.get("key", (source,), make)) for _ in range(2)]
    assert 2 == len(made)
