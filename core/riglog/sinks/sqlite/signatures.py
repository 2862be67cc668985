"""Signatures of seals: Ed25519, with a key from a file (``pip install "riglog[sign]"``) or in an agent (``ssh-agent``).

A recording never waits for a key: an agent that does not respond is tried again with a later head.
"""

import base64
import binascii
import hashlib
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from riglog.errors import ConfigError
from riglog.log import get_logger
from riglog.sinks.optional_dependencies import import_optional

log = get_logger("riglog.sinks")
SIGNED = b"riglog seal 1\0"
"""What is signed is this and the head, so that no signature for another purpose is one."""
ALGORITHM = "ed25519"
AGENT = "agent"
SIGN_SECONDS = 60.0
AGENT_SECONDS = 3.0
SSH_TYPE = b"ssh-ed25519"
REQUEST_KEYS, KEYS, REQUEST_SIGNATURE, SIGNATURE = 11, 12, 13, 14
"""Messages of the agent: draft-miller-ssh-agent."""


class PublicKey(Struct, frozen=True):
    """``content``: the 32 bytes of an Ed25519 key."""

    content: bytes

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` shows it."""
        digest = hashlib.sha256(_field(SSH_TYPE) + _field(self.content)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


class _Key(Protocol):
    public_key: bytes

    def sign(self, message: bytes) -> bytes: ...


class KeySigner:
    """Signs a head a minute, and the last one, with one key.

    Raises:
        ConfigError: the key cannot be used.
    """

    algorithm = ALGORITHM

    def __init__(self, key: str) -> None:
        self._key: _Key = _AgentKey() if key == AGENT else _FileKey(Path(key).expanduser())
        self.public_key = self._key.public_key
        self._due = 0.0

    def is_due(self) -> bool:
        """Return whether the last attempt was long enough ago."""
        return time.monotonic() >= self._due

    def sign(self, head: bytes) -> bytes | None:
        """Return the signature of a head; None if the key cannot be used now."""
        self._due = time.monotonic() + SIGN_SECONDS
        try:
            return self._key.sign(SIGNED + head)
        except (OSError, ConfigError) as error:
            log.warning("the seal cannot be signed now: %s; a later one is signed", error)
            return None


class _FileKey:
    def __init__(self, path: Path) -> None:
        serialization: Any = import_optional("cryptography.hazmat.primitives.serialization", "sign")
        ed25519: Any = import_optional("cryptography.hazmat.primitives.asymmetric.ed25519", "sign")
        hint = 'Give an Ed25519 key without a password (ssh-keygen -t ed25519), or use sign = "agent"'
        try:
            content = path.read_bytes()
            load = serialization.load_ssh_private_key if b"OPENSSH" in content else serialization.load_pem_private_key
            key = load(content, password=None)
        except OSError as error:
            raise ConfigError(f"key cannot be read: {error.strerror}", hint=hint, path=path) from error
        except Exception as error:  # the library raises many kinds
            raise ConfigError(f"key cannot be used: {error}", hint=hint, path=path) from None
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise ConfigError("the key is not an Ed25519 key", hint=hint, path=path)
        self._private = key
        self.public_key: bytes = key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        signature: bytes = self._private.sign(message)
        return signature


class _AgentKey:
    """The first Ed25519 key of the agent."""

    def __init__(self) -> None:
        try:
            kind, content = _call_agent(bytes([REQUEST_KEYS]))
        except OSError as error:
            raise ConfigError(f"no agent responds: {error}", hint="Start ssh-agent, and add a key: ssh-add") from error
        fields = _fields(content[4:]) if kind == KEYS else iter(())
        for blob, _comment in zip(fields, fields, strict=False):
            parts = list(_fields(blob))
            if parts[:1] == [SSH_TYPE]:
                self._blob, self.public_key = blob, parts[1]
                return
        raise ConfigError("the agent has no Ed25519 key", hint="Add one: ssh-add FILE")

    def sign(self, message: bytes) -> bytes:
        kind, content = _call_agent(bytes([REQUEST_SIGNATURE]) + _field(self._blob) + _field(message) + bytes(4))
        if kind != SIGNATURE:
            raise ConfigError("the agent refuses to sign", hint="Unlock it, or add the key again: ssh-add")
        _, signature = _fields(next(_fields(content)))
        return signature


def read_public_key(path: Path) -> PublicKey:
    """Return an Ed25519 key from a file: one line as in ``id_ed25519.pub``, or PEM.

    Raises:
        ConfigError: it has none.
    """
    hint = "Give the file with the public key, such as ~/.ssh/id_ed25519.pub"
    try:
        content = path.expanduser().read_bytes()
    except OSError as error:
        raise ConfigError(f"key cannot be read: {error.strerror}", hint=hint, path=path) from error
    words = content.split()
    if words[:1] == [SSH_TYPE] and len(words) > 1:
        try:
            name, key = _fields(base64.b64decode(words[1], validate=True))
        except (ValueError, binascii.Error):
            raise ConfigError("the file has no Ed25519 key", hint=hint, path=path) from None
        if name == SSH_TYPE and len(key) == 32:
            return PublicKey(key)
    if b"BEGIN PUBLIC KEY" in content:
        serialization: Any = import_optional("cryptography.hazmat.primitives.serialization", "sign")
        try:
            return PublicKey(serialization.load_pem_public_key(content).public_bytes_raw())
        except Exception:  # another kind of key, or damaged: the library raises many kinds
            raise ConfigError("the file has no Ed25519 key", hint=hint, path=path) from None
    raise ConfigError("the file has no Ed25519 key", hint=hint, path=path)


def is_checkable() -> bool:
    """Return whether signatures can be checked: the package for it is installed."""
    return find_spec("cryptography") is not None


def is_signed(key: bytes, signature: bytes, head: bytes) -> bool:
    """Return whether a signature of a head is valid.

    Raises:
        ConfigError: the package for it is not installed.
    """
    ed25519: Any = import_optional("cryptography.hazmat.primitives.asymmetric.ed25519", "sign")
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(key).verify(signature, SIGNED + head)
    except Exception:  # InvalidSignature, or no key at all
        return False
    return True


def _call_agent(message: bytes) -> tuple[int, bytes]:
    """Send one message to the agent, and return the kind and the content of its reply."""
    if sys.platform == "win32":
        with open(r"\\.\pipe\openssh-ssh-agent", "r+b", buffering=0) as pipe:
            pipe.write(_field(message))
            reply = next(_fields(pipe.read(2**16)))
            return reply[0], reply[1:]
    place = os.environ.get("SSH_AUTH_SOCK")
    if not place:
        raise OSError("SSH_AUTH_SOCK is not set")
    with closing(socket.socket(socket.AF_UNIX)) as agent:
        agent.settimeout(AGENT_SECONDS)
        agent.connect(place)
        agent.sendall(_field(message))
        size = int.from_bytes(_received(agent, 4))
        if not 1 <= size <= 2**18:
            raise OSError("the reply of the agent is not valid")
        reply = _received(agent, size)
    return reply[0], reply[1:]


def _received(agent: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = agent.recv(size - len(found))
        if not part:
            raise OSError("the agent has closed the connection")
        found += part
    return found


def _field(content: bytes) -> bytes:
    return len(content).to_bytes(4) + content


def _fields(content: bytes) -> Iterator[bytes]:
    at = 0
    while at + 4 <= len(content):
        size = int.from_bytes(content[at : at + 4])
        yield content[at + 4 : at + 4 + size]
        at += 4 + size
