"""I/O with OpenID providers."""
