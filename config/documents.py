"""Those tables of the configuration that administrators may change while calls go on.

The configuration file brings the first; what they change stands in the database
(``calls/documents.py``). The routing document is the same in larger (``config/routing.py``).
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from config.directory import PartnerSettings
from config.experts import ExpertSettings
from config.section import Section

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,32}$")]


class PartnersDocument(Section):
    """Whom calls and tickets go to besides our own agents."""

    partners: Annotated[dict[Name, PartnerSettings], Field(max_length=500)]
    """Other hotlines, police, ambulance, utilities."""
    experts: Annotated[dict[Name, ExpertSettings], Field(max_length=500)]
    """Specialists whom agents pull into calls."""

    @model_validator(mode="after")
    def _numbers_belong_to_one(self) -> "PartnersDocument":
        known: dict[str, str] = {}
        for name, partner in self.partners.items():
            for number in partner.numbers:
                if (other := known.setdefault(number, name)) != name:
                    raise ValueError(f"partners.{name}.numbers: {number} is {other}'s already")
        return self


def unknown_trunks(document: PartnersDocument, known: Mapping[str, object]) -> str | None:
    """Return the field that names a trunk which there is not, None when all are there."""
    for name, partner in document.partners.items():
        for field in ("trunks", "calls_from"):
            if set(getattr(partner, field)) - set(known):
                return f"partners.{name}.{field}"
    return None
