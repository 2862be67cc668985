"""xBPI: binary frames with a checksum, exactly one reply to every request. Source: wire specification, section 3."""
