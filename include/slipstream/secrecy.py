"""Addresses as they may be shown: without login and password."""

from __future__ import annotations

import re

_LOGIN = re.compile(r"(?<=://)[^\s/?#'\"]+@")


def without_logins(text: str) -> str:
    """Return an address, or a message with addresses in it, without any ``login:password@``."""
    return _LOGIN.sub("", text)
