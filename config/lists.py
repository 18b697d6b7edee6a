"""How lists are written in variables, which hold texts only."""


def split(value: object) -> object:
    """Read ``a,b,c``, as variables hold lists."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value
