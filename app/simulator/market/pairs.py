"""The pairs of the synthetic market: first prices, steps, quantities and dynamics."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from app.domain.rules import TRADING, TradingRules
from app.simulator.market.pair_dynamics import KINDS, PairDynamics
from app.simulator.venue.listing import HALTED, inferred_rules

_QUANTITY_MAX: Final = Decimal(900_000_000)
_NOTIONAL_MAX: Final = Decimal(9_000_000)
_NOTIONAL_MIN: Final = {"USDT": Decimal(5), "BTC": Decimal("0.0001"), "ETH": Decimal("0.001")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A pair of the synthetic market.

    Attributes:
        base_asset: the asset that is bought and sold.
        quote_asset: the asset of the prices.
        price: the first price.
        tick_size: the step of its prices.
        step_size: the step of its quantities.
        quantity: the median quantity displayed.
        dynamics: how its quotes change; None for a halted pair.
    """

    base_asset: str
    quote_asset: str
    price: Decimal
    tick_size: Decimal
    step_size: Decimal
    quantity: Decimal
    dynamics: PairDynamics | None

    @property
    def symbol(self) -> str:
        """The symbol of the pair."""
        return self.base_asset + self.quote_asset

    @property
    def rules(self) -> TradingRules:
        """The trading rules of the pair; a pair without dynamics is halted."""
        return replace(
            inferred_rules(self.symbol, tick_size=self.tick_size, step_size=self.step_size),
            status=HALTED if self.dynamics is None else TRADING,
            quantity_max=_QUANTITY_MAX,
            notional_min=_NOTIONAL_MIN[self.quote_asset],
            notional_max=_NOTIONAL_MAX,
        )


_TABLE: Final = """
assets           price   tick_size  step_size   quantity  kind
BTC/USDT      61837.63        0.01    0.00001        1.3  major
ETH/USDT       2683.80        0.01     0.0001        7.6  major
LTC/BTC       0.002577    0.000001      0.001         33  liquid
DENT/USDT    0.0209500   0.0000001          1     130000  lively
ZIL/USDT       0.21443     0.00001        0.1       6400  lively
MANA/USDT      0.99120     0.00001       0.01        500  lively
FTM/USDT       0.34020     0.00001          1       1500  lively
LTC/USDT        159.36        0.01      0.001         30  alt
ETH/BTC        0.04340     0.00001     0.0001          8  alt
BNB/USDT         512.4         0.1      0.001          9  alt
BNB/BTC       0.008286    0.000001      0.001          4  alt
SOL/USDT        155.42        0.01      0.001         25  alt
SOL/BTC      0.0025130   0.0000001      0.001          6  alt
XRP/USDT        0.6101      0.0001          1       9000  alt
XRP/BTC     0.00000987  0.00000001          1       4000  alt
ADA/USDT        0.3421      0.0001        0.1       9000  alt
DOGE/USDT      0.10340     0.00001          1      60000  alt
TRX/USDT        0.1282      0.0001        0.1      90000  alt
AVAX/USDT        22.83        0.01       0.01        120  alt
LINK/USDT        10.55        0.01       0.01        300  alt
DOT/USDT         4.731       0.001       0.01        500  alt
MATIC/USDT      0.4212      0.0001        0.1       6000  alt
SHIB/USDT   0.00001401  0.00000001          1   90000000  alt
PEPE/USDT   0.00000791  0.00000001          1  150000000  alt
NEAR/USDT        4.212       0.001        0.1        700  alt
UNI/USDT         6.012       0.001       0.01        300  alt
BCH/USDT         345.1         0.1      0.001          6  alt
ATOM/USDT        4.951       0.001       0.01        300  quiet
ETC/USDT         19.12        0.01       0.01         80  quiet
XLM/USDT        0.1003      0.0001          1      20000  quiet
FIL/USDT         3.871       0.001       0.01        400  quiet
APT/USDT         6.012       0.001       0.01        250  quiet
ARB/USDT        0.5591      0.0001        0.1       4000  quiet
OP/USDT          1.412       0.001       0.01       1500  quiet
INJ/USDT         18.31        0.01       0.01         60  quiet
SUI/USDT        0.9512      0.0001        0.1       3000  quiet
TIA/USDT         5.312       0.001       0.01        200  quiet
SEI/USDT        0.2912      0.0001        0.1       5000  quiet
AAVE/USDT        98.21        0.01      0.001         12  quiet
MKR/USDT          1921           1     0.0001        0.6  quiet
ALGO/USDT       0.1245      0.0001          1      15000  quiet
VET/USDT       0.02251     0.00001        0.1      90000  quiet
HBAR/USDT      0.05212     0.00001          1      30000  quiet
ICP/USDT         7.912       0.001       0.01        150  quiet
GRT/USDT        0.1523      0.0001        0.1      12000  quiet
SAND/USDT       0.2601      0.0001          1       8000  quiet
AXS/USDT         4.512       0.001       0.01        200  quiet
THETA/USDT       1.191       0.001        0.1        900  quiet
EOS/USDT        0.4812      0.0001        0.1       6000  quiet
XTZ/USDT        0.6512      0.0001        0.1       2500  quiet
CHZ/USDT       0.05512     0.00001          1      40000  quiet
ENJ/USDT        0.1401      0.0001        0.1       8000  quiet
DASH/USDT        22.41        0.01      0.001         25  quiet
ZEC/USDT         35.11        0.01      0.001         20  quiet
NEO/USDT         9.512       0.001       0.01         90  quiet
QTUM/USDT        2.212       0.001        0.1        400  quiet
KSM/USDT         18.02        0.01      0.001         30  quiet
COMP/USDT        41.02        0.01      0.001         10  quiet
SNX/USDT         1.312       0.001        0.1        600  quiet
CRV/USDT        0.2712      0.0001        0.1       6000  quiet
HOT/USDT      0.001512    0.000001          1     600000  quiet
ADA/BTC     0.00000553  0.00000001        0.1       9000  quiet
LINK/BTC     0.0001706   0.0000001       0.01         90  quiet
DOT/BTC      0.0000765   0.0000001       0.01        150  quiet
BCH/BTC       0.005581    0.000001      0.001          4  quiet
LTC/ETH        0.05938     0.00001      0.001          8  quiet
QTUM/ETH      0.000824    0.000001        0.1         60  thin
BCC/BTC       0.081130    0.000001      0.001          1  halted
"""


def _pair(line: str) -> Pair:
    assets, price, tick_size, step_size, quantity, kind = line.split()
    base_asset, quote_asset = assets.split("/")
    return Pair(
        base_asset=base_asset,
        quote_asset=quote_asset,
        price=Decimal(price),
        tick_size=Decimal(tick_size),
        step_size=Decimal(step_size),
        quantity=Decimal(quantity),
        dynamics=None if kind == "halted" else KINDS[kind],
    )


PAIRS: Final = tuple(_pair(line) for line in _TABLE.strip().splitlines()[1:])
