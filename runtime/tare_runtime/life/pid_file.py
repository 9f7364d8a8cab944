"""The file that tells a manager the pid of what was made."""

import posix


def write_pid_file(path: str, pid: int) -> None:
    """Digits without a newline (callers parse them untrimmed), in one step.

    The file has no name until it is whole, so that nothing is left of it if we are killed.
    """
    slash = path.rfind("/") + 1
    flags = posix.O_WRONLY | posix.O_TMPFILE | posix.O_CLOEXEC
    try:
        fd = posix.open(path[:slash] or ".", flags, 0o644)
        try:
            posix.write(fd, b"%d" % pid)
            _give_name(fd, path)
        finally:
            posix.close(fd)
    except OSError as error:
        from errno import EISDIR, EOPNOTSUPP

        if error.errno in (EOPNOTSUPP, EISDIR):  # a file system without unnamed files
            _write_plainly(path, pid)
            return
        raise OSError(error.errno, f"write --pid-file {path}: {str(error.strerror).lower()}") from None


def _give_name(fd: int, path: str) -> None:
    unnamed = f"/proc/self/fd/{fd}"  # open(2), O_TMPFILE; src_dir_fd makes it linkat(2), which follows links
    try:
        posix.link(unnamed, path, src_dir_fd=fd, follow_symlinks=True)
    except FileExistsError:
        posix.unlink(path)
        posix.link(unnamed, path, src_dir_fd=fd, follow_symlinks=True)


def _write_plainly(path: str, pid: int) -> None:
    try:
        fd = posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o644)
        try:
            posix.write(fd, b"%d" % pid)
        finally:
            posix.close(fd)
    except OSError as error:
        raise OSError(error.errno, f"write --pid-file {path}: {str(error.strerror).lower()}") from None
