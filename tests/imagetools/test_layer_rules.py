"""The rules of applying layers, one row each, for every way tare can apply one: the result is the same.

Spec: image-spec 1.1, layer.md; where it is silent, the sane result that the comment on the row names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tare_imagetools.errors import LayerError

from tests.support.layer_trees import WAYS, Found, build, close, read_tree
from tests.support.tar_builder import MTIME, Tar

pytestmark = pytest.mark.root

BASE = (
    Tar()
    .dir("a")
    .file("a/keep", b"keep")
    .dir("a/sub")
    .file("a/sub/deep", b"deep")
    .file("f", b"lower")
    .symlink("sl", "a")
    .dir("private", 0o700, uid=1000, gid=1001)
    .file("private/x", b"x", uid=1000)
    .file("pair1", b"pair")
    .hardlink("pair2", "pair1")
)
BASE_TREE = {
    "a": "dir",
    "a/keep": "=keep",
    "a/sub": "dir",
    "a/sub/deep": "=deep",
    "f": "=lower",
    "sl": "-> a",
    "private": "dir",
    "private/x": "=x",
    "pair1": "=pair",
    "pair2": "=pair",
}
A = {"a", "a/keep", "a/sub", "a/sub/deep"}

Change = dict[str, str | None]

# row → (second layer, what it changes in the base tree: None where a name goes away)
RULES: dict[str, tuple[Tar, Change]] = {
    "a file is replaced": (Tar().file("f", b"new"), {"f": "=new"}),
    "a file then its whiteout in the same layer stays": (
        Tar().file("f", b"new").whiteout("f"),
        {"f": "=new"},
    ),
    "a whiteout then the file is the new file": (Tar().whiteout("f").file("f", b"new"), {"f": "=new"}),
    "a whiteout hides a file": (Tar().whiteout("f"), {"f": None}),
    "a whiteout hides a tree": (Tar().whiteout("a"), dict.fromkeys(A)),
    "a whiteout of nothing is nothing": (Tar().whiteout("no").whiteout("no/such/thing"), {}),
    "a whiteout below a file is nothing": (Tar().whiteout("f/x"), {}),
    "a whiteout and a child without a directory entry": (
        Tar().whiteout("a").file("a/n", b"n"),
        {"a/keep": None, "a/sub": None, "a/sub/deep": None, "a/n": "=n"},
    ),
    "a child and then the whiteout of its directory": (
        Tar().file("a/n", b"n").whiteout("a"),
        {"a/keep": None, "a/sub": None, "a/sub/deep": None, "a/n": "=n"},
    ),
    "a whiteout spares what the layer added far below": (
        Tar().file("a/sub/n", b"n").whiteout("a"),
        {"a/keep": None, "a/sub/deep": None, "a/sub/n": "=n"},
    ),
    "opaque before the new children": (
        Tar().dir("a").opaque("a").file("a/n", b"n"),
        {"a/keep": None, "a/sub": None, "a/sub/deep": None, "a/n": "=n"},
    ),
    "opaque after the new children": (
        Tar().dir("a").file("a/n", b"n").opaque("a"),
        {"a/keep": None, "a/sub": None, "a/sub/deep": None, "a/n": "=n"},
    ),
    "opaque after new children, parents implied": (
        Tar().file("a/sub/n", b"n").opaque("a"),
        {"a/keep": None, "a/sub/deep": None, "a/sub/n": "=n"},
    ),
    "opaque at the root": (
        Tar().opaque().file("n", b"n"),
        {**dict.fromkeys(BASE_TREE), "n": "=n"},
    ),
    "opaque on a directory that is missing": (Tar().opaque("no/such"), {}),
    "opaque on a file": (Tar().opaque("f"), {}),
    "a whiteout inside an opaque directory": (
        Tar().dir("a").opaque("a").whiteout("a/keep").whiteout("a/sub"),
        {"a/keep": None, "a/sub": None, "a/sub/deep": None},
    ),
    # As by every tool that follows: in the root.
    "a whiteout through a symbolic link": (Tar().whiteout("sl/keep"), {"a/keep": None}),
    "a file through a symbolic link": (Tar().file("sl/q", b"q"), {"a/q": "=q"}),
    "a directory over a symbolic link replaces it": (Tar().dir("sl"), {"sl": "dir"}),
    "a file over a symbolic link replaces it": (Tar().file("sl", b"s"), {"sl": "=s"}),
    "a symbolic link over a directory replaces it": (
        Tar().symlink("a", "f"),
        {**dict.fromkeys(A), "a": "-> f"},
    ),
    "a file over a directory replaces it": (Tar().file("a", b"file"), {**dict.fromkeys(A), "a": "=file"}),
    "a directory over a file replaces it": (Tar().dir("f").file("f/in", b"in"), {"f": "dir", "f/in": "=in"}),
    "an entry below a file replaces it": (Tar().file("f/in", b"in"), {"f": "dir", "f/in": "=in"}),
    "a hard link to a file of a lower layer": (Tar().hardlink("h", "f"), {"h": "=lower"}),
    "a hard link before its target": (
        Tar().hardlink("h", "later").file("later", b"l"),
        {"h": "=l", "later": "=l"},
    ),
    "a hard link to a hard link before its target": (
        Tar().hardlink("h1", "h2").hardlink("h2", "later").file("later", b"l"),
        {"h1": "=l", "h2": "=l", "later": "=l"},
    ),
    "a hard link that waits gives way to a later entry": (
        Tar().hardlink("h", "later").file("h", b"h").file("later", b"l"),
        {"h": "=h", "later": "=l"},
    ),
    "a hard link to an absolute name": (Tar().hardlink("h", "/a/keep"), {"h": "=keep"}),
    "a hard link to a symbolic link is one": (Tar().hardlink("h", "sl"), {"h": "-> a"}),
    "a hard link over a file": (Tar().hardlink("f", "a/keep"), {"f": "=keep"}),
    "a hard link to itself": (Tar().hardlink("f", "./f"), {}),
    "one name of a hard-linked pair is overwritten": (Tar().file("pair1", b"new"), {"pair1": "=new"}),
    "a name twice: the last one counts": (Tar().file("n", b"1").file("n", b"2"), {"n": "=2"}),
    "names that climb are clamped": (
        Tar().file("../../up", b"u").file("/abs", b"a").file("a/../../b", b"b"),
        {"up": "=u", "abs": "=a", "b": "=b"},
    ),
    "dots and slashes in names": (Tar().file(".//a/.//n", b"n"), {"a/n": "=n"}),
    "absolute link targets begin at the root": (
        Tar().symlink("out", "/x/y").file("out/n", b"n"),
        {"out": "-> /x/y", "x": "dir", "x/y": "dir", "x/y/n": "=n"},
    ),
    "relative link targets stop at the root": (
        Tar().symlink("out", "../../../x").file("out/n", b"n"),
        {"out": "-> ../../../x", "x": "dir", "x/n": "=n"},
    ),
    "parents in a link's target are those of the target": (
        Tar().symlink("l", "a/sub/../keepers").file("l/n", b"n"),
        {"l": "-> a/sub/../keepers", "a/keepers": "dir", "a/keepers/n": "=n"},
    ),
    "leftovers of AUFS are no part of the image": (
        Tar().file(".wh..wh.aufs").dir(".wh..wh.plnk").file(".wh..wh.plnk/1.2", b"x").dir(".wh..wh.orph"),
        {},
    ),
    "a file whose name ends in a slash is a directory": (
        Tar().add("old/", "0").add("older/", "\0"),
        {"old": "dir", "older": "dir"},
    ),
    "a link whose name ends in a slash": (Tar().symlink("s/", "f"), {"s": "-> f"}),
    "a contiguous file is a file": (Tar().add("c", "7", b"c"), {"c": "=c"}),
    "devices and pipes": (
        Tar().add("n", "3", major=1, minor=3).add("b", "4", major=8, minor=1).add("p", "6"),
        {"n": "char 1:3", "b": "block 8:1", "p": "fifo"},
    ),
    "a global header is passed over": (
        Tar().pax({"path": b"elsewhere"}, kind=b"g").file("n", b"n"),
        {"n": "=n"},
    ),
    "names with any byte": (
        Tar().file(b"caf\xe9", b"1").file(b"new\nline", b"2").file(b"b\\s", b"3").file(b"x" * 180, b"4"),
        {"caf\udce9": "=1", "new\nline": "=2", "b\\s": "=3", "x" * 180: "=4"},
    ),
}  # fmt: skip


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield request.param
    close(request.param, tmp_path)


def kinds(tree: dict[str, Found]) -> dict[str, str]:
    return {name: found.what for name, found in tree.items() if name != "."}


@pytest.mark.parametrize(("layer", "change"), RULES.values(), ids=RULES)
def test_rule_with_equal_trees_whatever_the_way(tmp_path: Path, layer: Tar, change: Change) -> None:
    """Equal in modes, owners, times, attributes and link counts, too."""
    want = {name: what for name, what in {**BASE_TREE, **change}.items() if what is not None}
    trees = {}
    for way in WAYS:
        place = tmp_path / way
        place.mkdir()
        try:
            trees[way] = read_tree(build(way, [BASE, layer], place))
        finally:
            close(way, place)
        assert kinds(trees[way]) == want, way
        if change.get("pair1"):
            # An overlay counts the names of a lower file that it hides: st_nlink stays what it was.
            trees[way]["pair2"] = replace(trees[way]["pair2"], links=1)
    assert trees["overlay"] == trees["dir"]
    assert trees["vfs"] == trees["dir"]


REFUSED = {
    "a whiteout of no name": (Tar().file("a/.wh."), "names no file"),
    "a whiteout of the directory itself": (Tar().file("a/.wh.."), "names no file"),
    "a whiteout of the parent": (Tar().file(".wh..."), "names no file"),
    "a whiteout name as a directory": (Tar().file("a/.wh.x/y"), "whiteout name is used as a directory"),
    "the root as a symbolic link": (Tar().symlink(".", "/etc"), "root of the layer is not a directory"),
    "the root by another name as a link": (Tar().symlink("a/..", "/etc"), "root of the layer is not"),
    "the root as a file": (Tar().file("/", b"x").file("x/..", b"x"), "root of the layer is not"),
    "the device that means deleted": (Tar().add("c", "3"), "stands for a deleted file"),
    "a device number that cannot be": (Tar().add("c", "3", major=70000), "no such device number"),
    "the owner that chown passes over": (Tar().file("x", uid=0xFFFFFFFF, mode=0o4755), "owner's number"),
    "a negative owner": (Tar().file("x", gid=-5), "owner's number"),
    "a hard link to nothing": (Tar().hardlink("h", "no/such"), "'h': a hard link to something that is not"),
    "a hard link to a directory": (Tar().hardlink("h", "a"), "hard link to a directory"),
    "a hard link to the root": (Tar().hardlink("h", ".."), "hard link to a directory"),
    "a symbolic link to nothing": (Tar().symlink("s", ""), "without a target"),
    "a loop of links on the way": (
        Tar().symlink("l1", "l2").symlink("l2", "l1").file("l1/x", b"x"),
        "Too many levels of symbolic links",
    ),
    "a name longer than names can be": (Tar().file("n" * 300, b"x"), "File name too long"),
    "a type nobody knows": (Tar().add("x", "Z"), "type is not known"),
}  # fmt: skip


@pytest.mark.parametrize(("layer", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(way: str, tmp_path: Path, layer: Tar, words: str) -> None:
    with pytest.raises(LayerError, match=words):
        build(way, [BASE, layer], tmp_path)
    if way != "dir":
        assert len(list((tmp_path / way / "layers").iterdir())) == 1


def test_a_directory_with_children_keeps_its_own_time(way: str, tmp_path: Path) -> None:
    layer = Tar().dir("n", mtime=MTIME + 5).file("n/x", b"x").dir("n/d", mtime=-1).file("n/d/y")
    tree = read_tree(build(way, [BASE, layer], tmp_path))
    assert tree["n"].mtime_ns == (MTIME + 5) * 10**9
    assert tree["n/d"].mtime_ns == -(10**9)


def test_a_lower_directory_that_is_only_passed_keeps_mode_owner_and_time(way: str, tmp_path: Path) -> None:
    layer = Tar().file("private/new", b"n").whiteout("private/x").whiteout("a/sub/deep")
    tree = read_tree(build(way, [BASE, layer], tmp_path))
    assert (tree["private"].mode, tree["private"].owner) == (0o700, (1000, 1001))
    assert tree["private"].mtime_ns == tree["a/sub"].mtime_ns == tree["a"].mtime_ns == MTIME * 10**9


def test_an_implied_directory_is_plain_and_has_no_time_of_its_own(way: str, tmp_path: Path) -> None:
    tree = read_tree(build(way, [BASE, Tar().file("x/y/z", b"z")], tmp_path))
    assert (tree["x/y"].mode, tree["x/y"].owner, tree["x/y"].mtime_ns) == (0o755, (0, 0), 0)


def test_the_root_entry_sets_the_root(way: str, tmp_path: Path) -> None:
    layers = [Tar().dir("./", 0o711, uid=7, gid=8), Tar().file("n"), Tar().dir(".", 0o1777)]
    assert read_tree(build(way, layers[:2], tmp_path))["."].mode == 0o711
    close(way, tmp_path)
    (tmp_path / "again").mkdir()
    root = read_tree(build(way, layers, tmp_path / "again"))["."]
    close(way, tmp_path / "again")
    assert (root.mode, root.owner, root.mtime_ns) == (0o1777, (0, 0), MTIME * 10**9)


def test_a_directory_listed_again_has_its_last_attributes_only(way: str, tmp_path: Path) -> None:
    first = Tar().dir("d", 0o700, uid=5, pax={"SCHILY.xattr.user.one": b"1", "SCHILY.xattr.user.two": b"2"})
    again = Tar().dir("d", 0o2750, gid=6, pax={"SCHILY.xattr.user.two": b"3"})
    found = read_tree(build(way, [first.file("d/x"), again], tmp_path))
    assert (found["d"].mode, found["d"].owner) == (0o2750, (0, 6))
    assert found["d"].xattrs == (("user.two", b"3"),)
    assert "d/x" in found


def test_all_that_a_file_can_have_is_kept(way: str, tmp_path: Path) -> None:
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    layer = (
        Tar()
        .file("caps", b"c", mode=0o755, uid=3, pax={"SCHILY.xattr.security.capability": capability})
        .file("attr", b"a", pax={"SCHILY.xattr.user.any": b"\0\n=x", "mtime": b"1234.567890123"})
        .file("suid", b"s", mode=0o4755, uid=1, gid=2)
        .file("old", b"o", mtime=-86400)
        .add("fifo", "6", mode=0o620, uid=9, pax={"mtime": b"-1.5"})
        .symlink("link", "nowhere", uid=4, gid=5, mtime=MTIME + 1)
        .dir("sticky", 0o1777)
        .dir("handed", 0o2755, gid=77)
        .file("handed/own", b"g", gid=0)
        .dir("handed/plain", 0o755)
        .file("label", b"l", pax={"SCHILY.xattr.security.selinux": b"system_u:object_r:x:s0\0"})
        .file("big ids", b"i", uid=2_000_000_000, pax={"gid": b"4294967294"})
    )
    tree = read_tree(build(way, [layer], tmp_path))
    assert tree["caps"].xattrs == (("security.capability", capability),)
    assert tree["attr"].xattrs == (("user.any", b"\0\n=x"),)
    assert tree["attr"].mtime_ns == 1234_567890123
    assert (tree["suid"].mode, tree["suid"].owner) == (0o4755, (1, 2))
    assert tree["old"].mtime_ns == -86400 * 10**9
    assert (tree["fifo"].mode, tree["fifo"].mtime_ns) == (0o620, -1_500_000_000)
    assert (tree["link"].owner, tree["link"].mtime_ns) == ((4, 5), (MTIME + 1) * 10**9)
    assert tree["sticky"].mode == 0o1777
    assert (tree["handed"].mode, tree["handed"].owner) == (0o2755, (0, 77))
    assert (tree["handed/own"].owner, tree["handed/plain"].owner) == ((0, 0), (0, 0))
    assert tree["handed/plain"].mode == 0o755
    assert tree["label"].xattrs == ()
    assert tree["big ids"].owner == (2_000_000_000, 4294967294)


def test_hard_links_share_their_file(way: str, tmp_path: Path) -> None:
    layer = Tar().file("x", b"x").hardlink("y", "x").hardlink("z", "y")
    tree = read_tree(build(way, [layer], tmp_path))
    assert [tree[name].links for name in "xyz"] == [3, 3, 3]


def test_the_other_name_of_an_overwritten_pair_keeps_its_contents(way: str, tmp_path: Path) -> None:
    tree = read_tree(build(way, [BASE, Tar().file("pair1", b"new")], tmp_path))
    assert (tree["pair1"].what, tree["pair1"].links, tree["pair2"].what) == ("=new", 1, "=pair")


def test_attributes_that_would_steer_an_overlay_are_inert(way: str, tmp_path: Path) -> None:
    steer = {
        "SCHILY.xattr.trusted.overlay.redirect": b"/private",
        "SCHILY.xattr.trusted.overlay.opaque": b"y",
    }
    layers = [
        BASE,
        Tar().dir("r", pax=steer).file("r/own", b"o"),
        Tar().dir("a", pax=steer).file("m", b"m", pax={"SCHILY.xattr.trusted.overlay.metacopy": b""}),
    ]
    tree = kinds(read_tree(build(way, layers, tmp_path)))
    assert tree == {**BASE_TREE, "r": "dir", "r/own": "=o", "m": "=m"}


def test_attributes_that_would_steer_an_overlay_are_inert_in_the_lowest_layer(
    way: str, tmp_path: Path
) -> None:
    steer = {"SCHILY.xattr.trusted.overlay.opaque": b"y"}
    layers = [Tar().dir("d", pax=steer).file("d/x", b"x"), Tar().file("d/y", b"y")]
    tree = kinds(read_tree(build(way, layers, tmp_path)))
    assert tree == {"d": "dir", "d/x": "=x", "d/y": "=y"}


def test_a_chain_of_sixty_links_is_followed(way: str, tmp_path: Path) -> None:
    layer = Tar().dir("end")
    for number in range(60):
        layer.symlink(f"l{number}", "end" if number == 0 else f"l{number - 1}")
    tree = kinds(read_tree(build(way, [layer.file("l59/n", b"n")], tmp_path)))
    assert tree["end/n"] == "=n"
