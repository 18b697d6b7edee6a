"""What ``hotline run`` prints once the node is up: where to click, how to register a phone."""

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table

from hotline.frame import Running


def banner(running: Running, *, lines: dict[str, str], demonstration_model: bool) -> RenderableType:
    """Return the screen for a running node."""
    web = f"http://{running.web[0]}:{running.web[1]}/"
    host, port = running.sip
    addresses = Table.grid(padding=(0, 2))
    addresses.add_row("Agent desktop 坐席桌面", f"[bold cyan]{web}[/]")
    addresses.add_row("API", f"{web}api/docs")
    for transports, address in _listeners(running):
        addresses.add_row(f"SIP ({transports})", f"[bold cyan]{address}[/]")
    addresses.add_row(
        "Lines 号码", ", ".join(f"[bold]{number}[/] {name}" for number, name in lines.items())
    )
    addresses.add_row("MQTT", f"{running.mqtt[0]}:{running.mqtt[1]}")
    addresses.add_row("Recognition model", running.model or "[bold red]none[/]")
    parts: list[RenderableType] = [Panel(addresses, title="12345", title_align="left")]
    if running.credentials:
        parts.append(_accounts(running))
    if demonstration_model:
        parts.append(
            Panel(
                "The recognition model for callers is not on this machine. The demonstration model"
                " understands only the synthetic voice of [bold]make demo[/]; of people's speech"
                " nearly every character will be wrong.\n"
                "To mend it: [bold].venv/bin/python -m asr.model[/], or set VOSK_MODEL_PATH.",
                title="Recognition: demonstration only",
                border_style="yellow",
                title_align="left",
            )
        )
    if running.mqtt_taken is not None:
        parts.append(
            Panel(
                f"Another program has port {running.mqtt_taken}, so our own MQTT broker is at"
                f" {running.mqtt[1]}, until the next start. Whoever reads events at"
                f" {running.mqtt_taken} gets none.\n"
                "To mend it, if it is Debian's mosquitto:"
                " [bold]systemctl disable --now mosquitto[/]\n"
                "If it shall carry our events:"
                f' [bold]mqtt.url = "mqtt://127.0.0.1:{running.mqtt_taken}"[/]',
                title="MQTT: not at its usual port",
                border_style="yellow",
                title_align="left",
            )
        )
    first = next((entry for entry in running.credentials if entry.role == "agent"), None)
    if first is not None:
        parts.append(
            Panel(
                "Register a softphone (Linphone, Zoiper, baresip…):\n"
                f"  user [bold]{first.agent_id}[/]   password [bold]{first.phone_password}[/]"
                f"   server (domain) [bold]{host}:{port}[/]   transport UDP or TCP\n"
                f"  baresip: <sip:{first.agent_id}@{host}:{port}>"
                f";auth_pass={first.phone_password}\n"
                "Then sign in on the desktop as the same agent and press 示闲.\n\n"
                "Place a demonstration call, in a second terminal:  [bold green]make demo[/]\n"
                "Ctrl-C stops everything.",
                title="Next",
                title_align="left",
            )
        )
    return Group(*parts)


def _listeners(running: Running) -> list[tuple[str, str]]:
    """Return what is spoken where: transports with one address stand together."""
    spoken: dict[str, list[str]] = {}
    for transport, (host, port) in running.sip_listeners:
        shown = f"\\[{host}]:{port}" if ":" in host else f"{host}:{port}"
        spoken.setdefault(shown, []).append(transport)
    return [(", ".join(transports), address) for address, transports in spoken.items()]


def _accounts(running: Running) -> Table:
    table = Table(title="Ready-made accounts", title_justify="left")
    for column in ("number", "role", "desktop password", "phone password"):
        table.add_column(column)
    for entry in running.credentials:
        table.add_row(entry.agent_id, entry.role, entry.password, entry.phone_password)
    return table
