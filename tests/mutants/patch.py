"""How a mistake is made: a function replaced by another, or a statement rewritten as it is executed.

Both are independent of how the source is laid out. What was never reached is known afterwards: a mutant that changes
nothing must not count as one that nobody noticed.
"""

import functools
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import asyncpg


@dataclass(frozen=True)
class Rewrite:
    """`pattern` in a statement becomes `new` whenever `when()`; `before` is put in front of the statement."""

    old: str
    new: str
    before: str
    when: Callable[[], bool]

    @property
    def pattern(self) -> "re.Pattern[str]":
        """`old` with any white space between its words."""
        return re.compile(r"\s+".join(re.escape(word) for word in self.old.split()))


@dataclass
class Patch:
    """The mistakes of one mutant. `unreached` are those that no run has come to."""

    rewrites: list[Rewrite] = field(default_factory=list)
    unreached: set[str] = field(default_factory=set)
    _stack: ExitStack = field(default_factory=ExitStack)

    def sql(self, old: str, new: str, *, before: str = "", when: Callable[[], bool] = lambda: True) -> None:
        """Rewrite every statement in which `old` stands."""
        self.rewrites.append(Rewrite(old, new, before, when))
        self.unreached.add(old)

    def replace(self, function: Callable[..., Any], new: Callable[..., Any]) -> None:
        """Replace a method in its class, or a function in every module that has imported it."""
        name = function.__name__
        self.unreached.add(name)

        @functools.wraps(function)
        def called(*arguments: Any, **options: Any) -> Any:
            self.unreached.discard(name)
            return new(*arguments, **options)

        owners = list(_owners(function))
        assert owners, f"nothing has {function.__qualname__}"
        for owner in owners:
            self._stack.enter_context(patch.object(owner, name, called))

    def rewritten(self, statement: str) -> str:
        for rewrite in self.rewrites:
            if rewrite.when():
                statement, count = rewrite.pattern.subn(rewrite.new.replace("\\", r"\\"), statement)
                if count:
                    self.unreached.discard(rewrite.old)
                    statement = rewrite.before + statement
        return statement

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Every new connection rewrites its statements."""
        with self._stack:
            for name in ("connect", "create_pool"):
                original = getattr(asyncpg, name)
                wrong = functools.partial(original, connection_class=_connection_class(self))
                self._stack.enter_context(patch.object(asyncpg, name, wrong))
            yield


def _owners(function: Callable[..., Any]) -> Iterator[Any]:
    owner, _, name = function.__qualname__.rpartition(".")
    if owner:
        yield getattr(sys.modules[function.__module__], owner)
        return
    for module in [module for module_name, module in sys.modules.items() if module_name.startswith("services.")]:
        if getattr(module, name, None) is function:
            yield module


def _connection_class(mistakes: Patch) -> type["asyncpg.Connection[Any]"]:
    def method(name: str) -> Callable[..., Any]:
        original = getattr(asyncpg.Connection, name)

        async def execute(connection: Any, statement: str, *values: Any, **options: Any) -> Any:
            return await original(connection, mistakes.rewritten(statement), *values, **options)

        return execute

    names = ("execute", "executemany", "fetch", "fetchrow", "fetchval")
    return type("RewritingConnection", (asyncpg.Connection,), {name: method(name) for name in names})
