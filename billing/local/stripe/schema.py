"""What Stripe accepts for each call, read from the SDK's own typed parameters.

The SDK is generated from Stripe's OpenAPI document, so its TypedDicts name every parameter, its
type, its allowed values and whether it is required. A class is read the first time a request needs
it and remembered: reading one of the large ones takes about 20 ms.
"""

import importlib
import sys
import types
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from stripe import _request_options
from stripe.params import PaymentMethodCreateParamsCard
from typing_extensions import is_typeddict

_OPTIONS = frozenset(_request_options.RequestOptions.__annotations__)
_ELSEWHERE = {**vars(_request_options), "StripeContext": object}


@dataclass(frozen=True, slots=True)
class Shape:
    """What one parameter may be. Several may hold at once: `Union[int, Created]`."""

    integer: bool = False
    number: bool = False
    boolean: bool = False
    text: bool = False
    unsettable: bool = False
    choices: tuple[str, ...] = ()
    item: "Shape | None" = None
    values: "Shape | None" = None
    hashes: tuple[type, ...] = ()


@dataclass(frozen=True, slots=True)
class Schema:
    """One TypedDict: its fields and those that must be there."""

    fields: dict[str, Shape]
    required: tuple[str, ...] = ()


ANY_TEXT = Shape(text=True)


def find_class(path: str) -> type:
    """`checkout.SessionCreateParams` → the class in `stripe.params.checkout`."""
    module_name, _, class_name = path.rpartition(".")
    module = importlib.import_module("stripe.params" + (f".{module_name}" if module_name else ""))
    found: type = getattr(module, class_name)
    return found


@cache
def schema_of(cls: type) -> Schema:
    """The fields of a TypedDict, without those that are the SDK's own request options.

    `payment_method_data` takes a card over HTTP although Stripe's OpenAPI document leaves it out.
    """
    hints = get_type_hints(cls, vars(sys.modules[cls.__module__]), _ELSEWHERE)
    options = _OPTIONS if hints.keys() >= _OPTIONS else frozenset()
    own = {name: hint for name, hint in hints.items() if name not in options}
    if cls.__name__.endswith("PaymentMethodData") and "card" not in own:
        own = {**own, "card": PaymentMethodCreateParamsCard, "type": str}
    required: frozenset[str] = getattr(cls, "__required_keys__", frozenset())
    return Schema(
        fields={name: _shape(hint) for name, hint in own.items()},
        required=tuple(name for name in own if name in required),
    )


def _shape(hint: Any) -> Shape:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _merge([_shape(argument) for argument in arguments])
    if origin is Literal:
        words = tuple(str(word) for word in arguments if word != "")
        return Shape(choices=words, unsettable="" in arguments)
    if origin is list:
        return Shape(item=_shape(arguments[0]))
    if origin is dict:
        return Shape(values=_shape(arguments[1]))
    if is_typeddict(hint):
        return Shape(hashes=(hint,))
    return _SIMPLE.get(hint, Shape())


def _merge(shapes: list[Shape]) -> Shape:
    """A union. `Literal[…] | str` is an enum written for forward compatibility, not free text."""
    choices = tuple(word for shape in shapes for word in shape.choices)
    return Shape(
        integer=any(shape.integer for shape in shapes),
        number=any(shape.number for shape in shapes),
        boolean=any(shape.boolean for shape in shapes),
        text=any(shape.text for shape in shapes) and not choices,
        unsettable=any(shape.unsettable for shape in shapes),
        choices=choices,
        item=next((shape.item for shape in shapes if shape.item), None),
        values=next((shape.values for shape in shapes if shape.values), None),
        hashes=tuple(cls for shape in shapes for cls in shape.hashes),
    )


_SIMPLE: dict[Any, Shape] = {
    int: Shape(integer=True),
    float: Shape(number=True),
    bool: Shape(boolean=True),
    str: ANY_TEXT,
}
