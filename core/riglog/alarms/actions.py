"""What an alarm can start besides its event: each action is one blocking call, made in a thread with a time limit.

Nothing here uses a shell, and no text of an instrument becomes an argument: a program gets it as JSON on its input.
Errors name neither addresses nor passwords.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from riglog.errors import RiglogError

Facts = Mapping[str, Any]
"""``run``, ``host``, ``alarm``, ``channel``, ``state``, ``reason``, ``value``, ``text``, ``unit`` and ``at``."""


class ActionError(RiglogError):
    """An action has failed."""


class Action(Protocol):
    """``name`` is that of the rig file; ``timeout`` in seconds."""

    @property
    def name(self) -> str: ...
    @property
    def timeout(self) -> float: ...
    def run(self, facts: Facts) -> None: ...


class WebhookAction(Struct, frozen=True, kw_only=True):
    """Sends the facts with POST as JSON."""

    name: str
    timeout: float
    url: str
    headers: Mapping[str, str] = {}

    def run(self, facts: Facts) -> None:
        """Send it.

        Raises:
            ActionError: it was not accepted.
        """
        from http.client import HTTPException
        from urllib.error import HTTPError
        from urllib.request import Request, build_opener

        headers = {"Content-Type": "application/json", "User-Agent": "riglog", **self.headers}
        request = Request(self.url, json.dumps(facts).encode(), headers, method="POST")
        try:
            with build_opener(_no_redirects()).open(request, timeout=self.timeout):
                pass
        except HTTPError as error:
            raise ActionError(f"the server responded with status {error.code}") from None
        except (OSError, HTTPException, ValueError) as error:
            raise ActionError(f"not sent: {_reason(error)}") from None


class EmailAction(Struct, frozen=True, kw_only=True):
    """Sends the facts as an e-mail. ``security``: ``starttls``, ``tls`` or ``none``."""

    name: str
    timeout: float
    host: str
    port: int
    security: str
    sender: str
    to: tuple[str, ...]
    user: str | None = None
    password: str | None = None

    def run(self, facts: Facts) -> None:
        """Send it.

        Raises:
            ActionError: it was not accepted.
        """
        import smtplib
        import ssl
        from email.message import EmailMessage

        message = EmailMessage()
        message["From"], message["To"] = self.sender, ", ".join(self.to)
        message["Subject"] = " ".join(f"{facts['alarm']} {facts['state']}: {facts['channel']}".split())
        message.set_content(
            "".join(f"{key}: {' '.join(str(value).split())}\n" for key, value in facts.items() if value is not None)
        )
        context = ssl.create_default_context()
        try:
            server = (
                smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout, context=context)
                if self.security == "tls"
                else smtplib.SMTP(self.host, self.port, timeout=self.timeout)
            )
            with server:
                if self.security == "starttls":
                    server.starttls(context=context)
                if self.user is not None:
                    server.login(self.user, self.password or "")
                server.send_message(message)
        except smtplib.SMTPResponseException as error:
            raise ActionError(f"the mail server responded with code {error.smtp_code}") from None
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise ActionError(f"not sent: {_reason(error)}") from None


class ProgramAction(Struct, frozen=True, kw_only=True):
    """Starts a program with the facts as JSON on its standard input. There is no shell."""

    name: str
    timeout: float
    arguments: Sequence[str]

    def run(self, facts: Facts) -> None:
        """Run it to its end, or end it after the timeout, with what it has started.

        Raises:
            ActionError: it cannot be started, takes too long, or ends with another exit code than 0.
        """
        try:
            process = subprocess.Popen(
                [*self.arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise ActionError(f"the program cannot be started: {_reason(error)}") from None
        try:
            process.communicate(json.dumps(facts).encode() + b"\n", timeout=self.timeout)
        except subprocess.TimeoutExpired:
            _end(process)
            raise ActionError("the program was ended after its time limit") from None
        if process.returncode:
            raise ActionError(f"the program ended with exit code {process.returncode}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    if sys.platform == "win32":
        process.kill()
    else:
        import signal

        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            process.kill()
    process.wait()


def _no_redirects() -> Any:
    """Return a handler that follows no redirection: the facts go to the address of the rig file only."""
    from urllib.request import HTTPRedirectHandler

    class NoRedirects(HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    return NoRedirects()


def _reason(error: BaseException) -> str:
    """Return the reason of an error without anything that was configured: an address can contain a secret."""
    inner = getattr(error, "reason", None)
    cause = inner if isinstance(inner, BaseException) else error
    if isinstance(cause, TimeoutError):
        return "no response in time"
    return getattr(cause, "strerror", None) or type(cause).__name__
