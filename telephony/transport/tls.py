"""Our certificate, whom we trust, and reading both anew while connections stand (RFC 3261 §26)."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files.

    Attributes:
        certificate: ours, with the chain that leads to its root; shown to clients and to servers.
        key: its private key, not encrypted.
        ca: those who sign our peers' certificates. A client may then show one (whether it must is
            its request's matter); a server's must be theirs. None: clients are not asked, and
            servers need one from the system's authorities, in the name that we connect to.
    """

    certificate: Path
    key: Path
    ca: Path | None = None


class Tls:
    """The contexts of all TLS connections; TLS 1.2 at least.

    A context keeps its identity when its files are read again: a listener goes on using it, and
    its next handshake shows the new certificate.

    Raises:
        OSError: a file cannot be read, or (`ssl.SSLError`) is no PEM, or the key is another's.
    """

    def __init__(self, files: TlsFiles) -> None:
        self.files = files
        self.server = _server_context(files)
        self.client = _client_context(files)
        self._read = self._stamps()

    def reload_if_changed(self) -> bool:
        """Read the files again if they have changed; tell whether that was done.

        Files that do not fit together, such as a new certificate whose key has not been written
        yet, change nothing; they are tried again next time.
        """
        try:
            stamps = self._stamps()
            if stamps == self._read:
                return False
            # Tried apart: half of a pair in the contexts that are in use would fail handshakes.
            _server_context(self.files)
            for context in (self.server, self.client):
                context.load_cert_chain(self.files.certificate, self.files.key)
                if self.files.ca is not None:
                    context.load_verify_locations(self.files.ca)
        except OSError as error:
            log.warning("tls_not_reloaded", error=str(error))
            return False
        self._read = stamps
        log.info("tls_reloaded", certificate=str(self.files.certificate))
        return True

    def _stamps(self) -> list[tuple[int, int, int]]:
        """Return what tells whether a file was written again."""
        files = self.files
        paths = [path for path in (files.certificate, files.key, files.ca) if path is not None]
        stats = [path.stat() for path in paths]
        return [(stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats]


def _server_context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(files.certificate, files.key)
    if files.ca is not None:
        context.load_verify_locations(files.ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _client_context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(files.certificate, files.key)
    if files.ca is None:
        context.load_default_certs()
    else:
        # Whom our own authority has signed is a partner, by whatever address we reach him.
        context.check_hostname = False
        context.load_verify_locations(files.ca)
    return context
