"""Why somebody isn't let in by an OpenID provider's word."""

from __future__ import annotations


class Rejected(Exception):
    """The token, or what the provider says, isn't to be trusted. The text may be told to whoever sent it."""


class UnknownKey(Rejected):
    """The token is signed with a key that isn't among the known ones: the provider may have a new one."""


class Unreachable(Exception):
    """The provider doesn't answer, or not as it should."""
