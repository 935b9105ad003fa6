"""Reads the settings, once, when a command starts. A wrong value, or a name that does not exist, stops it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from modelservice.config.setting import PREFIX, Setting
from modelservice.config.settings import SETTINGS, Settings
from modelservice.config.tls import take_tls
from modelservice.config.tokens import take_tokens
from modelservice.errors import InvalidSettingError

# A setting may be given as a file that holds it: a secret that is mounted, say.
FILE: Final = "_FILE"


def load(environment: Mapping[str, str]) -> Settings:
    """Reads the settings.

    Args:
        environment: The environment variables. A setting that is empty there is not set.

    Raises:
        InvalidSettingError: A value is out of bounds, or one that another needs is missing, or there is a name
            `MODELSERVICE_…` that is no setting.
    """
    texts = _texts(environment)
    values = {}
    for setting in SETTINGS:
        try:
            values[setting.field] = setting.parse(texts[setting.name])
        except (ValueError, KeyError):
            # The value itself stays out of the message: it may be a URL with a password.
            raise InvalidSettingError(f"{setting.name}: must be {setting.bounds}") from None
    tokens, tls = take_tokens(values), take_tls(values)
    return Settings(**values, tokens=tokens, tls=tls)


def shown(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the text of every setting, by name, without secrets.

    Raises:
        InvalidSettingError: As `load`.
    """
    load(environment)
    texts = _texts(environment)
    return {setting.name: setting.show(texts[setting.name]) for setting in SETTINGS}


def _texts(environment: Mapping[str, str]) -> dict[str, str]:
    known = {setting.name + suffix for setting in SETTINGS for suffix in ("", FILE)}
    for name in environment:
        if name.startswith(PREFIX) and name not in known and not _injected_by_kubernetes(name, environment):
            raise InvalidSettingError(f"{name}: there is no such setting (`modelservice config` lists them)")
    return {setting.name: _text(setting, environment) for setting in SETTINGS}


def _text(setting: Setting, environment: Mapping[str, str]) -> str:
    given, file = environment.get(setting.name), environment.get(setting.name + FILE)
    if given and file:
        raise InvalidSettingError(f"{setting.name}: is set twice, here and in {setting.name}{FILE}")
    if file:
        try:
            # Files end with a line break that nobody means.
            given = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise InvalidSettingError(f"{setting.name}{FILE}: cannot read the file") from None
    return given or setting.default


def _injected_by_kubernetes(name: str, environment: Mapping[str, str]) -> bool:
    """Says whether Kubernetes gives this name to every container beside a service called `modelservice`.

    It does the same for `modelservice-…`, which is recognized by the host that always comes with it.
    """
    match = re.fullmatch(r"(.+?)_(?:SERVICE_HOST|SERVICE_PORT(?:_.+)?|PORT(?:_.+)?)", name)
    return match is not None and (match[1] == PREFIX[:-1] or f"{match[1]}_SERVICE_HOST" in environment)
