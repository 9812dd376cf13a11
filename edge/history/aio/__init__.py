"""The shell of history: a file and a clock."""
