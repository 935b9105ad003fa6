"""What is JavaScript's own: signals, browsers."""

from __future__ import annotations

import json

import pytest

from tests.clients.asking import JavaScript
from tests.clients.scripted import DOWN, KEY, MODEL, ONE, Reply, Scripted, listed, refused

LONG = Reply(503, refused("unavailable"), {"retry-after": "30"})


def client(url: str, more: str = "") -> str:
    return f"""
        import {{ CloakrClient }} from '@cloakrai/sdk';
        const client = new CloakrClient({{ apiKey: '{KEY}', baseUrl: '{url}', {more} }});
    """


@pytest.mark.parametrize("reply", [Reply(stall=True), LONG], ids=["a request", "the wait before a retry"])
def test_a_signal_ends(scripted: Scripted, javascript: JavaScript, reply: Reply) -> None:
    program = """
        await client.models({ signal: AbortSignal.timeout(300) }).catch((error) => console.log(error.name));
    """

    assert "TimeoutError\n" == javascript.run(client(scripted(reply).url) + program)


def test_a_signal_that_has_ended_sends_nothing(scripted: Scripted, javascript: JavaScript) -> None:
    server = scripted(ONE)
    program = """
        await client.models({ signal: AbortSignal.abort('why') }).catch((error) => console.log(error));
    """

    assert "why\n" == javascript.run(client(server.url) + program)
    assert [] == server.requests


def test_a_signal_that_has_not_ended_changes_nothing(scripted: Scripted, javascript: JavaScript) -> None:
    program = """
        const { data } = await client.models({ signal: new AbortController().signal, q: 'one' });
        console.log(data.length);
    """

    assert "1\n" == javascript.run(client(scripted(DOWN, ONE).url) + program)


@pytest.mark.parametrize(
    ("given", "root"),
    [
        ("http://v1", "http://v1"),
        ("https://[::1]:8443/v1/", "https://[::1]:8443"),
        (" https://gateway.example/models%20api/v1", "https://gateway.example/models%20api"),
    ],
)
def test_the_base_url_is_the_root(javascript: JavaScript, given: str, root: str) -> None:
    program = client(given, "fetch: async (url) => { console.log(url); return new Response('{}'); }")

    assert f"{root}/v1/models/one\n" == javascript.run(f"{program} await client.model('one');")


def test_it_runs_where_there_is_no_process(scripted: Scripted, javascript: JavaScript) -> None:
    program = f"""
        const print = console.log;
        delete globalThis.process;
        const {{ CloakrClient }} = await import('@cloakrai/sdk');
        const client = new CloakrClient({{ apiKey: '{KEY}', baseUrl: '{scripted(ONE).url}' }});
        print((await client.models()).data.length);
        try {{ new CloakrClient() }} catch (error) {{ print(error.message) }}
    """

    assert "1\nbaseUrl: not set: pass baseUrl or set CLOAKR_BASE_URL\n" == javascript.run(program)


def test_it_sends_no_header_that_browsers_would_have_to_ask_for(scripted: Scripted, javascript: JavaScript) -> None:
    program = """
        const sent = [];
        const fetch = async (url, { headers }) => {
          sent.push(...Object.keys(headers));
          return globalThis.fetch(url, { headers });
        };
    """
    calls = "await client.models(); await client.models(); console.log(JSON.stringify(sent));"
    server = scripted(Reply(200, listed("one"), {"etag": '"1"'}))

    sent = json.loads(javascript.run(program + client(server.url, "fetch") + calls))

    # Services before 0.2 let pages send these two, and few others.
    assert {"authorization", "if-none-match"} == set(sent)


def test_a_result_that_is_changed_does_not_change_the_next(scripted: Scripted, javascript: JavaScript) -> None:
    program = """
        (await client.model('one')).displayName = 'changed';
        console.log((await client.model('one')).displayName);
    """
    server = scripted(Reply(200, MODEL, {"etag": '"1"'}))

    assert "One\n" == javascript.run(client(server.url) + program)


def test_an_unknown_filter_is_refused_by_name(javascript: JavaScript) -> None:
    program = "await client.models({ capabilities: [] }).catch((error) => console.log(error.message));"

    assert javascript.run(client("http://127.0.0.1:1") + program).startswith("capabilities: unknown filter: must be ")
