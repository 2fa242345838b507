"""The provider: discovery, keys, an authorization endpoint that asks nobody, tokens and userinfo, over real HTTP.

It holds clients to the standard: registered address, PKCE, one use of each code, the client's secret. `faults` are
what a broken or hostile provider would do.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT_ID, CLIENT_SECRET = "chatapp", "s3cret-of:the client"


@dataclass
class Person:
    """Who signs in next."""

    sub: str = "subject-1"
    email: str = "ada@example.org"
    email_verified: Any = True
    name: str = "Ada Lovelace"
    groups: Any = ()
    others: dict[str, Any] = field(default_factory=dict)

    def claims(self) -> dict[str, Any]:
        found = {"sub": self.sub, "email": self.email, "email_verified": self.email_verified, "name": self.name}
        found["groups"] = list(self.groups) if isinstance(self.groups, tuple) else self.groups
        return {name: value for name, value in (found | self.others).items() if value is not None}


@dataclass
class _Code:
    query: dict[str, str]
    person: Person
    is_used: bool = False


def new_key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


@cache
def _first_key() -> RSAKey:
    # The same for every provider of the process: a key takes a tenth of a second, and hundreds of tests want one.
    return new_key("key-1")


class IdentityProvider:
    """The server, what it knows and what it was asked."""

    def __init__(self, port: int = 0) -> None:
        self.person = Person()
        self.faults: dict[str, Any] = {}
        """`claims`: put over those of the token; `claims_from_now`: moments, in seconds from now. `sign`: how else
        the token is signed, see `_signed`. `error`: given back instead of a code. `iss`: sent back with the code.
        `metadata`: put over the description. `keys`: instead of the keys. `token_status`, `token_body`: instead of
        tokens. `redirect_token`: where the token endpoint redirects to. `userinfo_only`: claims left out of the token.
        `userinfo_sub`: another subject there."""
        self.key = _first_key()
        self.client_secret = CLIENT_SECRET
        self.redirect_uris: set[str] = set()
        """Empty: any."""
        self.requests: list[str] = []
        self.tokens_given = 0
        self.codes: dict[str, _Code] = {}
        self.access_tokens: dict[str, Person] = {}
        handler = type("Handler", (_Handler,), {"provider": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def open(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def rotate(self) -> None:
        """Sign with another key from now on, under another name."""
        self.key = new_key(f"key-{secrets.token_hex(4)}")

    def metadata(self) -> dict[str, Any]:
        found = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            "code_challenge_methods_supported": ["S256"],
        }
        return found | self.faults.get("metadata", {})

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser is sent; raises `ValueError` for what a provider must not answer with a redirect."""
        if query.get("client_id") != CLIENT_ID:
            raise ValueError("unknown client")
        where = query.get("redirect_uri", "")
        if self.redirect_uris and where not in self.redirect_uris:
            raise ValueError("redirect_uri is not registered")
        back = {"state": query.get("state", "")}
        if "openid" not in query.get("scope", "").split() or query.get("response_type") != "code":
            return f"{where}?{urlencode(back | {'error': 'invalid_request'})}"
        if query.get("code_challenge_method") != "S256" or not query.get("code_challenge"):
            return f"{where}?{urlencode(back | {'error': 'invalid_request', 'error_description': 'PKCE'})}"
        if error := self.faults.get("error"):
            return f"{where}?{urlencode(back | {'error': error, 'error_description': '<b>no</b>'})}"
        code = secrets.token_urlsafe(24)
        self.codes[code] = _Code(query, self.person)
        if "iss" in self.faults:
            back["iss"] = self.faults["iss"]
        return f"{where}?{urlencode(back | {'code': code})}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        if "token_status" in self.faults:
            return self.faults["token_status"], self.faults.get("token_body", {"error": "server_error"})
        if not self._is_client(form, authorization):
            return 401, {"error": "invalid_client"}
        found = self.codes.get(form.get("code", ""))
        if found is None or found.is_used or form.get("redirect_uri") != found.query["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        found.is_used = True
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") != found.query["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        self.tokens_given += 1
        access_token = secrets.token_urlsafe(16)
        self.access_tokens[access_token] = found.person
        id_token = self._id_token(found, access_token)
        return 200, {"access_token": access_token, "token_type": "Bearer", "expires_in": 60, "id_token": id_token}

    def _is_client(self, form: Mapping[str, str], authorization: str) -> bool:
        if not self.client_secret:
            return form.get("client_id") == CLIENT_ID and not authorization
        if authorization.startswith("Basic "):
            name, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
            return (unquote(name), secret) == (CLIENT_ID, self.client_secret)
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, self.client_secret)

    def _id_token(self, code: _Code, access_token: str) -> str:
        now = int(time.time())
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        claims = code.person.claims() | {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": code.query.get("nonce"),
            "at_hash": base64.urlsafe_b64encode(half).decode().rstrip("="),
        }
        claims |= {name: now + seconds for name, seconds in self.faults.get("claims_from_now", {}).items()}
        claims = {name: value for name, value in (claims | self.faults.get("claims", {})).items() if value is not None}
        claims = {name: value for name, value in claims.items() if name not in self.faults.get("userinfo_only", ())}
        return self._signed(claims)

    def _signed(self, claims: dict[str, Any]) -> str:  # noqa: PLR0911  # one line a fault
        match self.faults.get("sign"):
            case "none":
                parts = ({"alg": "none", "typ": "JWT"}, claims)
                return ".".join(_part(json.dumps(part).encode()) for part in parts) + "."
            case "hmac":
                # The public key taken for a shared secret, which a careless client accepts.
                pem = self.key.as_pem(private=False)
                return _hmac({"alg": "HS256", "kid": self.key.kid}, claims, pem)
            case "hmac_of_secret":
                return _hmac({"alg": "HS256", "kid": self.key.kid}, claims, self.client_secret.encode())
            case "other_key":
                return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, new_key(str(self.key.kid)))
            case "unknown_kid":
                return jwt.encode({"alg": "RS256", "kid": "nobody's"}, claims, new_key("nobody's"))
            case "no_kid":
                return jwt.encode({"alg": "RS256"}, claims, self.key)
            case "broken":
                return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)[:-8] + "AAAAAAAA"
            case "garbage":
                return "not.a.token"
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    def keys(self) -> dict[str, Any]:
        return self.faults.get("keys") or dict(KeySet([self.key]).as_dict(private=False))

    def userinfo(self, authorization: str) -> tuple[int, dict[str, Any]]:
        person = self.access_tokens.get(authorization.removeprefix("Bearer "))
        if person is None:
            return 401, {"error": "invalid_token"}
        return 200, person.claims() | ({"sub": self.faults["userinfo_sub"]} if "userinfo_sub" in self.faults else {})


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _hmac(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    signed = f"{_part(json.dumps(header).encode())}.{_part(json.dumps(claims).encode())}"
    return f"{signed}.{_part(hmac.digest(secret, signed.encode(), 'sha256'))}"


class _Handler(BaseHTTPRequestHandler):
    provider: IdentityProvider
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.provider.requests.append(url.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/.well-known/openid-configuration":
            self._json(200, self.provider.metadata())
        elif url.path == "/keys":
            self._json(200, self.provider.keys())
        elif url.path == "/userinfo":
            self._json(*self.provider.userinfo(self.headers.get("Authorization", "")))
        elif url.path == "/authorize":
            self._authorize(query)
        else:
            self._json(404, {"error": "not_found"})

    def do_POST(self) -> None:
        self.provider.requests.append(self.path)
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode())
        if where := self.provider.faults.get("redirect_token"):
            self._redirect(where, 307)
        elif self.path == "/token":
            fields = {name: values[0] for name, values in form.items()}
            self._json(*self.provider.token(fields, self.headers.get("Authorization", "")))
        elif self.path == "/person":
            # For tests whose provider is another process.
            self.provider.person = Person(**json.loads(form["person"][0]))
            self._json(200, {})
        else:
            self._json(404, {"error": "not_found"})

    def _authorize(self, query: dict[str, str]) -> None:
        try:
            self._redirect(self.provider.authorize(query), 302)
        except ValueError as error:
            self._json(400, {"error": str(error)})

    def _redirect(self, where: str, status: int) -> None:
        self.send_response(status)
        self.send_header("Location", where)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _json(self, status: int, body: Mapping[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
