"""Answers are kept unreadable: they may hold a new token, or what a customer wrote."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12  # bytes, as NIST SP 800-38D recommends for GCM


class Seal:
    """AES-256-GCM, each time with a key made of the application's secret and what the client sent.

    Neither is in the database, so that nobody reads there what is sealed.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def close(self, data: bytes, key: str, context: bytes) -> bytes:
        """`context` is not kept: it must be the same to open it."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher(key).encrypt(nonce, data, context)

    def open(self, sealed: bytes, key: str, context: bytes) -> bytes | None:
        """None where it was sealed under another secret."""
        try:
            return self._cipher(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], context)
        except InvalidTag:
            return None

    def _cipher(self, key: str) -> AESGCM:
        return AESGCM(hmac.digest(self._secret, b"answer\0" + key.encode(), hashlib.sha256))
