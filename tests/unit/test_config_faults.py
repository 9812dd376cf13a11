"""Every fault the reader knows: its line, its key path, its words; and that no fault repeats a secret."""

from __future__ import annotations

import pytest

from edge.config.fault import ConfigError, Fault, kind, looks_secret, shown, spelled
from edge.config.unavailable import ABSENT, Absent
from tests.unit.test_config_read import FILES, outcome_of

PROVIDER = '[[provider]]\nid = "p"\ndialect = "openai"\n'
XAI = "[[provider]]\nid = 'xai'\n"
ENDPOINT = PROVIDER + "[[provider.endpoint]]\nurl = "
POOL = "\n[[pool]]\nid = 'gpu'\nurl = 'http://127.0.0.1:8000'\n"
MODEL = "[[model]]\nname = 'm'\nprovider = 'openai'\n"
ADMIN = "[[admin_key]]\nid = 'a'\n"
KEYED = "\n[[key]]\nid = 'k'\nsha256 = '" + "0" * 64 + "'\n"


def faults(text: str, **environment: str) -> list[str]:
    """The faults without the file's name."""
    return [str(fault).removeprefix("/etc/farline/edge.toml:") for fault in outcome_of(text, **environment).faults]


CASES = {
    # TOML itself
    "a =\n": "1: not TOML: invalid value",
    "a = 1\nb = 1\nb = 2": "3: not TOML: cannot overwrite a value",
    "a = '''\n\n": "2: not TOML: ",
    "a = " + "[" * 5000: "1: arrays or tables are nested too deeply",
    "a = " + "9" * 5000: "1: not TOML: ",
    # keys and types
    "\n[lime]\n": "2: lime: is unknown; did you mean line?",
    "zzz = 1": "1: zzz: is unknown",
    "node = 3": "1: node: is an integer; expected a table",
    "line = 3": "1: line: is an integer; expected an array of tables, [[line]]",
    "line = [{ id = 'a' }, 'b']": "1: line[1]: is a string; expected a table",
    "[timeouts]\nconnect = 5": "2: timeouts.connect: is unknown; did you mean connect_seconds?",
    "[node]\nname = 'a b'": '2: node.name: "a b" is not valid; expected an id',
    "[node]\nname = ''": "2: node.name: is empty; expected an id",
    "[node]\nregion = 1979-05-27": "2: node.region: is a date or time; expected a string",
    "[node]\nregion = [1]": "2: node.region: is an array; expected a string",
    "[node]\nrole = 'edgy'": '2: node.role: "edgy" is not one of them; expected "edge" | "relay"',
    "[node]\nlocation = 3": "2: node.location: is an integer; expected [latitude, longitude]",
    "[node]\nlocation = [1]": "2: node.location: has 1 elements; expected [latitude, longitude]",
    "[node]\nlocation = [91, 0]": "2: node.location: 91 is too large; expected a number ≥ -90 and ≤ 90",
    POOL + "ca_file = 'https://u:secret0@h'": "5: pool[0].ca_file: the file can't be read",
    # clusters
    "[cluster]\nredis = 3": '2: cluster.redis: is an integer; expected "redis://host"',
    "[cluster]\nredis = 'http://h'": '2: cluster.redis: "http://h" can\'t be used: not redis://',
    "[cluster]\nredis = 'redis://u:secret@h'": "2: cluster.redis: the URL can't be used: no password in a URL",
    "[cluster]\ngeo_file = 3": "2: cluster.geo_file: is an integer; expected the name of a file",
    "[cluster]\ngeo_file = ''": "2: cluster.geo_file: is empty; expected the name of a file",
    "[cluster]\ngeo_file = 'gone.mmdb'": "2: cluster.geo_file: /etc/farline/gone.mmdb can't be read",
    # numbers
    "[[line]]\nid = 'a'\nweight = -3": "3: line[0].weight: -3 is negative; expected a number ≥ 0",
    "[[line]]\nid = 'a'\nweight = '3'": '3: line[0].weight: "3" is a string; expected a number ≥ 0',
    "[[line]]\nid = 'a'\nweight = true": "3: line[0].weight: true is a boolean; expected a number",
    "[[line]]\nid = 'a'\nweight = nan": "3: line[0].weight: nan is not finite; expected a number ≥ 0",
    "[[line]]\nid = 'a'\nweight = 1" + "0" * 400: "3: line[0].weight: a huge integer is too large",
    "[timeouts]\nidle_seconds = 0": "2: timeouts.idle_seconds: 0 is too small; expected a number ≥ 0.001 and ≤ 86400",
    "[listen]\nworkers = 0": "2: listen.workers: 0 is too small; expected an integer ≥ 1 and ≤ 256",
    "[listen]\nworkers = 1.0": "2: listen.workers: 1.0 is a float; expected an integer",
    "[listen]\nopen = 'yes'": '2: listen.open: "yes" is a string; expected true or false',
    "[routing]\nmax_attempts = 1": "2: routing.max_attempts: allows more replays than attempts",
    '[probe]\nkinds = ["icmp", "session"]': '2: probe.kinds[1]: "session" is not one of them',
    "[probe]\nfast_interval_ms = 2000": "2: probe.fast_interval_ms: makes fast probes slower than others",
    "[probe]\n\ninterval_ms = 100\nfast_interval_ms = 100.5": "4: probe.fast_interval_ms: makes fast probes slower",
    "[routing]\nmax_billed_replays = 9": "2: routing.max_billed_replays: allows more replays than attempts",
    # listeners
    "[listen]\ndata = []": '2: listen.data: is empty; expected an array of "host:port"',
    "[listen]\ndata = 8080": "2: listen.data: is an integer; expected an array",
    "[listen]\ndata = [8080]": '2: listen.data[0]: is an integer; expected "host:port"',
    "[listen]\ndata = ':8080'": '2: listen.data: ":8080" is not an address',
    "[listen]\ndata = '1.2.3:80'": '2: listen.data: "1.2.3:80" is not an address',
    "[listen]\ndata = '[1.2.3.4]:80'": '2: listen.data: "[1.2.3.4]:80" is not an address',
    "[listen]\ndata = 'a:65536'": '2: listen.data: "a:65536" has no port from 0 to 65535',
    "[listen]\ndata = 'unix:'": '2: listen.data: "unix:" is not a socket path',
    f"[listen]\ndata = 'unix:/{'é' * 53}x'": '2: listen.data: "unix:/',  # 108 bytes
    "[listen]\nadmin = true": '2: listen.admin: is a boolean; expected "host:port"',
    "[listen]\ndata = ['a:1',\n'a:1']": "3: listen.data[1]: a:1 is in the way of a:1",
    "[listen]\nadmin = 'localhost:8080'": "2: listen.admin: localhost:8080 is in the way of 127.0.0.1:8080",
    "[listen]\ndata = ['[::1]:9', '[::]:9']": "2: listen.data[1]: [::]:9 is in the way of [::1]:9",
    "[listen]\ndata = ['unix:/a', 'unix:/a']": "2: listen.data[1]: unix:/a is in the way of unix:/a",
    # TLS
    "[listen]\ntls = 'x'": "2: listen.tls: is a string; expected { cert",
    "[listen]\ntls = { cert = 'chain.pem' }": "2: listen.tls: key is missing",
    "[listen]\ntls = { cert = '', key = 'server.key' }": "2: listen.tls.cert: is empty; expected the name",
    "[listen]\ntls = { cert = 1, key = 'server.key' }": "2: listen.tls.cert: is an integer; expected the name",
    "[listen.tls]\ncert = 'key'\nkey = 'server.key'": "2: listen.tls.cert: /etc/farline/key holds no certificate",
    "[listen.tls]\ncert = 'chain.pem'\nkey = 'key'": "3: listen.tls.key: /etc/farline/key holds no private key",
    "[listen.tls]\ncert = 'ca.pem'\nkey = 'server.key'": "3: listen.tls.key: /etc/farline/server.key doesn't belong",
    "[listen.tls]\ncert = 'no.pem'\nkey = 'server.key'": "2: listen.tls.cert: /etc/farline/no.pem can't be read: No",
    # lines
    "[[line]]\ncarrier = 'x'": "1: line[0]: id is missing",
    "[[line]]\nid = 'a'\n[[line]]\nid = 'a'": '4: line[1].id: "a" is there twice',
    "[[line]]\nid = 'a'\nsource = '10.1'": '3: line[0].source: "10.1" is not an IP address',
    "[[line]]\nid = 'a'\nsource = 'fe80::1%eth0'": '3: line[0].source: "fe80::1%eth0" is not an IP address',
    "[[line]]\nid = 'a'\ninterface = 'abcdefghijklmnop'": "3: line[0].interface: ",
    "[[line]]\nid = 'a'\nsource = '10.0.0.1'\ninterface = 'e'": "4: line[0].interface: is set beside source",
    "[[line]]\nid = 'a'\nproxy = 3": '3: line[0].proxy: is an integer; expected "http://host:port"',
    "[[line]]\nid = 'a'\nproxy = 'https://h:1'": '3: line[0].proxy: "https://h:1" is not a proxy\'s URL',
    "[[line]]\nid = 'a'\nproxy = 'socks5://h'": '3: line[0].proxy: "socks5://h" is not a proxy\'s URL',
    "[[line]]\nid = 'a'\nproxy = 'socks5://u:hidden@h:1'": "3: line[0].proxy: holds a user or password in the clear",
    "[[line]]\nid = 'a'\nproxy = 'env:HIDDEN'": "3: line[0].proxy: the value has no valid host",
    # providers and endpoints
    "[[provider]]\ndialect = 'openai'\nendpoint = [{url = 'http://x'}]": "1: provider[0]: id is missing",
    "[[provider]]\nid = 'p'\nendpoint = [{url = 'http://x'}]": "1: provider[0]: dialect is missing; expected",
    "[[provider]]\nid = 'openai'\ndialect = 'open'": '3: provider[0].dialect: "open" is not one of them; expected',
    PROVIDER: "1: provider[0]: has no endpoint; expected [[provider.endpoint]]",
    "[[provider]]\nid = 'openai'\nendpoint = []": "1: provider[0]: has no endpoint",
    "[[provider]]\nid = 'v1'\ndialect = 'generic'\nendpoint = [{url='http://x'}]": '2: provider[0].id: "v1" is the',
    XAI + "[[provider]]\nid = 'xai'": '4: provider[1].id: "xai" is there twice',
    XAI + "on_client_gone = 'x'": '3: provider[0].on_client_gone: "x" is not one of them; expected',
    PROVIDER + "[[provider.endpoint]]\nregion = 'x'": "4: provider[0].endpoint[0]: url is missing",
    ENDPOINT + "3": "5: provider[0].endpoint[0].url: is an integer",
    ENDPOINT + "'a.example'": '5: provider[0].endpoint[0].url: "a.example" has no valid host',
    ENDPOINT + "'ftp://a.example'": '5: provider[0].endpoint[0].url: "ftp://a.example" has no https://',
    ENDPOINT + "'https://a b'": '5: provider[0].endpoint[0].url: "https://a b" has characters',
    ENDPOINT + "'https://a:99999'": '5: provider[0].endpoint[0].url: "https://a:99999" has a bad host or port',
    ENDPOINT + "'https://a:0'": '5: provider[0].endpoint[0].url: "https://a:0" has port 0',
    ENDPOINT + "'https://a/?x=1'": '5: provider[0].endpoint[0].url: "https://a/?x=1" has a query',
    ENDPOINT + "'https://u:hidden@a'": "5: provider[0].endpoint[0].url: holds a user or password in the clear",
    ENDPOINT + "'http://0x7f.1'": '5: provider[0].endpoint[0].url: "http://0x7f.1" has no valid host',
    ENDPOINT + "'http://127.1'": '5: provider[0].endpoint[0].url: "http://127.1" has no valid host',
    ENDPOINT + "'http://a.example'": '5: provider[0].endpoint[0].url: "http://a.example" is plain http to a public',
    ENDPOINT + "'http://8.8.8.8'": '5: provider[0].endpoint[0].url: "http://8.8.8.8" is plain http to a public host',
    ENDPOINT + "'https://a.example/x/v1/'": "5: provider[0].endpoint[0].url: ends in /v1, which requests bring along;",
    ENDPOINT + "'https://api.openai.co'": '5: provider[0].endpoint[0].url: "api.openai.co" is easily mistaken for api.',
    ENDPOINT + "'http://x'\nid = 'é'": "6: provider[0].endpoint[0].id: ",
    ENDPOINT + "'http://x'\nprotocols = []": "6: provider[0].endpoint[0].protocols: is empty; expected at least 1",
    ENDPOINT + "'http://x'\nprotocols = 'h2'": "6: provider[0].endpoint[0].protocols: is a string; expected an array",
    ENDPOINT + "'http://x'\nprotocols = ['h4']": '6: provider[0].endpoint[0].protocols[0]: "h4" is not one of them',
    ENDPOINT + "'http://x'\nprotocols = ['h2', 'h2']": '6: provider[0].endpoint[0].protocols[1]: "h2" is there twice',
    ENDPOINT + "'http://x'\nca_file = 'none'": "6: provider[0].endpoint[0].ca_file: /etc/farline/none can't be read",
    ENDPOINT + "'http://x'\nca_file = 'key'": "6: provider[0].endpoint[0].ca_file: /etc/farline/key holds no",
    ENDPOINT
    + "'http://x'\nca_file = '\\u0000'".replace("'\\u0000'", '"\\u0000"'): "6: provider[0].endpoint[0].ca_file: ",
    ENDPOINT
    + "'http://x'\nid = 'e'\n[[provider.endpoint]]\nid = 'e'\nurl = 'http://y'": "8: provider[0].endpoint[1].id",
    ENDPOINT + "'http://x'\nprotocols = ['h3']": "6: provider[0].endpoint[0].protocols: h3 needs an https:// url",
    ENDPOINT + "'http://x'\ncredential = 'client'": "6: provider[0].endpoint[0].credential: a secret may not stand",
    # headers
    XAI + "headers = 3": "3: provider[0].headers: is an integer; expected { name",
    XAI + "headers = { 'a b' = 'x' }": '3: provider[0].headers."a b": is not a header\'s name',
    XAI + "headers = { Host = 'x' }": "3: provider[0].headers.Host: is a header that farline sets",
    XAI + "headers = { te = 'x' }": "3: provider[0].headers.te: is a header that farline sets",
    XAI + "headers = { x-farline-a = 'x' }": "3: provider[0].headers.x-farline-a: is a header that",
    XAI + "headers = { a = 3 }": "3: provider[0].headers.a: is an integer; expected a string",
    XAI + "headers = { a = ' x' }": '3: provider[0].headers.a: " x" is not a header\'s value',
    XAI + "headers = { a = 'x', A = 'x' }": "3: provider[0].headers.A: is there twice",
    XAI + "headers = { API-Key = 'hidden' }": "3: provider[0].headers.API-Key: holds a secret",
    XAI + "headers = { x = 'Bearer hidden' }": "3: provider[0].headers.x: holds a secret (value not",
    # secrets
    XAI + "credential = 3": '3: provider[0].credential: is an integer; expected "client", "env:',
    XAI + "credential = 'sk-hidden'": "3: provider[0].credential: a secret may not stand in the",
    XAI + "credential = 'env:sk-hidden'": "3: provider[0].credential: a secret may not stand in",
    XAI + "credential = 'file:'": "3: provider[0].credential: a secret may not stand in the file",
    XAI + "credential = 'env:AIhiddenhiddenhiddenhidden'": "3: provider[0].credential: the",
    XAI + "credential = 'file:sk-hidden-key'": "3: provider[0].credential: the file can't be read",
    XAI + "credential = 'env:NONE'": "3: provider[0].credential: environment variable NONE is not",
    XAI + "credential = 'env:BLANK'": "3: provider[0].credential: environment variable BLANK is",
    XAI + "credential = 'env:WIDE'": "3: provider[0].credential: environment variable WIDE holds",
    XAI + "credential = 'file:none'": "3: provider[0].credential: /etc/farline/none can't be read",
    "[listen]\ndata = ['0.0.0.0:1']\n" + XAI + "credential = 'env:KEY'": "2: listen.data: lets anybody",
    "[listen]\ndata = ['a.example:1']\n[[provider]]\nid = 'p'\ndialect = 'openai'\n"
    "endpoint = [{ url = 'http://x', credential = 'env:KEY' }]": "2: listen.data: lets anybody spend the node's own",
    # models and keys
    "[[model]]\nname = 'm'": "1: model[0]: provider is missing",
    "[[model]]\nname = 'm'\nprovider = 'q'": '3: model[0].provider: "q" is no provider of this file; expected',
    "[[model]]\nname = 'm'\nprovider = 'xai'\n[[model]]\nname = 'm'\nprovider = 'xai'": '5: model[1].name: "m" is',
    "[[key]]\nid = 'k'": "1: key[0]: has no sha256; expected one of sha256, key",
    "[[key]]\nid = 'k'\nsha256 = 'fl-hidden'": "3: key[0].sha256: is not a SHA-256 (value not shown)",
    "[[key]]\nid = 'k'\nkey = 'fl-hidden'": "3: key[0].key: a secret may not stand in the file",
    KEYED + "key = 'env:KEY'": "2: key[0]: has both sha256 and key",
    ADMIN: "1: admin_key[0]: has no sha256; expected one of sha256, key",
    ADMIN + "key = 'env:KEY'\nrole = 'root'": '4: admin_key[0].role: "root" is not one of them; expected "viewer"',
    ADMIN + "key = 'env:KEY'\n" + ADMIN + "key = 'env:OTHER'": '5: admin_key[1].id: "a" is there twice',
    ADMIN
    + "key = 'env:KEY'\n"
    + ADMIN.replace("'a'", "'b'")
    + "key = 'env:KEY'": "4: admin_key[1]: has the same key as a",
    "[node]\nstate_dir = 5": "2: node.state_dir: is an integer; expected a directory",
    "[node]\nstate_dir = ''": '2: node.state_dir: "" is not valid; expected a directory',
    KEYED + KEYED.replace("'k'", "'l'"): "6: key[1]: has the same key as k",
    KEYED + "providers = ['q']": '5: key[0].providers[0]: "q" is no provider of this file',
    KEYED + "models = ['n']\n[[model]]\nname = 'm'\nprovider = 'xai'": '5: key[0].models[0]: "n" is no model of this',
    KEYED + "data_class = 'secret'": '5: key[0].data_class: "secret" is not one of them; expected "sensitive"',
    # the local pool
    "[[line]]\nid = 'local'": '2: line[0].id: "local" stands for the local pool; expected another id',
    "[[pool]]\nid = 'gpu'": "1: pool[0]: url is missing",
    "[[pool]]\nid = 'gpu'\nurl = 'http://127.0.0.1:8000/v1'": "3: pool[0].url: ends in /v1, which every request",
    "[[pool]]\nid = 'gpu'\nurl = 'http://a.example'": '3: pool[0].url: "http://a.example" is plain http to a public',
    POOL + "engine = 'tgi'": '5: pool[0].engine: "tgi" is not one of them; expected "vllm" | "sglang" | "llama.cpp"',
    POOL + "models = 'm'": "5: pool[0].models: is a string; expected an array of names, or a table",
    POOL + "models = []": "5: pool[0].models: is empty; expected at least 1",
    POOL + "models = {}": "5: pool[0].models: is empty; expected at least one model",
    POOL + "models = { a = 3 }": "5: pool[0].models: 3 is an integer; expected a model's name",
    POOL + "max_in_flight = 0": "5: pool[0].max_in_flight: 0 is too small",
    POOL + POOL: '7: pool[1].id: "gpu" is there twice',
    POOL + "models = ['q']\n[routing]\nlocal_model = 'p'": '7: routing.local_model: no [[pool]] serves "p"; expected q',
    "[routing]\nlocal_model = 'p'": "2: routing.local_model: there is no local pool; expected a [[pool]]",
    "[routing]\nlocal = 'on'": '2: routing.local: "on" is not one of them; expected "last-resort" | "sensitive-only"',
    MODEL + "fallback = ['local/q']\n": "4: model[0].fallback[0]: there is no local pool",
    MODEL + "fallback = ['local/']" + POOL: '4: model[0].fallback[0]: "local/" is not a model of the local pool',
    MODEL + "fallback = ['xai/grok']" + POOL: '4: model[0].fallback[0]: "xai/grok" is not a model of the local pool',
    "[listen]\ndata = '0.0.0.0:1'" + POOL + "credential = 'env:KEY'": "2: listen.data: lets anybody",
}
ENVIRONMENT = {"KEY": "k", "OTHER": "o", "BLANK": " ", "WIDE": "hidden é", "HIDDEN": "socks5://u:hidden@-:1"}


