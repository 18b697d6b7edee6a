"""What every section of the settings is."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of the configuration file: frozen, and without room for unknown options."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
