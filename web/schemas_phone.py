"""What a page's phone is given."""

from pydantic import BaseModel, ConfigDict, Field


class PhonePassOut(BaseModel):
    """How a page's phone registers; not the account's own password, and soon worthless."""

    model_config = ConfigDict(from_attributes=True)

    user: str = Field(description="The address-of-record's user part", examples=["1001"])
    username: str = Field(description="For digest authentication", examples=["1001~1763789000"])
    password: str
    expires_at: float = Field(description="Unix seconds", examples=[1763789000.0])
    path: str = Field(
        description="Of the WebSocket that speaks SIP (RFC 7118)",
        examples=["/api/v1/me/phone/line"],
    )
    echo: str = Field(
        description="The number by which a phone hears itself; empty: there is none",
        examples=["*43"],
    )
