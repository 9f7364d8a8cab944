"""Lists of processors and memory nodes, "0-3,7", as cpusets have them. Pure."""

MOST = 8191  # more than any kernel is built for

TYPE_CHECKING = False


def parse_numbers(text: str) -> int:
    """The list as a number whose bits are set. Raises: ValueError, with what is wrong with it."""
    bits = 0
    for part in text.replace(" ", "").split(","):
        first, dash, last = part.partition("-")
        if not dash:
            last = first
        if not (first.isascii() and first.isdigit() and last.isascii() and last.isdigit()):
            raise ValueError(f"must be a list of numbers and ranges like 0-3,7, is {text!r}")
        if len(last) > 5 or int(last) > MOST or int(first) > int(last):
            raise ValueError(f"{part!r} is no range of numbers up to {MOST}")
        bits |= (1 << int(last) + 1) - (1 << int(first))
    return bits


def mask_of(text: str) -> bytes:
    """The list as the kernel takes masks: whole 64-bit words, the lowest first."""
    bits = parse_numbers(text)
    return bits.to_bytes((bits.bit_length() + 63) // 64 * 8, "little")
