"""Settings: environment variables, each with its default, its bounds and a sentence."""

from modelservice.config.loading import load, shown
from modelservice.config.named_files import NamedFiles, named_files
from modelservice.config.parsers import Address
from modelservice.config.setting import PREFIX
from modelservice.config.settings import SETTINGS, Settings
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
