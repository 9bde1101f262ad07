"""The two ceremonies of WebAuthn, registering and signing in: what is asked, what is believed.

A thin layer over python-fido2, with the choices of this house: user verification and discoverable
credentials are required, attestation is not wanted, and one origin may ask, not its subdomains.
Knows no database. Rules: WebAuthn Level 3, §7.1 (registration) and §7.2 (authentication).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestationConveyancePreference,
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialParameters,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from billing.staff.domain import CHALLENGE_LASTS
from billing.staff.errors import PasskeyError
from billing.staff.relying_party import RelyingParty

ALGORITHMS = (-7, -8, -257)
"""COSE's numbers for ES256, EdDSA and RS256, which between them every authenticator has."""

_VERIFIED = UserVerificationRequirement.REQUIRED
_NOT_TAKEN = "This passkey’s answer could not be checked. Please try again."
T = TypeVar("T")
Options = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Registered:
    """A credential that has just been made."""

    credential_id: bytes
    credential_data: bytes
    sign_count: int


@dataclass(frozen=True, kw_only=True)
class Asserted:
    """A signature that holds."""

    sign_count: int
    user_handle: bytes | None


@dataclass(frozen=True)
class Ceremonies:
    """Asks for passkeys and checks their answers, for one newsroom."""

    party: RelyingParty
    newsroom: str

    def creation_options(
        self, challenge: bytes, *, name: str, user_handle: bytes, known: Sequence[bytes]
    ) -> Options:
        """What `navigator.credentials.create` is called with, as JSON; not for `known` devices."""
        options, _ = self._server().register_begin(
            PublicKeyCredentialUserEntity(id=user_handle, name=name, display_name=name),
            credentials=[AttestedCredentialData(data) for data in known],
            resident_key_requirement=ResidentKeyRequirement.REQUIRED,
            user_verification=_VERIFIED,
            challenge=challenge,
        )
        return _json(options)

    def request_options(self, challenge: bytes, *, known: Sequence[bytes] = ()) -> Options:
        """What `navigator.credentials.get` is called with; any of ours unless some are `known`."""
        options, _ = self._server().authenticate_begin(
            credentials=[AttestedCredentialData(data) for data in known] or None,
            user_verification=_VERIFIED,
            challenge=challenge,
        )
        return _json(options)

    def registered(self, challenge: bytes, answer: str) -> Registered:
        """The credential of a registration's answer.

        Raises:
            PasskeyError: when it is not an answer to this challenge, from this origin, by somebody
                who proved to be there, with a key of ours to take.
        """
        return _believe(lambda: self._registered(challenge, answer))

    def asserted(self, challenge: bytes, answer: str, credential_data: bytes) -> Asserted:
        """What a passkey signed.

        Raises:
            PasskeyError: as for `registered`, or when its signature is not this credential's.
        """
        return _believe(lambda: self._asserted(challenge, answer, credential_data))

    def _registered(self, challenge: bytes, answer: str) -> Registered:
        server = self._server()
        response = RegistrationResponse.from_dict(json.loads(answer))
        _refuse_frames(response.response.client_data.cross_origin)
        # The state that belongs to a challenge is what beginning with it returns.
        user = PublicKeyCredentialUserEntity(id=b"-", name="-", display_name="-")
        _, state = server.register_begin(user, user_verification=_VERIFIED, challenge=challenge)
        data = server.register_complete(state, response)
        credential = data.credential_data
        if credential is None or credential.public_key[3] not in ALGORITHMS:
            raise PasskeyError("This passkey uses a kind of key that we do not take.")
        return Registered(
            credential_id=credential.credential_id,
            credential_data=bytes(credential),
            sign_count=data.counter,
        )

    def _asserted(self, challenge: bytes, answer: str, credential_data: bytes) -> Asserted:
        server = self._server()
        response = AuthenticationResponse.from_dict(json.loads(answer))
        _refuse_frames(response.response.client_data.cross_origin)
        _, state = server.authenticate_begin(user_verification=_VERIFIED, challenge=challenge)
        server.authenticate_complete(state, [AttestedCredentialData(credential_data)], response)
        return Asserted(
            sign_count=response.response.authenticator_data.counter,
            user_handle=response.response.user_handle,
        )

    def _server(self) -> Fido2Server:
        server = Fido2Server(
            PublicKeyCredentialRpEntity(id=self.party.id, name=self.newsroom),
            attestation=AttestationConveyancePreference.NONE,
            verify_origin=lambda origin: origin == self.party.origin,
        )
        server.timeout = int(CHALLENGE_LASTS.total_seconds() * 1000)  # type: ignore[assignment]
        server.allowed_algorithms = [
            PublicKeyCredentialParameters(type=PublicKeyCredentialType.PUBLIC_KEY, alg=number)
            for number in ALGORITHMS
        ]
        return server


def challenge_of(answer: str) -> bytes:
    """The challenge that an answer says it is for.

    Raises:
        PasskeyError: when it is no answer of a passkey.
    """
    return _believe(lambda: _client_data(answer))


def credential_id_of(answer: str) -> bytes:
    """Which credential an assertion says it is of.

    Raises:
        PasskeyError: when it is no answer of a passkey.
    """
    return _believe(lambda: bytes(AuthenticationResponse.from_dict(json.loads(answer)).raw_id))


def _client_data(answer: str) -> bytes:
    read = json.loads(answer)
    kind = (
        RegistrationResponse if "attestationObject" in read["response"] else AuthenticationResponse
    )
    return bytes(kind.from_dict(read).response.client_data.challenge)


def _refuse_frames(cross_origin: bool) -> None:
    if cross_origin:
        raise PasskeyError("Passkeys are not taken from within another site’s page.")


def _believe(check: Callable[[], T]) -> T:
    try:
        return check()
    except PasskeyError:
        raise
    except Exception as error:
        raise PasskeyError(_NOT_TAKEN) from error


def _json(options: Any) -> Options:
    return dict(dict(options)["publicKey"])
