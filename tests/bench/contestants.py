"""The proxies under test and the upstreams behind them, as processes pinned to a core, started and ended by PID.

Every proxy maps `/requests/…` to an nginx that answers at once with 400 bytes of JSON, and `/streams/…` to
`tests.bench.upstream`. nginx and HAProxy run as operators would set them up for this: one worker, kept-alive upstream
connections, no buffering of replies, no access log. farline writes its request log (to a file).
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.certificates import Certificates

PROXY_CORE, LOAD_CORE = 0, 1
READY_SECONDS = 20.0
_PYTHON = (sys.executable, "-m")
_REPLY = (
    '{"id":"chatcmpl-9x8Wb2Qm4","object":"chat.completion","created":1763790000,"model":"gpt-4.1","choices":[{"index":0,'
    '"message":{"role":"assistant","content":"several imperfect long-distance lines, one good stream"},'
    '"finish_reason":"stop"}],"usage":{"prompt_tokens":19,"completion_tokens":12,"total_tokens":31},'
    '"system_fingerprint":"fp_a1b2","service_tier":"default"}'
)
REPLY = _REPLY[:-1] + ',"pad":"' + "x" * (400 - len(_REPLY) - 9) + '"}'

_NGINX = """
daemon off; worker_processes 1; worker_rlimit_nofile 65536; pid {folder}/nginx.pid; error_log {folder}/nginx.log error;
events {{ worker_connections 20000; }}
http {{
  access_log off; client_body_buffer_size 64k; keepalive_timeout 600s; keepalive_requests 100000000;
  proxy_temp_path {folder}/nginx-proxy; client_body_temp_path {folder}/nginx-body; fastcgi_temp_path {folder}/nginx-f;
  uwsgi_temp_path {folder}/nginx-u; scgi_temp_path {folder}/nginx-s; tcp_nodelay on;
{servers}
}}
"""
_NGINX_PROXY = """
  upstream requests {{ server 127.0.0.1:{requests}; keepalive 512; keepalive_requests 100000000; }}
  upstream streams {{ server 127.0.0.1:{streams}; keepalive 4096; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} {listen} backlog=4096;
    {tls}
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; proxy_read_timeout 600s;
    proxy_ssl_trusted_certificate {authority}; proxy_ssl_verify on; proxy_ssl_name localhost;
    proxy_ssl_server_name on; proxy_ssl_session_reuse on; proxy_ssl_protocols TLSv1.3;
    location /requests/ {{ proxy_pass {scheme}://requests; }}
    location /streams/ {{ proxy_pass {scheme}://streams; }}
  }}
"""
_NGINX_UPSTREAM = """
  upstream streams {{ server 127.0.0.1:{streams}; keepalive 4096; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:{plain} backlog=4096; {answer} }}
  server {{
    listen 127.0.0.1:{tls} ssl http2 backlog=4096; {certificate} {answer}
    http2_max_concurrent_streams 4096;
    location /streams/ {{ {pass_on} }}
  }}
"""
_PASS_ON = (
    'proxy_pass http://streams; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;'
    " proxy_read_timeout 600s;"
)
_HAPROXY = """
global
  nbthread 1
  no strict-limits
  maxconn 19000
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout http-keep-alive 600s
  option http-no-delay
  http-reuse always
frontend data
  bind 127.0.0.1:{port} backlog 4096 {bind}
  use_backend requests if {{ path_beg /requests/ }}
  default_backend streams
backend requests
  server one 127.0.0.1:{requests} {server}
backend streams
  server one 127.0.0.1:{streams} {server}
"""
_FARLINE = """
[listen]
data = ["127.0.0.1:{port}"]
admin = "127.0.0.1:{admin}"
{listen}
[[line]]
id = "loopback"
[limits]
client_idle_seconds = 600
[timeouts]
keepalive_seconds = 600
[[provider]]
id = "requests"
dialect = "openai"
[[provider.endpoint]]
url = "{scheme}://localhost:{requests}/requests"
max_connections = 12000
{endpoint}
[[provider]]
id = "streams"
dialect = "openai"
[[provider.endpoint]]
url = "{scheme}://localhost:{streams}/streams"
max_connections = 12000
{endpoint}
"""


@dataclass(slots=True)
class Upstreams:
    """Where the upstreams listen: plain ones for requests and streams, and one for both over TLS (h2 or http/1.1)."""

    requests: int
    streams: int
    tls: int
    certificates: Certificates
    folder: Path
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)


@dataclass(slots=True)
class Contestant:
    """A running proxy."""

    name: str
    port: int
    child: subprocess.Popen[bytes]
    is_tls: bool = False

    @property
    def label(self) -> str:
        """What its files are called."""
        return str(self.port)

    def cpu_seconds(self) -> float:
        """CPU time used so far by the process, its workers and their threads (of those that still live)."""
        return sum(_cpu_ns(pid) for pid in self._processes()) / 1e9

    def resident_kib(self) -> int:
        """Private memory of the process and its workers: what it has of its own, without shared libraries."""
        return sum(_private_kib(pid) for pid in self._processes())

    def _processes(self) -> list[int]:
        pid = self.child.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]


def _cpu_ns(pid: int) -> int:
    tasks = Path(f"/proc/{pid}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir())


def _private_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def start(folder: Path, name: str, command: list[str], core: int) -> subprocess.Popen[bytes]:
    """A child on one core; what it prints goes to `folder`."""
    with (folder / f"{name}.out").open("wb") as out, (folder / f"{name}.err").open("wb") as err:
        return subprocess.Popen(["taskset", "-c", str(core), *command], stdout=out, stderr=err)


def wait_until_open(folder: Path, name: str, child: subprocess.Popen[bytes], port: int) -> None:
    """Raises RuntimeError if nobody listens on `port` in time."""
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and child.poll() is None:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)  # nothing tells when a foreign process listens
    complaint = (folder / f"{name}.err").read_text()
    raise RuntimeError(f"{name} doesn't listen on {port}: {complaint}")


def end(child: subprocess.Popen[bytes]) -> None:
    """Ends a child that we started."""
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(5.0)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def program(name: str) -> str:
    """Where a server program is: often not on a user's PATH."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin") or name


def _nginx(folder: Path, name: str, servers: str, core: int) -> subprocess.Popen[bytes]:
    own = folder / name
    own.mkdir(exist_ok=True)
    file = own / "nginx.conf"
    file.write_text(_NGINX.format(folder=own, servers=servers))
    return start(folder, name, [program("nginx"), "-e", str(own / "early.log"), "-c", str(file)], core)


@contextmanager
def upstreams(folder: Path, certs: Certificates) -> Iterator[Upstreams]:
    ups = Upstreams(free_port(), free_port(), free_port(), certs, folder)
    servers = _NGINX_UPSTREAM.format(
        plain=ups.requests,
        tls=ups.tls,
        streams=ups.streams,
        certificate=f"ssl_certificate {certs.chain}; ssl_certificate_key {certs.key}; ssl_protocols TLSv1.3;",
        answer=f"location / {{ default_type application/json; return 200 '{REPLY}'; }}",
        pass_on=_PASS_ON,
    )
    try:
        ups.children.append(
            start(
                folder, "stream-upstream", [sys.executable, "-m", "tests.bench.upstream", str(ups.streams)], LOAD_CORE
            )
        )
        ups.children.append(_nginx(folder, "request-upstream", servers, LOAD_CORE))
        wait_until_open(folder, "stream-upstream", ups.children[0], ups.streams)
        wait_until_open(folder, "request-upstream", ups.children[1], ups.tls)
        yield ups
    finally:
        for child in ups.children:
            end(child)


# --- the proxies ---


def nginx(ups: Upstreams, port: int, *, tls: bool = False) -> subprocess.Popen[bytes]:
    certs = ups.certificates
    servers = _NGINX_PROXY.format(
        port=port,
        requests=ups.tls if tls else ups.requests,
        streams=ups.tls if tls else ups.streams,
        listen="ssl" if tls else "",
        tls=f"ssl_certificate {certs.chain}; ssl_certificate_key {certs.key}; ssl_protocols TLSv1.3;" if tls else "",
        scheme="https" if tls else "http",
        authority=certs.authority,
    )
    return _nginx(ups.folder, str(port), servers, PROXY_CORE)


def haproxy(ups: Upstreams, port: int, *, tls: bool = False) -> subprocess.Popen[bytes]:
    certs = ups.certificates
    both = ups.folder / "both.pem"
    both.write_text(Path(certs.chain).read_text() + Path(certs.key).read_text())
    file = ups.folder / f"haproxy-{port}.cfg"
    text = _HAPROXY.format(
        port=port,
        requests=ups.tls if tls else ups.requests,
        streams=ups.tls if tls else ups.streams,
        bind=f"ssl crt {both} ssl-min-ver TLSv1.3" if tls else "",
        server=f"ssl verify required ca-file {certs.authority} verifyhost localhost sni str(localhost)" if tls else "",
    )
    file.write_text(text)
    return start(ups.folder, str(port), [program("haproxy"), "-db", "-f", str(file)], PROXY_CORE)


def plain_aiohttp(ups: Upstreams, port: int) -> subprocess.Popen[bytes]:
    command = [*_PYTHON, "tests.bench.aiohttp_proxy", str(port), str(ups.requests), str(ups.streams)]
    return start(ups.folder, str(port), command, PROXY_CORE)


def farline(ups: Upstreams, port: int, *, tls: bool = False, protocol: str = "http/1.1") -> subprocess.Popen[bytes]:
    certs = ups.certificates
    file = ups.folder / f"farline-{port}.toml"
    text = _FARLINE.format(
        port=port,
        admin=free_port(),
        requests=ups.tls if tls else ups.requests,
        streams=ups.tls if tls else ups.streams,
        scheme="https" if tls else "http",
        listen=f'tls = {{ cert = "{certs.chain}", key = "{certs.key}" }}' if tls else "",
        endpoint=f'protocols = ["{protocol}"]\n' + (f'ca_file = "{certs.authority}"' if tls else ""),
    )
    file.write_text(text)
    command = [*_PYTHON, "edge.cli", "edge", "-c", str(file)]
    return start(ups.folder, str(port), command, PROXY_CORE)


Starter = Callable[[Upstreams, int], "subprocess.Popen[bytes]"]

PLAIN: dict[str, Starter] = {"nginx": nginx, "HAProxy": haproxy, "aiohttp": plain_aiohttp, "farline": farline}
TLS: dict[str, Starter] = {
    "nginx": lambda ups, port: nginx(ups, port, tls=True),
    "HAProxy": lambda ups, port: haproxy(ups, port, tls=True),
    "farline": lambda ups, port: farline(ups, port, tls=True),
    "farline, h2 upstream": lambda ups, port: farline(ups, port, tls=True, protocol="h2"),
}


@contextmanager
def running(ups: Upstreams, starters: dict[str, Starter], *, is_tls: bool = False) -> Iterator[list[Contestant]]:
    """All contestants at once: the rounds take turns among them."""
    contestants: list[Contestant] = []
    try:
        for name, starter in starters.items():
            port = free_port()
            contestants.append(Contestant(name, port, starter(ups, port), is_tls))
        for contestant in contestants:
            wait_until_open(ups.folder, contestant.label, contestant.child, contestant.port)
        yield contestants
    finally:
        for contestant in contestants:
            end(contestant.child)


def pin_to_load_core() -> None:
    """This process, the load generator, keeps off the proxies' core."""
    os.sched_setaffinity(0, {LOAD_CORE})
