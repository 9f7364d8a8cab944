"""The index of the store: names, layers and chains in SQLite, made from the OCI layout and never the truth.

It is rebuilt whenever index.json is another file than the one it was made from, and made anew when it is
damaged or of another version: deleting graph.db loses nothing.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tare_spec.digest import Digest

from tare_imagetools.errors import StoreError

VERSION = 1
HINT = "it can be deleted: it is made anew from the layout"
LAYERS = "SELECT digest, media_type, size, diff_id, chain_id FROM layer"
SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS name (
    name TEXT PRIMARY KEY, digest TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS manifest (
    digest TEXT PRIMARY KEY, platform TEXT NOT NULL, created TEXT NOT NULL, size INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS layer (
    manifest TEXT NOT NULL, position INTEGER NOT NULL, digest TEXT NOT NULL, media_type TEXT NOT NULL,
    size INTEGER NOT NULL, diff_id TEXT NOT NULL, chain_id TEXT NOT NULL,
    PRIMARY KEY (manifest, position)
) WITHOUT ROWID, STRICT;
CREATE INDEX IF NOT EXISTS layer_by_diff_id ON layer (diff_id);
CREATE INDEX IF NOT EXISTS layer_by_chain_id ON layer (chain_id);
"""


@dataclass(frozen=True, slots=True)
class NameRow:
    name: str
    digest: Digest
    media_type: str
    size: int


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """`size`: of the layers as stored, in bytes. `platform`: "" for what is not an image."""

    digest: Digest
    platform: str
    created: str
    size: int


@dataclass(frozen=True, slots=True)
class LayerRow:
    digest: Digest
    media_type: str
    size: int
    diff_id: Digest
    chain_id: Digest


class GraphDB:
    def __init__(self, path: Path) -> None:
        """Raises: StoreError."""
        self.path = path
        try:
            self.database = self.open()
        except sqlite3.OperationalError as error:  # busy, no room, no access: not the file's fault
            raise StoreError(f"open {path}", str(error), HINT) from error
        except sqlite3.DatabaseError:
            self.discard()
            try:
                self.database = self.open()
            except sqlite3.Error as error:
                raise StoreError(f"open {path}", str(error), HINT) from error

    def open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, timeout=20, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version not in (0, VERSION):
                raise sqlite3.DatabaseError("another version")
            if database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("damaged")
            database.executescript(SCHEMA)
            database.execute(f"PRAGMA user_version = {VERSION}")
        except BaseException:
            database.close()
            raise
        return database

    def discard(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                self.path.with_name(self.path.name + suffix).unlink()

    def close(self) -> None:
        self.database.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self.database.execute("BEGIN IMMEDIATE")
            try:
                yield self.database
            except BaseException:
                self.database.execute("ROLLBACK")
                raise
            self.database.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreError(
                f"write {self.path}", str(error), "it can be deleted: it is made anew"
            ) from error

    # --- what it was made from --------------------------------------------------------------------

    def stamp(self) -> str:
        rows = self.ask("SELECT value FROM meta WHERE key = 'stamp'")
        return rows[0][0] if rows else ""

    def known_manifests(self) -> set[Digest]:
        return {Digest.parse(row[0]) for row in self.ask("SELECT digest FROM manifest")}

    def replace(
        self,
        stamp: str,
        names: Iterable[NameRow],
        manifests: Iterable[tuple[ManifestRow, list[LayerRow]]],
        dropped: Iterable[Digest],
    ) -> None:
        """Take in what index.json says now: all names, new manifests, manifests that are gone."""
        with self.transaction() as database:
            database.execute("DELETE FROM name")
            database.executemany(
                "INSERT OR REPLACE INTO name VALUES (?, ?, ?, ?)",
                ((row.name, str(row.digest), row.media_type, row.size) for row in names),
            )
            for digest in dropped:
                database.execute("DELETE FROM manifest WHERE digest = ?", (str(digest),))
                database.execute("DELETE FROM layer WHERE manifest = ?", (str(digest),))
            for row, layers in manifests:
                key = str(row.digest)
                database.execute(
                    "INSERT OR REPLACE INTO manifest VALUES (?, ?, ?, ?)",
                    (key, row.platform, row.created, row.size),
                )
                database.executemany(
                    "INSERT OR REPLACE INTO layer VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        (key, place, str(item.digest), item.media_type, item.size, str(item.diff_id),
                         str(item.chain_id))
                        for place, item in enumerate(layers)
                    ),
                )  # fmt: skip
            database.execute("INSERT OR REPLACE INTO meta VALUES ('stamp', ?)", (stamp,))

    # --- questions --------------------------------------------------------------------------------

    def ask(self, query: str, *values: str) -> list[tuple[Any, ...]]:  # whatever the columns hold
        """Raises: StoreError."""
        try:
            return self.database.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"read {self.path}", str(error), HINT) from error

    def name(self, name: str) -> NameRow | None:
        rows = self.ask("SELECT * FROM name WHERE name = ?", name)
        return next((NameRow(row[0], Digest.parse(row[1]), row[2], row[3]) for row in rows), None)

    def names(self) -> list[NameRow]:
        rows = self.ask("SELECT * FROM name ORDER BY name")
        return [NameRow(row[0], Digest.parse(row[1]), row[2], row[3]) for row in rows]

    def manifest(self, digest: Digest) -> ManifestRow | None:
        rows = self.ask("SELECT * FROM manifest WHERE digest = ?", str(digest))
        return next((ManifestRow(Digest.parse(row[0]), row[1], row[2], row[3]) for row in rows), None)

    def layers(self, manifest: Digest) -> list[LayerRow]:
        """The layers of an image, lowest first."""
        rows = self.ask(f"{LAYERS} WHERE manifest = ? ORDER BY position", str(manifest))
        return [layer_row(row) for row in rows]

    def by_diff_id(self, diff_id: Digest) -> LayerRow | None:
        """A stored layer whose tar has that digest."""
        rows = self.ask(f"{LAYERS} WHERE diff_id = ? LIMIT 1", str(diff_id))
        return next((layer_row(row) for row in rows), None)

    def chains(self) -> set[Digest]:
        """The chain_ids that some image in the store still needs."""
        return {Digest.parse(row[0]) for row in self.ask("SELECT DISTINCT chain_id FROM layer")}


def layer_row(row: tuple[Any, ...]) -> LayerRow:
    return LayerRow(Digest.parse(row[0]), row[1], row[2], Digest.parse(row[3]), Digest.parse(row[4]))
