"""Secrets in the text of a rig file, which is stored with every run: they are replaced before that."""

import re

REPLACEMENT = "***"
_USER_AND_PASSWORD = re.compile(r"(://[^:/@\s\"']*:)(?!\$\{)([^\s\"']+)(?=@)")
_PARAMETER = re.compile(
    r"((?:password|passwd|pwd|sslpassword|secret|token|api_?key)\s*=\s*[\"']?)(?!\$\{)([^&\s\"'#]+)", re.I
)


def without_secrets(text: str) -> str:
    """Return the text of a rig file without passwords; ``${NAME}`` stays, as it is not the password itself."""
    return _PARAMETER.sub(rf"\1{REPLACEMENT}", _USER_AND_PASSWORD.sub(rf"\1{REPLACEMENT}", text))
