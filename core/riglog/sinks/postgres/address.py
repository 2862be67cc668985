"""The URL of a central database: parsed before anything is opened, shown without its secrets.

A password with an unescaped ``@``, ``/``, ``#`` or ``?`` splits a URL at the wrong place. Only URLs that can be read in
one way are accepted, so that no part of a password is ever taken for a host name and shown.
"""

import ipaddress
import re
from urllib.parse import parse_qsl, unquote, urlencode

from msgspec import Struct

from riglog.errors import ConfigError

SECRETS = {"password", "sslpassword"}
PARAMETERS = {
    *SECRETS,
    "application_name",
    "database",
    "dbname",
    "gsslib",
    "host",
    "krbsrvname",
    "options",
    "passfile",
    "port",
    "service",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcrl",
    "sslkey",
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "target_session_attrs",
    "user",
}
ENCRYPTED = {"require", "verify-ca", "verify-full"}
_NAME = r"(?:[A-Za-z0-9._~!$&'()*+;=-]|%[0-9A-Fa-f]{2})"
_HOST = r"(?:\[[0-9A-Fa-f:.%]+\]|(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2})+)?(?::\d{1,5})?"
URL = re.compile(
    rf"(?P<scheme>postgres(?:ql)?)://(?:(?P<user>{_NAME}*)(?::(?P<password>{_NAME}*))?@)?"
    rf"(?P<hosts>{_HOST}(?:,{_HOST})*)(?:/(?P<database>{_NAME}*))?(?:\?(?P<query>[^#]*))?"
)
HINT = (
    "Use postgresql://user@host:5432/database; set the password with PGPASSWORD or ~/.pgpass, or write its special"
    " characters as %40 (@), %2F (/), %3A (:), %23 (#), %3F (?) and %25 (%)"
)


OTHER_DATABASES = {"mysql", "mariadb", "sqlite", "mssql", "oracle", "mongodb", "influxdb", "redis", "http", "https"}


class Address(Struct, frozen=True):
    """A URL that was checked.

    Attributes:
        url: as it was given, with secrets.
        shown: without secrets, for messages.
        secrets: the texts that must not appear anywhere.
        unencrypted_host: the host to which a password may travel unencrypted; None if there is none.
    """

    url: str
    shown: str
    secrets: tuple[str, ...]
    unencrypted_host: str | None

    def redact(self, text: str) -> str:
        """Return a text without the secrets of the URL: libraries put what they were given into their messages."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def parse(url: str) -> Address:
    """Parse the URL of a database. Connects to nothing.

    Raises:
        ConfigError: it is not a URL of PostgreSQL, or can be read in several ways. The message has no part of it.
    """
    if url.partition("://")[0].partition("+")[0].lower() in OTHER_DATABASES:
        raise ConfigError("this is not a PostgreSQL database; no other kind can be used", hint=HINT)
    found = URL.fullmatch(url)
    parameters = _parameters(found["query"] or "") if found else None
    if found is None or parameters is None or not _valid_ports(found["hosts"]):
        raise ConfigError("invalid PostgreSQL URL", hint=HINT)
    public = {key: value for key, value in parameters.items() if key not in SECRETS}
    shown = f"{found['scheme']}://{found['user'] + '@' if found['user'] else ''}{found['hosts']}"
    if found["database"] is not None:
        shown += f"/{found['database']}"
    if public:
        shown += "?" + urlencode(public, safe="/:,")
    given = [found["password"] or "", *(parameters.get(key, "") for key in sorted(SECRETS))]
    secrets = {text for secret in given for text in (secret, unquote(secret)) if text}
    return Address(
        url, shown, tuple(sorted(secrets, key=len, reverse=True)), _unencrypted_host(found["hosts"], parameters)
    )


def unencrypted_warning(host: str) -> str:
    """Return what the user should know about a connection that may be unencrypted."""
    return (
        f"the connection to {host} may be unencrypted: add ?sslmode=verify-full&sslrootcert=FILE to the URL"
        " (or sslmode=require, which does not check whose server it is)"
    )


def _parameters(query: str) -> dict[str, str] | None:
    """Return the parameters of a URL; None if one of them is unknown: it may be a part of a password."""
    if not query:
        return {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        return None
    return dict(pairs) if all(key in PARAMETERS and "@" not in value for key, value in pairs) else None


def _valid_ports(hosts: str) -> bool:
    ports = [host.rpartition(":")[2] for host in hosts.split(",") if re.search(r":\d+$", host)]
    return all(0 < int(port) < 65536 for port in ports)


def _unencrypted_host(hosts: str, parameters: dict[str, str]) -> str | None:
    if parameters.get("sslmode") in ENCRYPTED:
        return None
    for host in (parameters.get("host") or hosts).split(","):
        name = unquote(re.sub(r":\d+$", "", host)).strip("[]")
        if name and not name.startswith("/") and not _is_loopback(name):
            return name
    return None


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
