"""Generates the manual's tables from the code. A build tool, not part of the service."""
