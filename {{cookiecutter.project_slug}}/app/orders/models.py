"""The tables of orders and order lines."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import CHAR, BigInteger, CheckConstraint, DateTime, ForeignKey, Identity, Numeric, String, func
from sqlalchemy.orm import Mapped, mapped_column

from app.database.base import Base


class OrderState(StrEnum):
    """The states of an order."""

    PLACED = "placed"
    PAID = "paid"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"


class Order(Base):
    """An order of a customer; all prices of an order are in the same currency."""

    __tablename__ = "orders"
    __table_args__ = (CheckConstraint("state IN ('placed', 'paid', 'shipped', 'cancelled')", name="state_known"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    customer: Mapped[str] = mapped_column(String(200))
    currency: Mapped[str] = mapped_column(CHAR(3))
    # A text column with a CHECK, not an enum type: a migration that adds a state then locks the table only briefly.
    state: Mapped[str] = mapped_column(String(20), default=OrderState.PLACED)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class OrderLine(Base):
    """One article of an order. Prices are exact decimals: a float cannot represent ten cents exactly."""

    __tablename__ = "order_lines"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity_positive"),
        CheckConstraint("unit_price >= 0", name="unit_price_not_negative"),
    )

    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sku: Mapped[str] = mapped_column(String(64))
    quantity: Mapped[int]
    unit_price: Mapped[Decimal] = mapped_column(Numeric(12, 2))
