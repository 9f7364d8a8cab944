"""Certificates: whom to trust for a host, and what to show it.

`certs.d` directories are those of containers and Docker: HOST[:PORT]/ with *.crt authorities and
*.cert + *.key pairs. Without any, the system's bundle decides, as for every other program of the machine.
"""

from __future__ import annotations

from pathlib import Path

from tare_imagetools.errors import RegistryError

SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)
CERTS_DIRECTORIES = ("/etc/containers/certs.d", "/etc/docker/certs.d")


def authorities(host: str, cert_dir: Path | None = None) -> str | bool:
    """What requests calls `verify`: a bundle's path, or True for its own.

    `host`: with port, as in the reference. `cert_dir`: the directory for exactly this host.
    """
    for folder in folders(host, cert_dir):
        found = sorted(folder.glob("*.crt"))
        if len(found) > 1:
            raise RegistryError(
                f"read certificates in {folder}",
                "there is more than one *.crt, and only one bundle can be used",
                f"join them: cat {folder}/*.crt > all.crt, and keep that one",
            )
        if found:
            return str(found[0])
    for bundle in SYSTEM_BUNDLES:
        if Path(bundle).exists():
            return bundle
    return True


def client_certificate(host: str, cert_dir: Path | None = None) -> tuple[str, str] | None:
    """The first pair NAME.cert, NAME.key.

    Raises: RegistryError for a certificate without its key.
    """
    for folder in folders(host, cert_dir):
        for certificate in sorted(folder.glob("*.cert")):
            key = certificate.with_suffix(".key")
            if not key.exists():
                raise RegistryError(
                    f"read certificates in {folder}", f"{certificate.name} is there without {key.name}"
                )
            return str(certificate), str(key)
    return None


def folders(host: str, cert_dir: Path | None) -> list[Path]:
    if cert_dir is not None:
        return [cert_dir]
    return [folder for base in CERTS_DIRECTORIES if (folder := Path(base, host)).is_dir()]
