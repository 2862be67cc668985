"""xBPI: binary, asked by the host, one checksummed reply to every request. Source: wire specification, section 3."""
