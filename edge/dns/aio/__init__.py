"""The shell: listeners."""
