"""The node's event bus: whoever published an event does not wait for whoever hears it.

``publish`` calls every subscriber at once, in the order of subscription, on the caller's own
thread (the node's event loop). A subscriber therefore must not block: the shells that carry
events further (eventbus/fanout.py, eventbus/mqtt.py, the WebSocket feed) only append to a buffer.
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from eventbus.catalogue import Event

log = structlog.get_logger(__name__)

Subscriber = Callable[[Event], None]


@dataclass(frozen=True, slots=True, eq=False)
class _Subscription:
    callback: Subscriber
    own_only: bool


class EventBus:
    """Delivers events to this node's subscribers."""

    def __init__(self) -> None:
        self._subscriptions: tuple[_Subscription, ...] = ()

    def publish(self, event: Event) -> None:
        """Deliver an event of this node to every subscriber; never raises, never blocks."""
        self._deliver(event, own=True)

    def deliver_foreign(self, event: Event) -> None:
        """Deliver another node's event to the subscribers who want those; for the fan-out."""
        self._deliver(event, own=False)

    def subscribe(self, callback: Subscriber, *, own_only: bool = False) -> Callable[[], None]:
        """Call ``callback`` with each event from now on.

        Args:
            callback: must return at once; an exception of his is logged and reaches nobody.
            own_only: leave out events of other nodes. For those who carry events away, or every
                node would publish the same event again.

        Returns:
            A function that ends the subscription; calling it again does nothing.
        """
        subscription = _Subscription(callback, own_only)
        self._subscriptions = (*self._subscriptions, subscription)

        def unsubscribe() -> None:
            # A new tuple: a delivery under way goes on over the old one.
            self._subscriptions = tuple(s for s in self._subscriptions if s is not subscription)

        return unsubscribe

    def _deliver(self, event: Event, *, own: bool) -> None:
        for subscription in self._subscriptions:
            if subscription.own_only and not own:
                continue
            try:
                subscription.callback(event)
            except Exception:  # outermost boundary of somebody else's code
                log.exception("subscriber failed", published=event.name)
