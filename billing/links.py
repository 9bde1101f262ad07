"""Links that prove themselves: signed, bound to one purpose, holding no personal data."""

from __future__ import annotations

from itsdangerous import BadSignature, URLSafeSerializer


class BrokenLinkError(Exception):
    """A link was altered, cut off, or made for something else."""


class Links:
    """Makes and reads the signed part of a link. A link for one purpose is no good for another."""

    def __init__(self, secret_key: str, base_url: str) -> None:
        self._secret_key = secret_key
        self.base_url = base_url

    def token(self, purpose: str, row_id: int) -> str:
        """The signed form of a row's id."""
        return str(self._serializer(purpose).dumps(row_id))

    def read(self, purpose: str, token: str) -> int:
        """The row's id back from its token.

        Raises:
            BrokenLinkError: when the token was not made by us for this purpose.
        """
        try:
            value = self._serializer(purpose).loads(token)
        except BadSignature as error:
            raise BrokenLinkError from error
        if not isinstance(value, int):
            raise BrokenLinkError
        return value

    def url(self, path: str) -> str:
        """The absolute address of `path`, which begins with a slash."""
        return f"{self.base_url}{path}"

    def _serializer(self, purpose: str) -> URLSafeSerializer:
        return URLSafeSerializer(self._secret_key, salt=f"tuppence.{purpose}")
