"""The things that the service is about: models, organizations, API keys, callers.

All of them are frozen, and cannot be made with a value outside its bounds.
"""
