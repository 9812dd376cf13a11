"""A zstd dictionary of what replies are made of when their words are taken away.

Most stored replies are 1 to 4 KB, too short for zstd to learn the providers' shapes from the reply itself; with this
text in its window it needn't. Changing a byte of it makes what was stored before unreadable: add a new dictionary
with a new number instead.
"""

from __future__ import annotations

_SKELETON = "".join(
    (
        'event: error\ndata: {"type":"error","error":{"type":"',
        '{"usageMetadata":{"promptTokenCount":,"candidatesTokenCount":,"totalTokenCount":,"thoughtsTokenCount":,'
        '"promptTokensDetails":[{"modality":"TEXT","tokenCount":}]},"modelVersion":"gemini-2.5-flash","responseId":"',
        'data: {"candidates": [{"content": {"parts": [{"text": "","functionCall": {"name": "","args": {',
        '"}],"role": "model"},"finishReason": "STOP","index": 0}],"usageMetadata": {"promptTokenCount": ,'
        '"candidatesTokenCount": ,"totalTokenCount": },"modelVersion": "gemini-2.5-pro"}\r\n\r\n',
        '{"object":"list","data":[{"object":"embedding","index":0,"embedding":[-0.00',
        '],"model":"text-embedding-3-small","usage":{"prompt_tokens":,"total_tokens":}}',
        '{"id":"resp_","object":"response","created_at":17,"status":"completed","background":false,"error":null,'
        '"incomplete_details":null,"instructions":null,"max_output_tokens":null,"model":"gpt-5","output":[{"id":"msg_",'
        '"type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","annotations":[],'
        '"logprobs":[],"text":"","parallel_tool_calls":true,"previous_response_id":null,"reasoning":{"effort":null,'
        '"summary":null},"store":true,"temperature":0.0,"text":{"format":{"type":"text"}},"tool_choice":"auto",'
        '"tools":[],"top_p":1.0,"truncation":"disabled","usage":{"input_tokens":,"input_tokens_details":{'
        '"cached_tokens":0},"output_tokens":,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":},'
        '"user":null,"metadata":{}}',
        'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":{',
        'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":,"item_id":'
        '"msg_","output_index":0,"content_index":0,"delta":"","logprobs":[],"obfuscation":"',
        '{"id":"msg_01","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"text",'
        '"text":""}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":,'
        '"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":}}',
        'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_01","type":"message","role":'
        '"assistant","model":"claude-","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":'
        ',"output_tokens":1}}}\n\nevent: content_block_start\ndata: {"type":"content_block_start","index":0,'
        '"content_block":{"type":"text","text":""}}\n\nevent: ping\ndata: {"type": "ping"}\n\n',
        'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\nevent: message_delta\ndata: '
        '{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":'
        '}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n',
        'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta",'
        '"text":""}}\n\n',
        '{"id":"chatcmpl-","object":"chat.completion","created":17,"model":"gpt-4.1-mini-2025-04-14","choices":[{'
        '"index":0,"message":{"role":"assistant","content":"","refusal":null,"annotations":[],"tool_calls":[{"id":'
        '"call_","type":"function","function":{"name":"","arguments":"{"}}]},"logprobs":null,"finish_reason":"stop"}],'
        '"usage":{"prompt_tokens":,"completion_tokens":,"total_tokens":,"prompt_tokens_details":{"cached_tokens":0,'
        '"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,'
        '"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default",'
        '"system_fingerprint":"fp_"}',
        'data: {"id":"chatcmpl-","object":"chat.completion.chunk","created":17,"model":"gpt-4.1-mini-2025-04-14",'
        '"service_tier":"default","system_fingerprint":"fp_","choices":[{"index":0,"delta":{"role":"assistant",'
        '"content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}\n\ndata: {"id":"chatcmpl-',
        '"delta":{},"logprobs":null,"finish_reason":"stop"}]}\n\n"choices":[{"index":0,"delta":{"content":" the"},'
        '"logprobs":null,"finish_reason":null}]}\n\ndata: [DONE]\n\n',
    )
)

DICTIONARIES: dict[int, bytes] = {0: b"", 1: _SKELETON.encode()}
"""By the number that stands in an entry's frame."""

NEWEST = 1
