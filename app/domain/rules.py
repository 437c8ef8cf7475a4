"""The venue's trading rules for a symbol, and the check of an order against them.

The rules and their names come from "Filters" of Binance's spot API: PRICE_FILTER, LOT_SIZE,
MIN_NOTIONAL and NOTIONAL. A bound or step of zero is off. PERCENT_PRICE and PERCENT_PRICE_BY_SIDE
are ignored on purpose: users usually try the service with an order far from the market.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from app.domain.amounts import EXACT, ZERO, format_amount
from app.domain.errors import FieldProblem
from app.domain.order import Symbol

TRADING: Final = "TRADING"
"""The only ``status`` in which the venue accepts orders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingRules:
    """The orders that the venue accepts for ``symbol``. Zero switches a bound or step off.

    Prices and notionals are in the quote asset, quantities in the base asset.
    """

    symbol: Symbol
    status: str
    base_asset: str
    quote_asset: str
    price_min: Decimal = ZERO
    price_max: Decimal = ZERO
    tick_size: Decimal = ZERO
    quantity_min: Decimal = ZERO
    quantity_max: Decimal = ZERO
    step_size: Decimal = ZERO
    notional_min: Decimal = ZERO
    notional_max: Decimal = ZERO

    @property
    def is_trading(self) -> bool:
        """Whether the venue accepts orders for the symbol now."""
        return self.status == TRADING


def order_problems(
    rules: TradingRules, *, quantity: Decimal, limit_price: Decimal
) -> list[FieldProblem]:
    """Return why the venue would refuse the order; empty if it would accept it.

    Each problem names the filter, the value and the nearest valid value. The field names are the
    names of the public JSON: ``symbol``, ``price``, ``order_size``.
    """
    if not rules.is_trading:  # no other price or quantity would help
        message = f"{rules.symbol} is not trading at the venue now: its status is {rules.status}"
        return [FieldProblem(field="symbol", code="symbol_not_trading", message=message)]
    price_problem = _grid_problem(
        "price",
        "PRICE_FILTER",
        limit_price,
        _Grid(least=rules.price_min, most=rules.price_max, step=rules.tick_size),
    )
    quantity_problem = _grid_problem(
        "order_size",
        "LOT_SIZE",
        quantity,
        _Grid(least=rules.quantity_min, most=rules.quantity_max, step=rules.step_size),
    )
    problems = [problem for problem in (price_problem, quantity_problem) if problem is not None]
    if not problems:  # the notional of an invalid price or quantity would only confuse
        notional_problem = _notional_problem(rules, quantity=quantity, limit_price=limit_price)
        if notional_problem is not None:
            problems.append(notional_problem)
    return problems


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grid:
    """A filter's valid values: multiples of ``step`` from ``least`` to ``most``; zero is off."""

    least: Decimal
    most: Decimal
    step: Decimal

    def fault(self, value: Decimal) -> str | None:
        # Binance, PRICE_FILTER: "Any of the above variables can be set to 0, which disables that
        # rule". Hence each part is checked only if it is not zero.
        if self.least and value < self.least:
            return f"is below the minimum {format_amount(self.least)}"
        if self.most and value > self.most:
            return f"is above the maximum {format_amount(self.most)}"
        if self.step and EXACT.remainder(value, self.step):
            return f"is not a multiple of {format_amount(self.step)}"
        return None

    def nearest(self, value: Decimal) -> Decimal | None:
        """Return the valid value closest to ``value``, the smaller of two; None without one."""
        # The nearest valid value is a neighboring step of the value, or next to a bound. A bound
        # that is no multiple of the step is itself not valid.
        floor = _round_down(value, self.step)
        candidates = {floor}
        if self.step:
            candidates.add(EXACT.add(floor, self.step))
            candidates.add(_round_up(self.least, self.step))
        candidates |= {self.least, _round_down(self.most, self.step)}
        valid = [one for one in candidates if one > ZERO and self.fault(one) is None]
        return min(
            valid, key=lambda one: (EXACT.subtract(one, value).copy_abs(), one), default=None
        )


def _grid_problem(field: str, name: str, value: Decimal, grid: _Grid) -> FieldProblem | None:
    fault = grid.fault(value)
    if fault is None:
        return None
    message = f"{name}: {format_amount(value)} {fault}"
    nearest = grid.nearest(value)
    if nearest is not None:
        message += f"; the nearest valid value is {format_amount(nearest)}"
    return FieldProblem(field=field, code=name.lower(), message=message)


def _notional_problem(
    rules: TradingRules, *, quantity: Decimal, limit_price: Decimal
) -> FieldProblem | None:
    notional = EXACT.multiply(quantity, limit_price)
    fault = _notional_fault(rules, notional)
    if fault is None:
        return None
    if notional < rules.notional_min:
        nearest = _quantity_at_least(rules, rules.notional_min, limit_price)
    else:
        nearest = _quantity_at_most(rules, rules.notional_max, limit_price)
    message = f"NOTIONAL: price times order_size is {format_amount(notional)}, {fault}"
    # No advice is better than a quantity that the venue would refuse for its notional.
    if nearest is not None and not _notional_fault(rules, EXACT.multiply(nearest, limit_price)):
        message += f"; at this price the nearest valid order_size is {format_amount(nearest)}"
    return FieldProblem(field="order_size", code="notional", message=message)


def _notional_fault(rules: TradingRules, notional: Decimal) -> str | None:
    if notional < rules.notional_min:
        return f"below the minimum {format_amount(rules.notional_min)}"
    if rules.notional_max and notional > rules.notional_max:
        return f"above the maximum {format_amount(rules.notional_max)}"
    return None


def _quantity_at_least(
    rules: TradingRules, notional: Decimal, limit_price: Decimal
) -> Decimal | None:
    if not rules.step_size:
        return None
    per_step = EXACT.multiply(limit_price, rules.step_size)
    quantity = EXACT.multiply(_steps_up(notional, per_step), rules.step_size)
    return quantity if not rules.quantity_max or quantity <= rules.quantity_max else None


def _quantity_at_most(
    rules: TradingRules, notional: Decimal, limit_price: Decimal
) -> Decimal | None:
    if not rules.step_size:
        return None
    per_step = EXACT.multiply(limit_price, rules.step_size)
    quantity = EXACT.multiply(EXACT.divide_int(notional, per_step), rules.step_size)
    return quantity if quantity >= max(rules.quantity_min, rules.step_size) else None


def _round_down(value: Decimal, step: Decimal) -> Decimal:
    return EXACT.multiply(EXACT.divide_int(value, step), step) if step else value


def _round_up(value: Decimal, step: Decimal) -> Decimal:
    return EXACT.multiply(_steps_up(value, step), step)


def _steps_up(value: Decimal, step: Decimal) -> Decimal:
    """Return the smallest number of steps whose sum is at least ``value``."""
    whole = EXACT.divide_int(value, step)
    return EXACT.add(whole, Decimal(1)) if EXACT.remainder(value, step) else whole
