"""The shells: event loop and clock."""
