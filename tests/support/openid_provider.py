"""A real OpenID provider (oidc-provider, a certified implementation) on a loopback port, in a process of its own."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support.servers import free_port

ROOT = Path(__file__).parents[2]
MODULES = ROOT / ".cache" / "openid" / "package.json"
SCRIPT = Path(__file__).parent / "openid" / "provider.mjs"
MACHINE = "netops", "leads", "readers", "strangers"  # clients that get tokens, and their group


class OpenIdProvider:
    """`console_url`: where the console will be, with a slash at the end."""

    def __init__(self, console_url: str = "http://127.0.0.1:1/") -> None:
        assert MODULES.parent.joinpath("node_modules").is_dir(), "run tests/support/install-openid.sh"
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self._redirect = f"{console_url}console/signed-in"
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> OpenIdProvider:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        self._process = subprocess.Popen(
            ["node", str(SCRIPT), str(self.port), self._redirect],
            env={**os.environ, "OPENID_MODULES": str(MODULES)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        while (line := self._process.stdout.readline()) != "ready\n":
            assert line, "the provider didn't start"

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            assert process.stdout is not None
            process.terminate()
            process.wait(10)
            process.stdout.close()

    def rotate(self) -> None:
        """From now on all is signed with other keys; the old ones are gone."""
        self._ask("/-/rotate", {})

    def token(self, machine: str = "netops", resource: str = "urn:farline") -> str:
        """An access token (JWT) for one of `MACHINE`."""
        login = base64.b64encode(f"{machine}:secret+of+a+machine".encode()).decode()
        told = self._ask("/token", {"grant_type": "client_credentials", "resource": resource}, f"Basic {login}")
        return str(told["access_token"])

    def shown(self) -> list[dict[str, Any]]:
        """Its public keys, as JWKs."""
        with urllib.request.urlopen(f"{self.issuer}/jwks", timeout=10) as reply:
            return list(json.load(reply)["keys"])

    def _ask(self, path: str, form: dict[str, str], authorization: str = "") -> Any:
        data = urllib.parse.urlencode(form).encode()
        asked = urllib.request.Request(self.issuer + path, data, {"authorization": authorization})
        with urllib.request.urlopen(asked, timeout=10) as reply:
            return json.load(reply)
