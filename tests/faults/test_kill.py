"""kill -9 in the middle of a write: before or after, never between."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from modelservice.manage.maintenance import migrate
from modelservice.manage.system_catalogue import import_catalogue
from modelservice.store.access import Access
from modelservice.store.changes import read_changes
from modelservice.store.database import Database
from tests.support.harness import wait_until
from tests.support.postgres import Cluster

MODELS = 1_000
IMPORT = """
import sys
from modelservice.manage.system_catalogue import import_catalogue
url, name = sys.argv[1:]
models = [{"name": f"m-{n}", "display_name": name, "provider": "p"} for n in range(1000)]
print("begin", flush=True)
import_catalogue(url, "test", models)
"""


def names(url: str) -> set[str]:
    read = read_changes(Database(url, Access.READ), None)
    assert read is not None
    assert len(read.models) in (0, MODELS)
    return {model.display_name for model in read.models}


def alone(cluster: Cluster, url: str) -> bool:
    name = url.rpartition("/")[2]
    ((count,),) = cluster.run_sql(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608
    return not count


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_an_import_is_whole_or_not_there(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    url = f"sqlite:///{tmp_path / 'test.db'}"
    cluster: Cluster | None = request.getfixturevalue("postgres_18") if kind == "postgres" else None
    if cluster:
        url = cluster.database()
    migrate(url)
    seed = random.randrange(2**32)
    times = random.Random(seed)
    before = names(url)

    for attempt in range(50):
        name = f"attempt {attempt}"
        process = subprocess.Popen(
            [sys.executable, "-c", IMPORT, url, name], stdout=subprocess.PIPE, start_new_session=True
        )
        assert process.stdout is not None
        with process.stdout:
            assert b"begin\n" == process.stdout.readline()
            # Some kills before, some in the middle, some after.
            threading.Event().wait(times.uniform(0, 0.25))
            process.send_signal(signal.SIGKILL)
            process.wait()
        if cluster:
            # It may yet finish a commit that it had begun for one who is gone.
            wait_until(partial(alone, cluster, url), "it has noticed the end")
        now = names(url)
        assert now in (before, {name}), f"seed {seed}"
        before = now

    # The next writer finds nothing in its way.
    import_catalogue(url, "test", [{"name": f"m-{n}", "display_name": "last", "provider": "p"} for n in range(MODELS)])
    assert {"last"} == names(url)
