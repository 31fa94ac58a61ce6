"""Golden transcripts: conversations a person can read, replayed word for word against the real server.

A step is a title, a request, and what came back:

    ### The shop asks for a token
    POST /auth/token
    {"client_id": "{{client_id}}", …}

    HTTP 200
    {"token": "{{token}}", "scope": "payments:admin"}

A `{{name}}` in an answer is kept when it is first seen and must be the same from then on; in a request it is filled
in. `"<datetime>"` and its like stand for what differs each time, and `"...": "..."` for keys that matter elsewhere.
Numbers are compared as they are printed. `CLOCK +15m` moves the clock; after it, a GET may take a moment to match.
"""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2

from tests.server import IBAN, REDIRECT_URI, House, until

_STEP = re.compile(r"^### (.+)\n", re.MULTILINE)
_NAME = re.compile(r"\{\{(\w+)\}\}")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_MASKS = {
    "<datetime>": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d",
    "<instant>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
    "<midnight>": r"\d{4}-\d\d-\d\dT00:00:00",
    "<date>": r"\d{4}-\d\d-\d\d",
    "<integer>": r"\d+",
    "<reference>": r"[0-9A-Za-z]{27}-\d+",
    "<text>": r"(?s).+",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One exchange, or a move of the clock (then `method` is CLOCK)."""

    title: str
    method: str
    target: str
    headers: dict[str, str]
    body: str
    status: int
    answer_headers: dict[str, str]
    answer: str


@dataclass(slots=True)
class Replay:
    """A conversation that is being had, with what was kept so far."""

    house: House
    kept: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        mine = self.house.credentials
        self.kept |= {
            "base_url": self.house.base_url,
            "client_id": mine.client_id,
            "client_secret": mine.client_secret,
            "config_token": mine.config_token,
            "other_client_id": self.house.stranger.client_id,
            "other_client_secret": self.house.stranger.client_secret,
            "redirect_uri": REDIRECT_URI,
            "iban": IBAN,
            "test_bank": self.house.test_bank,
        }

    async def play(self, step: Step) -> None:
        """Have one exchange and hold it against the transcript."""
        if step.method == "CLOCK":
            await self.house.move(_duration(step.target))
            return
        fault = await self._try(step)
        if fault and step.method == "GET":

            async def look() -> bool:
                nonlocal fault
                fault = await self._try(step)
                return fault is None

            with contextlib.suppress(TimeoutError):
                await until(look, within_s=5)
        assert fault is None, f"{step.title}: {fault}"

    async def _try(self, step: Step) -> str | None:
        """Return in what the answer differs."""
        answer = await self._send(step)
        expected, got = _read(step.answer), _read(answer.text)
        found: dict[str, Any] = {}
        fault = None if answer.status_code == step.status else f"status {answer.status_code}"
        for name, text in step.answer_headers.items():
            fault = fault or self._differs(text, answer.headers.get(name), name, found)
        fault = fault or self._differs(expected, got, "$", found)
        if fault is None:
            self.kept |= found
            return None
        return f"{fault}\n\nanswered {answer.status_code} {answer.text}"

    async def _send(self, step: Step) -> httpx2.Response:
        target = self._filled(step.target)
        url = target if target.startswith("http") else f"{self.house.api}{target}"
        headers = {name: self._filled(text) for name, text in step.headers.items()}
        content = self._filled(step.body).encode() or None
        return await self.house.http.request(step.method, url, headers=headers, content=content)

    def _filled(self, text: str) -> str:
        return _NAME.sub(lambda found: str(self.kept[found[1]]), text)

    def _differs(self, expected: Any, got: Any, path: str, found: dict[str, Any]) -> str | None:
        if isinstance(expected, dict) and isinstance(got, dict):
            return self._differs_inside(expected, got, path, found)
        if isinstance(expected, list) and isinstance(got, list):
            if len(expected) != len(got):
                return f"{path} has {len(got)} elements"
            pairs = enumerate(zip(expected, got, strict=True))
            return next((one for at, (a, b) in pairs if (one := self._differs(a, b, f"{path}[{at}]", found))), None)
        return None if self._same(expected, got, found) else f"{path} is {got!r}, not {expected!r}"

    def _differs_inside(
        self, expected: dict[str, Any], got: dict[str, Any], path: str, found: dict[str, Any]
    ) -> str | None:
        wanted = [key for key in expected if key != "..."]
        if "..." not in expected and wanted != list(got):
            return f"{path} has the keys {list(got)}"
        for key in wanted:
            if key not in got:
                return f"{path}.{key} is missing"
            if fault := self._differs(expected[key], got[key], f"{path}.{key}", found):
                return fault
        return None

    def _same(self, expected: Any, got: Any, found: dict[str, Any]) -> bool:
        if isinstance(expected, str):
            if expected in _MASKS:
                return got is not None and re.fullmatch(_MASKS[expected], str(got)) is not None
            if (name := _NAME.fullmatch(expected)) and name[1] not in self.kept:
                found[name[1]] = got
                return got is not None
            if name:
                return bool(str(self.kept[name[1]]) == str(got))
            expected = self._filled(expected)
        return bool(expected == got)


def steps(path: Path) -> list[Step]:
    """Read a transcript."""
    _, *pieces = _STEP.split(path.read_text())
    return [_step(title, text) for title, text in zip(pieces[::2], pieces[1::2], strict=True)]


def _step(title: str, text: str) -> Step:
    asked, _, answered = text.partition("\nHTTP ")
    method, _, rest = asked.strip().partition(" ")
    target, headers, body = _message(rest)
    status, answer_headers, answer = _message(answered.strip() or "0")
    return Step(title, method, target, headers, body, int(status), answer_headers, answer)


def _message(text: str) -> tuple[str, dict[str, str], str]:
    """Return the first line, the headers and the body of a message; a line is a header until one is not."""
    first, _, rest = text.partition("\n")
    headers: dict[str, str] = {}
    while found := re.match(r"([A-Za-z-]+): (.*)(?:\n|$)", rest):
        headers[found[1].lower()] = found[2]
        rest = rest[found.end() :]
    return first.strip(), headers, rest.strip()


def _read(text: str) -> Any:
    """Read JSON with numbers as they are printed; anything else stays text."""
    try:
        return json.loads(text, parse_float=_Printed, parse_int=_Printed) if text else ""
    except ValueError:
        return "<page>" if text.lstrip().startswith("<!doctype") else text


@dataclass(frozen=True, slots=True)
class _Printed:
    """A number in its own spelling."""

    text: str

    def __str__(self) -> str:
        return self.text


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"\+(\d+)([smhd])", text)
    if not found:
        raise ValueError(f"{text} is no duration")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])
