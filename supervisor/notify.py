"""Readiness and watchdog over the service manager's notify socket; nothing happens where there is none.

It never waits: a service manager that does not read its mail must not stop the desk, so what does not fit is lost, and
whatever must arrive is said again.

Source: sd_notify(3). The protocol is one datagram.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


def notify(message: str, environ: Mapping[str, str] | None = None) -> bool:
    """Tell the service manager, such as READY=1; whether there was one that took it."""
    address = (os.environ if environ is None else environ).get("NOTIFY_SOCKET", "")
    if not address:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
        try:
            sender.connect("\0" + address[1:] if address.startswith("@") else address)
            sender.sendall(message.encode())
        except OSError:
            return False
    return True
