"""The language of formulas: an allow-list of what Python's parser finds in a text. Nothing is executed as Python.

A formula has numbers, channels, ``+ - * / **``, parentheses, and the functions of ``arithmetic`` and ``window``. Every
other construct is refused. What is allowed becomes a tree of small functions on floats.
"""

import ast
import math
import operator
import warnings
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from riglog.derived.arithmetic import FUNCTIONS, MOST_EXPONENT, SEVERAL, finite, power
from riglog.derived.window import WINDOW_FUNCTIONS
from riglog.model.channel import CHANNEL_NAME

MOST_CHARACTERS = 500
MOST_DEPTH = 60
SHOWN_CHARACTERS = 40
OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: power,
}


class Inputs(Protocol):
    """What a formula is evaluated on."""

    def value(self, channel: str) -> float: ...
    def window(self, function: str, channel: str, seconds: float) -> float: ...


Evaluation = Callable[[Inputs], float]


class WindowUse(Struct, frozen=True):
    """A function of a channel over a time."""

    function: str
    channel: str
    seconds: float


class Formula(Struct, frozen=True):
    """A formula that was checked. ``inputs`` are the channels in it, in their order; ``windows`` what is over a time.

    ``evaluate`` raises an ArithmeticError or a ValueError if there is no finite result.
    """

    text: str
    inputs: tuple[str, ...]
    windows: tuple[WindowUse, ...]
    evaluate: Evaluation


class FormulaError(ValueError):
    """A text is not a formula; ``problems`` are all reasons."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def read_formula(text: str, *, named: Callable[[str], str] = str) -> Formula:
    """Return the formula that a text is.

    Args:
        named: returns the name under which a channel of the text is recorded. Default: it is the same.

    Raises:
        FormulaError: it is not one.
    """
    reader = _Reader(text, named)
    tree = _parsed(text)
    evaluate = reader.read(tree.body, 0)
    if not reader.problems and not reader.inputs:
        reader.problems.append("has no channel in it")
    if reader.problems:
        raise FormulaError(list(dict.fromkeys(reader.problems)))
    return Formula(text, tuple(reader.inputs), tuple(reader.windows), evaluate)


def _parsed(text: str) -> ast.Expression:
    if len(text) > MOST_CHARACTERS:
        raise FormulaError([f"is longer than {MOST_CHARACTERS} characters"])
    if "\\" in text or not text.isprintable():
        raise FormulaError(["has a backslash, a line end or another control character"])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the parser, about constructs that are refused anyway
            return ast.parse(text.strip(), mode="eval")
    except SyntaxError as error:
        raise FormulaError([f"cannot be read: {error.msg}"]) from None
    except (ValueError, MemoryError, RecursionError):
        raise FormulaError(["is nested too deeply"]) from None


class _Reader:
    """Turns the tree of a text into functions; ``problems`` are what it refuses."""

    def __init__(self, text: str, named: Callable[[str], str]) -> None:
        self.text = text.strip()
        self._named = named
        self.problems: list[str] = []
        self.inputs: dict[str, None] = {}
        self.windows: list[WindowUse] = []

    def read(self, node: ast.expr, depth: int) -> Evaluation:
        """Return what evaluates a part of the formula."""
        if depth > MOST_DEPTH:
            return self._refuse("is nested too deeply")
        channel = self._channel(node)
        if channel is not None:
            self.inputs[channel] = None
            return lambda inputs: inputs.value(channel)
        if (number := _number(node)) is not None:
            return self._constant(number)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            operand = self.read(node.operand, depth + 1)
            return lambda inputs: -operand(inputs)
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            return self._operation(node, depth)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and self._is_plain(node.func, node.func.id):
            return self._call(node, node.func.id, depth)
        return self._refuse(f"{self._shown(node)} is not allowed")

    def _operation(self, node: ast.BinOp, depth: int) -> Evaluation:
        calculate = OPERATORS[type(node.op)]
        left, right = self.read(node.left, depth + 1), self.read(node.right, depth + 1)
        exponent = _signed_number(node.right) if isinstance(node.op, ast.Pow) else None
        if exponent is not None and abs(exponent) > MOST_EXPONENT:
            return self._refuse(f"exponent {self._shown(node.right)} is not between -100 and 100")
        return lambda inputs: finite(calculate(left(inputs), right(inputs)))

    def _call(self, node: ast.Call, name: str, depth: int) -> Evaluation:
        if name not in FUNCTIONS and name not in WINDOW_FUNCTIONS:
            return self._refuse(f"unknown function {name!r}")
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            return self._refuse(f"{self._shown(node)} is not allowed")
        if name in WINDOW_FUNCTIONS:
            return self._window(node, name)
        wanted, calculate = FUNCTIONS[name]
        arguments = [self.read(argument, depth + 1) for argument in node.args]
        if len(arguments) != wanted and not (name in SEVERAL and len(arguments) > wanted):
            counted = "two values or more" if name in SEVERAL else "one value"
            return self._refuse(f"{name} takes {counted}: {self._shown(node)}")
        return lambda inputs: finite(calculate(*[argument(inputs) for argument in arguments]))

    def _window(self, node: ast.Call, name: str) -> Evaluation:
        channel = self._channel(node.args[0]) if node.args else None
        seconds = _number(node.args[1]) if len(node.args) == 2 else None
        if channel is None or seconds is None or not 0 < seconds <= 86400:
            return self._refuse(f"{name} takes a channel and a number of seconds: {self._shown(node)}")
        self.inputs[channel] = None
        self.windows.append(WindowUse(name, channel, seconds))
        return lambda inputs: inputs.window(name, channel, seconds)

    def _channel(self, node: ast.expr) -> str | None:
        """Return the channel that a node names: ``oven.level``, ``oven.level[2]``, or any name in quotes."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return self._recorded(channel_name(node.value))
        instance = 1
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            if type(node.slice.value) is not int:
                return None
            instance = node.slice.value
            node = node.value
        if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
            return None
        name = f"{node.value.id}.{node.attr}"
        return self._recorded(channel_name(f"{name}[{instance}]")) if self._is_plain(node, name) else None

    def _recorded(self, channel: str | None) -> str | None:
        return None if channel is None else self._named(channel)

    def _is_plain(self, node: ast.expr, name: str) -> bool:
        """Return whether a name is written as it is: Python takes some letters for others."""
        return ast.get_source_segment(self.text, node) == name

    def _constant(self, number: float) -> Evaluation:
        return (lambda _: number) if math.isfinite(number) else self._refuse("has a number that is not finite")

    def _refuse(self, problem: str) -> Evaluation:
        self.problems.append(problem)
        return lambda _: math.nan

    def _shown(self, node: ast.expr) -> str:
        text = ast.get_source_segment(self.text, node) or ""
        return repr(text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…")


def channel_name(text: str) -> str | None:
    """Return the name of a channel as it is shown: instance 1 without its number. None if it is not a name."""
    found = CHANNEL_NAME.fullmatch(text)
    if found is None:
        return None
    instance = int(found["instance"] or 1)
    return f"{found['device']}.{found['parameter']}" + (f"[{instance}]" if instance != 1 else "")


def _number(node: ast.expr) -> float | None:
    if not isinstance(node, ast.Constant) or type(node.value) not in (int, float):
        return None
    try:
        return float(node.value)  # type: ignore[arg-type]
    except OverflowError:
        return math.inf


def _signed_number(node: ast.expr) -> float | None:
    negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    number = _number(node.operand if isinstance(node, ast.UnaryOp) else node)
    return -number if negative and number is not None else number
