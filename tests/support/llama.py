"""The real llama.cpp server with a small model, on loopback, ended by its process. `install-llama.sh` installs it.

    with llama() as server:
        server.url              http://127.0.0.1:PORT, with OpenAI's API under /v1

`python -m tests.support.llama` only tells whether it starts and answers here. The model is tiny: assert protocol, never
what it says.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = HERE.parents[1] / ".cache" / "llama"
MODEL = "smollm2"
"""The name under which it serves its model."""
CONTEXT_TOKENS = 2048
"""Of each of the two slots."""

_START_SECONDS = 60.0


@dataclass(frozen=True)
class Llama:
    """A running server."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def is_ready(self) -> bool:
        """False while it is loading (503), and before it listens."""
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False

    def wait(self) -> None:
        """Until it is ready.

        Raises:
            RuntimeError: it ended, or took too long.
        """
        deadline = time.monotonic() + _START_SECONDS
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"llama-server isn't ready (exit code {self.process.poll()})")
            time.sleep(0.05)


def _free_port() -> int:
    """As in tests.support.servers, whose packages the installer hasn't."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def llama(port: int = 0, *, ready: bool = True) -> Iterator[Llama]:
    """Runs the server; two requests at once. With `ready` False it may still be loading."""
    port = port or _free_port()
    binary, model = FOLDER / "llama-server", FOLDER / "model.gguf"
    if not binary.exists() or not model.exists():
        raise RuntimeError(f"there is no llama.cpp server in {FOLDER}: run tests/support/install-llama.sh")
    options = ("--host", "127.0.0.1", "--port", str(port), "--alias", MODEL, "--no-webui", "--metrics", "--slots",
               "--jinja", "--chat-template-file", str(HERE / "llama-chat.jinja"), "--threads", "2", "--parallel", "2",
               "--ctx-size", str(2 * CONTEXT_TOKENS), "--model", str(model.resolve()))  # fmt: skip
    with subprocess.Popen(
        [str(binary.resolve()), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        server = Llama(port, process)
        try:
            if ready:
                server.wait()
            yield server
        finally:
            process.kill()


def main() -> int:
    """Starts it, asks for a few tokens, and says so by the exit code."""
    ask = {"max_tokens": 4, "messages": [{"role": "user", "content": "Hi"}]}
    with llama() as server:
        request = urllib.request.Request(
            f"{server.url}/v1/chat/completions", json.dumps(ask).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as reply:
            return 0 if json.load(reply)["usage"]["completion_tokens"] else 1


if __name__ == "__main__":
    sys.exit(main())
