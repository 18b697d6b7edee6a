"""A phone that is told to answer: the event package "talk" of desk phones, which no RFC describes.

BroadSoft's SIP extensions for the access side have it, and many makers of desk phones follow them:
the phone's 180 says ``Allow-Events: talk``, and a NOTIFY with ``Event: talk`` within that dialog
makes it go off-hook, with its loudspeaker. There is no SUBSCRIBE, where RFC 6665 would want one.
"""

from typing import Final

from aiosipua import SipResponse

from telephony.sip.dialog import Dialog, OutgoingRequest

_PACKAGE: Final = "talk"


def picks_up(response: SipResponse) -> bool:
    """Tell whether the phone that sent this provisional response can be told to answer."""
    values = ",".join(response.headers.get("Allow-Events")).lower().split(",")
    return any(value.partition(";")[0].strip() == _PACKAGE for value in values)


def notify(dialog: Dialog) -> OutgoingRequest:
    """Return the request that makes it answer."""
    return dialog.request("NOTIFY", (("Event", _PACKAGE), ("Subscription-State", "active")))
