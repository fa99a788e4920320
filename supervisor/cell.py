"""The cell a worker runs in, put on by this script before it becomes the worker: no network, no secrets.

Run by the release's own interpreter with -I and -S, so nothing of the release is loaded yet:

    python -I -S cell.py READ_PATHS WRITE_PATHS -- python -m worker ...          paths joined with ':'

What it does is inherited and cannot be taken off: no new privileges, no core dump, few descriptors; a seccomp filter
that refuses every socket that is not AF_UNIX, every other process (it starts none, signals none, looks into none), and
io_uring, which could do such things unseen; and landlock rules that let it read only its release, its interpreter and
what it is given, and write only in its scratch folder. Where the kernel has no landlock it says so on standard error
and goes on without those rules; without seccomp it does not start. That it stays one process is what lets others know
it by its pid.

Sources: seccomp(2), landlock(7), linux/audit.h.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys

LANDLOCK_MISSING = "cell: this kernel has no landlock; the worker can read and write what its user can"
_SETUP_FAILED = 9

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_AF_UNIX = 1
_CLONE_THREAD = 0x10000
_X32 = 0x40000000  # a second way to name the system calls of x86_64
_EACCES, _ENOSYS = 13, 38

_NUMBERS = {  # what the architecture calls itself in an audit record, and its numbers for the system calls
    "x86_64": (
        0xC000003E,
        {"socket": 41, "socketpair": 53, "clone": 56, "fork": 57, "vfork": 58, "kill": 62, "ptrace": 101}
        | {"rt_sigqueueinfo": 129, "tkill": 200, "tgkill": 234, "rt_tgsigqueueinfo": 297}
        | {"process_vm_readv": 310, "process_vm_writev": 311},
    ),
    "aarch64": (
        0xC00000B7,
        {"socket": 198, "socketpair": 199, "clone": 220, "kill": 129, "ptrace": 117}
        | {"rt_sigqueueinfo": 138, "tkill": 130, "tgkill": 131, "rt_tgsigqueueinfo": 240}
        | {"process_vm_readv": 270, "process_vm_writev": 271},
    ),
}
_EVERYWHERE = {"pidfd_send_signal": 424, "io_uring_setup": 425, "clone3": 435, "pidfd_getfd": 438}
_NEVER = ("fork", "vfork", "ptrace", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo")
_NEVER_EITHER = ("process_vm_readv", "process_vm_writev", "pidfd_send_signal", "pidfd_getfd", "io_uring_setup")

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_READ_FILE, _READ_DIR, _EXECUTE = 1 << 2, 1 << 3, 1 << 0
_READING = _READ_FILE | _READ_DIR | _EXECUTE
_BIND_AND_CONNECT, _NO_SIGNALS_OUT = 3, 3
_ALL_OF_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1}
_ON_FILES = _EXECUTE | _READ_FILE | (1 << 1) | (1 << 14)
_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc", "/proc/self", "/sys/devices/system/cpu")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")


def main(arguments: list[str]) -> None:
    """Put the cell on, then become the worker."""
    readable, writable, _, *command = arguments
    try:
        _limit()
        _forbid_others()
        _restrict_files(readable.split(":"), writable.split(":"))
    except OSError as error:
        print(f"cell: {error}", file=sys.stderr)
        sys.exit(_SETUP_FAILED)
    os.execv(command[0], command)


def _limit() -> None:
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(256, hard) if hard != resource.RLIM_INFINITY else 256
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _forbid_others() -> None:
    """Put the filter on: no network, and no process but this one."""
    if platform.machine() not in _NUMBERS:
        raise OSError(f"no seccomp filter is known for {platform.machine()}")
    program = _program(*_NUMBERS[platform.machine()], own_pid=os.getpid())
    code = b"".join(struct.pack("<HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code)
    fprog = struct.pack("<HxxxxxxQ", len(program), ctypes.addressof(buffer))
    _check(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, fprog, 0, 0), "seccomp")


def _program(arch: int, numbers: dict[str, int], own_pid: int) -> list[tuple[int, int, int, int]]:
    """The filter, as instructions (code, skip if true, skip if false, operand); what it does not name is allowed."""
    numbers = numbers | _EVERYWHERE
    allow, refuse, missing = 0x7FFF0000, 0x00050000 | _EACCES, 0x00050000 | _ENOSYS
    load, equal, at_least, has, give = 0x20, 0x15, 0x35, 0x45, 0x06  # LD|W|ABS, JEQ|K, JGE|K, JSET|K, RET|K
    number, argument = 0, 16  # where struct seccomp_data has the system call and its first argument
    program = [(load, 0, 0, 4), (equal, 1, 0, arch), (give, 0, 0, refuse)]
    program += [(load, 0, 0, number), (at_least, 0, 1, _X32), (give, 0, 0, refuse)]
    for name in (*_NEVER, *_NEVER_EITHER):
        if name in numbers:
            program += [(equal, 0, 1, numbers[name]), (give, 0, 0, refuse)]
    program += [(equal, 0, 1, numbers["clone3"]), (give, 0, 0, missing)]  # the C library then takes clone
    only = [("socket", equal, _AF_UNIX), ("socketpair", equal, _AF_UNIX), ("clone", has, _CLONE_THREAD)]
    only += [("kill", equal, own_pid), ("tgkill", equal, own_pid)]
    for name, test, operand in only:
        program += [(equal, 0, 4, numbers[name]), (load, 0, 0, argument), (test, 1, 0, operand)]
        program += [(give, 0, 0, refuse), (give, 0, 0, allow)]
    return [*program, (give, 0, 0, allow)]


def _restrict_files(readable: list[str], writable: list[str]) -> None:
    abi = _libc.syscall(_LANDLOCK_CREATE, None, 0, 1)
    if abi < 1:
        print(LANDLOCK_MISSING, file=sys.stderr)
        return
    handled = _ALL_OF_ABI[min(abi, 3)]
    attributes = struct.pack("<Q", handled)
    if abi >= 4:
        attributes += struct.pack("<Q", _BIND_AND_CONNECT)
    if abi >= 6:
        attributes += struct.pack("<Q", _NO_SIGNALS_OUT)
    ruleset = _check(_libc.syscall(_LANDLOCK_CREATE, attributes, len(attributes), 0), "landlock ruleset")
    for path in (*_SYSTEM, sys.base_prefix, *readable):
        _allow(ruleset, path, _READING & handled)
    for path in _DEVICES:
        _allow(ruleset, path, (_READ_FILE | 1 << 1) & handled)
    for path in writable:
        _allow(ruleset, path, handled)
    _check(_libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0), "landlock")
    os.close(ruleset)


def _allow(ruleset: int, path: str, access: int) -> None:
    """Allow something below a path; what does not exist needs no rule."""
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not os.path.isdir(f"/proc/self/fd/{fd}"):
        access &= _ON_FILES
    rule = struct.pack("<Qi", access, fd)
    _check(_libc.syscall(_LANDLOCK_ADD, ruleset, 1, rule, 0), f"landlock rule for {path}")
    os.close(fd)


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


if __name__ == "__main__":
    main(sys.argv[1:])
