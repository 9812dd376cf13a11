"""People for whom an OpenID provider vouches (OpenID Connect Core 1.0): whom the admin API and the console let in.

Pure
  provider.py  the provider's metadata (OpenID Connect Discovery 1.0), read with suspicion
  keys.py      its signing keys (RFC 7517)
  tokens.py    a JWT checked against them (RFC 7519, RFC 8725)
  people.py    from claims to a name and a role
  visits.py    sign-ins under way (Authorization Code with PKCE, RFC 7636) and those that are done
Shell
  aio/issuer.py  asks the provider, and keeps its keys
"""
