"""LiteLLM's proxy, the usual LLM gateway in Python, in an environment of its own.

`tests/support/install-litellm.sh` makes the environment; `FARLINE_LITELLM` names another `litellm` command.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from netem.bench.systems.setup import Base, Command, Place, Setup

PORT = 8080
_CONFIG = """\
model_list:
  - model_name: gpt-4.1
    litellm_params:
      model: openai/gpt-4.1
      api_base: {provider_url}/v1
      api_key: any
litellm_settings:
  num_retries: 0
  request_timeout: 600
  telemetry: false
"""


@dataclass(frozen=True, slots=True)
class LiteLlm:
    """One worker."""

    name: str = "litellm"
    lines: int = 1
    congestion: str = "bbr"
    has_websocket: bool = False

    @property
    def needs(self) -> tuple[str, ...]:
        return (os.environ.get("FARLINE_LITELLM", ".cache/litellm/bin/litellm"),)

    def setup(self, place: Place) -> Setup:
        environment = {
            "SSL_CERT_FILE": place.ca_file,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOG": "ERROR",
            "NO_PROXY": "*",
        }
        config = f"{place.folder}/litellm.yaml"
        argv = (*self.needs, "--config", config, "--host", place.edge_host, "--port", str(PORT), "--num_workers", "1")
        files = {"litellm.yaml": _CONFIG.format(provider_url=place.provider_url)}
        return Setup(Base(place.edge_host, PORT), files, (Command("edge", argv, PORT, environment),))
