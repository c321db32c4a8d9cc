"""The keys that sign archives, and those that this side trusts: Ed25519, in PEM files that the settings name."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from slipstream.errors import SettingsError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    from slipstream.settings import Settings

_PUBLIC = re.compile(rb"-----BEGIN PUBLIC KEY-----\s.+?-----END PUBLIC KEY-----", re.S)
_MAKE = "`make keys` makes a pair"


def signing_key(settings: Settings) -> Ed25519PrivateKey:
    """Return the private key of the setting ``signing_key``.

    Raises:
        SettingsError: None is set, or the file holds no Ed25519 key that can be read without a password.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path = settings.signing_key
    if path is None:
        message = (
            f"An export is signed, and no key is set. {_MAKE}: set SLIPSTREAM_SIGNING_KEY to the private one's file, "
            f"and give the public one to the side that imports."
        )
        raise SettingsError(message)
    try:
        key = load_pem_private_key(_read(path, "SLIPSTREAM_SIGNING_KEY"), password=None)
    except (ValueError, TypeError) as error:
        message = f"SLIPSTREAM_SIGNING_KEY: {path} is no private key in PEM without a password: {error}. {_MAKE}."
        raise SettingsError(message) from error
    if not isinstance(key, Ed25519PrivateKey):
        message = f"SLIPSTREAM_SIGNING_KEY: wanted an Ed25519 key in {path}, found {type(key).__name__}. {_MAKE}."
        raise SettingsError(message)
    return key


def trusted_keys(settings: Settings) -> dict[str, Ed25519PublicKey]:
    """Return the public keys of the setting ``trusted_keys``, by fingerprint.

    Raises:
        SettingsError: None is set, or the file holds none, or something else than Ed25519 keys.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    path = settings.trusted_keys
    if path is None:
        message = (
            "An import wants to know whose signature it may trust, and no key is set. Set SLIPSTREAM_TRUSTED_KEYS to a "
            "file with the public key of the side that exports; several may stand in it, one below the other."
        )
        raise SettingsError(message)
    found: dict[str, Ed25519PublicKey] = {}
    for block in _PUBLIC.findall(_read(path, "SLIPSTREAM_TRUSTED_KEYS")):
        try:
            key = load_pem_public_key(block)
        except ValueError as error:
            message = f"SLIPSTREAM_TRUSTED_KEYS: {path} holds a public key that cannot be read: {error}."
            raise SettingsError(message) from error
        if not isinstance(key, Ed25519PublicKey):
            message = f"SLIPSTREAM_TRUSTED_KEYS: wanted Ed25519 keys in {path}, found {type(key).__name__}. {_MAKE}."
            raise SettingsError(message)
        found[fingerprint(key)] = key
    if not found:
        message = (
            f"SLIPSTREAM_TRUSTED_KEYS: {path} holds no public key in PEM. {_MAKE}; this file wants the public one."
        )
        raise SettingsError(message)
    return found


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return SHA-256 of the key's 32 bytes, in hex."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()


def _read(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"{setting}: {path} cannot be read: {error.strerror or error}. {_MAKE}."
        raise SettingsError(message) from error
