"""Where the asker himself stands: with what only he is told."""

from web.ports_people import Presence
from web.schemas_people import PresenceOut
from web.services import Services


async def own_presence(served: Services, presence: Presence) -> PresenceOut:
    """Return his presence; while he is not ready, with the seconds left today of that reason."""
    shown = PresenceOut.model_validate(presence)
    if presence.state == "not_ready":
        shown.break_left = await served.breaks.left(presence.agent_id, presence.reason)
    return shown
