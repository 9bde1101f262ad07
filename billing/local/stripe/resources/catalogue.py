"""/v1/products and /v1/prices, as far as Checkout needs them."""

from decimal import Decimal

from billing.local.stripe.currencies import check_currency
from billing.local.stripe.errors import invalid_request, missing_param
from billing.local.stripe.ids import new_id, random_text
from billing.local.stripe.pagination import getter, lister
from billing.local.stripe.params import Params, merge_metadata
from billing.local.stripe.resources.customers import differences
from billing.local.stripe.router import Route
from billing.local.stripe.store import Obj
from billing.local.stripe.work import Work, public


def create_product(work: Work, params: Params) -> Obj:
    """POST /v1/products."""
    product = work.add(
        "product",
        {
            "id": params.get("id") or f"prod_{random_text(14)}",
            "object": "product",
            "active": params.get("active", True),
            "created": work.now,
            "default_price": None,
            "description": params.get("description"),
            "images": params.get("images") or [],
            "livemode": False,
            "marketing_features": params.get("marketing_features") or [],
            "metadata": merge_metadata({}, params.get("metadata")),
            "name": params["name"],
            "package_dimensions": None,
            "shippable": params.get("shippable"),
            "statement_descriptor": params.get("statement_descriptor"),
            "tax_code": params.get("tax_code"),
            "type": params.get("type", "service"),
            "unit_label": params.get("unit_label"),
            "updated": work.now,
            "url": params.get("url"),
        },
    )
    if params.get("default_price_data"):
        price = new_price(work, {**params["default_price_data"], "product": product["id"]})
        product["default_price"] = price["id"]
    work.emit("product.created", product)
    return product


def update_product(work: Work, params: Params, product_id: str) -> Obj:
    """POST /v1/products/:id."""
    return _update(
        work,
        "product",
        product_id,
        params,
        "product.updated",
        (
            "active",
            "default_price",
            "description",
            "images",
            "name",
            "url",
            "statement_descriptor",
            "tax_code",
            "unit_label",
        ),
    )


def delete_product(work: Work, params: Params, product_id: str) -> Obj:
    """DELETE /v1/products/:id, while it has no prices."""
    product = work.get("product", product_id)
    if any(True for _ in work.store.linked("price", "product", product_id)):
        raise invalid_request(
            "This product cannot be deleted because it has one or more user-created prices."
        )
    work.emit("product.deleted", product)
    work.store.remove(product_id)
    return {"id": product_id, "object": "product", "deleted": True}


def create_price(work: Work, params: Params) -> Obj:
    """POST /v1/prices."""
    return new_price(work, params)


def new_price(work: Work, params: Params) -> Obj:
    """Store a price, and a product for it when given as `product_data`."""
    currency = check_currency(params["currency"])
    if "product" in params:
        product_id = work.get("product", params["product"], "product")["id"]
    elif "product_data" in params:
        product_id = create_product(work, params["product_data"])["id"]
    else:
        raise missing_param("product")
    amount = unit_amount(params)
    price = work.add("price", price_object(work, params, currency, product_id, amount))
    work.emit("price.created", price)
    return price


def unit_amount(params: Params, param: str = "unit_amount") -> int:
    """`unit_amount`, or `unit_amount_decimal` when it is whole."""
    if params.get("custom_unit_amount"):
        return int(params["custom_unit_amount"].get("preset", 0))
    if "unit_amount" in params:
        amount = int(params["unit_amount"])
    elif "unit_amount_decimal" in params:
        amount = int(Decimal(str(params["unit_amount_decimal"])))
    else:
        raise missing_param(param)
    if amount < 0:
        raise invalid_request(
            "This value must be greater than or equal to 0.",
            param=param,
            code="parameter_invalid_integer",
        )
    return amount


def price_object(work: Work, params: Params, currency: str, product_id: str, amount: int) -> Obj:
    """The shape of a price; not stored."""
    recurring = params.get("recurring")
    return {
        "id": new_id("price"),
        "object": "price",
        "active": params.get("active", True),
        "billing_scheme": params.get("billing_scheme", "per_unit"),
        "created": work.now,
        "currency": currency,
        "custom_unit_amount": params.get("custom_unit_amount"),
        "livemode": False,
        "lookup_key": params.get("lookup_key"),
        "metadata": merge_metadata({}, params.get("metadata")),
        "nickname": params.get("nickname"),
        "product": product_id,
        "recurring": {
            "interval_count": 1,
            "meter": None,
            "trial_period_days": None,
            "usage_type": "licensed",
            **recurring,
        }
        if recurring
        else None,
        "tax_behavior": params.get("tax_behavior", "unspecified"),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if recurring else "one_time",
        "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }


def update_price(work: Work, params: Params, price_id: str) -> Obj:
    """POST /v1/prices/:id."""
    return _update(
        work,
        "price",
        price_id,
        params,
        "price.updated",
        ("active", "lookup_key", "nickname", "tax_behavior"),
    )


def _update(
    work: Work, kind: str, object_id: str, params: Params, event: str, names: tuple[str, ...]
) -> Obj:
    found = work.get(kind, object_id)
    before = public(found)
    if "metadata" in params:
        found["metadata"] = merge_metadata(found["metadata"], params["metadata"])
    work.change(found, **{name: params[name] for name in names if name in params})
    changed = differences(before, found)
    if changed:
        work.emit(event, found, changed)
    return found


ROUTES = [
    Route("POST", "/v1/products", create_product, "ProductCreateParams"),
    Route("GET", "/v1/products", lister("product", "/v1/products", "active"), "ProductListParams"),
    Route("GET", "/v1/products/*", getter("product"), "ProductRetrieveParams"),
    Route("POST", "/v1/products/*", update_product, "ProductUpdateParams"),
    Route("DELETE", "/v1/products/*", delete_product, "ProductDeleteParams"),
    Route("POST", "/v1/prices", create_price, "PriceCreateParams"),
    Route(
        "GET",
        "/v1/prices",
        lister("price", "/v1/prices", "active", "currency", "product", "type"),
        "PriceListParams",
    ),
    Route("GET", "/v1/prices/*", getter("price"), "PriceRetrieveParams"),
    Route("POST", "/v1/prices/*", update_price, "PriceUpdateParams"),
]
