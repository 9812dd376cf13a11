"""Cost of metering, in CPU µs per chunk: `python -m tests.bench.meter`."""

from __future__ import annotations

import time
from collections.abc import Callable

from edge.dialects import by_name
from edge.dialects.facts import Facts, Meter

CHUNKS = 20_000
EVENT_STREAM = [(b"content-type", b"text/event-stream")]

CHAT = (
    b'data: {"id":"chatcmpl-9x8Wb2Qm4","object":"chat.completion.chunk","created":1763790000,"model":"gpt-4.1",'
    b'"service_tier":"default","system_fingerprint":"fp_a1b2","choices":[{"index":0,"delta":{"content":"\xe4\xbd\xa0"},'
    b'"logprobs":null,"finish_reason":null}]}\n\n'
)
CHAT_USAGE = CHAT.replace(b"}\n\n", b',"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}\n\n')
RESPONSES = (
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":41,'
    b'"item_id":"msg_68a1c2e1d0b4819b8f4c","output_index":0,"content_index":0,"delta":" lines","logprobs":[],'
    b'"obfuscation":"a8Fk2Lq0Zx"}\n\n'
)
MESSAGES = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"several imperfect long-distance lines"}}\n\n'
)
GENERATE = (
    b'data: {"candidates": [{"content": {"parts": [{"text": "several lines"}],"role": "model"},"index": 0}],'
    b'"usageMetadata": {"promptTokenCount": 9,"candidatesTokenCount": 4,"totalTokenCount": 13},'
    b'"modelVersion": "gemini-2.5-flash","responseId": "abc"}\r\n\r\n'
)


def cost(make: Callable[[], Meter], chunk: bytes, *, halves: bool = False) -> float:
    """Best of five runs, µs per chunk."""
    chunks = [chunk[:120], chunk[120:]] if halves else [chunk]
    best = float("inf")
    for _ in range(5):
        feed = make().feed
        began = time.process_time()
        for _ in range(CHUNKS // len(chunks)):
            for piece in chunks:
                feed(piece)
        best = min(best, time.process_time() - began)
    return best / CHUNKS * 1e6


def main() -> None:
    for label, dialect, operation, chunk in (
        ("openai chat", "openai", "chat", CHAT),
        ("openai chat, usage in every chunk", "openai", "chat", CHAT_USAGE),
        ("openai responses", "openai", "responses", RESPONSES),
        ("anthropic messages", "anthropic", "messages", MESSAGES),
        ("gemini stream", "gemini", "stream", GENERATE),
        ("generic", "generic", "generate", CHAT),
    ):
        facts = Facts(operation=operation, streaming=True)

        def make(name: str = dialect, facts: Facts = facts) -> Meter:
            return by_name(name).meter(facts, 200, EVENT_STREAM)

        whole, halves = cost(make, chunk), cost(make, chunk, halves=True)
        print(f"{label:36} {len(chunk):4} B   whole {whole:5.2f} µs   split {halves:5.2f} µs per piece")


if __name__ == "__main__":
    main()
