_API = (
    "Container", "Process", "State", "create", "features", "get", "ids", "plan_of", "restore", "run", "spec",
    "states",
)  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _API:
        raise AttributeError(f"module 'tare_runtime' has no attribute {name!r}")
    module = __import__("tare_runtime.api", None, None, (name,))
    return getattr(module, name)
