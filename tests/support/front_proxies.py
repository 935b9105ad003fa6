"""nginx and HAProxy in front of the service, with the shortest configuration that people write."""

from __future__ import annotations

import contextlib
import http.client
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.harness import DEADLINE, Response, wait_until
from tests.support.ports import free_ports, listens
from tests.support.programs import installed

NGINX = """\
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://{upstream};
        }}
    }}
}}
"""
HAPROXY = """\
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend front
    bind 127.0.0.1:{port}
    # 200 while the health check finds the service up, else 503.
    monitor-uri /is-up
    monitor fail if {{ nbsrv(service) eq 0 }}
    default_backend service
backend service
    option httpchk {check}
    server one {upstream} check inter 100ms
"""


class FrontProxy:
    """A running proxy.

    Args:
        folder: An empty folder for its files.
        upstream: The service's address.
        check: What HAProxy's `option httpchk` asks for; None starts nginx.
    """

    def __init__(self, folder: Path, upstream: str, check: str | None) -> None:
        name, template = ("nginx", NGINX) if check is None else ("haproxy", HAPROXY)
        self._program = installed(name)
        (self._port,) = free_ports(1)
        self._configuration = folder / f"{name}.conf"
        self._configuration.write_text(template.format(folder=folder, port=self._port, upstream=upstream, check=check))
        # nginx opens its usual log before it reads where the log should be.
        self._options = ["-e", "stderr", "-c"] if check is None else ["-db", "-f"]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Runs the proxy."""
        process = subprocess.Popen([self._program, *self._options, str(self._configuration)])
        try:
            wait_until(lambda: listens(self._port) or process.poll() is not None, "the proxy listens")
            yield
        finally:
            process.terminate()
            process.wait(DEADLINE)

    def ask(self, target: str, key: str = "") -> Response:
        """Asks through the proxy."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE)
        with contextlib.closing(connection):
            connection.request("GET", target, headers={"authorization": f"Bearer {key}"} if key else {})
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Response(answer.status, headers, answer.read())

    def is_up(self) -> bool:
        """Says whether HAProxy's health check finds the service up."""
        return self.ask("/is-up").status == 200
