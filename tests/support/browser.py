"""A real browser, and pages whose scripts report what they found."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from tests.support.harness import DEADLINE
from tests.support.programs import installed

# It may run as root, and calls nobody by itself.
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage"),
    *("--no-first-run", "--no-default-browser-check", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-extensions", "--password-store=basic", "--no-proxy-server"),
)
PAGE = """\
<!doctype html>
<title>test</title>
<script type="importmap">{imports}</script>
<script type="module">
  const run = async () => {{
    {script}
  }};
  const found = await run().catch((error) => ({{ error: error.constructor.name, status: error.status }}));
  await fetch('/found', {{ method: 'POST', body: JSON.stringify(found) }});
</script>
"""


class Pages(ThreadingHTTPServer):
    """Serves one page at a time, and the modules that it imports, to the names of loopback.

    Args:
        modules: Entry files of the packages that scripts may import, by the names by which they import them.
    """

    def __init__(self, modules: Mapping[str, Path]) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, self))
        self._folders = {f"/{number}/": file.parent for number, file in enumerate(modules.values())}
        paths = (f"{prefix}{file.name}" for prefix, file in zip(self._folders, modules.values(), strict=True))
        self._imports = json.dumps({"imports": dict(zip(modules, paths, strict=True))})
        self._page = ""
        self._found: SimpleQueue[bytes] = SimpleQueue()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serves until the end of the context."""
        thread = threading.Thread(target=self.serve_forever)
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            thread.join()
            self.server_close()

    def origin(self, host: str) -> str:
        """Returns the origin of the page under one of the names of loopback."""
        return f"http://{host}:{self.server_port}"

    def run(self, script: str, host: str, folder: Path) -> Any:
        """Opens a page in a browser, and returns what its script returns, or the name and status of its error.

        Args:
            script: The body of an async function.
            host: The name of loopback under which the page is opened.
            folder: An empty folder for the browser's files.
        """
        self._page = PAGE.format(imports=self._imports, script=script)
        command = [installed("chromium"), *OPTIONS, f"--user-data-dir={folder}", self.origin(host)]
        with (folder / "log").open("w+") as log:
            browser = subprocess.Popen(
                command, env=os.environ | {"HOME": str(folder)}, stdout=log, stderr=log, process_group=0
            )
            try:
                return json.loads(self._found.get(timeout=DEADLINE))
            except Empty:
                raise AssertionError(f"the page reported nothing:\n{Path(log.name).read_text()}") from None
            finally:
                os.killpg(browser.pid, signal.SIGTERM)
                browser.wait(DEADLINE)

    def answer(self, path: str) -> tuple[str, bytes] | None:
        """Returns type and content of what a path names."""
        if path == "/":
            return "text/html", self._page.encode()
        for prefix, folder in self._folders.items():
            file = folder / path.removeprefix(prefix)
            if path.startswith(prefix) and file.is_file():
                return "text/javascript", file.read_bytes()
        return None

    def take(self, found: bytes) -> None:
        """Takes what a script returned."""
        self._found.put(found)


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, pages: Pages, *arguments: Any) -> None:
        self._pages = pages
        super().__init__(*arguments)

    def do_GET(self) -> None:
        found = self._pages.answer(self.path)
        self._send(200 if found else 404, *(found or ("text/plain", b"")))

    def do_POST(self) -> None:
        self._pages.take(self.rfile.read(int(self.headers["content-length"])))
        self._send(200, "text/plain", b"")

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass
