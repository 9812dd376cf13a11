"""General proxies as the edge, configured as well as we know for streams: warm verified TLS upstream, no buffering."""

from __future__ import annotations

from dataclasses import dataclass

from netem.bench.systems.setup import PROVIDER_NAME, Base, Command, Place, Setup

PORT = 8080
_NGINX = """\
daemon off; user root; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; tcp_nodelay on; keepalive_timeout 3600s; keepalive_requests 1000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
  upstream provider {{
    server {host}:{port}; keepalive {idle}; keepalive_timeout 3600s; keepalive_requests 1000000;
  }}
  server {{
    listen {edge_host}:{listen};
    location / {{
      proxy_pass https://provider; proxy_http_version 1.1; proxy_bind {source};
      proxy_set_header Host {host}; proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_ssl_verify on; proxy_ssl_trusted_certificate {ca_file}; proxy_ssl_name {name};
      proxy_ssl_session_reuse on; proxy_ssl_protocols TLSv1.3;
      proxy_buffering off; proxy_request_buffering off; proxy_read_timeout 3600s; proxy_socket_keepalive on;
    }}
  }}
}}
"""
_HAPROXY = """\
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  option http-no-delay
  timeout connect 5s
  timeout client 3600s
  timeout server 3600s
  timeout tunnel 3600s
  retries 2
frontend near
  bind {edge_host}:{listen}
  default_backend provider
backend provider
  http-reuse always
  source {source}
  server far {host}:{port} ssl verify required ca-file {ca_file} verifyhost {name} sni str({name}) ssl-min-ver TLSv1.3 \
alpn http/1.1 pool-max-conn {idle} pool-purge-delay 3600s
"""


def _fill(template: str, place: Place) -> str:
    return template.format(
        folder=place.folder,
        host=place.provider_host,
        name=PROVIDER_NAME,
        port=place.provider_port,
        ca_file=place.ca_file,
        edge_host=place.edge_host,
        listen=PORT,
        source=place.sources[0][1],
        idle=2 * place.streams,
    )


@dataclass(frozen=True, slots=True)
class Nginx:
    """One worker, upstream connections kept alive."""

    name: str = "nginx"
    lines: int = 1
    congestion: str = "bbr"
    has_websocket: bool = True
    needs: tuple[str, ...] = ("nginx",)

    def setup(self, place: Place) -> Setup:
        argv = ("nginx", "-e", f"{place.folder}/error.log", "-p", place.folder, "-c", f"{place.folder}/nginx.conf")
        command = Command("edge", argv, PORT)
        return Setup(Base(place.edge_host, PORT), {"nginx.conf": _fill(_NGINX, place)}, (command,))


@dataclass(frozen=True, slots=True)
class HaProxy:
    """One thread, upstream connections shared and kept."""

    name: str = "haproxy"
    lines: int = 1
    congestion: str = "bbr"
    has_websocket: bool = True
    needs: tuple[str, ...] = ("haproxy",)

    def setup(self, place: Place) -> Setup:
        command = Command("edge", ("haproxy", "-f", f"{place.folder}/haproxy.cfg"), PORT)
        return Setup(Base(place.edge_host, PORT), {"haproxy.cfg": _fill(_HAPROXY, place)}, (command,))
