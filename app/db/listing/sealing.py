"""Authenticated encryption of what clients or the database keep and must not be able to read."""

import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12  # bytes, as NIST SP 800-38D recommends for GCM


class Seal:
    """AES-256-GCM with a key derived from the application's secret, the purpose and `key`.

    Data that is sealed for one purpose, or under one `key`, is not opened by the seal of another.
    """

    def __init__(self, secret: str, purpose: str, key: str = "") -> None:
        label = f"{purpose}\0{key}".encode()
        self._cipher = AESGCM(hmac.digest(secret.encode(), label, "sha256"))

    def close(self, data: bytes, context: bytes) -> bytes:
        """The sealed data. It does not hold `context`, which must be the same to open it."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher.encrypt(nonce, data, context)

    def open(self, sealed: bytes, context: bytes) -> bytes | None:
        """None where it was changed, or sealed under another secret, purpose, key or context."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], context)
        except (InvalidTag, ValueError):  # ValueError: it is shorter than a nonce and a tag
            return None
