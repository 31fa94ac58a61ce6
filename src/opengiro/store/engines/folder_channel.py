"""What the processes of one SQLite file call out to each other: short texts that nobody keeps.

Who listens has a socket in a folder beside the file, and who calls sends to every socket there. One whose process died
is removed by whoever calls next. Listeners that do not keep up are told later that they missed something.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from opengiro.store.engines import Unavailable

_SUFFIX = ".bell"
_TEXT_MAX = 65_536
_FOLDER_MAX = 80
"""An address has 104 or 108 bytes, and our names of sockets 22. A folder with a longer name needs another one."""
_DESCRIPTORS = Path("/proc/self/fd")
_TRIES, _AGAIN_S = 10, 0.01
"""How long a listener may have a full queue, which holds ten texts on many a system."""
_PROBE_S = 5.0
_MISSED = b""


class FolderChannel:
    """The one channel of a file; everybody who may open its folder is heard."""

    def __init__(self, folder: Path) -> None:
        """Make the folder, for its owner alone; nobody listens yet."""
        self._folder = folder
        self._own = ""
        self._behind: set[str] = set()
        folder.mkdir(mode=0o700, exist_ok=True)
        if len(os.fsencode(folder)) > _FOLDER_MAX and not _DESCRIPTORS.is_dir():
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(folder))

    async def call(self, text: str) -> None:
        """Say it to all who listen now; raises `Unavailable`."""
        try:
            names = [path.name for path in self._folder.iterdir() if path.suffix == _SUFFIX and path.name != self._own]
            self._behind.intersection_update(names)
            for name in names:
                await self._tell(name, text.encode())
        except OSError as trouble:
            raise Unavailable(str(trouble)) from trouble

    async def listen(self, begun: Callable[[], None], hear: Callable[[str], None]) -> None:
        """Call `begun` and then `hear` for each text, until nobody would find us: then raise `Unavailable`."""
        try:
            with self._ear() as ear:
                asyncio.get_running_loop().add_reader(ear, _hear_all, ear, begun, hear)
                begun()
                while (self._folder / self._own).exists():  # noqa: ASYNC110  # nobody would tell us that it is gone
                    await asyncio.sleep(_PROBE_S)
        except OSError as trouble:
            raise Unavailable(str(trouble)) from trouble
        raise Unavailable(f"somebody emptied {self._folder}")

    async def _tell(self, name: str, text: bytes) -> None:
        for number in range(1 if name in self._behind else _TRIES):
            if number:
                await asyncio.sleep(_AGAIN_S)
            if self._send(name, _MISSED if name in self._behind else text):
                self._behind.discard(name)
                return
        self._behind.add(name)

    def _send(self, name: str, text: bytes) -> bool:
        """Return False when the listener's queue is full."""
        with _address(self._folder) as place, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mouth:
            mouth.settimeout(0)
            try:
                mouth.sendto(text, f"{place}/{name}")
            except (ConnectionRefusedError, FileNotFoundError):
                (self._folder / name).unlink(missing_ok=True)
            except OSError as trouble:
                if trouble.errno not in (errno.EAGAIN, errno.ENOBUFS):
                    raise
                return False
        return True

    @contextlib.contextmanager
    def _ear(self) -> Iterator[socket.socket]:
        """Have a socket in the folder, which gets the name that is looked for once it can be reached."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        new = secrets.token_hex(8)
        self._own = f"{new}{_SUFFIX}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
            ear.settimeout(0)
            with _address(self._folder) as place:
                ear.bind(f"{place}/{new}")
            (self._folder / new).rename(self._folder / self._own)
            try:
                yield ear
            finally:
                asyncio.get_running_loop().remove_reader(ear)
                (self._folder / self._own).unlink(missing_ok=True)


def _hear_all(ear: socket.socket, begun: Callable[[], None], hear: Callable[[str], None]) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            text = ear.recv(_TEXT_MAX)
            if text == _MISSED:
                begun()
            else:
                hear(text.decode())


@contextlib.contextmanager
def _address(folder: Path) -> Iterator[str]:
    """Return a name of the folder that leaves room for a socket's name."""
    if len(os.fsencode(folder)) <= _FOLDER_MAX:
        yield str(folder)
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield str(_DESCRIPTORS / str(descriptor))
    finally:
        os.close(descriptor)
