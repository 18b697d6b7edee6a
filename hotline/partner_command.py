"""``python -m hotline partner 110``: play a partner at the console."""

import asyncio
import sys
from typing import get_args

from rich.console import Console

from config.settings import Settings
from hotline.embedded import advertised_host
from hotline.exchange import BrokerAddress
from hotline.partner import Manner, PartnerSimulator


def broker_of(settings: Settings, address: tuple[str, int] | None) -> BrokerAddress:
    """Return the embedded broker of a node on this machine, or the one at an address."""
    host, port = address or ("127.0.0.1", settings.mqtt.port)
    return BrokerAddress(host=host, port=port, protocol="3.1.1")


def manner_of(text: str) -> Manner:
    """Return what is done with tickets.

    Raises:
        ValueError: it is none of accept, return and ask.
    """
    for manner in get_args(Manner):
        if manner == text:
            return manner  # type: ignore[no-any-return]
    raise ValueError(f"--tickets {text}: wanted {', '.join(get_args(Manner))}")


async def play(
    settings: Settings,
    partner: str,
    console: Console,
    *,
    server: tuple[str, int] | None,
    broker: tuple[str, int] | None,
    host: str,
    port: int,
    manner: Manner,
) -> None:
    """Be the partner until standard input ends, or ``quit``."""
    sip = server or (
        advertised_host(settings.sip.host, settings.sip.advertised_host),
        settings.sip.port,
    )
    simulator = PartnerSimulator(
        partner,
        server=sip,
        broker=broker_of(settings, broker),
        host=host,
        port=port,
        prefix=settings.mqtt.topic_prefix,
        manner=manner,
        say=lambda line: console.print(f"[{partner}] {line}", markup=False, highlight=False),
    )
    await simulator.open()
    try:
        console.print(f"partner {partner} at {simulator.phone.address}; ? for help", markup=False)
        while line := await asyncio.to_thread(sys.stdin.readline):
            if line.strip() and not await simulator.obey(line):
                break
    finally:
        await simulator.close()
