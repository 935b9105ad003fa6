"""Models, organizations, API keys and callers, as frozen objects that validate their values."""
