"""Image references: [HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST], read so that a refusal says why.

Follows Docker's reading: a first part with a '.' or a ':' or the word `localhost` is a host; without one
the host is docker.io, where a one-part repository lies under `library/`. Without tag and digest the tag
is `latest`. Spec: distribution-spec 1.1, "Pulling manifests" (<name>, <reference>).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tare_spec.digest import Digest
from tare_spec.errors import BadDigest, BadReference

DEFAULT_HOST = "docker.io"
DEFAULT_TAG = "latest"
DOCKER_HUB_NAMES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
MAX_NAME = 255
MAX_TAG = 128

LOWER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
WORD = LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ_")
HOST_CHARACTERS = LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ-.")


@dataclass(frozen=True, slots=True)
class Reference:
    """A name in a registry. Made by `parse`; `host` is with port, `repository` without the host."""

    host: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str, *, default_tag: str | None = DEFAULT_TAG) -> Reference:
        """Read a reference and complete it.

        `default_tag`: what a reference with neither tag nor digest gets; None leaves it without.
        Raises: BadReference, naming the part and the rule it breaks.
        """
        check_start(text)
        name, digest = split_digest(text)
        name, tag = split_tag(text, name)
        host, repository = split_host(name)
        check_host(text, host)
        check_repository(text, repository)
        if host in DOCKER_HUB_NAMES:
            host = DEFAULT_HOST
            if "/" not in repository:
                repository = f"library/{repository}"
        if len(host) + 1 + len(repository) > MAX_NAME:
            raise BadReference(text, f"the name is longer than {MAX_NAME} characters")
        if tag is None and digest is None:
            tag = default_tag
        return cls(host, repository, tag, digest)

    @property
    def name(self) -> str:
        """HOST/REPOSITORY."""
        return f"{self.host}/{self.repository}"

    @property
    def familiar(self) -> str:
        """The shortest text that parses to this reference: what people typed."""
        name = self.name
        if self.host == DEFAULT_HOST:
            name = self.repository.removeprefix("library/")
            if "/" in name and name != self.repository:
                name = self.repository  # library/a/b: without the prefix it would be another one
        return name + self.suffix

    @property
    def suffix(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{tag}@{self.digest}" if self.digest else tag

    @property
    def target(self) -> str:
        """What stands in /v2/NAME/manifests/…: the digest where there is one, else the tag."""
        return str(self.digest or self.tag or DEFAULT_TAG)

    def with_tag(self, tag: str) -> Reference:
        check_tag(f"{self.name}:{tag}", tag)
        return replace(self, tag=tag, digest=None)

    def with_digest(self, digest: Digest) -> Reference:
        return replace(self, tag=None, digest=digest)

    def __str__(self) -> str:
        return self.name + self.suffix


def check_start(text: str) -> None:
    if not text:
        raise BadReference(text, "is empty")
    for scheme in ("http://", "https://"):
        if text.startswith(scheme):
            raise BadReference(
                text, f"starts with {scheme}", "leave the scheme away: HOST[:PORT]/REPOSITORY[:TAG]"
            )
    for position, character in enumerate(text):
        if character.isspace() or not character.isprintable():
            raise BadReference(text, f"has white space or a control character at position {position + 1}")


def split_digest(text: str) -> tuple[str, Digest | None]:
    name, at, encoded = text.partition("@")
    if not at:
        return name, None
    if "@" in encoded:
        raise BadReference(text, "has more than one '@'")
    try:
        return name, Digest.parse(encoded)
    except BadDigest as error:
        raise BadReference(text, f"after '@': {error.problem}") from error


def split_tag(text: str, name: str) -> tuple[str, str | None]:
    head, slash, last = name.rpartition("/")
    last, colon, tag = last.partition(":")
    if not colon:
        return name, None
    check_tag(text, tag)
    return head + slash + last, tag


def check_tag(text: str, tag: str) -> None:
    if not tag:
        raise BadReference(text, "the tag after ':' is empty")
    if tag[0] not in WORD:
        raise BadReference(text, f"a tag begins with a letter, digit or '_', not with {tag[0]!r}")
    for character in tag:
        if character not in WORD and character not in ".-":
            raise BadReference(text, f"a tag holds letters, digits, '_', '.' and '-', not {character!r}")
    if len(tag) > MAX_TAG:
        raise BadReference(text, f"a tag has at most {MAX_TAG} characters, this one {len(tag)}")


def split_host(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost" or first != first.lower()):
        return first, rest
    return DEFAULT_HOST, name


def check_host(text: str, host: str) -> None:
    address, port = split_port(host)
    if port is not None and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise BadReference(text, f"the port {port!r} is not a number from 1 to 65535")
    if address.startswith("["):
        if not address.endswith("]") or not set(address[1:-1]) <= set("0123456789abcdefABCDEF:."):
            raise BadReference(text, f"{address!r} is not an IPv6 address in brackets")
        return
    if not address:
        raise BadReference(text, "the host is empty")
    for label in address.split("."):
        if not label or label[0] == "-" or label[-1] == "-":
            raise BadReference(
                text, f"the host {address!r} has an empty part or one that begins or ends with '-'"
            )
    for character in address:
        if character not in HOST_CHARACTERS:
            raise BadReference(text, f"a host holds letters, digits, '-' and '.', not {character!r}")


def split_port(host: str) -> tuple[str, str | None]:
    """HOST[:PORT], where an IPv6 address stands in brackets."""
    if host.startswith("["):
        address, bracket, rest = host.partition("]")
        return address + bracket, rest[1:] if rest.startswith(":") else (rest or None)
    address, colon, port = host.partition(":")
    return address, port if colon else None


def check_repository(text: str, repository: str) -> None:
    if not repository:
        raise BadReference(text, "there is no repository name")
    for part in repository.split("/"):
        check_part(text, part)


def check_part(text: str, part: str) -> None:
    """One path component: runs of [a-z0-9], joined by '.', '_', '__' or any number of '-'."""
    if not part:
        raise BadReference(text, "the repository has an empty part: a '/' too many")
    for character in part:
        if character.isupper():
            raise BadReference(
                text, f"a repository is in lower case, {character!r} is not", f"did you mean {text.lower()}?"
            )
        if character not in LOWER and character not in "._-":
            raise BadReference(text, f"a repository holds a-z, 0-9, '.', '_' and '-', not {character!r}")
    if part[0] not in LOWER or part[-1] not in LOWER:
        raise BadReference(text, f"the part {part!r} must begin and end with a letter or digit")
    run = ""
    for character in part:
        run = run + character if character not in LOWER else ""
        if run and run not in (".", "_", "__") and set(run) != {"-"}:
            raise BadReference(text, f"in {part!r} {run!r} joins words; only '.', '_', '__' or dashes may")
