"""Envoy's side of the service."""
