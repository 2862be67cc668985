"""Secrets in the text of a rig file, which is stored with every run: they are replaced before that."""

import re

REPLACEMENT = "***"
_USER_AND_PASSWORD = re.compile(r"(://[^:/@\s\"']*:)(?!\$\{)([^\s\"']+)(?=@)")
_WORDS = r"(?:authorization|password|passwd|pwd|sslpassword|secret|token|api_?key)[\"']?\s*=\s*"
_QUOTED = re.compile(rf"({_WORDS}([\"']))(?!\$\{{)[^\n]*?(?=\2)", re.I)
_PARAMETER = re.compile(rf"({_WORDS})(?![\"']|\$\{{)([^&\s\"'#]+)", re.I)
_PATH = re.compile(r"(?m)^(\s*[\"']?url[\"']?\s*=\s*[\"']https?://[^/\s\"'?$]+[/?])(?!\$\{)[^\s\"']+")
"""The path of a webhook is often its password."""


def without_secrets(text: str) -> str:
    """Return the text of a rig file without passwords; ``${NAME}`` stays, as it is not the password itself."""
    for pattern in (_USER_AND_PASSWORD, _PATH, _QUOTED, _PARAMETER):
        text = pattern.sub(rf"\1{REPLACEMENT}", text)
    return text
