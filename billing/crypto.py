"""Personal data at rest: encrypted with rotatable keys, looked up by a keyed digest."""

from __future__ import annotations

import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class UnreadableError(Exception):
    """A value was encrypted with a key that is no longer among ENCRYPTION_KEYS."""


class Vault:
    """Encrypts and decrypts short texts and makes the digests by which they are found.

    Encryption is Fernet (AES-128-CBC with HMAC-SHA256); the digest is HMAC-SHA256, 32 bytes.
    """

    def __init__(self, encryption_keys: tuple[str, ...], digest_key: str) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in encryption_keys])
        self._digest_key = digest_key.encode()

    def encrypt(self, text: str) -> bytes:
        """Encrypt with the first key."""
        return self._fernet.encrypt(text.encode())

    def decrypt(self, token: bytes) -> str:
        """Decrypt with whichever key fits.

        Raises:
            UnreadableError: when none does.
        """
        try:
            return self._fernet.decrypt(token).decode()
        except InvalidToken as error:
            raise UnreadableError from error

    def rotate(self, token: bytes) -> bytes:
        """Encrypt anew with the first key what any of the keys encrypted."""
        try:
            return self._fernet.rotate(token)
        except InvalidToken as error:
            raise UnreadableError from error

    def digest(self, text: str) -> bytes:
        """A keyed digest, the same for the same text (normalise it first)."""
        return hmac.new(self._digest_key, text.encode(), hashlib.sha256).digest()


def token_digest(token: str) -> bytes:
    """The digest under which a random, high-entropy token is stored; it needs no key."""
    return hashlib.sha256(token.encode()).digest()
