"""The two opening handshakes of a bridged WebSocket (RFC 6455 §4): checked, and translated from one to the other.

offer = UpstreamOffer(client.headers)      what to ask the upstream for
offer.accept(head)                         its 101: checked → the upstream side, open
answer_client(...)                         the client's 101 → the client side, open
"""

from __future__ import annotations

import logging

from websockets.client import ClientProtocol
from websockets.datastructures import Headers as WsHeaders
from websockets.exceptions import InvalidHandshake
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory
from websockets.headers import parse_subprotocol
from websockets.http11 import Request, Response
from websockets.protocol import CLIENT, OPEN, SERVER, Protocol, Side
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from transport.failure import Code, Failure, Origin, TransportError, Verdict
from transport.message import Headers, ResponseHead, end_to_end

MAX_MESSAGE_BYTES = 64 * 1024**2

_quiet = logging.getLogger("farline.websocket")  # the library's own messages; at DEBUG it would print payloads
_quiet.setLevel(logging.WARNING)

_WINDOW_BITS = 12  # 4 KiB of history: what voice and token events need, at a tenth of the default's memory
_COMPRESSION = {"memLevel": 5}
_OWN_REQUEST = frozenset(
    (b"host", b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-extensions", b"sec-websocket-protocol")
)
_OWN_REPLY = frozenset((b"sec-websocket-accept", b"sec-websocket-extensions", b"sec-websocket-protocol", b"date"))
_NO_URI = WebSocketURI(secure=True, host="upstream", port=443, path="/", query="")


class WebSocketRefused(Exception):
    """The client's upgrade request is wrong: to be answered with `status` and `headers` (400, 405, 426…)."""

    def __init__(self, status: int, headers: Headers, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers
        self.detail = detail


class UpstreamOffer:
    """The handshake request for the upstream. One offer serves several attempts, of which one may win.

    `headers` are the client's end-to-end fields (authorization and all) and the handshake's own: hand them to
    `Connection.open` as they are, `connection: Upgrade` and `upgrade: websocket` included.

    Raises:
        WebSocketRefused: what the client asks for isn't a WebSocket by RFC 6455.
    """

    def __init__(self, method: bytes, headers: Headers, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._asked = _ws_request(method, headers)
        _check(self._asked)
        self._max = max_message_bytes
        subprotocols = _offered_subprotocols(self._asked.headers)
        self._protocol = ClientProtocol(
            _NO_URI,
            subprotocols=subprotocols or None,
            extensions=[
                ClientPerMessageDeflateFactory(
                    client_max_window_bits=_WINDOW_BITS, compress_settings=dict(_COMPRESSION)
                )
            ],
            state=OPEN,  # the handshake's bytes don't go through it
            max_size=max_message_bytes,
            logger=_quiet,
        )
        passed = [pair for pair in end_to_end(headers) if pair[0] not in _OWN_REQUEST]
        handshake = self._protocol.connect().headers
        own = [(name.lower().encode(), value.encode()) for name, value in handshake.raw_items() if name != "Host"]
        self.headers: Headers = passed + own

    def accept(self, head: ResponseHead) -> Protocol:
        """Checks the upstream's 101; the upstream side, open.

        Raises:
            TransportError: it isn't an answer to this offer (http_upgrade_failed, of the endpoint).
        """
        response = Response(head.status, "", _ws_headers(head.headers))
        try:
            self._protocol.process_response(response)
        except InvalidHandshake as error:
            failure = Failure(Origin.ENDPOINT, Verdict.UNKNOWN, Code.HTTP_UPGRADE_FAILED, str(error))
            raise TransportError(failure) from error
        return self._opened(self._protocol, CLIENT)

    def answer_client(self, upstream: Protocol, head: ResponseHead) -> tuple[Protocol, Headers]:
        """The client's side, open, and the headers of its 101: the upstream's own and the handshake's."""
        chosen = upstream.subprotocol
        server = ServerProtocol(
            subprotocols=[chosen] if chosen is not None else None,
            extensions=[_server_deflate()],
            state=OPEN,
            max_size=self._max,
            logger=_quiet,
        )
        response = server.accept(self._asked)
        passed = [pair for pair in end_to_end(head.headers) if pair[0] not in _OWN_REPLY]
        own = [
            (name.lower().encode(), value.encode())
            for name, value in response.headers.raw_items()
            if name != "Connection"
        ]
        return self._opened(server, SERVER), passed + own

    def _opened(self, shaken: ServerProtocol | ClientProtocol, side: Side) -> Protocol:
        """A protocol past its handshake. The one that shook hands would parse the next bytes as a head."""
        protocol = Protocol(side, state=OPEN, max_size=self._max, logger=_quiet)
        protocol.extensions = shaken.extensions
        protocol.subprotocol = shaken.subprotocol
        return protocol


def _check(asked: Request) -> None:
    response = ServerProtocol(logger=_quiet).accept(asked)
    version = asked.headers.get_all("sec-websocket-version")
    if response.status_code == 101:
        return
    status = response.status_code
    headers: Headers = []
    if status == 400 and version and version != ["13"]:
        status = 426  # RFC 6455 §4.4: say which version is spoken
    if status == 426:
        headers = [(b"upgrade", b"websocket"), (b"sec-websocket-version", b"13")]
    raise WebSocketRefused(status, headers, bytes(response.body).decode().strip())


def _server_deflate() -> ServerPerMessageDeflateFactory:
    return ServerPerMessageDeflateFactory(
        server_max_window_bits=_WINDOW_BITS,
        client_max_window_bits=_WINDOW_BITS,
        compress_settings=dict(_COMPRESSION),
    )


def _offered_subprotocols(headers: WsHeaders) -> list[Subprotocol]:
    return [name for value in headers.get_all("sec-websocket-protocol") for name in parse_subprotocol(value)]


def _ws_request(method: bytes, headers: Headers) -> Request:
    return Request("/", _ws_headers(headers), method.decode("latin-1"))


def _ws_headers(headers: Headers) -> WsHeaders:
    out = WsHeaders()
    for name, value in headers:
        out[name.decode("latin-1")] = value.decode("latin-1")
    return out