@pytest.mark.parametrize(("text", "expected"), CASES.items(), ids=[words[:60] for words in CASES.values()])
def test_one_fault(text: str, expected: str) -> None:
    (found,) = faults(text, **ENVIRONMENT)
    assert found.startswith(expected)
    assert "hidden" not in found


@pytest.mark.parametrize("row", ABSENT, ids=[".".join(row.key) for row in ABSENT])
def test_what_this_version_lacks(row: Absent) -> None:
    section, *rest = row.key
    head = "[[model]]\nname = 'm'\nprovider = 'xai'\n" if section == "model" else f"[{section}]\n"
    written = f'{head}{rest[0]} = "{row.value or "x"}"\n' if rest else f"[[{section}]]\nid = 'x'\n"
    (found,) = faults(written)
    line = written.count("\n") if rest else 1
    key = ".".join((section, *rest)).replace("model.", "model[0].")
    assert found.startswith(f"{line}: {key}: is not available in this version")
    assert found.endswith(f"; expected {row.expected}") == bool(row.expected)


def test_all_faults_are_reported_in_the_order_of_their_lines() -> None:
    found = faults("[routing]\nmax_attempts = 0\n[node]\nname = 3\nx = 1\n[[line]]\nweight = -1\n")
    assert [text.split(":")[0] for text in found] == ["2", "4", "5", "6", "7"]


