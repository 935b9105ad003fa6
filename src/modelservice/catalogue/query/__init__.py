"""Filtered, ordered and paged lists."""
