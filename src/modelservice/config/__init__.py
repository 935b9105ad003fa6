"""Settings: environment variables, each with a default, bounds and a meaning."""

from modelservice.config.declaration import PREFIX
from modelservice.config.parsers import Address
from modelservice.config.settings import SETTINGS, NamedFiles, Settings, load, named_files, shown
from modelservice.config.tls import Tls, Upstream
from modelservice.config.tokens import Tokens

__all__ = [
    "PREFIX",
    "SETTINGS",
    "Address",
    "NamedFiles",
    "Settings",
    "Tls",
    "Tokens",
    "Upstream",
    "load",
    "named_files",
    "shown",
]
