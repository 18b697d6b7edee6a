"""Recordings that callers hear."""

from pydantic import BaseModel, Field


class PromptOut(BaseModel):
    """One recording."""

    name: str = Field(examples=["zh.welcome"])
    text: str = Field(description="What the shipped one says; empty where none ships.")
    replaced: bool
    seconds: float
