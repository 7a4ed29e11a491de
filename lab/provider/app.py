# SPDX-License-Identifier: EUPL-1.2
"""The provider's pages and endpoints. Nothing here is shared with the product: both follow OpenID Connect Core 1.0."""

import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, grants
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode, UserInfo
from flask import Flask, Response, jsonify, render_template_string, request
from joserfc.jwk import RSAKey

_FORM = """<!doctype html><html lang="en"><title>Example provider</title>
<meta name="viewport" content="width=device-width"><main><h1>Example provider</h1>
<form method="post"><label>Who are you? <input name="sub" required autofocus></label>
<button>Sign in</button></form></main></html>"""


@dataclass
class Client(ClientMixin):  # type: ignore[misc]  # Authlib has no types
    """The portal, as this provider knows it: its id, its secret, and where people may be sent back to."""

    client_id: str
    secret: str
    redirects: tuple[str, ...]

    def get_client_id(self) -> str:
        """Return its id."""
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        """Return where people go without being asked."""
        return self.redirects[0]

    def get_allowed_scope(self, scope: str) -> str:
        """Return of a scope what it may ask for."""
        return " ".join(word for word in scope.split() if word == "openid")

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Tell whether people may be sent back there."""
        return redirect_uri in self.redirects

    def check_client_secret(self, client_secret: str) -> bool:
        """Tell whether this is its secret."""
        return secrets.compare_digest(client_secret, self.secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002  Authlib's signature
        """Tell whether it may show who it is in this way."""
        return method == ("client_secret_basic" if self.secret else "none")

    def check_response_type(self, response_type: str) -> bool:
        """Allow codes alone."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """Allow codes alone."""
        return grant_type == "authorization_code"


@dataclass
class Code(AuthorizationCodeMixin):  # type: ignore[misc]
    """A code: used once, for a minute."""

    code: str
    client_id: str
    redirect_uri: str
    scope: str
    nonce: str | None
    subject: str
    code_challenge: str
    code_challenge_method: str
    until: float = field(default_factory=lambda: time.time() + 60)

    def get_redirect_uri(self) -> str:
        """Return where its person goes."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """Return what was asked for."""
        return self.scope

    def get_nonce(self) -> str | None:
        """Return the nonce of the request."""
        return self.nonce

    def get_auth_time(self) -> int:
        """Return when the person signed in."""
        return int(self.until) - 60

    def get_acr(self) -> None:
        """Return nothing: no class of authentication is told."""
        return

    def get_amr(self) -> None:
        """Return nothing: no method is told."""
        return


@dataclass
class User:
    """Somebody."""

    subject: str

    def get_user_id(self) -> str:
        """Return the subject."""
        return self.subject


class _CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]  # Authlib has no types
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "none"]  # noqa: RUF012  Authlib's way

    def save_authorization_code(self, code: str, request: Any) -> None:
        asked = request.payload.data
        names = ("client_id", "redirect_uri", "scope", "nonce")
        known = {name: asked.get(name) for name in names}
        challenge = {name: asked.get(name, "") for name in ("code_challenge", "code_challenge_method")}
        self.server.codes[code] = Code(code=code, subject=request.user.subject, **known, **challenge)

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        found: Code | None = self.server.codes.get(code)
        return found if found and found.client_id == client.client_id and found.until > time.time() else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        self.server.codes.pop(authorization_code.code, None)

    def authenticate_user(self, authorization_code: Code) -> User:
        return User(authorization_code.subject)


class _OpenId(OpenIDCode):  # type: ignore[misc]
    def __init__(self, key: RSAKey, changes: dict[str, Any]) -> None:
        super().__init__(require_nonce=True)
        self._key, self._changes = key, changes

    def exists_nonce(self, nonce: str, request: Any) -> bool:  # noqa: ARG002
        return False

    def resolve_client_private_key(self, client: Client) -> Any:  # noqa: ARG002
        return self._changes.get("key", self._key)

    def get_client_algorithm(self, client: Client) -> str:  # noqa: ARG002
        return "RS256"

    def get_encode_header(self, client: Client) -> dict[str, Any]:  # noqa: ARG002
        return {"alg": "RS256", "kid": self._key.kid}

    def get_client_claims(self, client: Client) -> dict[str, Any]:
        now = int(time.time())
        claims = {"iss": request.host_url.rstrip("/"), "aud": [client.client_id], "iat": now, "exp": now + 300}
        return claims | {name: value for name, value in self._changes.items() if name != "key"}

    def generate_user_info(self, user: User, scope: str) -> UserInfo:  # noqa: ARG002
        return UserInfo(sub=user.subject)


def create_app(client: Client, changes: dict[str, Any] | None = None) -> Flask:
    """Return the provider. `changes` overrides what its id tokens are made with, for tests of a bad provider."""
    app = Flask(__name__)
    key = RSAKey.generate_key(2048, auto_kid=True)
    server = AuthorizationServer(
        app, query_client=lambda key: client if key == client.client_id else None, save_token=lambda *_: None
    )
    server.codes = {}
    server.register_grant(_CodeGrant, [CodeChallenge(required=True), _OpenId(key, changes or {})])

    @app.get("/.well-known/openid-configuration")
    def described() -> Response:
        home = request.host_url
        return jsonify(
            issuer=home.rstrip("/"),
            authorization_endpoint=f"{home}authorize",
            token_endpoint=f"{home}token",
            jwks_uri=f"{home}keys",
            response_types_supported=["code"],
            subject_types_supported=["pairwise"],
            id_token_signing_alg_values_supported=["RS256"],
            code_challenge_methods_supported=["S256"],
        )

    @app.get("/keys")
    def keys() -> Response:
        return jsonify(keys=[key.as_dict(private=False)])

    @app.route("/authorize", methods=["GET", "POST"])
    def authorize() -> Any:
        user = User(request.form["sub"]) if request.method == "POST" else None
        try:
            grant = server.get_consent_grant(end_user=user)
        except OAuth2Error as error:
            return jsonify(dict(error.get_body())), 400
        return server.create_authorization_response(grant_user=user, grant=grant) if user else page()

    @app.post("/token")
    def token() -> Any:
        return server.create_token_response()

    def page() -> str:
        return render_template_string(_FORM)

    return app
