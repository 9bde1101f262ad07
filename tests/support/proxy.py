"""A proxy on loopback, and certificates, for calls that leave by way of one."""

from __future__ import annotations

import base64
import ssl
import threading
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from socket import create_connection, socket
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Proxy(ThreadingHTTPServer):
    """Leads every name to `target`'s port on loopback, for who says who they are."""

    daemon_threads = True

    def __init__(self, target: int, credentials: str | None) -> None:
        super().__init__(("127.0.0.1", 0), _Asked)
        self.target = target
        self.credentials = credentials
        self.seen: list[str] = []
        """What was asked for, as method and address."""

    def allows(self, given: str | None) -> bool:
        """Whether a Proxy-Authorization header is that of the credentials; RFC 7617, UTF-8."""
        if self.credentials is None:
            return given is None
        wanted = base64.b64encode(self.credentials.encode()).decode()
        return given == f"Basic {wanted}"


class _Asked(BaseHTTPRequestHandler):
    server: Proxy

    def do_CONNECT(self) -> None:
        if self._refused():
            return
        with create_connection(("127.0.0.1", self.server.target)) as behind:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pass, args=(behind, self.connection), daemon=True)
            back.start()
            _pass(self.connection, behind)
        self.close_connection = True

    def do_POST(self) -> None:
        if self._refused():
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path = urlsplit(self.path).path
        with create_connection(("127.0.0.1", self.server.target)) as behind:
            head = f"POST {path} HTTP/1.1\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
            behind.sendall(head.encode() + b"\r\n" + body)
            while told := behind.recv(65536):
                self.wfile.write(told)
        self.close_connection = True

    def _refused(self) -> bool:
        self.server.seen.append(f"{self.command} {self.path}")
        if self.server.allows(self.headers["Proxy-Authorization"]):
            return False
        self.send_response(407)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return True

    def log_message(self, *arguments: object) -> None:
        return


def _pass(source: socket, target: socket) -> None:
    with suppress(OSError):
        while told := source.recv(65536):
            target.sendall(told)
        target.close()


def certificate(directory: Path, name: str) -> Path:
    """A self-signed certificate with its key, as one PEM file, for a host's name or address."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    host = x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([host]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / f"{name}.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def behind_tls(server: ThreadingHTTPServer, pem: Path) -> None:
    """Let a server speak TLS with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server.socket = context.wrap_socket(server.socket, server_side=True)
