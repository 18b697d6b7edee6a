from eventbus.bus import EventBus
from eventbus.catalogue import CallWaiting, Event


def waiting(number: int) -> CallWaiting:
    return CallWaiting(at=float(number), call_id=str(number), line="12345")


def test_every_subscriber_gets_every_event_in_order() -> None:
    bus, first, second = EventBus(), list[Event](), list[Event]()
    bus.subscribe(first.append)
    bus.subscribe(second.append)
    events = [waiting(n) for n in range(3)]
    for event in events:
        bus.publish(event)
    assert first == second == events


def test_a_subscriber_who_fails_harms_nobody() -> None:
    bus, heard = EventBus(), list[Event]()

    def fail(event: Event) -> None:
        raise RuntimeError(event.name)

    bus.subscribe(fail)
    bus.subscribe(heard.append)
    bus.publish(waiting(1))
    assert heard == [waiting(1)]


def test_unsubscribing_ends_it_and_may_be_repeated() -> None:
    bus, heard, others = EventBus(), list[Event](), list[Event]()
    unsubscribe = bus.subscribe(heard.append)
    bus.subscribe(others.append)
    bus.publish(waiting(1))
    unsubscribe()
    unsubscribe()
    bus.publish(waiting(2))
    assert heard == [waiting(1)]
    assert others == [waiting(1), waiting(2)]


def test_the_same_callback_twice_is_two_subscriptions() -> None:
    bus, heard = EventBus(), list[Event]()
    first = bus.subscribe(heard.append)
    bus.subscribe(heard.append)
    first()
    bus.publish(waiting(1))
    assert heard == [waiting(1)]


def test_unsubscribing_during_delivery_leaves_nobody_out() -> None:
    bus, heard = EventBus(), list[Event]()

    def once(event: Event) -> None:
        heard.append(event)
        unsubscribe()

    unsubscribe = bus.subscribe(once)
    bus.subscribe(heard.append)
    bus.publish(waiting(1))
    bus.publish(waiting(2))
    assert heard == [waiting(1), waiting(1), waiting(2)]


def test_who_wants_own_events_only_gets_no_foreign_ones() -> None:
    bus, own, everything = EventBus(), list[Event](), list[Event]()
    bus.subscribe(own.append, own_only=True)
    bus.subscribe(everything.append)
    bus.publish(waiting(1))
    bus.deliver_foreign(waiting(2))
    assert own == [waiting(1)]
    assert everything == [waiting(1), waiting(2)]
