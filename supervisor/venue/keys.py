"""API keys: how one is read, and how it signs requests and opens channels."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

import msgspec

from supervisor.venue.frames import UNREADABLE, BadFrame, an_id


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Credentials for requests, made from the signing key. Belongs to the owner's address, whatever wallet trades."""

    address: str
    key: str
    secret: str
    passphrase: str

    def fields(self) -> dict[str, str]:
        """What a channel wants to see. It carries the secret: never log what is sent."""
        return {"apiKey": self.key, "secret": self.secret, "passphrase": self.passphrase}

    def __repr__(self) -> str:
        return f"ApiKey({self.address}, ***)"


class _ApiKeyAnswer(msgspec.Struct, rename={"key": "apiKey"}):
    key: str
    secret: str
    passphrase: str


def parse_api_key(body: bytes, address: str) -> ApiKey:
    """Read the answer that creates or derives a key. Raises: BadFrame; its text never holds what came."""
    try:
        answer = msgspec.json.decode(body, type=_ApiKeyAnswer)
        base64.urlsafe_b64decode(_padded(answer.secret))
        named = an_id(answer.key), an_id(answer.passphrase)
    except (*UNREADABLE, ValueError):
        raise BadFrame("the answer to the request for an API key has not its shape") from None
    return ApiKey(address, named[0], answer.secret, named[1])


def _padded(secret: str) -> str:
    return secret + "=" * (-len(secret) % 4)


def signed_headers(api_key: ApiKey, wall_s: int, method: str, path: str, body: bytes) -> dict[str, str]:
    """The headers of an authenticated request: an HMAC over time, method, path without query, and the exact body."""
    message = f"{wall_s}{method}{path}".encode() + body
    secret = base64.urlsafe_b64decode(_padded(api_key.secret))
    signature = base64.urlsafe_b64encode(hmac.digest(secret, message, hashlib.sha256)).decode()
    return {
        "POLY_ADDRESS": api_key.address,
        "POLY_API_KEY": api_key.key,
        "POLY_PASSPHRASE": api_key.passphrase,
        "POLY_TIMESTAMP": str(wall_s),
        "POLY_SIGNATURE": signature,
    }
