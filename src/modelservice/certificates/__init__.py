"""Certificates and their keys, as files: read, checked, and read again when they are renewed."""
