# SPDX-License-Identifier: EUPL-1.2
"""The platform's OpenID Connect provider (OpenID Connect Core 1.0, code flow with PKCE); the one module that asks it.

Only who somebody is gets out of here, as the provider's own `sub`: no name is asked for, and none is kept.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from urllib3.exceptions import HTTPError

from captive_portal import turns
from edge_core import clock, logs
from edge_core.errors import ParvisError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_core.settings_sections import SignIn

_log = logs.get(__name__)
_DISCOVERY = "/.well-known/openid-configuration"  # OpenID Connect Discovery 1.0, 4
# Never "none", and never a shared secret, with which whoever checks a token could also make one.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"]
_SECONDS = 6.0
_LARGEST = 256 * 1024
_FRESH = 3600.0  # seconds that the provider's description is believed
_LEEWAY = 120  # seconds between its clock and ours
_AT_ONCE = 4  # of the portal's 16 threads; the rest go on serving pages
_PATIENCE = 1.0  # seconds to wait for one of those places
_AWAY_SECONDS = 10.0
"""For so long a provider that was out of reach isn't asked again: a crowd would wait for it, one behind the other."""


class ProviderError(ParvisError):
    """The provider can't be reached, or what it says can't be believed. `away` tells the two apart."""

    def __init__(self, message: str, *, away: bool) -> None:
        """Say what is wrong; no word of it comes from the provider."""
        super().__init__(message)
        self.away = away


class Provider:
    """One provider, its description and keys kept in memory for an hour."""

    def __init__(self, settings: SignIn) -> None:
        """Remember where it is; nothing is asked yet."""
        self._settings = settings
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._away_until = float("-inf")
        self._known: tuple[float, dict[str, Any], KeySet] | None = None

    def address(self, *, redirect: str, state: str, verifier: str, nonce: str, now: float) -> str:
        """Return where to send the person. Raises ProviderError."""
        described, _ = self._describe(now)
        with self._session(redirect) as session:
            url, _ = session.create_authorization_url(
                described["authorization_endpoint"], state=state, code_verifier=verifier, nonce=nonce
            )
            return str(url)

    def subject(self, code: str, *, redirect: str, verifier: str, nonce: str, now: float) -> str:
        """Exchange a code for the id token, check it, and return its `sub`. Raises ProviderError."""
        described, _ = self._describe(now)
        with self._asking():
            token = self._exchange(described["token_endpoint"], code, redirect, verifier)
        return self._checked(str(token.get("id_token", "")), nonce, now)

    def _exchange(self, endpoint: str, code: str, redirect: str, verifier: str) -> dict[str, Any]:
        try:
            with self._session(redirect) as session:
                token: dict[str, Any] = session.fetch_token(
                    endpoint, code=code, code_verifier=verifier, timeout=_SECONDS
                )
        except (AuthlibBaseError, ValueError) as error:  # an answer that is no JSON is a ValueError too
            raise _wrong("it refused the code", error) from error
        except requests.RequestException as error:
            raise self._away(error) from error
        return token

    def _checked(self, id_token: str, nonce: str, now: float) -> str:
        try:
            claims = self._claims(id_token, now)
            claims.params = {"nonce": nonce, "client_id": self._settings.client_id}
            claims.validate(int(now), _LEEWAY)
            subject = str(claims["sub"])
        except (JoseError, AuthlibBaseError, ValueError, KeyError, TypeError) as error:
            raise _wrong("its id token is not to be believed", error) from error
        if claims.get("nonce") != nonce:
            raise _wrong("its id token is for another sign-in", None)
        return subject

    def _claims(self, id_token: str, now: float) -> Any:
        described, keys = self._describe(now)
        try:
            token = jwt.decode(id_token, keys, algorithms=_ALGORITHMS)
        except (JoseError, ValueError):  # perhaps it has new keys
            described, keys = self._describe(now, again=True)
            token = jwt.decode(id_token, keys, algorithms=_ALGORITHMS)
        options = {
            "iss": {"essential": True, "value": described["issuer"]},
            "aud": {"essential": True, "value": self._settings.client_id},
        }
        return CodeIDToken(token.claims, token.header, options)

    def _describe(self, now: float, *, again: bool = False) -> tuple[dict[str, Any], KeySet]:
        if self._known and not again and abs(now - self._known[0]) < _FRESH:
            return self._known[1:]
        with self._asking():
            described = self._get(self._settings.issuer + _DISCOVERY)
            if str(described.get("issuer", "")).rstrip("/") != self._settings.issuer:
                raise _wrong("it describes another issuer", None)
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                self._check_address(described.get(name))
            try:
                keys = KeySet.import_key_set(self._get(described["jwks_uri"]))  # type: ignore[arg-type]
            except (JoseError, ValueError, KeyError, TypeError) as error:
                raise _wrong("its keys can't be read", error) from error
        self._known = (now, described, keys)
        return described, keys

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Hold one of the places of those who wait for the provider. Raises ProviderError where there is none."""
        with turns.aside():
            if not self._places.acquire(timeout=_PATIENCE):
                raise ProviderError("Many wait for the provider already.", away=True)
            try:
                if clock.monotonic() < self._away_until:
                    raise ProviderError("The provider was out of reach a moment ago.", away=True)
                yield
            finally:
                self._places.release()

    def _away(self, error: Exception) -> ProviderError:
        self._away_until = clock.monotonic() + _AWAY_SECONDS
        _log.warning("provider_away", reason=type(error).__name__)
        return ProviderError("The provider can't be reached.", away=True)

    def _check_address(self, value: object) -> None:
        """Believe no plain address of a provider that itself has a protected one."""
        scheme = self._settings.issuer.partition(":")[0]
        if not isinstance(value, str) or not value.startswith(("https://", f"{scheme}://")):
            raise _wrong("an address in its description is none", None)

    def _get(self, url: str) -> dict[str, Any]:
        try:
            with requests.Session() as session:
                self._prepare(session)
                with session.get(url, timeout=_SECONDS, stream=True, allow_redirects=False) as answer:
                    answer.raise_for_status()
                    body = answer.raw.read(_LARGEST, decode_content=True)
        except (requests.RequestException, HTTPError, OSError) as error:
            raise self._away(error) from error
        try:
            found = json.loads(body)
        except ValueError as error:
            raise _wrong("its answer is no JSON", error) from error
        if not isinstance(found, dict):
            raise _wrong("its answer is no object", None)
        return found

    def _session(self, redirect: str) -> OAuth2Session:
        secret = self._settings.client_secret
        try:
            words = secret.read_text(encoding="utf-8").strip() if secret else None
        except OSError as error:
            raise _wrong("[sign_in] client_secret can't be read", error) from error
        session = OAuth2Session(
            self._settings.client_id,
            words,
            scope="openid",
            redirect_uri=redirect,
            code_challenge_method="S256",
            token_endpoint_auth_method="client_secret_basic" if words else "none",
        )
        self._prepare(session)
        return session

    def _prepare(self, session: requests.Session) -> None:
        session.trust_env = False  # no proxy and no password file of whoever runs this
        if self._settings.ca:
            session.verify = str(self._settings.ca)


def _wrong(what: str, error: Exception | None) -> ProviderError:
    _log.warning("provider_wrong", what=what, reason=type(error).__name__ if error else "")
    return ProviderError(f"The provider can't be believed: {what}.", away=False)
