"""What the tests of the SIP endpoint share."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiosipua import SipRequest, SipResponse

from telephony.endpoint import SipEndpoint
from telephony.sip.errors import TransactionFailure
from telephony.sip.transaction import Timers
from tests.telephony.sip.samples import request

QUICK = Timers(t1=0.02, t2=0.08, t4=0.05, trying=0.01)
PATIENT = Timers(t1=5.0, t2=5.0, t4=5.0, trying=0.01)  # nothing is repeated while a test looks

Open = Callable[..., Awaitable[SipEndpoint]]


class Answers:
    """The two callbacks of a request that is sent."""

    def __init__(self) -> None:
        self.responses: list[SipResponse] = []
        self.failures: list[TransactionFailure] = []

    @property
    def statuses(self) -> list[int]:
        return [response.status_code for response in self.responses]

    @property
    def hooks(self) -> dict[str, Any]:
        return {"on_response": self.responses.append, "on_failure": self.failures.append}


def outgoing(method: str = "OPTIONS") -> SipRequest:
    message = request(method)
    message.headers.remove("Via")
    return message
