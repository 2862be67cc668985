"""What operating systems tell in different ways: permissions, adapters, mounts. One class for each.

``Outside`` is all that they use of the computer, so that each can be tried on any other one.
"""

import os
import sys
from abc import ABC, abstractmethod
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from riglog.timekeeping import output_of

SECONDS = 5.0
NETWORK_TYPES = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afpfs", "webdav", "9p", "ncpfs", "ceph", "glusterfs"}
NETWORK_PREFIXES = ("fuse.sshfs", "fuse.rclone", "fuse.glusterfs", "fuse.s3fs", "fuse.davfs")
DRIVE_REMOTE = 4


class Refusal(NamedTuple):
    """Why the user cannot open a port, and the command that permits it."""

    reason: str
    command: str | None


class Outside:
    """The computer itself."""

    def run(self, *command: str) -> str | None:
        """Return what a program prints; None if there is none, or it fails."""
        return output_of(*command, seconds=SECONDS)

    def read(self, path: str) -> str | None:
        """Return the text of a file; None if it cannot be read."""
        try:
            return Path(path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None

    def may_open(self, path: str) -> bool:
        """Return whether the user may read and write a file."""
        return os.access(path, os.R_OK | os.W_OK)

    def real_path(self, path: str) -> str:
        return os.path.realpath(path)

    def group_of(self, path: str) -> str | None:
        """Return the group of a file if it may read and write it; None otherwise."""
        if sys.platform == "win32":
            return None
        import grp

        try:
            found = os.stat(path)
            return grp.getgrgid(found.st_gid).gr_name if found.st_mode & 0o060 == 0o060 else None
        except (OSError, KeyError):
            return None

    def user(self) -> str:
        import getpass

        try:
            return getpass.getuser()
        except (OSError, KeyError):
            return "USER"

    def has_group(self, user: str, group: str) -> bool:
        """Return whether the user has a group, also if only from the next login on."""
        if sys.platform == "win32":
            return False
        import grp

        try:
            return user in grp.getgrnam(group).gr_mem
        except KeyError:
            return False

    def drive_type(self, path: str) -> int | None:
        """Return what Windows calls the type of a drive."""
        if sys.platform != "win32":
            return None
        import ctypes

        return int(ctypes.windll.kernel32.GetDriveTypeW(os.path.splitdrive(path)[0] + "\\"))


class System(ABC):
    """An operating system."""

    def __init__(self, outside: Outside) -> None:
        self.outside = outside

    def refusal(self, device: str) -> Refusal | None:
        """Return why the user cannot open a port; None if nothing is known to be in the way."""
        return None

    def latency_ms(self, device: str) -> tuple[int, str] | None:
        """Return for how long an FTDI adapter collects bytes, and the command that sets it to 1 ms; None: no such."""
        return None

    @abstractmethod
    def network_mount(self, folder: Path) -> str | None:
        """Return the type of the network file system of a folder; None if it is on a local disk, or not known."""


class Posix(System):
    """What Linux and macOS have in common."""

    def refusal(self, device: str) -> Refusal | None:
        outside = self.outside
        path = outside.real_path(device)
        if outside.may_open(path):
            return None
        user, group = outside.user(), outside.group_of(path)
        if group is None or group == "root":
            return Refusal(f"permission denied for {user}", f"sudo chmod a+rw {path}")
        if outside.has_group(user, group):
            return Refusal(f"{user} has the group {group} from the next login on", f"newgrp {group}")
        return Refusal(f"permission denied: {user} is not in the group {group}", self._join(user, group))

    def _join(self, user: str, group: str) -> str:
        return f"sudo usermod -aG {group} {user}  # then log in again"


class Linux(Posix):
    def latency_ms(self, device: str) -> tuple[int, str] | None:
        name = PurePosixPath(self.outside.real_path(device)).name
        path = f"/sys/bus/usb-serial/devices/{name}/latency_timer"
        text = (self.outside.read(path) or "").strip()
        return (int(text), f"echo 1 | sudo tee {path}") if text.isdecimal() else None

    def network_mount(self, folder: Path) -> str | None:
        place = self.outside.real_path(str(folder))
        best, kind = "", ""
        for line in (self.outside.read("/proc/self/mountinfo") or "").splitlines():
            left, _, right = line.partition(" - ")
            fields, types = left.split(), right.split()
            if len(fields) < 5 or not types:
                continue
            point = fields[4].replace("\\040", " ")
            inside = place == point or place.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best):
                best, kind = point, types[0]
        return kind if is_network(kind) else None


class MacOS(Posix):
    def _join(self, user: str, group: str) -> str:
        return f"sudo dseditgroup -o edit -a {user} -t user {group}  # then log in again"

    def network_mount(self, folder: Path) -> str | None:
        place = self.outside.real_path(str(folder))
        best, kind = "", ""
        for line in (self.outside.run("/sbin/mount") or "").splitlines():
            point, _, rest = line.partition(" on ")[2].rpartition(" (")
            inside = place == point or place.startswith(point.rstrip("/") + "/")
            if point and inside and len(point) >= len(best):
                best, kind = point, rest.partition(",")[0].rstrip(")")
        return kind if is_network(kind) else None


class Windows(System):
    def network_mount(self, folder: Path) -> str | None:
        place = str(folder)
        if place.startswith("\\\\") or self.outside.drive_type(place) == DRIVE_REMOTE:
            return "network drive"
        return None


def is_network(kind: str) -> bool:
    """Return whether a type of file system is that of another computer."""
    return kind in NETWORK_TYPES or kind.startswith(NETWORK_PREFIXES)


SYSTEMS: dict[str, type[System]] = {"darwin": MacOS, "win32": Windows}


def this_system(platform: str = sys.platform, outside: Outside | None = None) -> System:
    """Return the system of this computer; every other one is like Linux."""
    return SYSTEMS.get(platform, Linux)(outside or Outside())
