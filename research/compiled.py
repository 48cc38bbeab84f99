"""Compiles the rules of `trading/` and the functions of this room with numba: the same function objects.

Nothing here is loaded before it is needed. Machine code is kept on disk, in a folder named by a digest of every
source that goes into it and of this one: numba itself would not notice a change in a function that another one calls.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

from operating_system import cache_folder
from research.tapes import fetch_early, unowned

F = TypeVar("F", bound=Callable[..., Any])

READ, NEAREST_CACHE, DATA = 0, 3, 1  # arguments of LLVM's prefetch


@cache
def compiled(function: F) -> F:
    """`function` compiled, with everything it calls. Its first call with new types takes seconds, a later run less."""
    import numba
    from numba.core import config

    modules = _rooms()
    _register(modules)
    config.CACHE_DIR = str(_cache_folder(modules))  # type: ignore[attr-defined]  # made when numba is loaded
    config.SLP_VECTORIZE = 1  # type: ignore[attr-defined]  # two divisions at once, in the order as written
    return cast(F, numba.njit(cache=True, nogil=True)(function))


def load_compiler() -> None:
    """Load numba without scipy's linear algebra, which it binds where it finds it: 17 MB and 0.3 s that no rule needs.

    For the start of a program, while no other thread imports anything: scipy seems not to be installed meanwhile.
    """
    found = "scipy" in sys.modules
    sys.modules.setdefault("scipy", None)  # type: ignore[arg-type]  # how Python is told that a module is not there
    try:
        import numba.np.arraymath  # noqa: F401 (where numba looks for it)
    finally:
        if not found:
            del sys.modules["scipy"]


def _rooms() -> tuple[ModuleType, ...]:
    """The modules whose functions may be called by compiled code."""
    from research import board, day, marks, quick, sessions, skipping, tapes, trips, turns, windows
    from research import indicators as many
    from trading import costs, day_money, indicators, judgement, ledger, matching, money, risk, rules, sizing, strategy

    rules_of_trading = (costs, day_money, indicators, judgement, ledger, matching, money)
    quick_form = (turns, board, windows, marks, day, quick, skipping)
    return (*rules_of_trading, risk, rules, sizing, strategy, tapes, trips, sessions, many, *quick_form)


@cache
def _register(modules: tuple[ModuleType, ...]) -> None:
    """Let compiled code call the plain functions of these modules."""
    from numba.extending import overload, register_jitable

    for module in modules:
        for _, function in _functions(module):
            if function not in (unowned, fetch_early):
                register_jitable(forceinline=True)(function)  # a call that hands on arrays costs more than most bodies
    overload(unowned)(lambda array: _without_owner())
    overload(fetch_early)(lambda bars, row, bar: _prefetch())


@cache
def _without_owner() -> Callable[[Any], Any]:
    """`tapes.unowned` for compiled code: the array without the counter of its holders."""
    from numba.core import cgutils
    from numba.core.imputils import impl_ret_untracked
    from numba.extending import intrinsic

    @intrinsic
    def bare(_context: Any, array: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            value = context.make_array(signature.args[0])(context, builder, arguments[0])
            value.meminfo = cgutils.get_null_value(value.meminfo.type)  # type: ignore[no-untyped-call]
            return impl_ret_untracked(  # type: ignore[no-untyped-call]
                context, builder, signature.return_type, value._getvalue()
            )

        return array(array), generate

    return lambda array: bare(array)  # type: ignore[call-arg]  # numba gives the context


@cache
def _prefetch() -> Callable[[Any, int, int], None]:
    """`tapes.fetch_early` for compiled code: a hint, which no address can make fail."""
    from llvmlite import ir
    from numba.core import cgutils, types
    from numba.extending import intrinsic

    hint = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, cgutils.int32_t, cgutils.int32_t, cgutils.int32_t])
    how = [cgutils.int32_t(number) for number in (READ, NEAREST_CACHE, DATA)]

    @intrinsic
    def fetch(_context: Any, array: Any, _row: Any, _column: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            value = context.make_array(signature.args[0])(context, builder, arguments[0])
            place = cgutils.get_item_pointer(  # type: ignore[no-untyped-call]
                context, builder, signature.args[0], value, arguments[1:]
            )
            function = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
                builder.module, hint, "llvm.prefetch.p0"
            )
            builder.call(function, [builder.bitcast(place, cgutils.voidptr_t), *how])
            return context.get_dummy_value()

        return types.none(array, types.intp, types.intp), generate

    return lambda bars, row, bar: fetch(bars, row, bar)  # type: ignore[call-arg]  # numba gives the context


def _functions(module: ModuleType) -> Iterable[tuple[str, Callable[..., Any]]]:
    return [
        (name, function)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
    ]


def _cache_folder(modules: tuple[ModuleType, ...]) -> Path:
    """Where the machine code of exactly these sources is kept."""
    digest = hashlib.sha256()
    for file in (__file__, *(inspect.getfile(module) for module in modules)):
        digest.update(Path(file).read_bytes())
    return cache_folder() / f"kernels-{digest.hexdigest()[:16]}"
