"""Settings: environment variables, each with its default, its bounds and a sentence."""

from modelservice.config.kinds import Address
from modelservice.config.loading import load, shown
from modelservice.config.settings import PREFIX, SETTINGS, Settings, Tokens

__all__ = ["PREFIX", "SETTINGS", "Address", "Settings", "Tokens", "load", "shown"]
