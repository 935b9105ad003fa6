"""Envoy: its configuration, and the processes of `modelservice run`."""
