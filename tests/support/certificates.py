"""A certificate authority of the test run, and one server certificate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    """Paths of PEM files: the authority's certificate, the server's chain, its key."""

    authority: str
    chain: str
    key: str


def certificates(directory: Path, *names: str) -> Certificates:
    """Makes a new authority and a certificate for `names` (127.0.0.1 and localhost by default)."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    issued = authority.issue_cert(*(names or ("127.0.0.1", "localhost")), key_type=trustme.KeyType.ECDSA)
    made = Certificates(*(str(directory / name) for name in ("authority.pem", "chain.pem", "key.pem")))
    authority.cert_pem.write_to_path(made.authority)
    for blob in issued.cert_chain_pems:
        blob.write_to_path(made.chain, append=True)
    issued.private_key_pem.write_to_path(made.key)
    return made
