"""Check a decoded form against its schema, and turn its strings into integers and booleans.

Errors are worded as Stripe words them and name the parameter in bracket form.
"""

import contextlib
import math
from typing import Any

from billing.local.stripe.errors import ApiError, invalid_request, missing_param
from billing.local.stripe.schema import Schema, Shape, schema_of

Params = dict[str, Any]
MAX_TEXT = 5000
MAX_METADATA_KEYS, MAX_METADATA_KEY, MAX_METADATA_VALUE = 50, 40, 500


def check(params: Params, schema: Schema) -> Params:
    """Return the typed parameters, or raise `invalid_request` naming what is wrong."""
    return _fields(params, schema, "")


def _fields(params: Params, schema: Schema, prefix: str) -> Params:
    unknown = [_name(prefix, key) for key in params if key not in schema.fields]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        raise invalid_request(
            f"Received unknown parameter{plural}: {', '.join(unknown)}",
            param=unknown[0],
            code="parameter_unknown",
        )
    typed = {
        key: _value(value, schema.fields[key], _name(prefix, key)) for key, value in params.items()
    }
    for key in schema.required:
        if key not in typed:
            raise missing_param(_name(prefix, key))
    return typed


def _name(prefix: str, key: str) -> str:
    return f"{prefix}[{key}]" if prefix else key


def _value(value: Any, shape: Shape, name: str) -> Any:
    if isinstance(value, dict):
        if shape.item is not None and value and all(key.isdigit() for key in value):
            return _array([value[key] for key in sorted(value, key=int)], shape, name)
        return _hash(value, shape, name)
    if isinstance(value, list):
        if shape.values is not None and shape.item is None:
            return _hash({str(place): item for place, item in enumerate(value)}, shape, name)
        return _array(value, shape, name)
    if value == "":
        return _empty(shape, name)
    return _scalar(str(value), shape, name)


def _hash(value: Params, shape: Shape, name: str) -> Params:
    if shape.values is not None and not shape.hashes:
        if name.rpartition("[")[2].rstrip("]") == "metadata" or name == "metadata":
            _check_metadata(value, name)
        inner = shape.values
        return {
            key: item if item == "" else _value(item, inner, _name(name, key))
            for key, item in value.items()
        }
    if not shape.hashes:
        raise invalid_request(_expected(shape, name), param=name)
    return _first_that_fits(value, shape.hashes, name)


def _first_that_fits(value: Params, classes: tuple[type, ...], name: str) -> Params:
    *others, last = classes
    for cls in others:
        with contextlib.suppress(ApiError):
            return _fields(value, schema_of(cls), name)
    return _fields(value, schema_of(last), name)


def _array(value: list[Any], shape: Shape, name: str) -> list[Any]:
    if shape.item is None:
        if shape.hashes or shape.values is not None:
            raise invalid_request("Invalid object", param=name)
        raise invalid_request(_expected(shape, name), param=name)
    item = shape.item
    return [_value(entry, item, f"{name}[{place}]") for place, entry in enumerate(value)]


def _empty(shape: Shape, name: str) -> Any:
    """`''` unsets what can be unset; for the rest Stripe refuses it."""
    if shape.unsettable or shape.values is not None:
        return ""
    if shape.item is not None:
        return []
    raise invalid_request(
        f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset "
        f"a parameter; however '{name}' cannot be unset. You should remove '{name}' from your "
        "request or supply a non-empty value.",
        param=name,
        code="parameter_invalid_empty",
    )


def _scalar(value: str, shape: Shape, name: str) -> Any:
    if value in shape.choices:
        return value
    if shape.boolean and value in ("true", "false"):
        return value == "true"
    if shape.integer and _is_integer(value):
        return int(value)
    if shape.number and _is_number(value):
        return float(value)
    if shape.text:
        return _text(value, name)
    raise invalid_request(_expected(shape, name, value), param=name, code=_code(shape))


def _is_integer(value: str) -> bool:
    digits = value[1:] if value[:1] in "+-" else value
    return digits.isascii() and digits.isdigit() and len(digits) < 19


def _is_number(value: str) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False


def _text(value: str, name: str) -> str:
    if len(value) > MAX_TEXT:
        raise invalid_request(
            f"Invalid string: {value[:10]}...{value[-4:]}; must be at most {MAX_TEXT} characters",
            param=name,
            code="parameter_invalid_string_too_long",
        )
    return value


def _expected(shape: Shape, name: str, value: str = "") -> str:
    if shape.choices:
        return f"Invalid {name}: must be one of {_listed(shape.choices)}"
    given = f": {value}" if value else ""
    if shape.item is not None:
        return "Invalid array"
    if shape.hashes or shape.values is not None:
        return "Invalid object"
    kinds = {"integer": shape.integer, "boolean": shape.boolean, "decimal": shape.number}
    return f"Invalid {next((kind for kind, is_it in kinds.items() if is_it), 'string')}{given}"


def _code(shape: Shape) -> str | None:
    return "parameter_invalid_integer" if shape.integer and not shape.choices else None


def _listed(words: tuple[str, ...]) -> str:
    if len(words) == 1:
        return words[0]
    joint = ", or " if len(words) > 2 else " or "
    return ", ".join(words[:-1]) + joint + words[-1]


def _check_metadata(value: Params, name: str) -> None:
    """Limits: https://docs.stripe.com/api/metadata."""
    if len(value) > MAX_METADATA_KEYS:
        raise invalid_request(f"Metadata can have at most {MAX_METADATA_KEYS} keys.", param=name)
    for key, text in value.items():
        if len(key) > MAX_METADATA_KEY:
            raise invalid_request(
                f"Metadata keys must be under {MAX_METADATA_KEY} characters", param=name
            )
        if isinstance(text, str) and len(text) > MAX_METADATA_VALUE:
            raise invalid_request(
                f"Metadata values must be under {MAX_METADATA_VALUE} characters", param=name
            )


def merge_metadata(current: Params, change: Any) -> Params:
    """Keys are merged, a key given as '' goes, and '' for the whole clears it."""
    if change == "":
        return {}
    merged = {**current, **(change or {})}
    return {key: text for key, text in merged.items() if text != ""}
