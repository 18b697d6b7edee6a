"""REGISTER, from the request to the binding: the shell of `telephony.sip.registrar`."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any
from weakref import WeakValueDictionary

import structlog
from aiosipua import SipRequest

from telephony.authentication import Authenticator
from telephony.bindings import Binding, BindingStore
from telephony.lives import LostConnections
from telephony.qualify import Qualifier
from telephony.sip.hop import Destination, Hop, as_hop
from telephony.sip.invite_usage import Reply
from telephony.sip.name_addr import AddressError
from telephony.sip.registrar import Limits, aor_of, register

#: How often it is looked whose phones have lapsed; they may be a dead node's matter.
WATCH_SECONDS = 2.0

#: Nodes tell without regard to each other: so long after a phone has lapsed it is told once more.
AGAIN_SECONDS = 1.0

# Seconds; the timer's clock and the wall clock do not tick alike, so a check may come a hair early.
_SOONEST_CHECK = 0.01

log = structlog.get_logger(__name__)


class RegistrationService:
    """Keeps the bindings and tells how many phones each address-of-record has.

    Args:
        authenticator: who is asking.
        bindings: where they are kept.
        limits: expiry and number of bindings.
        on_registered: (aor, number of phones) after every change, also by expiry.
        wall_clock: Unix seconds.
        is_alive: tells whether the connection that a REGISTER came over is still there.
        is_page: tells whether it is a page's line, which ends with the page's session.
        lost: takes back what was registered over a dead node's connections; None: nothing does.

    Attributes:
        qualifier: told which phones to ask whether they are there; None: nobody asks.
    """

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        bindings: BindingStore,
        limits: Limits,
        on_registered: Callable[[str, int], None],
        wall_clock: Callable[[], float] = time.time,
        is_alive: Callable[[Hop], bool] = lambda _hop: True,
        is_page: Callable[[Hop], bool] = lambda _hop: False,
        lost: LostConnections | None = None,
    ) -> None:
        self._authenticator = authenticator
        self._bindings = bindings
        self._limits = limits
        self._on_registered = on_registered
        self._wall_clock = wall_clock
        self._is_alive = is_alive
        self._is_page = is_page
        self._lost = lost
        self.qualifier: Qualifier | None = None
        # Two REGISTERs of one phone must not overtake each other between reading and writing.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._expiries: dict[str, asyncio.TimerHandle] = {}
        self._checks: set[asyncio.Task[None]] = set()
        self._looked_at = wall_clock()
        # what was registered over each connection: address-of-record and Contact URI
        self._on_flow: dict[int | None, dict[tuple[str, str], None]] = {}

    async def resume(self) -> None:
        """Tell and watch what is registered already: a restarted node finds its phones in Redis.

        Also tell of those that have lapsed while there was perhaps no node to tell.
        """
        if self._lost is not None:
            await self._lost.beat()  # who has never shown that he lives is never found dead
            self._do(self._live(self._lost), "registrations-beat")
        self._looked_at = 0.0
        await self.tell_lapsed()
        for aor in await self._bindings.aors():
            await self._tell(aor)
        self._do(self._watch(), "registrations-watch")
        if self._lost is not None:
            self._do(self._take_back(self._lost), "registrations-lost")

    async def _live(self, lost: LostConnections) -> None:
        """Beat, whatever else takes long: a node that does not is taken for dead."""
        while True:
            await asyncio.sleep(lost.beat_seconds)
            try:
                await lost.beat()
            except Exception:  # the task's outermost boundary: it beats on
                log.exception("life_not_shown")

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                await self.tell_lapsed()
            except Exception:  # the task's outermost boundary: it watches on
                log.exception("registrations_not_watched")

    async def _take_back(self, lost: LostConnections) -> None:
        while True:
            await lost.due.wait()
            try:
                await self.tell_lost(await lost.take_back())
            except Exception:  # the task's outermost boundary: it takes back what comes next
                log.exception("lost_phones_not_told")

    async def tell_lapsed(self) -> None:
        """Tell of phones that have expired since it was looked last, also at nodes that died."""
        now = self._wall_clock()
        lapsed = await self._bindings.lapsed(self._looked_at, now)
        if lapsed is None:
            return
        self._looked_at = now
        for aor in lapsed:
            await self._tell(aor)
            # Meanwhile it may have registered at another node, which told before us.
            self._look_again(aor, AGAIN_SECONDS)

    async def tell_lost(self, aors: Iterable[str]) -> None:
        """Tell of phones whose connection was held by a node that has died."""
        for aor in aors:
            await self._tell(aor)
            self._look_again(aor, AGAIN_SECONDS)  # as above

    async def answer(self, request: SipRequest, source: Destination) -> Reply:
        """Do what a REGISTER asks for; return the answer (RFC 3261 §10.3).

        Args:
            request: the REGISTER.
            source: how it came.
        """
        try:
            aor = aor_of(request)
        except AddressError:
            return Reply(request, 400, "Malformed To or Contact")
        if aor is None:
            return Reply(request, 404)
        async with self._turns.setdefault(aor, asyncio.Lock()):
            hop = as_hop(source)
            username = await self._authenticator.username(
                request, client=hop.host, from_page=self._is_page(hop)
            )
            if isinstance(username, Reply):
                return username
            if username != aor:
                # §10.3 step 4: is the user authorized to modify the registrations of this AOR?
                return Reply(request, 403)
            return await self._register(request, aor, source)

    async def _register(self, request: SipRequest, aor: str, source: Destination) -> Reply:
        before = await self._bindings.lookup(aor)
        decision = register(
            request,
            aor=aor,
            bindings=before,
            received=source,
            now=self._wall_clock(),
            limits=self._limits,
        )
        for contact in decision.remove:
            await self._remove(aor, contact)
        for binding in decision.save:
            await self._save(aor, binding)
        if decision.save or decision.remove:
            await self._tell(aor)
        return Reply(request, decision.status, decision.reason, headers=decision.headers)

    async def _save(self, aor: str, binding: Binding) -> None:
        await self._bindings.save(aor, binding)
        # a proxy can be reached by another connection; a phone behind its NAT cannot
        if binding.hop.tied:
            self._on_flow.setdefault(binding.flow, {})[aor, binding.contact_uri] = None
            if not self._is_alive(binding.hop):  # it went while its user was authenticated
                self.flow_lost(binding.hop)
        if self.qualifier is not None:
            self.qualifier.watch(binding)

    async def _remove(self, aor: str, contact: str) -> None:
        await self._bindings.remove(aor, contact)
        if self.qualifier is not None:
            self.qualifier.forget((aor, contact))

    async def _tell(self, aor: str) -> None:
        """Tell how many phones there are now, and look again when the first of them expires."""
        bindings = await self._bindings.lookup(aor)
        if (timer := self._expiries.pop(aor, None)) is not None:
            timer.cancel()
        if bindings:
            wait = min(binding.expires_at for binding in bindings) - self._wall_clock()
            self._look_again(aor, wait)
        log.info("phones_registered", aor=aor, count=len(bindings))
        self._on_registered(aor, len(bindings))

    def _look_again(self, aor: str, wait: float) -> None:
        if (timer := self._expiries.get(aor)) is not None:
            timer.cancel()
        self._expiries[aor] = asyncio.get_running_loop().call_later(
            max(wait, _SOONEST_CHECK), self._check, aor
        )

    def flow_lost(self, hop: Hop) -> None:
        """Forget what was registered over a connection that is gone.

        RFC 5626 §5.3: no other way leads to such a phone, and it registers again by itself.
        """
        for aor, contact in self._on_flow.pop(hop.flow, ()):
            self._do(self._drop(aor, contact, hop.flow), f"flow-{aor}")

    def drop(self, binding: Binding) -> None:
        """Forget a phone that is silent, unless it has registered from elsewhere meanwhile."""
        self._do(self._drop(binding.aor, binding.contact_uri, binding.flow), f"drop-{binding.aor}")

    async def _drop(self, aor: str, contact: str, flow: int | None) -> None:
        async with self._turns.setdefault(aor, asyncio.Lock()):
            for binding in await self._bindings.lookup(aor):
                # it may have come back over another connection meanwhile
                if binding.contact_uri == contact and binding.flow == flow:
                    await self._remove(aor, contact)
                    await self._tell(aor)

    def _check(self, aor: str) -> None:
        del self._expiries[aor]
        self._do(self._tell(aor), f"expiry-{aor}")

    def _do(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._checks.add(task)
        task.add_done_callback(self._checks.discard)

    async def close(self) -> None:
        """Stop watching for expiries; the bindings stay."""
        if self.qualifier is not None:
            self.qualifier.close()
        for timer in self._expiries.values():
            timer.cancel()
        self._expiries.clear()
        for task in self._checks:
            task.cancel()
        await asyncio.gather(*self._checks, return_exceptions=True)
