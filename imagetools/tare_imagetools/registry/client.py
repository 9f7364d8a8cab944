"""One repository of a registry: manifests, blobs and tags, each checked before it is handed on.

Spec: distribution-spec 1.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote, urljoin

from tare_spec import media_types
from tare_spec.digest import Digest
from tare_spec.document import Fields, parse_json
from tare_spec.errors import BadDigest, BadDocument, BadReference
from tare_spec.image import Descriptor
from tare_spec.reference import check_tag

from tare_imagetools.errors import RegistryError, VerifyError
from tare_imagetools.registry import upload
from tare_imagetools.registry.answer import CONNECTION_ERRORS, Answer
from tare_imagetools.registry.auth import Scope
from tare_imagetools.registry.download import Download
from tare_imagetools.registry.origin import Origin
from tare_imagetools.registry.session import Session, connection_error
from tare_imagetools.transports.interface import RawManifest
from tare_imagetools.verify import VerifyingReader, check_bytes

MAX_MANIFEST = 4 << 20
MAX_TAG_PAGE = 4 << 20
MAX_TAG_PAGES = 500
TAGS_A_PAGE = 1000
EITHER = frozenset({200, 404})


class Repository:
    def __init__(self, session: Session, name: str) -> None:
        self.session = session
        self.name = name
        self.full_name = f"{session.host}/{name}"
        self.pull = Scope(name)
        self.push = Scope(name, "pull,push")

    # --- manifests --------------------------------------------------------------------------------

    def manifest(self, reference: str | Digest) -> RawManifest:
        """The manifest or index of a tag or digest.

        Raises: RegistryError (status 404 where there is none), AuthError, VerifyError.
        """
        what = f"manifest {reference} of {self.full_name}"
        tried = f"get {what}"
        headers = {"Accept": ", ".join(media_types.ACCEPTED)}
        path = f"/v2/{self.name}/manifests/{reference}"
        answer = self.session.request("GET", path, self.pull, tried, headers=headers, expect=EITHER)
        if answer.status == 404:
            raise answer.error(tried, f"tare-image tags {self.full_name} shows which tags there are")
        raw = self.body(answer, MAX_MANIFEST, what, tried)
        media_type = media_types.without_parameters(answer.headers.get("Content-Type", ""))
        if isinstance(reference, Digest):
            check_bytes(raw, reference, what)
            return RawManifest(raw, media_type, reference)
        return RawManifest(raw, media_type, self.announced(answer, raw, what))

    def announced(self, answer: Answer, raw: bytes, what: str) -> Digest:
        """The digest of what a tag gave; the registry's own word on it must not differ."""
        told = answer.headers.get("Docker-Content-Digest")
        if not told:
            return Digest.of(raw)
        try:
            digest = Digest.parse(told)
        except BadDigest as error:
            raise VerifyError(what, f"the header Docker-Content-Digest: {error}") from error
        check_bytes(raw, digest, what)
        return digest

    def body(self, answer: Answer, limit: int, what: str, tried: str) -> bytes:
        length = answer.headers.get("Content-Length", "")
        if length.isdigit() and int(length[:20]) > limit:
            answer.close()
            raise VerifyError(what, f"it is {length[:20]} bytes long, and {limit} is the most that is read")
        try:
            return answer.body(limit)
        except CONNECTION_ERRORS as error:
            raise connection_error(tried, Origin.of(answer.url), error) from error

    def put_manifest(self, manifest: RawManifest, reference: str) -> None:
        """Raises: RegistryError, AuthError."""
        tried = f"push manifest {reference} to {self.full_name}"
        path = f"/v2/{self.name}/manifests/{quote(reference, safe=':')}"
        headers = {"Content-Type": manifest.media_type}
        with self.session.request(
            "PUT", path, self.push, tried, headers=headers, body=manifest.raw, expect=frozenset({201, 202})
        ) as answer:
            told = answer.headers.get("Docker-Content-Digest", str(manifest.digest))
            if told.startswith(f"{manifest.digest.algorithm}:") and told != str(manifest.digest):
                raise VerifyError(
                    f"manifest {reference} of {self.full_name}",
                    f"the registry stored it as {told[:80]!r}, but {manifest.digest} was sent",
                )

    def has_manifest(self, digest: Digest) -> bool:
        path = f"/v2/{self.name}/manifests/{digest}"
        headers = {"Accept": ", ".join(media_types.ACCEPTED)}
        tried = f"look for manifest {digest} in {self.full_name}"
        with self.session.request("HEAD", path, self.push, tried, headers=headers, expect=EITHER) as answer:
            return answer.status == 200

    # --- blobs ------------------------------------------------------------------------------------

    def open_blob(self, descriptor: Descriptor, what: str = "") -> VerifyingReader:
        what = what or f"blob {descriptor.digest} of {self.full_name}"
        path = f"/v2/{self.name}/blobs/{descriptor.digest}"
        source = Download(self.session, path, self.pull, descriptor.size, what)
        return VerifyingReader(source, descriptor, what)

    def has_blob(self, descriptor: Descriptor) -> bool:
        path = f"/v2/{self.name}/blobs/{descriptor.digest}"
        tried = f"look for blob {descriptor.digest} in {self.full_name}"
        with self.session.request("HEAD", path, self.push, tried, expect=EITHER) as answer:
            return answer.status == 200

    def mount_blob(self, descriptor: Descriptor, source: str) -> bool:
        return upload.mount(self.session, self.name, descriptor, source)

    def put_blob(self, descriptor: Descriptor, stream: VerifyingReader, chunk_size: int = 0) -> None:
        upload.upload(self.session, self.name, descriptor, stream, chunk_size=chunk_size)

    # --- tags -------------------------------------------------------------------------------------

    def tags(self) -> Iterator[str]:
        """All tags, page by page.

        Raises: RegistryError, also where the pages lead elsewhere or in a circle.
        """
        tried = f"list the tags of {self.full_name}"
        url = f"/v2/{self.name}/tags/list?n={TAGS_A_PAGE}"
        seen: set[str] = set()
        for _ in range(MAX_TAG_PAGES):
            answer = self.session.request("GET", url, self.pull, tried, expect=EITHER | {400})
            if answer.status == 400 and not seen:  # some registries refuse what they find too many
                answer.drain()
                plain = f"/v2/{self.name}/tags/list"
                answer = self.session.request("GET", plain, self.pull, tried, expect=EITHER)
            if answer.status == 400:
                raise answer.error(tried)
            if answer.status == 404:
                raise answer.error(tried, "is the name of the repository spelled right?")
            link = answer.headers.get("Link", "")
            body = self.body(answer, MAX_TAG_PAGE, f"tag list of {self.full_name}", tried)
            yield from read_tags(body, tried)
            if not link:
                return
            url = self.next_page(answer.url, link, tried)
            if url in seen:
                raise RegistryError(tried, "the registry's pages lead in a circle")
            seen.add(url)
        raise RegistryError(tried, f"the registry has more than {MAX_TAG_PAGES} pages of tags")

    def next_page(self, current: str, link: str, tried: str) -> str:
        """The URL of a Link header. Spec: RFC 8288."""
        target, _, parameters = link.strip().partition(">")
        if not target.startswith("<") or 'rel="next"' not in parameters.replace("rel=next", 'rel="next"'):
            raise RegistryError(tried, "the registry's Link to the next page cannot be read")
        url = urljoin(current, target[1:])
        try:
            origin = Origin.of(url)
        except ValueError as error:
            raise RegistryError(tried, f"the registry's Link to the next page: {error}") from error
        if origin != self.session.origin:
            raise RegistryError(tried, f"the registry's Link to the next page leads elsewhere ({origin})")
        return url


def read_tags(body: bytes, tried: str) -> Iterator[str]:
    """Tags are printed and become parts of names, so one that is none is refused with its list."""
    try:
        fields = Fields(parse_json(body, "tag list"), "tag list", "", frozenset({"name", "tags"}))
        for tag in fields.texts("tags"):
            check_tag(tag, tag)
            yield tag
    except (BadDocument, BadReference) as error:
        raise RegistryError(tried, f"the registry's list: {error}") from error
