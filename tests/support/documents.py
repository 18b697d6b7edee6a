"""Documents that administrators change, kept in memory."""

from calls.documents import Version, Versions


class MemoryVersions(Versions):
    """Versions of one process."""

    def __init__(self) -> None:
        self._versions: dict[int, Version] = {}

    async def latest(self) -> Version | None:
        """Return the one with the highest number."""
        return self._versions[max(self._versions)] if self._versions else None

    async def get(self, number: int) -> Version | None:
        """Return a certain one."""
        return self._versions.get(number)

    async def add(self, version: Version) -> bool:
        """Keep it unless its number is taken."""
        return self._versions.setdefault(version.number, version) is version
