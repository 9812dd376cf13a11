"""Shells of the alerts: the loop, and the notification library."""
