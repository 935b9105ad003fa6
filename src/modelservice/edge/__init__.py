"""Envoy in front of the service, and the processes of `modelservice run`."""