def test_a_secret_from_a_file_never_prints() -> None:
    outcome = outcome_of(XAI + "credential = 'file:/etc/farline/key'\n[node]\nx = 1\n")
    assert outcome.files == ("/etc/farline/key",)
    assert "from-a-file" not in repr(outcome)
    assert b"from-a-file" in FILES["/etc/farline/key"]


def test_a_proxy_url_from_the_environment_is_checked_without_being_repeated() -> None:
    text = "[[line]]\nid = 'a'\nproxy = 'env:P'"
    for url, problem in {
        "socks5://u:hidden@h": "the value is not a proxy's URL",
        "socks5://u:hidden@-:1": "the value has no valid host",
        "socks5://u:hidden@h:99999": "the value has a bad host or port",
    }.items():
        (found,) = faults(text, P=url)
        assert problem in found
        assert "hidden" not in found


def test_the_longest_socket_path_is_accepted() -> None:
    assert faults(f"[listen]\ndata = 'unix:/{'é' * 53}'") == []


def test_fault_and_error_print_on_lines() -> None:
    whole, part = Fault("f", 0, "", "gone"), Fault("f", 3, "a", "bad", "good")
    assert str(ConfigError([whole, part])) == "f: gone\nf:3: a: bad; expected good"


def test_key_paths_are_spelled_as_in_the_file() -> None:
    assert spelled(("a", 0, "b-c", "d e")) == 'a[0].b-c."d e"'
    assert "sk-12345678" not in spelled(("sk-12345678",))


@pytest.mark.parametrize("value", ["sk-12345678", "https://u:p@h/", "Bearer abcdefgh", "a1b2c3d4e5f6a1b2c3d4e5f6a1"])
def test_what_looks_like_a_secret_is_not_shown(value: str) -> None:
    assert looks_secret(value)
    assert value not in shown(value)


@pytest.mark.parametrize("value", ["risk-assessment", "key_file_path", "https://api.openai.com/v1", "10.20.0.2"])
def test_ordinary_words_are_shown(value: str) -> None:
    assert shown(value) == f'"{value}"'


def test_values_are_shown_short_and_on_one_line() -> None:
    assert shown("a\nb") == '"a\\nb"'
    assert len(shown("word " * 50)) < 70
    assert [shown(value) for value in (True, 1.5, [1], {})] == ["true", "1.5", "an array", "a table"]
    assert kind(False) == "a boolean"
