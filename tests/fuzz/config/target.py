"""Configs that are wrong in several places at once, and texts that are nearly JSON.

Each must be refused by ConfigError with pointers, or be planned and encoded. Takes libFuzzer's options
-max_total_time, -seed and -artifact_prefix; what breaks it is written to the artifact folder.
"""

from __future__ import annotations

import copy
import json
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from tare_runtime.cgroup.paths import Hierarchy
from tare_runtime.cgroup.plan import plan_cgroup
from tare_runtime.config.read import check_config, load_config
from tare_runtime.errors import ConfigError
from tare_runtime.host.spawn import encode
from tare_runtime.plan.build import Request, plan_container

from tests.support.full_config import FULL, places

CONTROLLERS = ("blkio", "cpu", "cpuset", "devices", "freezer", "hugetlb", "memory", "net_cls", "pids", "rdma")
V1 = Hierarchy(
    1, {name: f"/cg/{name}" for name in CONTROLLERS}, {name: f"/own/{name}" for name in CONTROLLERS}
)
V2 = Hierarchy(2, {"": "/cg"}, {"": "/cg/own"})
WORDS = (
    "", "/", "..", "a", "ro", "rbind", "idmap", "x=y", "-1", "\0", "\udc80", "é", "a" * 5000, "user", "time",
    "cgroup", "bind", "tmpfs", "SCMP_ACT_ERRNO", "SCMP_CMP_EQ", "RLIMIT_CPU", "a/b", "c", "p", "rwm",
)  # fmt: skip
NUMBERS = (
    0,
    1,
    -1,
    -2,
    5,
    100,
    4095,
    4096,
    2**16,
    2**20,
    2**31,
    2**32 - 1,
    2**32,
    2**63,
    2**64,
    -(2**63),
    10**40,
    1.5,
    -0.0,
)
PLACES = list(places(FULL))


def main(options: list[str]) -> int:
    given = dict(option.lstrip("-").split("=", 1) for option in options if option.startswith("-"))
    seed = int(given.get("seed", time.time_ns() % 2**32))
    dice = random.Random(seed)
    end = time.monotonic() + float(given.get("max_total_time", 5))
    count = 0
    with tempfile.TemporaryDirectory() as scratch:
        while time.monotonic() < end:
            count += 1
            config = mutated(dice)
            text = json.dumps(config)
            if dice.random() < 0.2:
                text = damaged(text, dice)
            try:
                judge(text, Path(scratch))
            except Exception:
                artifact = Path(given.get("artifact_prefix", "./") + f"crash-{seed}-{count}")
                artifact.write_text(text)
                traceback.print_exc()
                print(f"seed {seed}, input {count}: {artifact}", file=sys.stderr)
                return 1
    print(f"{count} configs, seed {seed}", file=sys.stderr)
    return 0


def judge(text: str, folder: Path) -> None:
    (folder / "config.json").write_text(text, errors="surrogatepass")
    try:
        config = load_config(str(folder))
        before = copy.deepcopy(config)
        for hierarchy in (V1, V2):
            try:
                cgroup = plan_cgroup(config, "id", hierarchy=hierarchy)
            except ConfigError:
                continue
            assert encode(plan_container(config, Request("id", "/b", set_groups=True), cgroup, None))
        assert config == before, "planning changed the config"
        check_config(config)
    except ConfigError as error:
        assert error.violations
        assert all(pointer[:1] in ("", "/") for pointer, _, _ in error.violations)


def mutated(dice: random.Random) -> dict[str, Any]:
    config = copy.deepcopy(FULL)
    for _ in range(dice.choice((1, 1, 2, 3, 8))):
        place = dice.choice(PLACES)
        parent: Any = config
        try:
            for key in place[:-1]:
                parent = parent[key]
            if dice.random() < 0.2:
                del parent[place[-1]]
            else:
                parent[place[-1]] = value(dice, 0)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    return config


def value(dice: random.Random, depth: int) -> Any:
    kind = dice.randrange(8 if depth < 3 else 5)
    if kind == 0:
        return dice.choice((None, True, False))
    if kind in (1, 2):
        return dice.choice(NUMBERS)
    if kind in (3, 4):
        return dice.choice(WORDS)
    if kind == 5:  # what stands elsewhere: of a right shape, in the wrong place
        found: Any = FULL
        for key in dice.choice(PLACES):
            found = found[key]
        return copy.deepcopy(found)
    if kind == 6:
        return [value(dice, depth + 1) for _ in range(dice.randrange(4))]
    return {dice.choice(WORDS): value(dice, depth + 1) for _ in range(dice.randrange(4))}


def damaged(text: str, dice: random.Random) -> str:
    at = dice.randrange(len(text) + 1)
    cut = dice.choice((0, 0, 1, 10, len(text)))
    return (
        text[:at]
        + dice.choice(("", "{", "]", '"', "\\u0000", "\\ud800", "NaN", "\n", ","))
        + text[at + cut :]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
