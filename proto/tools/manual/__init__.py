"""Keeps the tables of the manual equal to the code. A build tool: no part of the service."""
