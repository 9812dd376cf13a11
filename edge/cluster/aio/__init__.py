"""The shell: one member of the cluster."""
