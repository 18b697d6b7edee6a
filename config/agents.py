"""The settings of agents."""

from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr

from config.section import Section
from config.values import Numbers, Positive, Seconds, empty_is_none


class AgentSettings(Section):
    """Agents' states and accounts."""

    wrap_up_seconds: Seconds
    """Time for completing the ticket after a call."""
    reoffer_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """An agent who refused a call is not offered another one for so long."""
    node_expiry_seconds: Seconds
    """A node that has not been heard of for so long is dead: its agents are freed."""
    wrap_up_extension_seconds: Seconds
    """What an agent who extends his wrap-up gets, once."""
    alone_seconds: Seconds
    """Who is ready without phone and desktop is not ready after so long."""
    ageing_seconds: Positive
    """What one point of a call's priority is worth in waiting."""
    seed: Numbers
    """Agents made at the first start."""
    seed_supervisors: Numbers
    """Supervisors made at the first start."""
    seed_inspectors: Numbers
    """Quality inspectors made at the first start."""
    seed_admins: Numbers
    """Administrators made at the first start."""
    seed_password: Annotated[SecretStr | None, BeforeValidator(empty_is_none)]
    """The password of all of these; None: each gets one of his own."""
    password_passes: Annotated[int, Field(ge=1, le=100)]
    """How often the hash of a password goes over its memory (Argon2id, RFC 9106)."""
    password_kib: Annotated[int, Field(ge=32, le=4_194_304)]
    """The memory that the hash of one password fills."""
