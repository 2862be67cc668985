"""Who may use the page: the names under which it is reached, the token beyond this computer, and where a note is from.

A name in the Host header that is not known is refused: a web page elsewhere can make its own name point to this
computer, and the browser then takes the recording for a part of that page (DNS rebinding).
"""

import hashlib
import hmac
import ipaddress
import os
import secrets
import socket
from collections.abc import Iterable
from pathlib import Path

from riglog.errors import ConfigError

TOKEN_VARIABLE = "RIGLOG_LIVE_TOKEN"
LEAST_TOKEN = 16
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Access:
    """The rules of one server.

    Args:
        address: what is listened on.
        token: what a browser from elsewhere must have; None on loopback.
        names: further names under which the page is reached, such as that of a proxy.
    """

    def __init__(self, address: str, token: str | None, names: Iterable[str] = ()) -> None:
        self.address = address
        self.token = token
        self.port = 0
        """Where the server listens; it enters it."""
        self.note_token = secrets.token_urlsafe(24)
        own = _own_names() if token is not None else [f"[{address}]" if ":" in address else address]
        self._names = {name.lower() for name in (*LOOPBACK, *names, *own)}

    def is_known_host(self, host: str | None) -> bool:
        """Return whether a Host header names this server."""
        name = _host_name(host or "")
        if name is None:
            return False
        if name in self._names:
            return True
        return self.token is not None and _is_address(name)  # no other page can be at a number

    def is_allowed(self, cookie: str | None, authorization: str | None) -> bool:
        """Return whether a request has the token, where one is needed."""
        if self.token is None:
            return True
        bearer = (authorization or "").removeprefix("Bearer ") if (authorization or "").startswith("Bearer ") else ""
        return _same(bearer, self.token) or _same(_cookie(cookie, self.cookie_name), self.cookie)

    def is_token(self, token: str) -> bool:
        """Return whether this is the token."""
        return self.token is not None and _same(token, self.token)

    @property
    def cookie_name(self) -> str:
        """Return the name of the cookie. A browser sends a cookie to all ports of a computer, so each has its own."""
        return f"riglog_live_{self.port}"

    @property
    def cookie(self) -> str:
        """What a browser keeps instead of the token."""
        return hmac.new((self.token or "").encode(), b"riglog live", hashlib.sha256).hexdigest()

    def may_note(self, host: str | None, origin: str | None, site: str | None, token: str | None) -> bool:
        """Return whether a note comes from this page and no other one."""
        own = origin is not None and origin.lower() in {f"{scheme}://{(host or '').lower()}" for scheme in SCHEMES}
        return own and site in (None, "same-origin") and _same(token or "", self.note_token)


SCHEMES = ("http", "https")


def given_token(file: Path | None) -> str | None:
    """Return the token from a file or the environment; None if there is none.

    Raises:
        ConfigError: it cannot be read, or is too short.
    """
    try:
        given = file.read_text("utf-8").strip() if file is not None else os.environ.get(TOKEN_VARIABLE)
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"cannot read the token: {error}", hint="Write it into a text file", path=file) from None
    if given is None:
        return None
    if len(given) < LEAST_TOKEN or not given.isascii() or not given.isprintable() or " " in given:
        hint = f"Use at least {LEAST_TOKEN} ASCII characters without blanks"
        raise ConfigError("the token is too short, or has other characters", hint=hint)
    return given


def new_token() -> str:
    """Return a token that nobody can guess."""
    return secrets.token_urlsafe(24)


def is_loopback(address: str) -> bool:
    """Return whether only this computer reaches an address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _own_names() -> list[str]:
    return [socket.gethostname(), socket.getfqdn()]


def _host_name(host: str) -> str | None:
    """Return the name in a Host header without its port, in lower case; None if it is none."""
    name, colon, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
    if not colon:
        name = host
    elif not (port.isascii() and port.isdecimal()):
        return None
    return name.lower() or None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _cookie(header: str | None, name: str) -> str:
    """Return the value of a cookie. Those of other programs on this computer may have any form."""
    for part in (header or "").split(";"):
        found, _, value = part.strip().partition("=")
        if found == name:
            return value
    return ""


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "backslashreplace"), expected.encode())
